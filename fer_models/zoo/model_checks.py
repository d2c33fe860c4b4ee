"""Checks of the models that users bring."""

from typing import Any

import keras

from fer_data.checks import shown


def check_model(model: Any, name: str = "model") -> None:
    """Raise `ValueError` unless `model` is a built Keras model.

    Args:
        model: The argument.
        name: Of the argument.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"`{name}` must be a built `keras.Model`; `fer_models.load_model` reads one. "
            f"Received: {name}={shown(model)}"
        )
    if not model.built:
        raise ValueError(
            f"`{name}` must be built: call it once, or give it a `keras.Input`. "
            f"Received: {model.name!r}, which is not"
        )


def check_predicts(model: Any, name: str = "model") -> None:
    """Raise `ValueError` unless `model` answers batches, as a Keras model, built or not.

    Args:
        model: The argument.
        name: Of the argument.
    """
    if not callable(getattr(model, "predict_on_batch", None)):
        raise ValueError(
            f"`{name}` must be a `keras.Model`; `fer_models.load_model` reads one. "
            f"Received: {name}={shown(model)}"
        )


def a_model(name: str, value: Any) -> None:
    """Check a model, as a rule of `fer_data.arguments`."""
    check_model(value, name)


def check_one_output(model: keras.Model, name: str = "model") -> None:
    """Raise `ValueError` where a model gives its outputs in a dictionary, or gives several.

    Only the user knows which of them is wanted. A single output in a list or a tuple, as Keras 2
    saved it, comes out of Keras as a bare tensor and is fine.

    Args:
        model: A built Keras model.
        name: Of the argument.
    """
    # A sequential model has no `output`, and a model with a `call` of its own none that is known.
    outputs = getattr(model, "output", None) if isinstance(model, keras.Function) else None
    if not isinstance(outputs, (dict, list, tuple)):
        return
    if not isinstance(outputs, dict) and len(outputs) == 1:
        return
    entries = outputs.items() if isinstance(outputs, dict) else enumerate(outputs)
    found = [(key, getattr(value, "shape", None)) for key, value in entries]
    kind = {dict: "dictionary", list: "list", tuple: "tuple"}[type(outputs)]
    raise ValueError(
        f"`{name}` must have one output. {model.name!r} gives a {kind} of {len(found)}: choose "
        f"the entry with the classes, such as keras.Model(model.inputs, "
        f"model.output[{found[0][0]!r}]). Received: "
        + ", ".join(f"{key!r} of shape {shape}" for key, shape in found)
    )
