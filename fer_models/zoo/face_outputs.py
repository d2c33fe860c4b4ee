"""The outputs of a model that gives valence and arousal beside the classes."""

from collections.abc import Mapping
from typing import Any

import keras

from fer_data.labels import DIMENSIONS, EXPRESSION, VALENCE_AROUSAL


def gives_valence_arousal(model: keras.Model) -> bool:
    """Return whether a model has the two outputs of `fer_models.with_valence_arousal`.

    These are `"expression"`, probabilities `(batch, classes)`, and `"valence_arousal"`,
    `(batch, 2)` in [-1, 1], in a dictionary.

    Args:
        model: A Keras model.
    """
    outputs = getattr(model, "output", None) if isinstance(model, keras.Function) else None
    if not isinstance(outputs, dict) or set(outputs) != {EXPRESSION, VALENCE_AROUSAL}:
        return False
    shapes = {name: tuple(output.shape) for name, output in outputs.items()}
    return len(shapes[EXPRESSION]) == 2 and shapes[VALENCE_AROUSAL][1:] == (len(DIMENSIONS),)


def expression_part(model: keras.Model) -> keras.Model:
    """Return a model that gives the probabilities alone, with the same layers.

    Args:
        model: A Keras model; one without the two outputs is returned as it is.
    """
    if not gives_valence_arousal(model):
        return model
    return one_output(model, EXPRESSION)


def expression_labels(labels: Any) -> Any:
    """Return the labels of the classes alone.

    Args:
        labels: Labels of a batch; a dictionary where valence and arousal stand beside the classes.
    """
    return labels[EXPRESSION] if isinstance(labels, Mapping) and EXPRESSION in labels else labels


def in_one_row(model: keras.Model) -> keras.Model:
    """Return a model with both outputs in one, with the same layers.

    Args:
        model: A Keras model; one without the two outputs is returned as it is.

    Returns:
        A `keras.Model` whose output is `(batch, classes + 2)`: the probabilities, then valence
        and arousal.
    """
    if not gives_valence_arousal(model):
        return model
    join = keras.layers.Concatenate(dtype="float32", name="expression_valence_arousal")
    row = join([model.output[EXPRESSION], model.output[VALENCE_AROUSAL]])
    return keras.Model(_input(model), row, name=model.name)


def one_output(model: keras.Model, name: str) -> keras.Model:
    """Return a model that gives one of the two outputs, with the same layers.

    Args:
        model: A Keras model with the two outputs.
        name: `"expression"` or `"valence_arousal"`.
    """
    return keras.Model(_input(model), model.output[name], name=model.name)


def _input(model):
    # Of one input in a list, Keras asks for a list.
    return model.inputs[0] if len(model.inputs) == 1 else model.inputs
