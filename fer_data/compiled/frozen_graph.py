"""A function as a graph of TensorFlow whose weights are constants."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf


def freeze(
    function: Callable[..., Any], shape: Sequence[int | None]
) -> "Callable[[tf.Tensor], list[tf.Tensor]]":
    """Trace a function of a batch of pictures, with its current weights as constants.

    Constants let TensorFlow fold batch normalisation into the convolutions.

    Args:
        function: Function from a float32 tensor to a tensor, such as a Keras model on the
            TensorFlow backend.
        shape: Shape of its argument, `None` where it varies.

    Returns:
        A function from such a tensor to the list of its results, which is never traced again.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    def traced(function):
        signature = [tf.TensorSpec(shape, tf.float32)]
        graph = tf.function(function, input_signature=signature, autograph=False)
        return graph.get_concrete_function()

    constant = convert_variables_to_constants_v2(traced(lambda images: function(images)))
    # A direct call would first format its arguments into an error message, which is then dropped.
    return traced(lambda images: constant(images))
