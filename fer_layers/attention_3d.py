"""Spatial and temporal attention for clips."""

import math
from typing import Any

import keras
from keras import ops

from fer_layers._arguments import (
    PACKAGE,
    channel_axis,
    check_input,
    odd_int,
    resolve_data_format,
)


class _ClipGate(keras.layers.Layer):
    """The base of both layers: `y = x * sigmoid(conv([max(x), mean(x)]) + bias)`.

    The kernel is `(*self._window(), 2, 1)` and spans the axes that the pooling left.
    """

    def __init__(self, kernel_size: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_size = odd_int("kernel_size", kernel_size)
        self.data_format = resolve_data_format(data_format)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = check_input(self, input_shape, ranks=(5,))
        axis = channel_axis(self.data_format)
        self.input_spec = keras.layers.InputSpec(ndim=5, axes={axis: channels})
        self.kernel = self.add_weight(
            name="kernel", shape=(*self._window(), 2, 1), initializer="glorot_uniform"
        )
        self.bias = self.add_weight(name="bias", shape=(1,), initializer="zeros")
        super().build(input_shape)

    def _gate(self, inputs, pooled_axes):
        """Return the gate, `(batch, ...)` over the axes that are not in `pooled_axes`."""
        # The pair of maps is always stacked last: no backend needs channels_first here.
        pair = ops.stack([ops.max(inputs, pooled_axes), ops.mean(inputs, pooled_axes)], axis=-1)
        # `attention` may be called by itself, where Keras does not cast the weights.
        kernel, bias = (ops.cast(weight, pair.dtype) for weight in (self.kernel, self.bias))
        x = ops.conv(pair, kernel, padding="same", data_format="channels_last")
        return ops.sigmoid(ops.squeeze(x, -1) + bias)

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        return inputs * self.attention(inputs, training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "kernel_size": self.kernel_size,
            "data_format": self.data_format,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class SpatialAttention3D(_ClipGate):
    """Gates every position of every frame of a clip: where to look.

    Each frame is gated on its own, as CBAM gates an image, with one square kernel for all frames:

    `y[t] = x[t] * sigmoid(conv([max_c(x[t]), mean_c(x[t])]) + bias)`

    Unlike CBAM's code, this layer has no batch norm: the gate is the same in training and
    inference, and a clip does not depend on the few others in its batch.

    Args:
        kernel_size: Odd positive integer, side of the convolution in pixels of the map.
        data_format: `"channels_last"`, `"channels_first"` or None (Keras's global setting).
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, frames, height, width, channels)`, or
        `(batch, channels, frames, height, width)` for `"channels_first"`. All but the channels
        may be undefined.

    Output shape:
        That of the input.

    Raises:
        ValueError: If `kernel_size` is even or below 1, `data_format` is unknown, the rank is not
            5, or the number of channels is undefined.

    Example:

    >>> import keras
    >>> from fer_layers import SpatialAttention3D
    >>> x = keras.random.uniform((2, 8, 20, 20, 32))
    >>> layer = SpatialAttention3D()
    >>> layer(x).shape
    TensorShape([2, 8, 20, 20, 32])
    >>> layer.attention(x).shape
    TensorShape([2, 8, 20, 20, 1])

    Reference:
        The spatial half of the hybrid attention of Triple Path HA3DNet (Irawan, 2025), with the
        gate of Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, equation 3.
    """

    def __init__(self, kernel_size: int = 7, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(kernel_size, data_format, **kwargs)

    def _window(self):
        return (1, self.kernel_size, self.kernel_size)

    def attention(
        self, inputs: keras.KerasTensor, training: bool | None = None
    ) -> keras.KerasTensor:
        """Return the gate of a built layer: values in (0, 1), one channel, the input's size."""
        axis = channel_axis(self.data_format)
        return ops.expand_dims(self._gate(inputs, axis), axis)

    def count_operations(self, input_shape: tuple[int, ...]) -> dict[str, int]:
        """Return the operations of the gate's convolution for one clip."""
        sizes = input_shape[1:-1] if self.data_format == "channels_last" else input_shape[2:]
        outputs = math.prod(sizes)
        return {"macs": outputs * self.kernel_size**2 * 2, "bias": outputs}


@keras.saving.register_keras_serializable(package=PACKAGE)
class TemporalAttention(_ClipGate):
    """Gates every frame of a clip as a whole: which frames to look at.

    Each frame is pooled to its maximum and its mean over space and channels, and a kernel runs over
    these pairs in time, so that a frame is compared with its neighbours:

    `y = x * sigmoid(conv_t([max_hwc(x), mean_hwc(x)]) + bias)`

    The gates of the frames are independent: they do not sum to one, and clips of any length can
    follow each other.

    Args:
        kernel_size: Odd positive integer, length of the convolution in frames of the map.
        data_format: `"channels_last"`, `"channels_first"` or None (Keras's global setting).
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, frames, height, width, channels)`, or
        `(batch, channels, frames, height, width)` for `"channels_first"`. All but the channels
        may be undefined.

    Output shape:
        That of the input.

    Raises:
        ValueError: If `kernel_size` is even or below 1, `data_format` is unknown, the rank is not
            5, or the number of channels is undefined.

    Example:

    >>> import keras
    >>> from fer_layers import TemporalAttention
    >>> x = keras.random.uniform((2, 8, 20, 20, 32))
    >>> layer = TemporalAttention()
    >>> layer(x).shape
    TensorShape([2, 8, 20, 20, 32])
    >>> layer.attention(x).shape
    TensorShape([2, 8, 1, 1, 1])

    Reference:
        The temporal half of the hybrid attention of Triple Path HA3DNet (Irawan, 2025), which names
        the two halves and their order; the gate has the form of CBAM's (Woo et al., ECCV 2018),
        over time in place of space.
    """

    def __init__(self, kernel_size: int = 3, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(kernel_size, data_format, **kwargs)

    def _window(self):
        return (self.kernel_size,)

    def attention(
        self, inputs: keras.KerasTensor, training: bool | None = None
    ) -> keras.KerasTensor:
        """Return the gate of a built layer: values in (0, 1), of size 1 in all but the frames."""
        pooled = (2, 3, 4) if self.data_format == "channels_last" else (1, 3, 4)
        return ops.expand_dims(self._gate(inputs, pooled), pooled)

    def count_operations(self, input_shape: tuple[int, ...]) -> dict[str, int]:
        """Return the operations of the gate's convolution for one clip."""
        frames = input_shape[1 if self.data_format == "channels_last" else 2]
        return {"macs": frames * self.kernel_size * 2, "bias": frames}
