"""Ghost module and ghost bottleneck (GhostNet), with a choice of attention."""

from collections.abc import Callable
from typing import Any, Literal

import keras

from fer_layers._arguments import (
    PACKAGE,
    channel_axis,
    check_input,
    conv_output_shape,
    flag,
    inherited,
    odd_int,
    positive_int,
    resolve_data_format,
)
from fer_layers.conv_norm import ConvNorm
from fer_layers.squeeze_excite import SqueezeExcite
from fer_layers.triplet_attention import TripletAttention

# GhostNet's squeeze-and-excite divides the channels by this in its hidden layer.
REDUCTION = 4


def _squeeze_excite(use_norm, **kwargs):
    """Return squeeze-and-excite by GhostNet's settings; it has no norm to leave out."""
    return SqueezeExcite(reduction=REDUCTION, gate_activation="hard_sigmoid", **kwargs)


ATTENTIONS: dict[str, Callable[..., keras.Layer]] = {
    "triplet": TripletAttention,
    "squeeze_excite": _squeeze_excite,
}


@keras.saving.register_keras_serializable(package=PACKAGE)
class GhostModule(keras.layers.Layer):
    """A convolution that makes part of its maps from the others, cheaply.

    An ordinary convolution makes `ceil(filters / ratio)` intrinsic maps, a depthwise
    convolution makes the ghost maps from them, both are concatenated and cut to `filters`.

    Args:
        filters: Number of output channels; need not be a multiple of `ratio`.
        kernel_size: Odd kernel length of the ordinary convolution.
        ratio: How many output maps stem from one intrinsic map, at least 1. With 1 there
            are no ghost maps: the module is an ordinary convolution.
        depthwise_kernel_size: Odd kernel length of the depthwise convolution.
        strides: Stride of the ordinary convolution.
        activation: Whether a ReLU follows each of the two convolutions.
        data_format: `"channels_last"` or `"channels_first"`; Keras's default if None.
        use_norm: Whether there is batch normalisation; without it the convolutions have biases.
        **kwargs: `name`, `dtype` and `trainable` of every Keras layer.

    Input shape:
        `(batch, height, width, channels)`, or channels first by `data_format`.

    Output shape:
        `(batch, new_height, new_width, filters)`, or channels first.

    Raises:
        ValueError: If `filters`, `ratio` or `strides` is below 1, a kernel is even, or the
            input is not of rank 4 with defined channels.

    Example:

    >>> import keras
    >>> from fer_layers import GhostModule
    >>> GhostModule(41, ratio=2)(keras.ops.ones((1, 8, 8, 24))).shape
    TensorShape([1, 8, 8, 41])

    Reference:
        Han et al., "GhostNet: More Features from Cheap Operations", CVPR 2020, section 3.1.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 1,
        ratio: int = 2,
        depthwise_kernel_size: int = 3,
        strides: int = 1,
        activation: bool = True,
        data_format: str | None = None,
        use_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = positive_int("filters", filters)
        self.kernel_size = odd_int("kernel_size", kernel_size)
        self.ratio = positive_int("ratio", ratio)
        self.depthwise_kernel_size = odd_int("depthwise_kernel_size", depthwise_kernel_size)
        self.strides = positive_int("strides", strides)
        self.activation = flag("activation", activation)
        self.data_format = resolve_data_format(data_format)
        self.use_norm = flag("use_norm", use_norm)
        common = {
            "activation": self.activation,
            "data_format": self.data_format,
            "use_norm": self.use_norm,
            **inherited(self),
        }
        intrinsic = self._intrinsic = -(-filters // ratio)
        self.primary = ConvNorm(intrinsic, kernel_size, strides, name="primary", **common)
        self.cheap = None
        if ratio > 1:
            self.cheap = ConvNorm(
                intrinsic * (ratio - 1),
                depthwise_kernel_size,
                depthwise=True,
                name="cheap",
                **common,
            )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        check_input(self, input_shape)
        self.primary.build(input_shape)
        if self.cheap is not None:
            self.cheap.build(self.primary.compute_output_shape(input_shape))
        super().build(input_shape)

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        x = self.primary(inputs, training=training)
        if self.cheap is None:
            return x
        ghosts = self.cheap(x, training=training)
        axis = channel_axis(self.data_format)
        kept = self.filters - self._intrinsic
        if kept < self._intrinsic * (self.ratio - 1):
            ghosts = ghosts[..., :kept] if axis == -1 else ghosts[:, :kept]
        return keras.ops.concatenate([x, ghosts], axis=axis)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        shape = list(self.primary.compute_output_shape(input_shape))
        shape[channel_axis(self.data_format)] = self.filters
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "ratio": self.ratio,
            "depthwise_kernel_size": self.depthwise_kernel_size,
            "strides": self.strides,
            "activation": self.activation,
            "data_format": self.data_format,
            "use_norm": self.use_norm,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class GhostBottleneck(keras.layers.Layer):
    """Inverted residual made of two ghost modules, with optional attention between them.

    The parts in order: a ghost module to `expansion` channels; at stride 2 a depthwise convolution;
    attention; a ghost module without ReLU to `filters` channels. The shortcut is then added. It is
    the input itself or, where stride or channels change, a depthwise and a 1x1 convolution of it.

    Args:
        expansion: Number of channels between the two ghost modules.
        filters: Number of output channels.
        kernel_size: Odd kernel length of the depthwise convolutions at stride 2 and in the
            shortcut. The cheap operations inside the ghost modules stay 3x3.
        strides: Stride along height and width.
        attention: `None`, `"triplet"` (Attention GhostNet, as in GhostFace) or
            `"squeeze_excite"` (GhostNet).
        ratio: Ratio of the two ghost modules.
        data_format: `"channels_last"` or `"channels_first"`; Keras's default if None.
        use_norm: Whether there is batch normalisation; without it the convolutions have biases.
        **kwargs: `name`, `dtype` and `trainable` of every Keras layer.

    Input shape:
        `(batch, height, width, channels)`, or channels first by `data_format`.

    Output shape:
        `(batch, new_height, new_width, filters)`, or channels first.

    Raises:
        ValueError: If a size is below 1, the kernel is even, `attention` is unknown,
            `"squeeze_excite"` has an `expansion` below 4, or the input is not of rank 4 with
            defined channels.

    Example:

    >>> import keras
    >>> from fer_layers import GhostBottleneck
    >>> block = GhostBottleneck(72, 40, kernel_size=5, strides=2, attention="triplet")
    >>> block(keras.ops.ones((1, 8, 8, 24))).shape
    TensorShape([1, 4, 4, 40])

    Reference:
        Han et al., "GhostNet: More Features from Cheap Operations", CVPR 2020, section 3.2;
        Tang and Kok, "GhostFace", 2022, for triplet attention in its middle.
    """

    def __init__(
        self,
        expansion: int,
        filters: int,
        kernel_size: int = 3,
        strides: int = 1,
        attention: Literal["triplet", "squeeze_excite"] | None = None,
        ratio: int = 2,
        data_format: str | None = None,
        use_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        known = isinstance(attention, str) and attention in ATTENTIONS
        if attention is not None and not known:
            raise ValueError(
                f"`attention` must be None or one of {sorted(ATTENTIONS)}. "
                f"Received: attention={attention!r}"
            )
        self.expansion = positive_int("expansion", expansion)
        if attention == "squeeze_excite" and expansion < REDUCTION:
            raise ValueError(
                f"`expansion` must be at least {REDUCTION} for attention='squeeze_excite', which "
                f"divides the channels by it. Received: expansion={expansion}"
            )
        self.filters = positive_int("filters", filters)
        self.kernel_size = odd_int("kernel_size", kernel_size)
        self.strides = positive_int("strides", strides)
        self.attention = attention
        self.ratio = positive_int("ratio", ratio)
        self.data_format = resolve_data_format(data_format)
        self.use_norm = flag("use_norm", use_norm)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = check_input(self, input_shape)
        common = {
            "data_format": self.data_format,
            "use_norm": self.use_norm,
            **inherited(self),
        }
        down: dict[str, Any] = {
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "depthwise": True,
        }
        main = [GhostModule(self.expansion, ratio=self.ratio, name="expand", **common)]
        if self.strides > 1:
            main.append(ConvNorm(None, **down, activation=False, name="depthwise", **common))
        if self.attention is not None:
            main.append(ATTENTIONS[self.attention](name="attention", **common))
        main.append(
            GhostModule(self.filters, ratio=self.ratio, activation=False, name="project", **common)
        )
        shortcut = []
        if self.strides > 1 or channels != self.filters:
            shortcut = [
                ConvNorm(None, **down, activation=False, name="shortcut_depthwise", **common),
                ConvNorm(self.filters, activation=False, name="shortcut_pointwise", **common),
            ]
        self.main, self.shortcut = main, shortcut
        for path in (main, shortcut):
            shape = input_shape
            for layer in path:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)
        super().build(input_shape)

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        x = residual = inputs
        for layer in self.main:
            x = layer(x, training=training)
        for layer in self.shortcut:
            residual = layer(residual, training=training)
        return keras.ops.add(x, residual)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        check_input(self, input_shape)
        return conv_output_shape(
            input_shape, self.filters, self.kernel_size, self.strides, self.data_format
        )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "expansion": self.expansion,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "attention": self.attention,
            "ratio": self.ratio,
            "data_format": self.data_format,
            "use_norm": self.use_norm,
        }
