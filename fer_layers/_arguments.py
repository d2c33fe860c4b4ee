"""Checks and small pieces that the layers share."""

import numbers
from typing import Any

import keras

PACKAGE = "fer_layers"
# More is no size of a tensor on any backend.
MOST = 2**31 - 1


def positive_int(name: str, value: Any) -> int:
    """Return `value` if it is a positive integer, else raise `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={shown(value)}")
    return value


def odd_int(name: str, value: Any) -> int:
    """Return `value` if it is a positive odd integer, else raise `ValueError`."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 1 <= value <= MOST or value % 2 == 0:
        raise ValueError(
            f"`{name}` must be a positive odd integer, so that the kernel has a centre. "
            f"Received: {name}={shown(value)}"
        )
    return value


def flag(name: str, value: bool) -> bool:
    """Return `value` if it is True or False, else raise `ValueError`."""
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={shown(value)}")
    return value


def seed_or_none(name: str, value: int | None) -> int | None:
    """Return `value` if it is None or an integer of 0 or more, else raise `ValueError`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if value is not None and not (whole and 0 <= value <= MOST):
        raise ValueError(
            f"`{name}` must be None or an integer from 0 to {MOST}. Received: {name}={shown(value)}"
        )
    return None if value is None else int(value)


def activation_function(name: str, value: Any) -> Any:
    """Return the activation that `value` names or is, else raise `ValueError`."""
    if value is None or isinstance(value, (str, dict)) or callable(value):
        try:
            return keras.activations.get(value)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ValueError(
                f"`{name}` must be an activation that Keras knows. Received: {name}={shown(value)}"
            ) from error
    raise ValueError(
        f"`{name}` must be the name of an activation, a function or None. "
        f"Received: {name}={shown(value)}"
    )


def shown(value: Any) -> str:
    """Return an argument for a message, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # an integer of too many digits to be written
        text = f"an integer of {value.bit_length()} bits"
    return text if len(text) <= 200 else f"{text[:180]}... ({type(value).__name__})"


def resolve_data_format(data_format: str | None) -> str:
    """Return the data format, Keras's own default where it is None."""
    if data_format is None:
        return keras.config.image_data_format()
    known = ("channels_last", "channels_first")
    if not isinstance(data_format, str) or data_format not in known:
        raise ValueError(
            "`data_format` must be 'channels_last', 'channels_first' or None. "
            f"Received: data_format={shown(data_format)}"
        )
    return data_format


def inherited(layer: keras.Layer) -> dict[str, Any]:
    """Return the arguments that a layer hands to each of its sublayers.

    Keras hands on a later change of `trainable`, but not the one that a layer is made with. A
    frozen layer from a file would thus hold batch norms that still update their statistics.
    """
    return {"dtype": layer.dtype_policy, "trainable": layer.trainable}


def channel_axis(data_format: str) -> int:
    """Return the axis that holds the channels."""
    return -1 if data_format == "channels_last" else 1


def check_input(
    layer: keras.Layer, input_shape: tuple[int | None, ...], ranks: tuple[int, ...] = (4,)
) -> int:
    """Return the number of channels of `input_shape` after checking rank and channels."""
    if len(input_shape) not in ranks:
        wanted = " or ".join(str(rank) for rank in ranks)
        raise ValueError(
            f"{type(layer).__name__} expects an input of rank {wanted} "
            f"({layer.data_format}). Received: input_shape={tuple(input_shape)}"
        )
    channels = input_shape[channel_axis(layer.data_format)]
    if channels is None:
        raise ValueError(
            f"The channel axis of the input to {type(layer).__name__} must be defined "
            f"(data_format={layer.data_format!r}). Received: input_shape={tuple(input_shape)}"
        )
    return channels


def conv_output_shape(
    input_shape: tuple[int | None, ...],
    filters: int,
    kernel_size: int,
    strides: int,
    data_format: str,
) -> tuple[int | None, ...]:
    """Return the shape after a convolution that pads `kernel_size // 2` on every side."""

    def length(size):
        if size is None:
            return None
        return (size + 2 * (kernel_size // 2) - kernel_size) // strides + 1

    batch = input_shape[0]
    if data_format == "channels_last":
        return (batch, length(input_shape[1]), length(input_shape[2]), filters)
    return (batch, filters, length(input_shape[2]), length(input_shape[3]))
