"""The formats of exported models, each written by the library that keeps it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras

from fer_data.compiled.lite_graph import convert

OPSET = 17  # of ONNX: known to every engine of the last years


def write(
    model: keras.Model,
    path: Path,
    format: str,
    representative: Any = None,
) -> str:
    """Write a checked model in a format of `export`; return what it computes with, in words.

    Args:
        model: A Keras model.
        path: Where to; its folder exists.
        format: As in `export`.
        representative: For activations of 8 bits: a list of arrays, one for each input.
    """
    if format == "saved_model":
        model.export(path, format="tf_saved_model", verbose=False)
        return "float32"
    if format == "onnx":
        _write_onnx(model, path)
        return "float32"
    eight_bits = format == "litert-int8"
    path.write_bytes(
        convert(_traced(model, 1), eight_bits, representative and _one_by_one(representative))
    )
    if not eight_bits:
        return "float32"
    if representative is None:
        return "int8 weights and float32 activations"
    return "int8 weights and activations, float32 input and output"


def like_inputs(model: keras.Model, flat: Iterable[Any]) -> Any:
    """Return a list, one entry for each input of a model, in the structure that the model takes."""
    # A sequential model has no `input`.
    own = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    return keras.tree.pack_sequence_as(own, list(flat))


def _traced(model, batch):
    """Return the model as a function of TensorFlow with one named argument an input."""
    import tensorflow as tf

    signature = _signature(model, batch)

    def run(*inputs):
        return model(like_inputs(model, inputs), training=False)

    return tf.function(run, input_signature=signature, autograph=False)


def _signature(model, batch):
    import tensorflow as tf

    return [tf.TensorSpec((batch, *x.shape[1:]), tf.float32, name=x.name) for x in model.inputs]


def _write_onnx(model, path):
    import tensorflow as tf
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    # Frozen before: tf2onnx would make inputs of what a graph holds beside its variables, such as
    # the mean of a `Normalization`. (Keras's own export to ONNX does.)
    frozen = convert_variables_to_constants_v2(_traced(model, None).get_concrete_function())
    signature = _signature(model, None)
    graph = tf.function(
        lambda *inputs: frozen(*inputs)[0], input_signature=signature, autograph=False
    )
    tf2onnx.convert.from_function(
        graph, input_signature=signature, opset=OPSET, output_path=str(path)
    )


def _one_by_one(arrays):
    """Return a function that gives one example at a time of arrays, one for each input."""
    return lambda: ([array[at : at + 1] for array in arrays] for at in range(len(arrays[0])))
