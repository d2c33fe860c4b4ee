"""Convolution, batch normalisation and ReLU with PyTorch's padding."""

from typing import Any

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


@keras.saving.register_keras_serializable(package=PACKAGE)
class ConvNorm(keras.layers.Layer):
    """Bias-free convolution, batch normalisation and an optional ReLU.

    The convolution pads `kernel_size // 2` on every side, as PyTorch does. Keras's
    `"same"` differs from this at stride 2 on even sizes, where it pads one side only, so
    that weights trained with one rule do not carry over to the other.

    Args:
        filters: Number of output channels. For a depthwise convolution a multiple of the
            input channels, or None for as many as the input has.
        kernel_size: Odd length of the square kernel.
        strides: Stride along height and width.
        depthwise: Whether each input channel is convolved on its own.
        activation: Whether a ReLU follows.
        data_format: `"channels_last"` or `"channels_first"`; Keras's default if None.
        use_norm: Whether there is batch normalisation; without it the convolution has a bias, into
            which the batch norm of a trained layer can be folded.
        **kwargs: `name`, `dtype` and `trainable` of every Keras layer.

    Input shape:
        `(batch, height, width, channels)`, or channels first by `data_format`.

    Output shape:
        `(batch, new_height, new_width, filters)`, or channels first.

    Raises:
        ValueError: If `filters` or `strides` is below 1, `kernel_size` is even, the input is not of
            rank 4, its channels are undefined, or `filters` of a depthwise convolution is not a
            multiple of them.

    Example:

    >>> import keras
    >>> from fer_layers import ConvNorm
    >>> ConvNorm(16, 3, strides=2)(keras.ops.ones((1, 8, 8, 3))).shape
    TensorShape([1, 4, 4, 16])
    """

    def __init__(
        self,
        filters: int | None,
        kernel_size: int = 1,
        strides: int = 1,
        depthwise: bool = False,
        activation: bool = True,
        data_format: str | None = None,
        use_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.depthwise = flag("depthwise", depthwise)
        if not (depthwise and filters is None):
            positive_int("filters", filters)
        self.filters = filters
        self.kernel_size = odd_int("kernel_size", kernel_size)
        self.strides = positive_int("strides", strides)
        self.activation = flag("activation", activation)
        self.data_format = resolve_data_format(data_format)
        self.use_norm = flag("use_norm", use_norm)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = check_input(self, input_shape)
        common = {
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": "valid" if self.strides > 1 else "same",
            "use_bias": not self.use_norm,
            "data_format": self.data_format,
            **inherited(self),
            "name": "conv",
        }
        if self.depthwise:
            filters = self.filters or channels
            if filters % channels:
                raise ValueError(
                    "`filters` of a depthwise convolution must be a multiple of the input "
                    f"channels. Received: filters={filters} for {channels} channels"
                )
            self.conv = keras.layers.DepthwiseConv2D(depth_multiplier=filters // channels, **common)
        else:
            self.conv = keras.layers.Conv2D(self.filters, **common)
        self.norm = None
        if self.use_norm:
            self.norm = keras.layers.BatchNormalization(
                axis=channel_axis(self.data_format),
                momentum=0.9,
                epsilon=1e-5,
                name="norm",
                **inherited(self),
            )
            self.norm.build(self.compute_output_shape(input_shape))
        # The convolution sees the padded input, which may fit the kernel where this one does not.
        padded_shape: list[int | None] = [None] * 4
        padded_shape[channel_axis(self.data_format)] = channels
        self.conv.build(tuple(padded_shape))
        super().build(input_shape)

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        x = inputs
        if self.strides > 1 and self.kernel_size > 1:
            side = (self.kernel_size // 2,) * 2
            spatial = (side, side)
            last = self.data_format == "channels_last"
            x = keras.ops.pad(x, ((0, 0), *spatial, (0, 0)) if last else ((0, 0), (0, 0), *spatial))
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x, training=training)
        return keras.ops.relu(x) if self.activation else x

    def norm_pairs(self) -> list[tuple[keras.Layer, keras.Layer | None]]:
        """Return `[(convolution, norm or None)]`, for code that folds norms into convolutions."""
        return [(self.conv, self.norm)]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        channels = check_input(self, input_shape)
        return conv_output_shape(
            input_shape,
            self.filters or channels,
            self.kernel_size,
            self.strides,
            self.data_format,
        )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "depthwise": self.depthwise,
            "activation": self.activation,
            "data_format": self.data_format,
            "use_norm": self.use_norm,
        }
