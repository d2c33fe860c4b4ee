"""ShuffleNetV2's unit and the two parts that EfficientFace adds to it."""

from typing import Any

import keras
from keras import layers, ops

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
from fer_layers.squeeze_excite import hidden_units

# In the order of the authors' numbers: down the left half, then down the right.
PATCHES = ("top_left", "bottom_left", "top_right", "bottom_right")


def interleave(
    first: keras.KerasTensor, second: keras.KerasTensor, data_format: str
) -> keras.KerasTensor:
    """Return the channels of two equal maps in turn: a channel shuffle of two groups."""
    if data_format == "channels_last":
        batch, height, width, channels = ops.shape(first)
        pairs = ops.stack([first, second], axis=-1)
        return ops.reshape(pairs, (batch, height, width, 2 * channels))
    batch, channels, height, width = ops.shape(first)
    pairs = ops.stack([first, second], axis=2)
    return ops.reshape(pairs, (batch, 2 * channels, height, width))


def first_patch(size: int) -> int:
    """Return the even number nearest to half of `size`, the larger one in a tie.

    An even number keeps the positions that stride 2 visits in the second patch in step with
    those of the undivided map, so the two results have `ceil(size / 2)` positions together.
    """
    return (size + 2) // 4 * 2


@keras.saving.register_keras_serializable(package=PACKAGE)
class ShuffleUnit(layers.Layer):
    """ShuffleNetV2's unit: half of the channels pass three convolutions, then all are shuffled.

    At stride 1 the first half of the channels is left as it is and the second half goes
    through a 1x1, a depthwise and a 1x1 convolution. At a larger stride the whole input goes
    through two branches: these three convolutions; and a depthwise and a 1x1 convolution. Each
    branch gives half of the output. Every convolution has batch normalisation, the 1x1 ones a ReLU
    too.

    Args:
        filters: Even number of output channels; at stride 1 it is the number of input channels.
        strides: Stride along height and width.
        kernel_size: Odd kernel length of the depthwise convolutions.
        data_format: `"channels_last"` or `"channels_first"`; Keras's default if None.
        use_norm: Whether there is batch normalisation; without it the convolutions have biases.
        **kwargs: `name`, `dtype` and `trainable` of every Keras layer.

    Input shape:
        `(batch, height, width, channels)`, or channels first by `data_format`.

    Output shape:
        `(batch, new_height, new_width, filters)`, or channels first.

    Raises:
        ValueError: If `filters` is odd or below 2, `strides` is below 1, `kernel_size` is even,
            the input is not of rank 4 with defined channels, or has other than `filters`
            channels at stride 1.

    Example:

    >>> import keras
    >>> from fer_layers import ShuffleUnit
    >>> ShuffleUnit(116, strides=2)(keras.ops.ones((1, 8, 8, 29))).shape
    TensorShape([1, 4, 4, 116])

    Reference:
        Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
        ECCV 2018, figure 3 (c) and (d) (https://arxiv.org/abs/1807.11164).
    """

    def __init__(
        self,
        filters: int,
        strides: int = 1,
        kernel_size: int = 3,
        data_format: str | None = None,
        use_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = positive_int("filters", filters)
        if filters % 2:
            raise ValueError(
                "`filters` must be even, since each of two branches makes half of them. "
                f"Received: filters={filters!r}"
            )
        self.strides = positive_int("strides", strides)
        self.kernel_size = odd_int("kernel_size", kernel_size)
        self.data_format = resolve_data_format(data_format)
        self.use_norm = flag("use_norm", use_norm)
        half = filters // 2
        common = {
            "data_format": self.data_format,
            "use_norm": self.use_norm,
            **inherited(self),
        }
        depthwise: dict[str, Any] = {
            "filters": None,
            "kernel_size": kernel_size,
            "strides": strides,
            "depthwise": True,
            "activation": False,
        }
        self.main = [
            ConvNorm(half, name="expand", **common),
            ConvNorm(**depthwise, name="depthwise", **common),
            ConvNorm(half, name="project", **common),
        ]
        self.shortcut = []
        if strides > 1:
            self.shortcut = [
                ConvNorm(**depthwise, name="shortcut_depthwise", **common),
                ConvNorm(half, name="shortcut_pointwise", **common),
            ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._check_channels(input_shape)
        main_shape = list(input_shape)
        if self.strides == 1:
            main_shape[channel_axis(self.data_format)] = self.filters // 2
        for path, shape in ((self.main, tuple(main_shape)), (self.shortcut, input_shape)):
            for layer in path:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)
        super().build(input_shape)

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        kept, x = inputs, inputs
        if self.strides == 1:
            kept, x = ops.split(inputs, 2, axis=channel_axis(self.data_format))
        for layer in self.main:
            x = layer(x, training=training)
        for layer in self.shortcut:
            kept = layer(kept, training=training)
        return interleave(kept, x, self.data_format)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        self._check_channels(input_shape)
        return conv_output_shape(
            input_shape, self.filters, self.kernel_size, self.strides, self.data_format
        )

    def _check_channels(self, input_shape):
        channels = check_input(self, input_shape)
        if self.strides == 1 and channels != self.filters:
            raise ValueError(
                "`filters` of ShuffleUnit must equal the number of input channels at stride 1. "
                f"Received: filters={self.filters} for {channels} channels"
            )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "strides": self.strides,
            "kernel_size": self.kernel_size,
            "data_format": self.data_format,
            "use_norm": self.use_norm,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class LocalFeatureExtractor(layers.Layer):
    """Two depthwise convolutions for each quarter of the map, without a view of the others.

    The map is cut into four patches; each passes its own depthwise convolution of stride 2 and its
    own of stride 1, both with batch normalisation and ReLU; the results are joined in the places of
    their patches. So a covered eye spoils the features of its own quarter alone.

    The authors cut 56x56 maps into four of 28x28. Here the first patch of an axis is the even
    number of positions nearest to half of it (the larger one in a tie) and the second patch is the
    rest: 56 = 28 + 28, 12 = 6 + 6, 10 = 6 + 4, 9 = 4 + 5. Because the first patch is even, the
    result is as large as that of one convolution of stride 2, whatever the size.

    Args:
        filters: Number of output channels, a multiple of the input channels.
        kernel_size: Odd kernel length of the convolutions.
        data_format: `"channels_last"` or `"channels_first"`; Keras's default if None.
        use_norm: Whether there is batch normalisation; without it the convolutions have biases.
        **kwargs: `name`, `dtype` and `trainable` of every Keras layer.

    Input shape:
        `(batch, height, width, channels)`, or channels first by `data_format`; height and width
        of 3 or more.

    Output shape:
        `(batch, ceil(height / 2), ceil(width / 2), filters)`, or channels first.

    Raises:
        ValueError: If `filters` is below 1 or not a multiple of the input channels, `kernel_size`
            is even, or the input is not of rank 4 with defined channels or too small for four
            patches.

    Example:

    >>> import keras
    >>> from fer_layers import LocalFeatureExtractor
    >>> LocalFeatureExtractor(116)(keras.ops.ones((1, 56, 56, 29))).shape
    TensorShape([1, 28, 28, 116])

    Reference:
        Zhao, Liu and Zhou, "Robust Lightweight Facial Expression Recognition Network with Label
        Distribution Training", AAAI 2021, figure 3 and the authors' code.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        data_format: str | None = None,
        use_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = positive_int("filters", filters)
        self.kernel_size = odd_int("kernel_size", kernel_size)
        self.data_format = resolve_data_format(data_format)
        self.use_norm = flag("use_norm", use_norm)
        common = {
            "kernel_size": kernel_size,
            "depthwise": True,
            "data_format": self.data_format,
            "use_norm": self.use_norm,
            **inherited(self),
        }
        self.paths = [
            (
                ConvNorm(filters, strides=2, name=f"{patch}_1", **common),
                ConvNorm(None, name=f"{patch}_2", **common),
            )
            for patch in PATCHES
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._check_size(input_shape)
        open_shape: list[int | None] = [None] * 4
        axis = channel_axis(self.data_format)
        open_shape[axis] = input_shape[axis]
        for down, second in self.paths:
            down.build(tuple(open_shape))
            second.build(down.compute_output_shape(tuple(open_shape)))
        super().build(input_shape)

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        self._check_size(inputs.shape)
        rows, columns = self._spatial_axes()
        shape = ops.shape(inputs)
        halves = [
            part
            for half in _cut(inputs, first_patch(shape[columns]), columns)
            for part in _cut(half, first_patch(shape[rows]), rows)
        ]
        results = [
            second(down(part, training=training), training=training)
            for part, (down, second) in zip(halves, self.paths, strict=True)
        ]
        left, right = (ops.concatenate(results[i : i + 2], axis=rows) for i in (0, 2))
        return ops.concatenate([left, right], axis=columns)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        self._check_size(input_shape)
        return conv_output_shape(input_shape, self.filters, 1, 2, self.data_format)

    def _spatial_axes(self):
        return (1, 2) if self.data_format == "channels_last" else (2, 3)

    def _check_size(self, input_shape):
        check_input(self, input_shape)
        sizes = [input_shape[axis] for axis in self._spatial_axes()]
        if any(size is not None and size < 3 for size in sizes):
            raise ValueError(
                "LocalFeatureExtractor cuts its input into four patches and so needs height and "
                f"width of at least 3. Received: input_shape={tuple(input_shape)}"
            )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "data_format": self.data_format,
            "use_norm": self.use_norm,
        }


def _cut(x, length, axis):
    before = [slice(None)] * 4
    after = [slice(None)] * 4
    before[axis], after[axis] = slice(0, length), slice(length, None)
    return x[tuple(before)], x[tuple(after)]


@keras.saving.register_keras_serializable(package=PACKAGE)
class ChannelSpatialModulator(layers.Layer):
    """Gates every element by the product of a gate of its channel and one of its position.

    `y = x * sigmoid(C(mean_hw(x)) * S(x))`, where `C` is a two-layer perceptron with one value per
    channel and `S` a stack of convolutions with one value per position: 1x1 to `channels //
    reduction` maps, two dilated 3x3, 1x1 to one map. In both, each layer has a bias, batch
    normalisation and a ReLU, except the last layer, which has a bias alone. This is the bottleneck
    attention module without its residual, and with a product in place of its sum.

    The authors' channel gate averages over a square window as high as the map, so it works on
    square maps only. Here the mean is over the whole map, which on square maps is the same.

    Args:
        reduction: Integer by which the channels are divided in the hidden layers. At least 1 and at
            most the number of channels.
        dilation_rate: Distance of the taps of the 3x3 convolutions.
        data_format: `"channels_last"` or `"channels_first"`; Keras's default if None.
        use_norm: Whether there is batch normalisation; without it the biases do its work.
        **kwargs: `name`, `dtype` and `trainable` of every Keras layer.

    Input shape:
        `(batch, height, width, channels)`, or channels first by `data_format`.

    Output shape:
        That of the input.

    Raises:
        ValueError: If `reduction` is below 1 or above the number of channels, `dilation_rate` is
            below 1, or the input is not of rank 4 with defined channels.

    Example:

    >>> import keras
    >>> from fer_layers import ChannelSpatialModulator
    >>> ChannelSpatialModulator()(keras.ops.ones((1, 28, 28, 116))).shape
    TensorShape([1, 28, 28, 116])

    Reference:
        Zhao, Liu and Zhou, "Robust Lightweight Facial Expression Recognition Network with Label
        Distribution Training", AAAI 2021, figure 4 and the authors' code; Park et al.,
        "BAM: Bottleneck Attention Module", BMVC 2018.
    """

    def __init__(
        self,
        reduction: int = 16,
        dilation_rate: int = 4,
        data_format: str | None = None,
        use_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reduction = positive_int("reduction", reduction)
        self.dilation_rate = positive_int("dilation_rate", dilation_rate)
        self.data_format = resolve_data_format(data_format)
        self.use_norm = flag("use_norm", use_norm)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = check_input(self, input_shape)
        hidden = hidden_units(self, channels)
        axis = channel_axis(self.data_format)
        self.input_spec = layers.InputSpec(ndim=4, axes={axis: channels})

        def convolution(filters, kernel_size, name):
            return layers.Conv2D(
                filters,
                kernel_size,
                padding="same",
                dilation_rate=self.dilation_rate if kernel_size > 1 else 1,
                data_format=self.data_format,
                name=name,
                **inherited(self),
            )

        def norm(axis, name):
            if not self.use_norm:
                return None
            return layers.BatchNormalization(
                axis=axis, momentum=0.9, epsilon=1e-5, name=name, **inherited(self)
            )

        def dense(units, name):
            return layers.Dense(units, name=name, **inherited(self))

        self.channel_hidden = [(dense(hidden, "channel_reduce"), norm(-1, "channel_norm"))]
        self.channel_gate = dense(channels, "channel_gate")
        self.spatial_hidden = [
            (convolution(hidden, size, f"spatial_{name}"), norm(axis, f"spatial_{name}_norm"))
            for size, name in ((1, "reduce"), (3, "dilated_1"), (3, "dilated_2"))
        ]
        self.spatial_gate = convolution(1, 1, "spatial_gate")
        maps_shape: list[int | None] = [None] * 4
        maps_shape[axis] = hidden
        for pairs, last, first_shape, hidden_shape in (
            (self.channel_hidden, self.channel_gate, (None, channels), (None, hidden)),
            (self.spatial_hidden, self.spatial_gate, input_shape, tuple(maps_shape)),
        ):
            shape = first_shape
            for product, normalization in pairs:
                product.build(shape)
                if normalization is not None:
                    normalization.build(hidden_shape)
                shape = hidden_shape
            last.build(hidden_shape)
        super().build(input_shape)

    def attention(
        self, inputs: keras.KerasTensor, training: bool | None = None
    ) -> keras.KerasTensor:
        """Return the gate of a built layer: values in (0, 1), of the shape of the input."""
        spatial = (1, 2) if self.data_format == "channels_last" else (2, 3)
        channel, position = ops.mean(inputs, spatial), inputs
        for dense, norm in self.channel_hidden:
            channel = _normalized(dense(channel), norm, training)
        for convolution, norm in self.spatial_hidden:
            position = _normalized(convolution(position), norm, training)
        channel = ops.expand_dims(self.channel_gate(channel), spatial)
        return ops.sigmoid(channel * self.spatial_gate(position))

    def norm_pairs(self) -> list[tuple[keras.Layer, keras.Layer | None]]:
        """Return `[(layer, norm or None)]`, for code that folds norms into convolutions."""
        return [*self.channel_hidden, *self.spatial_hidden]

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        return inputs * self.attention(inputs, training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        check_input(self, input_shape)
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "reduction": self.reduction,
            "dilation_rate": self.dilation_rate,
            "data_format": self.data_format,
            "use_norm": self.use_norm,
        }


def _normalized(x, norm, training):
    return ops.relu(x if norm is None else norm(x, training=training))
