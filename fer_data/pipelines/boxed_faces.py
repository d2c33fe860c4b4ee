"""The faces of data sets whose pictures show more than a face, and where it is."""

from collections.abc import Sequence

import numpy as np

from fer_data.faces.cut import cut_face
from fer_data.faces.face import Framing


def cut_by_box(
    image: np.ndarray, box: np.ndarray, framing: Sequence[float], size: int, channels: int
) -> np.ndarray:
    """Return the face in a box of a picture, as the network sees it.

    Args:
        image: uint8 `(height, width, 1 or 3)`.
        box: `(x, y, width, height)` in pixels of the picture.
        framing: How the face lies in its box, the three numbers of a `fer_data.faces.Framing`.
        size: Height and width of the face.
        channels: 1 or 3.

    Returns:
        uint8 `(size, size, channels)`, `fer_data.faces.cut_face` rounded.

    Raises:
        ValueError: If the box does not meet the picture.

    Example:

    >>> picture = np.zeros((40, 60, 3), np.uint8)
    >>> cut_by_box(picture, np.array([20, 10, 16, 20]), (1, 0, 0), 24, 1).shape
    (24, 24, 1)
    """
    # A box far outside shows only the picture's edge: the data are wrong.
    low, high = box[:2], box[:2] + box[2:]
    if not ((box[2:] > 0).all() and (high > 0).all() and (low < image.shape[1::-1]).all()):
        raise ValueError(
            "`box` (x, y, width, height) must meet its picture. "
            f"Received: box={box.tolist()}, picture (height, width)={image.shape[:2]}"
        )
    # As Python's numbers, not float32: 0.96 of a side must round as it does in recognition.
    whole = Framing(*(float(number) for number in framing))
    return np.rint(cut_face(image, box, size, channels, framing=whole)).astype(np.uint8)
