"""Channels of an image tensor, by Keras's global data format."""

from collections.abc import Sequence

import keras


def channel_axis() -> int:
    """Return the axis of the channels in a batch."""
    return 1 if keras.config.image_data_format() == "channels_first" else -1


def in_colour(x: keras.KerasTensor) -> keras.KerasTensor:
    """Return an image of three channels; a grey channel is repeated.

    Args:
        x: Images of one or three channels.
    """
    axis = channel_axis()
    if x.shape[axis] == 3:
        return x
    return keras.layers.Concatenate(axis=axis, name="grey_as_colour")([x, x, x])


def by_channel(values: Sequence[float]) -> list:
    """Return a value for each channel in a form that broadcasts over images of the data format.

    `keras.layers.Rescaling` reshapes its scale for channels first, but not its offset.

    Args:
        values: One for each channel.
    """
    if channel_axis() == 1:
        return [[[value]] for value in values]
    return list(values)
