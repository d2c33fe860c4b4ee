"""A function as a LiteRT model: the fast way to run a small network on one picture at a time.

Conversion needs TensorFlow. `lite_runner` runs the result without it.
"""

from collections.abc import Callable, Iterable
from typing import Any

from fer_data.compiled.lite_runner import LiteNetwork


def lite(function: Callable[[Any], Any], shape: tuple, threads: int = 1) -> LiteNetwork:
    """Convert a function of one picture, with its current weights, to LiteRT.

    In a small network, TensorFlow's own graphs spend most of the time between operations; LiteRT
    does not.

    Args:
        function: Function from a float32 tensor `(1, ...)` to one tensor `(1, ...)`, such as a
            Keras model on the TensorFlow backend.
        shape: Shape of a picture without the batch, `None` where it varies.
        threads: How many of the processor's cores work on a picture.

    Returns:
        A `LiteNetwork`: a function from float32 pictures `(n, ...)`, arrays or tensors, to an array
        of their results `(n, ...)`.

    Raises:
        ImportError: If no LiteRT interpreter is installed.
        NotConvertibleError: If LiteRT has no counterpart of an operation.
    """
    return LiteNetwork(convert(traced(function, shape)), threads)


def traced(function: Callable[[Any], Any], shape: tuple) -> Any:
    """Return a function of one picture as a `tf.function`, for `convert`.

    Args:
        function: As for `lite`.
        shape: As for `lite`.
    """
    import tensorflow as tf

    signature = [tf.TensorSpec((1, *shape), tf.float32)]
    return tf.function(
        lambda picture: function(picture), input_signature=signature, autograph=False
    )


class NotConvertibleError(ValueError):
    """A function uses operations that LiteRT does not have."""


def convert(
    graph: Any,
    eight_bits: bool = False,
    representative: Callable[[], Iterable[list[Any]]] | None = None,
) -> bytes:
    """Convert a `tf.function` with an input signature to the bytes of a LiteRT model.

    Args:
        graph: The function, of tensors of known batch size.
        eight_bits: Whether weights are rounded to 8 bits.
        representative: Function that gives lists of typical inputs, by which the results between
            layers are rounded to 8 bits as well. `None` keeps those as floats.

    Raises:
        NotConvertibleError: If LiteRT has no counterpart of an operation.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert_phase import ConverterError

    # With the function named as their owner the weights become constants directly, without a
    # saved model in between: seconds instead of minutes.
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [graph.get_concrete_function()], graph
    )
    if eight_bits:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    try:
        return converter.convert()
    except ConverterError as error:
        raise NotConvertibleError(f"LiteRT cannot take this model: {error}") from error
