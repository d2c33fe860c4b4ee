"""Checks and small pieces that the layers share."""

import keras

PACKAGE = "fer_layers"


def positive_int(name, value):
    """Return `value` if it is a positive integer, else raise `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
    return value


def odd_int(name, value):
    """Return `value` if it is a positive odd integer, else raise `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or value % 2 == 0:
        raise ValueError(
            f"`{name}` must be a positive odd integer, so that the kernel has a centre. "
            f"Received: {name}={value!r}"
        )
    return value


def resolve_data_format(data_format):
    """Return the data format, Keras's own default where it is None."""
    if data_format is None:
        return keras.config.image_data_format()
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            "`data_format` must be 'channels_last', 'channels_first' or None. "
            f"Received: data_format={data_format!r}"
        )
    return data_format


def channel_axis(data_format):
    """Return the axis that holds the channels."""
    return -1 if data_format == "channels_last" else 1


def check_input(layer, input_shape, ranks=(4,)):
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


def conv_output_shape(input_shape, filters, kernel_size, strides, data_format):
    """Return the shape after a convolution that pads `kernel_size // 2` on every side."""

    def length(size):
        if size is None:
            return None
        return (size + 2 * (kernel_size // 2) - kernel_size) // strides + 1

    batch = input_shape[0]
    if data_format == "channels_last":
        return (batch, length(input_shape[1]), length(input_shape[2]), filters)
    return (batch, filters, length(input_shape[2]), length(input_shape[3]))
