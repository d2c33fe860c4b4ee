"""Every builder shows the shared arguments as if it had written them down itself."""

import inspect
import re
from typing import Unpack, get_type_hints

import keras
import pytest

from fer_models import registry
from fer_models.families.micro_expression_3d import ClipArguments
from fer_models.families.shared_arguments import DEFAULTS, ImageArguments, complete

BUILDERS = {
    name: (entry, ClipArguments if name in registry.CLIP_MODELS else ImageArguments)
    for name, entry in (registry.MODELS | registry.CLIP_MODELS).items()
}


@pytest.mark.parametrize("name", BUILDERS)
def test_signature(name):
    entry, arguments = BUILDERS[name]
    signature = inspect.signature(entry.builder)
    parameters = signature.parameters
    assert entry.builder.__name__ == entry.builder.__qualname__ == name
    assert list(parameters)[: len(DEFAULTS)] == list(DEFAULTS)
    assert list(parameters)[-1] == "name"
    shown = {key: parameters[key].default for key in (*DEFAULTS, "name")}
    assert shown == DEFAULTS | {"classes": entry.classes, "name": name}
    types = get_type_hints(arguments)
    assert {key: parameters[key].annotation for key in types} == types
    assert types.keys() == shown.keys()
    assert signature.return_annotation is keras.Model


@pytest.mark.parametrize("name", BUILDERS)
def test_every_argument_is_described_once_and_in_order(name):
    builder = BUILDERS[name][0].builder
    section = re.search(r"^Args:\n(.*?)\n\n", builder.__doc__, re.M | re.S)[1]
    described = re.findall(r"^ {4}(\w+): [A-Z0-9`\"]", section, re.M)
    assert described == list(inspect.signature(builder).parameters)
    sections = re.findall(r"^(\w+):$", builder.__doc__, re.M)
    assert sections == ["Args", "Returns", "Raises", "Example", "Reference"]


@pytest.mark.parametrize("name", registry.MODELS)
def test_type_checkers_find_the_shared_arguments(name):
    written = inspect.signature(BUILDERS[name][0].builder.__wrapped__).parameters
    assert written["common"].annotation == Unpack[ImageArguments]
    assert not written.keys() & DEFAULTS.keys()


def test_a_builder_gets_all_shared_arguments():
    given = {}

    def builder(*, width: int = 3, **common: Unpack[ImageArguments]):
        """Build.

        Args:
            classes: Of them there are some.
            width: How wide.

        Example: none.
        """
        given.update(common, width=width)

    build = complete(builder, "narrow", ImageArguments, DEFAULTS | {"classes": 4}, "End.\n\n")
    build(False, pooling="avg", width=2)
    expected = {"include_top": False, "pooling": "avg", "classes": 4, "width": 2, "name": "narrow"}
    assert given == DEFAULTS | expected
    assert "\n    classes: Of them there are some.\n" in build.__doc__
    assert "    name: Name of the model.\n\nEnd.\n\nExample" in build.__doc__
    with pytest.raises(TypeError, match=r"narrow\(\) got an unexpected keyword argument 'clases'"):
        build(clases=4)
    with pytest.raises(TypeError, match=r"narrow\(\) multiple values for argument 'include_top'"):
        build(False, include_top=True)
