"""Squeeze-and-excite: channel gates from channel averages."""

from collections.abc import Callable
from typing import Any

import keras
from keras import activations, layers, ops

from fer_layers._arguments import (
    PACKAGE,
    activation_function,
    channel_axis,
    check_input,
    inherited,
    positive_int,
    resolve_data_format,
)


def hidden_units(layer: keras.Layer, channels: int) -> int:
    """Return `channels // layer.reduction`, or raise `ValueError` if that is 0."""
    if channels < layer.reduction:
        raise ValueError(
            f"`reduction` of {type(layer).__name__} must not exceed the number of channels. "
            f"Received: reduction={layer.reduction} for {channels} channels"
        )
    return channels // layer.reduction


@keras.saving.register_keras_serializable(package=PACKAGE)
class SqueezeExcite(layers.Layer):
    """Gates every channel of images or clips by an MLP of all the channels' averages.

    `y = x * gate_activation(W2 activation(W1 mean(x) + b1) + b2)`, the mean being over space, and
    for clips over time too.

    Args:
        reduction: Integer by which the channels are divided in the hidden layer. At least 1 and at
            most the number of channels.
        activation: Activation of the hidden layer.
        gate_activation: Activation of the gates; GhostNet uses `"hard_sigmoid"`.
        data_format: `"channels_last"`, `"channels_first"` or None (Keras's global setting).
        **kwargs: Arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        Images `(batch, height, width, channels)` or clips
        `(batch, frames, height, width, channels)`; for `"channels_first"` the channels come
        second. All but the channels may be undefined.

    Output shape:
        That of the input.

    Raises:
        ValueError: If `reduction` is below 1 or above the number of channels, an activation or
            `data_format` is unknown, the rank is not 4 or 5, or the number of channels is
            undefined.

    Example:

    >>> import keras
    >>> from fer_layers import SqueezeExcite
    >>> SqueezeExcite(reduction=4)(keras.random.uniform((2, 14, 14, 32))).shape
    TensorShape([2, 14, 14, 32])
    >>> SqueezeExcite(reduction=4)(keras.random.uniform((2, 8, 16, 16, 32))).shape
    TensorShape([2, 8, 16, 16, 32])

    Reference:
        Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, equations 2 to 4
        (https://arxiv.org/abs/1709.01507).
    """

    def __init__(
        self,
        reduction: int = 16,
        activation: str | Callable | None = "relu",
        gate_activation: str | Callable | None = "sigmoid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reduction = positive_int("reduction", reduction)
        self.activation = activation_function("activation", activation)
        self.gate_activation = activation_function("gate_activation", gate_activation)
        self.data_format = resolve_data_format(data_format)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = check_input(self, input_shape, ranks=(4, 5))
        hidden = hidden_units(self, channels)
        self.input_spec = layers.InputSpec(
            ndim=len(input_shape), axes={channel_axis(self.data_format): channels}
        )
        self.squeeze = layers.Dense(
            hidden, activation=self.activation, name="squeeze", **inherited(self)
        )
        self.excite = layers.Dense(
            channels, activation=self.gate_activation, name="excite", **inherited(self)
        )
        self.squeeze.build((None, channels))
        self.excite.build((None, hidden))
        super().build(input_shape)

    def attention(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the gate of a built layer, of size 1 along space and time."""
        rank = len(inputs.shape)
        pooled = tuple(
            range(1, rank - 1) if self.data_format == "channels_last" else range(2, rank)
        )
        return ops.expand_dims(self.excite(self.squeeze(ops.mean(inputs, pooled))), pooled)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return inputs * self.attention(inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "reduction": self.reduction,
            "activation": activations.serialize(self.activation),
            "gate_activation": activations.serialize(self.gate_activation),
            "data_format": self.data_format,
        }
