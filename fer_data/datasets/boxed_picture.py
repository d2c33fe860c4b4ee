"""The face in a picture, cut out by the box that the owners give for it."""

import numpy as np

from fer_data import picture
from fer_data.datasets.class_tree import read_picture
from fer_data.datasets.source import Source


def read_box(
    source: Source, name: str, channels: int, box: tuple[int, int, int, int]
) -> np.ndarray:
    """Read the part of a picture that a box holds.

    Args:
        source: `Source`.
        name: Name of the picture in the source.
        channels: 1 or 3.
        box: Left, top, right, bottom in pixels; parts outside the picture are cut off.

    Returns:
        uint8 array `(height, width, channels)`.

    Raises:
        picture.UnreadableError: If the picture cannot be read, or the box lies outside of it.
    """
    pixels = read_picture(source, name, channels)
    left, top, right, bottom = (max(0, side) for side in box)
    found = pixels[top:bottom, left:right]
    if not found.size:
        height, width = pixels.shape[:2]
        raise picture.UnreadableError(
            "bad_box", f"the box {box} holds nothing of {width}x{height} pixels"
        )
    return np.ascontiguousarray(found)
