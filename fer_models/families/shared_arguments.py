"""The arguments that all builders share, written once and shown by each builder."""

import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypedDict, get_type_hints

import keras

from fer_data import arguments as rules
from fer_data.checks import check_text

P = ParamSpec("P")


class Arguments(TypedDict, total=False):
    """The arguments of every builder: the type of each, and its text in `help`."""

    include_top: Annotated[bool, "Whether to add pooling, the dense layer and its activation."]
    weights: Annotated[
        str | Path | None,
        "None (random), a tag of the registry, or the path of a `.weights.h5` or `.keras` file.",
    ]
    pooling: Annotated[
        Literal["avg", "max"] | None,
        'With `include_top=False`: None for the feature map, `"avg"` or `"max"`.',
    ]
    classes: Annotated[int, "Number of classes, 2 or more."]
    classifier_activation: Annotated[
        str | Callable | None, "Activation of the last layer; None returns logits."
    ]
    include_preprocessing: Annotated[
        bool,
        "Whether the model standardises each image itself (mean 0, standard deviation 1), so that "
        "it takes pixels of [0, 255] as they are.",
    ]
    name: Annotated[str, "Name of the model."]


class ImageArguments(Arguments, total=False):
    """The arguments of every builder of an image model."""

    input_tensor: Annotated[
        keras.KerasTensor | None, "Optional Keras tensor to use as image input."
    ]
    input_shape: Annotated[Sequence[int | None] | None, "Shape of one image."]


def _activation(name, value):
    if value is not None:
        rule = "the name of an activation, a function or None"
        rules.either(rules.text, rules.function, rule=rule)(name, value)
    try:
        keras.activations.get(value)
    except ValueError as error:
        raise ValueError(
            f"`{name}` must be an activation that Keras knows. Received: {name}={value!r}"
        ) from error


# By the name of the argument, which means the same in every builder. The builders check the values
# of the others.
RULES: dict[str, rules.Rule] = {
    "include_top": rules.flag,
    "input_shape": rules.sequence(),
    "classifier_activation": _activation,
    "include_preprocessing": rules.flag,
    "name": lambda name, value: check_text(name, value, none=True),
    "input_tensor": lambda name, value: None,
    "seed": rules.seed,
    "trunk": rules.text,
    "trunk_weights": rules.path,
    "faces": rules.either(
        rules.path,
        rules.array(ranks=(4,)),
        rule="a file of packed faces, or faces",
    ),
}
# In the order of the signature. The name comes last, after a builder's own arguments.
DEFAULTS = {
    "include_top": True,
    "weights": None,
    "input_tensor": None,
    "input_shape": None,
    "pooling": None,
    "classes": 7,
    "classifier_activation": "softmax",
    "include_preprocessing": True,
}
ENDING = """Returns:
    A `keras.Model` from `(batch, height, width, channels)` in [0, 255] to
    `(batch, classes)`.

Raises:
    ValueError: If an argument breaks its rule; the message names it.

"""


def image_builder(function: Callable[P, keras.Model]) -> Callable[P, keras.Model]:
    """Complete the signature and the docstring of a builder of an image model; see `complete`."""
    return complete(function, function.__name__, ImageArguments, DEFAULTS, ENDING)


def complete(
    function: Callable[P, keras.Model],
    name: str,
    arguments: Any,
    defaults: Mapping[str, Any],
    ending: str = "",
) -> Callable[P, keras.Model]:
    """Return a builder that shows the shared arguments beside its own.

    A builder declares only its own arguments and takes the shared ones as
    `**common: Unpack[ImageArguments]`, where type checkers and editors find them. This function
    adds them to its signature and its docstring, for `help`. A call passes all of them on, with
    defaults for those that the caller left out.

    Args:
        function: The builder. Its docstring describes its own arguments, and may replace the
            description of shared ones.
        name: Name of the builder, and of its models by default.
        arguments: The type of the shared arguments, a subclass of `Arguments`.
        defaults: Their defaults except for the name, in the order of the signature.
        ending: Sections of the docstring that follow the arguments.
    """
    hints = get_type_hints(arguments, include_extras=True)
    shared = [
        inspect.Parameter(
            key, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=hints[key].__origin__
        )
        for key, value in (*defaults.items(), ("name", name))
    ]
    *own, _ = inspect.signature(function).parameters.values()
    signature = inspect.Signature(
        [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in (*shared[:-1], *own, shared[-1])],
        return_annotation=keras.Model,
    )

    @functools.wraps(function)
    def build(*args, **kwargs):
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}() {error}") from None
        for key, value in given.arguments.items():
            if value is not None or signature.parameters[key].default is not None:
                RULES.get(key, rules.plain)(key, value)
        given.apply_defaults()
        return function(**given.arguments)

    build.__name__ = build.__qualname__ = name
    build.__signature__ = signature  # type: ignore[attr-defined]
    if function.__doc__:  # `python -OO` removes it
        texts = {key: hint.__metadata__[0] for key, hint in hints.items()}
        build.__doc__ = _described(function.__doc__, signature.parameters, texts, ending)
    return build


def _described(docstring, names, texts, ending):
    """Return a docstring that describes all arguments, in the order of their names."""
    section = re.compile(r"^Args:\n(.*?)\n\n", re.M | re.S)
    before, own, after = section.split(inspect.cleandoc(docstring))
    known = {entry.split(":")[0].strip(): entry for entry in re.split(r"\n(?= {4}\S)", own)}
    wrapper = textwrap.TextWrapper(96, initial_indent=" " * 4, subsequent_indent=" " * 8)
    entries = [known.get(name) or wrapper.fill(f"{name}: {texts[name]}") for name in names]
    return "\n".join([f"{before}Args:", *entries, "", ending + after])
