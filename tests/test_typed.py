"""Public functions, constructors and methods say what they take and give, for editors."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import fer_data.faces
import fer_models
import fer_models.web

PACKAGES = {"fer_layers", "fer_models", "fer_data"}
MODULES = (
    "fer_layers",
    "fer_models",
    "fer_models.auditing",
    "fer_models.evaluation",
    "fer_models.export",
    "fer_models.training.recipes",
    "fer_models.recognizer",
    "fer_models.web",
    "fer_models.zoo.registry",
    "fer_data.faces.cut",
    "fer_data.faces.folder",
    "fer_data.protocols.weighting",
    "fer_data.pipelines.clips",
    "fer_data.pipelines.images",
    "fer_data.labels",
    "fer_data.protocols",
)
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def public(module):
    """Return the functions and classes of a module's `__all__`, or those that it defines."""
    own = [name for name, value in vars(module).items() if is_of(value, module.__name__)]
    names = getattr(module, "__all__", [name for name in own if not name.startswith("_")])
    things = (getattr(module, name) for name in names)
    return [thing for thing in things if inspect.isfunction(thing) or inspect.isclass(thing)]


def is_of(value, module):
    return getattr(value, "__module__", None) == module


def methods(owner):
    """Yield the public methods of a class, none of one that has Keras's, which say nothing."""
    if any(base.__module__.partition(".")[0] == "keras" for base in owner.__mro__):
        return
    for base in owner.__mro__:
        if base.__module__.partition(".")[0] not in PACKAGES:
            continue
        for name, value in vars(base).items():
            value = value.fget if isinstance(value, property) else value
            value = getattr(value, "__func__", value)
            if inspect.isfunction(value) and not name.startswith("_"):
                yield value


def lacking(thing):
    """Return the names of what has no annotation: parameters and `return`."""
    signature = inspect.signature(thing)
    names = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation is parameter.empty
        and parameter.kind not in VARIADIC
        and name not in ("self", "cls")
    ]
    gives = inspect.isclass(thing) or signature.return_annotation is not signature.empty
    return names if gives else [*names, "return"]


def unannotated(module):
    """Return `{name: what lacks}` of everything public in a module."""
    things = []
    for thing in public(module):
        things += [thing, *(methods(thing) if inspect.isclass(thing) else ())]
    return {thing.__qualname__: names for thing in things if (names := lacking(thing))}


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_is_annotated(name):
    module = importlib.import_module(name)
    assert public(module)
    assert unannotated(module) == {}


@pytest.mark.parametrize("package", [fer_models, fer_data.faces, fer_models.web])
def test_type_checkers_see_what_is_imported_at_its_first_use(package):
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.asname or alias.name
        for node in tree.body
        for each in (node.body if isinstance(node, ast.If) else [node])
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
    }
    assert set(package.__all__) <= seen
    assert all(hasattr(package, name) for name in package.__all__)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


def test_the_walk_finds_what_it_is_for():
    found = public(fer_models)
    assert {fer_models.Recognizer, fer_models.ghostface, fer_models.ha_3dnet} <= set(found)
    assert fer_models.Recognizer.photo in methods(fer_models.Recognizer)

    class Half:
        __module__ = "fer_models"

        def __init__(self, size: int, name="half", **options):
            pass

        @property
        def area(self):
            pass

    assert lacking(Half) == ["name"]
    assert [lacking(method) for method in methods(Half)] == [["return"]]
