"""Per-image standardisation."""

from typing import Any

import keras

from fer_layers._arguments import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class PerImageStandardization(keras.layers.Layer):
    """Shift and scale every image to mean 0 and standard deviation 1.

    The standard deviation is held at `1 / sqrt(values in the image)` or above, so that a
    uniform image gives zeros, as `tf.image.per_image_standardization` does. The statistics
    are computed in float32 whatever the dtype policy, and the output has the policy's
    compute dtype. Pixels in [0, 255] and in [0, 1] give the same, unless the deviation in [0, 1] is
    below that limit: 1 / 48, or 5 grey levels of 255, for a face of 48x48 grey pixels. Such an
    image keeps a smaller deviation if its pixels are in [0, 1].

    Args:
        **kwargs: `name`, `dtype` and `trainable` of every Keras layer.

    Input shape:
        `(batch, height, width, channels)` in any order of the last three axes, or
        `(batch, time, height, width, channels)`, where a clip counts as one image.

    Output shape:
        As the input.

    Raises:
        ValueError: If the input has fewer than 3 axes.

    Example:

    >>> import keras
    >>> from fer_layers import PerImageStandardization
    >>> image = keras.random.uniform((1, 8, 8, 3), 0, 255)
    >>> round(float(keras.ops.std(PerImageStandardization()(image))), 3)
    1.0
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # A half-precision policy would round the pixels before the mean is taken.
        self.autocast = False

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) < 3:
            raise ValueError(
                "PerImageStandardization expects a batch of images, of rank 3 or more. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        super().build(input_shape)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        ops = keras.ops
        x = ops.cast(inputs, "float32")
        axes = tuple(range(1, len(x.shape)))
        x = x - ops.mean(x, axis=axes, keepdims=True)
        variance = ops.mean(ops.square(x), axis=axes, keepdims=True)
        count = ops.cast(ops.prod(ops.convert_to_tensor(ops.shape(x)[1:])), "float32")
        return ops.cast(x * ops.rsqrt(ops.maximum(variance, 1 / count)), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)
