"""Convolutional block attention: gates for channels, then for positions."""

from typing import Any

import keras
from keras import layers, ops

from fer_layers._arguments import (
    PACKAGE,
    channel_axis,
    check_input,
    flag,
    inherited,
    odd_int,
    positive_int,
    resolve_data_format,
)
from fer_layers.attention_gate import AttentionGate
from fer_layers.squeeze_excite import hidden_units


@keras.saving.register_keras_serializable(package=PACKAGE)
class ChannelAttention(layers.Layer):
    """Gates every channel by an MLP of its average and its maximum.

    With `M` the shared two-layer perceptron (ReLU between, `channels // reduction` hidden units):

    `y = x * sigmoid(M(mean_hw(x)) + M(max_hw(x)))`

    Args:
        reduction: Integer by which the channels are divided in the hidden layer. At least 1 and at
            most the number of channels.
        data_format: `"channels_last"`, `"channels_first"` or None (Keras's global setting).
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` for
        `"channels_first"`. Height and width may be undefined.

    Output shape:
        That of the input.

    Raises:
        ValueError: If `reduction` is below 1 or above the number of channels, `data_format` is
            unknown, the rank is not 4, or the number of channels is undefined.

    Example:

    >>> import keras
    >>> from fer_layers import ChannelAttention
    >>> x = keras.random.uniform((2, 14, 14, 64))
    >>> layer = ChannelAttention(reduction=16)
    >>> layer(x).shape
    TensorShape([2, 14, 14, 64])
    >>> layer.attention(x).shape
    TensorShape([2, 1, 1, 64])

    Reference:
        Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, equation 2
        (https://arxiv.org/abs/1807.06521).
    """

    def __init__(self, reduction: int = 16, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reduction = positive_int("reduction", reduction)
        self.data_format = resolve_data_format(data_format)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = check_input(self, input_shape)
        hidden = hidden_units(self, channels)
        self.input_spec = layers.InputSpec(ndim=4, axes={channel_axis(self.data_format): channels})
        self.squeeze = layers.Dense(hidden, activation="relu", name="squeeze", **inherited(self))
        self.excite = layers.Dense(channels, name="excite", **inherited(self))
        self.squeeze.build((None, 2, channels))
        self.excite.build((None, 2, hidden))
        super().build(input_shape)

    def attention(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the gate of a built layer: values in (0, 1), height and width 1."""
        spatial = (1, 2) if self.data_format == "channels_last" else (2, 3)
        pooled = ops.stack([ops.mean(inputs, spatial), ops.max(inputs, spatial)], axis=1)
        gate = ops.sigmoid(ops.sum(self.excite(self.squeeze(pooled)), axis=1))
        return ops.expand_dims(gate, spatial)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return inputs * self.attention(inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "reduction": self.reduction,
            "data_format": self.data_format,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class SpatialAttention(layers.Layer):
    """Gates every position by a convolution of the maximum and the mean over its channels.

    `y = x * sigmoid(batch_norm(conv([max_c(x), mean_c(x)])))`, one gate for all channels. The batch
    norm is not in the paper's equation but in its authors' code, which this layer follows.

    Args:
        kernel_size: Odd positive integer, side of the convolution.
        data_format: `"channels_last"`, `"channels_first"` or None (Keras's global setting).
        use_norm: Whether there is batch normalisation; without it the convolution has a bias.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` for
        `"channels_first"`. Height and width may be undefined.

    Output shape:
        That of the input.

    Raises:
        ValueError: If `kernel_size` is even or below 1, `data_format` is unknown, the rank is not
            4, or the number of channels is undefined.

    Example:

    >>> import keras
    >>> from fer_layers import SpatialAttention
    >>> x = keras.random.uniform((2, 14, 14, 64))
    >>> layer = SpatialAttention()
    >>> layer(x).shape
    TensorShape([2, 14, 14, 64])
    >>> layer.attention(x).shape
    TensorShape([2, 14, 14, 1])

    Reference:
        Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, equation 3
        (https://arxiv.org/abs/1807.06521).
    """

    def __init__(
        self,
        kernel_size: int = 7,
        data_format: str | None = None,
        use_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = odd_int("kernel_size", kernel_size)
        self.data_format = resolve_data_format(data_format)
        self.use_norm = flag("use_norm", use_norm)
        self.gate = AttentionGate(self.kernel_size, self.use_norm, name="gate", **inherited(self))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = check_input(self, input_shape)
        axis = channel_axis(self.data_format)
        self.input_spec = layers.InputSpec(ndim=4, axes={axis: channels})
        pooled = list(input_shape)
        del pooled[axis]
        self.gate.build((*pooled, 2))
        super().build(input_shape)

    def attention(
        self, inputs: keras.KerasTensor, training: bool | None = None
    ) -> keras.KerasTensor:
        """Return the gate of a built layer: values in (0, 1), one channel."""
        axis = channel_axis(self.data_format) % 4
        largest, mean = ops.max(inputs, axis), ops.mean(inputs, axis)
        return self.gate(largest, mean, axis=axis, training=training)

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        return inputs * self.attention(inputs, training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "kernel_size": self.kernel_size,
            "data_format": self.data_format,
            "use_norm": self.use_norm,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class CBAM(layers.Layer):
    """Convolutional block attention module: channel attention, then spatial attention.

    Args:
        reduction: Integer, reduction of the channel attention's hidden layer. At least 1 and at
            most the number of channels.
        kernel_size: Odd positive integer, kernel of the spatial attention.
        data_format: `"channels_last"`, `"channels_first"` or None (Keras's global setting).
        use_norm: Whether there is batch normalisation; without it the convolution has a bias.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` for
        `"channels_first"`. Height and width may be undefined.

    Output shape:
        That of the input.

    Raises:
        ValueError: If `reduction` is below 1 or above the number of channels, `kernel_size` is
            even or below 1, `data_format` is unknown, the rank is not 4, or the number of
            channels is undefined.

    Example:

    >>> import keras
    >>> from fer_layers import CBAM
    >>> x = keras.random.uniform((2, 7, 7, 256))
    >>> CBAM()(x).shape
    TensorShape([2, 7, 7, 256])

    Reference:
        Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018
        (https://arxiv.org/abs/1807.06521).
    """

    def __init__(
        self,
        reduction: int = 16,
        kernel_size: int = 7,
        data_format: str | None = None,
        use_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reduction = positive_int("reduction", reduction)
        self.kernel_size = odd_int("kernel_size", kernel_size)
        self.data_format = resolve_data_format(data_format)
        self.use_norm = flag("use_norm", use_norm)
        common = {"data_format": self.data_format, **inherited(self)}
        self.channel = ChannelAttention(self.reduction, name="channel", **common)
        self.spatial = SpatialAttention(
            self.kernel_size, use_norm=self.use_norm, name="spatial", **common
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        hidden_units(self, check_input(self, input_shape))
        self.channel.build(input_shape)
        self.spatial.build(input_shape)
        self.input_spec = self.channel.input_spec
        super().build(input_shape)

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        return self.spatial(self.channel(inputs), training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "reduction": self.reduction,
            "kernel_size": self.kernel_size,
            "data_format": self.data_format,
            "use_norm": self.use_norm,
        }
