"""Triplet attention, written without a permutation of the big tensor."""

from typing import Any

import keras

from fer_layers._arguments import (
    PACKAGE,
    check_input,
    flag,
    inherited,
    odd_int,
    resolve_data_format,
)
from fer_layers.attention_gate import AttentionGate


@keras.saving.register_keras_serializable(package=PACKAGE)
class TripletAttention(keras.layers.Layer):
    """Gate an image by its (channel, width), (channel, height) and (height, width) planes.

    Each of three branches pools one axis to its maximum and mean, convolves the pair to a
    gate in (0, 1), and scales the input by it; the three results are averaged. The authors
    permute the input and its result in two of the branches; here each branch pools its axis in
    place and broadcasts its gate along that axis, `x * (a + b + c) / 3`.

    Args:
        kernel_size: Odd length of the square kernel of the gates.
        use_spatial: Whether the (height, width) branch takes part; without it two branches
            are averaged.
        data_format: `"channels_last"` or `"channels_first"`; Keras's default if None.
        use_norm: Whether there is batch normalisation; without it the convolutions have biases.
        **kwargs: `name`, `dtype` and `trainable` of every Keras layer.

    Input shape:
        `(batch, height, width, channels)`, or channels first by `data_format`.

    Output shape:
        As the input.

    Raises:
        ValueError: If `kernel_size` is even or the input is not of rank 4 with defined
            channels.

    Example:

    >>> import keras
    >>> from fer_layers import TripletAttention
    >>> TripletAttention()(keras.ops.ones((1, 14, 14, 24))).shape
    TensorShape([1, 14, 14, 24])

    Reference:
        Misra et al., "Rotate to Attend: Convolutional Triplet Attention Module", WACV 2021,
        equations 1 to 5.
    """

    def __init__(
        self,
        kernel_size: int = 7,
        use_spatial: bool = True,
        data_format: str | None = None,
        use_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = odd_int("kernel_size", kernel_size)
        self.use_spatial = flag("use_spatial", use_spatial)
        self.data_format = resolve_data_format(data_format)
        self.use_norm = flag("use_norm", use_norm)
        common = {
            "kernel_size": kernel_size,
            "use_norm": self.use_norm,
            **inherited(self),
        }
        self.width_gate = AttentionGate(name="width_gate", **common)
        self.height_gate = AttentionGate(name="height_gate", **common)
        self.spatial_gate = AttentionGate(name="spatial_gate", **common) if use_spatial else None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        check_input(self, input_shape)
        if self.data_format == "channels_last":
            batch, height, width, channels = input_shape
        else:
            batch, channels, height, width = input_shape
        self.width_gate.build((batch, width, channels, 2))
        self.height_gate.build((batch, height, channels, 2))
        if self.spatial_gate is not None:
            self.spatial_gate.build((batch, height, width, 2))
        super().build(input_shape)

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        return keras.ops.multiply(inputs, self.attention(inputs, training=training))

    def attention(
        self, inputs: keras.KerasTensor, training: bool | None = None
    ) -> keras.KerasTensor:
        """Return the averaged gate, which broadcasts to the shape of `inputs`."""
        ops = keras.ops
        last = self.data_format == "channels_last"
        height, width, channel = (1, 2, 3) if last else (2, 3, 1)
        share = 1 / (2 + self.use_spatial)

        def gate(layer, axis):
            largest, mean = ops.max(inputs, axis), ops.mean(inputs, axis)
            if last or axis == channel:
                return layer(largest, mean, axis=axis, training=training) * share
            # The gates take (rows, channels); pooled along height or width, channels-first
            # data stands the other way round. These tensors are small.
            largest, mean = ops.swapaxes(largest, 1, 2), ops.swapaxes(mean, 1, 2)
            x = ops.swapaxes(layer(largest, mean, training=training), 1, 2) * share
            return ops.expand_dims(x, axis)

        total = gate(self.width_gate, height)
        if self.use_spatial:
            total = total + gate(self.spatial_gate, channel)
        return total + gate(self.height_gate, width)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "kernel_size": self.kernel_size,
            "use_spatial": self.use_spatial,
            "data_format": self.data_format,
            "use_norm": self.use_norm,
        }
