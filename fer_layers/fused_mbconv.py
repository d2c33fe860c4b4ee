"""Fused-MBConv block (EfficientNetV2)."""

from typing import Any

import keras

from fer_layers._arguments import (
    PACKAGE,
    check_input,
    conv_output_shape,
    flag,
    inherited,
    odd_int,
    positive_int,
    resolve_data_format,
)
from fer_layers.conv_norm import ConvNorm


@keras.saving.register_keras_serializable(package=PACKAGE)
class FusedMBConv(keras.layers.Layer):
    """Expansion by an ordinary convolution, then a 1x1 convolution back.

    The ordinary convolution takes the place of MBConv's 1x1 and depthwise pair, which is
    slow on accelerators early in a network. Each convolution is followed by batch
    normalisation, the first by a ReLU too. The input is added where stride and channels
    leave its shape unchanged.

    Args:
        expansion: Number of channels of the first convolution.
        filters: Number of output channels.
        kernel_size: Odd kernel length of the first convolution.
        strides: Stride of the first convolution.
        data_format: `"channels_last"` or `"channels_first"`; Keras's default if None.
        use_norm: Whether there is batch normalisation; without it the convolutions have biases.
        **kwargs: `name`, `dtype` and `trainable` of every Keras layer.

    Input shape:
        `(batch, height, width, channels)`, or channels first by `data_format`.

    Output shape:
        `(batch, new_height, new_width, filters)`, or channels first.

    Raises:
        ValueError: If a size is below 1, the kernel is even, or the input is not of rank 4
            with defined channels.

    Example:

    >>> import keras
    >>> from fer_layers import FusedMBConv
    >>> FusedMBConv(32, 24, strides=2)(keras.ops.ones((1, 8, 8, 16))).shape
    TensorShape([1, 4, 4, 24])

    Reference:
        Tan and Le, "EfficientNetV2: Smaller Models and Faster Training", ICML 2021, fig. 2.
    """

    def __init__(
        self,
        expansion: int,
        filters: int,
        kernel_size: int = 3,
        strides: int = 1,
        data_format: str | None = None,
        use_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.expansion = positive_int("expansion", expansion)
        self.filters = positive_int("filters", filters)
        self.kernel_size = odd_int("kernel_size", kernel_size)
        self.strides = positive_int("strides", strides)
        self.data_format = resolve_data_format(data_format)
        self.use_norm = flag("use_norm", use_norm)
        common = {
            "data_format": self.data_format,
            "use_norm": self.use_norm,
            **inherited(self),
        }
        self.expand = ConvNorm(expansion, kernel_size, strides, name="expand", **common)
        self.project = ConvNorm(filters, activation=False, name="project", **common)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = check_input(self, input_shape)
        self.has_residual = self.strides == 1 and channels == self.filters
        self.expand.build(input_shape)
        self.project.build(self.expand.compute_output_shape(input_shape))
        super().build(input_shape)

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        x = self.project(self.expand(inputs, training=training), training=training)
        return keras.ops.add(x, inputs) if self.has_residual else x

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
            "data_format": self.data_format,
            "use_norm": self.use_norm,
        }
