"""RetinaFace's anchors, and the decoding of its outputs to pixels."""

import functools

import numpy as np

from fer_data.checks import check_integer

STRIDES = (8, 16, 32)
SIDES = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2


@functools.lru_cache(maxsize=64)
def anchors(height: int, width: int) -> np.ndarray:
    """Return the anchors of a picture, in the order of the network's outputs.

    Args:
        height: Height of the picture in pixels, a multiple of 32.
        width: Width of the picture in pixels, a multiple of 32.

    Returns:
        Read-only float32 array `(anchors, 3)` of `(centre x, centre y, side)` in pixels, where
        0 is the picture's left or upper edge: stride by stride, row by row, the small side first.

    Raises:
        ValueError: If a size is not a positive multiple of 32.

    Example:

    >>> anchors(64, 96).shape
    (252, 3)
    """
    for name, size in (("height", height), ("width", width)):
        check_integer(name, size, STRIDES[-1])
        if size % STRIDES[-1]:
            raise ValueError(
                f"`{name}` must be a multiple of {STRIDES[-1]}. Received: {name}={size}"
            )
    levels = []
    for stride, sides in SIDES.items():
        rows, columns = (
            np.arange(size // stride) * stride + stride / 2 for size in (height, width)
        )
        y, x, side = np.meshgrid(rows, columns, sides, indexing="ij")
        levels.append(np.stack([x, y, side], axis=-1).reshape(-1, 3))
    found = np.concatenate(levels).astype(np.float32)
    found.flags.writeable = False
    return found


def decode(
    anchors: np.ndarray, boxes: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turn the network's numbers into pixels.

    Args:
        anchors: `(n, 3)`, some rows of `anchors`.
        boxes: `(n, 4)`, the network's `"boxes"` of those anchors: the centre's offset in tenths
            of the anchor's side, and five times the logarithm of width and height over the side.
        points: `(n, 10)`, the network's `"points"`: offsets from the anchor's centre in tenths of
            its side.

    Returns:
        Boxes `(n, 4)` of `(x, y, width, height)` and points `(n, 5, 2)` of `(x, y)`, both with 0
        at the picture's left or upper edge.

    Example:

    >>> import numpy as np
    >>> decode(np.array([[40, 40, 16]]), np.zeros((1, 4)), np.zeros((1, 10)))[0]
    array([[32., 32., 16., 16.]])
    """
    centres, sides = anchors[:, :2], anchors[:, 2:]
    middles = centres + boxes[:, :2] * CENTRE_VARIANCE * sides
    sizes = sides * np.exp(boxes[:, 2:] * SIZE_VARIANCE)
    offsets = points.reshape(-1, 5, 2) * CENTRE_VARIANCE * sides[:, None]
    return np.concatenate([middles - sizes / 2, sizes], axis=1), centres[:, None] + offsets
