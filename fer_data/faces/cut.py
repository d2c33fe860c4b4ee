"""Cut a face out of a picture: the one rule by which all networks here see faces.

Recognition, training data with boxes, folders of photos (`cut_folder`) and the browser's engine all
follow it, so that a network is asked about faces framed as those it has learnt from.

The rule, exactly, so that other programs can repeat it. Divisions are real, `round(a)` is
`floor(a + 1/2)`. A box is `(x, y, width, height)`, `longer = max(width, height)`.

1. The square. `side = max(1, round(scale * longer))`; its centre is `cx = x + width / 2 + right *
   longer`, `cy = y + height / 2 + down * longer` (in coordinates in which the picture spans 0 to
   its width); its first column is `round(cx - side / 2)` and its first row `round(cy - side / 2)`.
   Pixels outside of the picture are those of its nearest edge. `scale`, `right` and `down` are the
   detector's in `FRAMINGS`: each draws its boxes in its own way, and a network is to see faces
   framed alike. A box without them is refused.
2. Turning. Where the detector gives eye points and the line from the first eye to the second one
   is turned by more than 20 degrees, `angle = atan2(dy, dx)`, step 1's square is not cut but
   sampled: its pixel in column `j` and row `i` is the bilinear sample of the picture at `X = cx -
   1/2 + cos(angle) * u - sin(angle) * v`, `Y = cy - 1/2 + sin(angle) * u + cos(angle) * v` with `u
   = j - (side - 1) / 2`, `v = i - (side - 1) / 2`, where whole `X` and `Y` are the centres of
   pixels, and pixels outside are those of the nearest edge. `cx` and `cy` are not rounded.
3. Grey, if the network takes one channel: `0.299 R + 0.587 G + 0.114 B` (ITU-R 601), not rounded.
4. Resizing to `size` x `size`, rows and columns alike. Shrinking: a pixel is the mean over the
   rectangle it covers, from `j * side / size` to `(j + 1) * side / size`, pixels that are covered
   in part counting in part. Enlarging: bilinear at `(j + 1/2) * side / size - 1/2`, clamped to `0`
   and `side - 1`.
5. The result is float32 in [0, 255], not rounded.
"""

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_data.checks import as_array, as_numbers, check_choice, check_integer, check_number
from fer_data.faces.face import Face, Framing, check_framing
from fer_data.faces.image import as_rgb

MOST_ROLL = 20.0  # degrees
GREY = (0.299, 0.587, 0.114)


# The framing of a box that is cut as it is, such as a whole picture that is already a face.
WHOLE = Framing(1.0, 0.0, 0.0)
# Medians over 1,000 of FER2013's validation faces of 96 to 288 pixels, 2026-11-29, from `python
# benchmarks/face_framing.py --path FER2013` (for dlib_cnn over 250 of them, since it takes a second
# per face), to 0.01; shifts below 0.01, less than a pixel of the network's, are 0.
FRAMINGS = {
    "mtcnn": Framing(0.95, 0.0, 0.0),
    "retinaface": Framing(0.96, 0.0, -0.02),
    "yunet": Framing(0.96, 0.0, 0.0),
    "dlib_hog": Framing(1.2, 0.0, -0.08),
    "dlib_cnn": Framing(1.2, 0.05, -0.01),
}


def cut_face(
    image: str | os.PathLike[str] | np.ndarray,
    face: Face | Sequence[float] | np.ndarray,
    size: int,
    channels: int = 3,
    *,
    roll: float | None = None,
    framing: Framing | None = None,
) -> np.ndarray:
    """Cut a face out of a picture as the network sees it: a square, upright, of the given size.

    The docstring of this module states the exact rule. `Recognizer` calls this for each face that
    it finds.

    Args:
        image: A file's name or an array, as for `fer_data.faces.as_rgb`.
        face: A `Face`, or its box alone: `(x, y, width, height)` in pixels of the picture, which
            needs a `framing`.
        size: Height and width of the result.
        channels: 1 for grey or 3 for RGB.
        roll: By how many degrees the face is turned clockwise; above 20 it is turned upright.
            Default: from the eyes of the `Face`, or 0 where it has no points.
        framing: How the face lies in its box. Default: the `Face`'s own, or that of its detector
            in `FRAMINGS`.

    Returns:
        float32 `(size, size, channels)` in [0, 255], not rounded.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an argument breaks its rule, the picture is unusable, or the framing is
            unknown.

    Example:

    >>> picture = np.full((120, 160, 3), 200, np.uint8)
    >>> box, framing = (140, 20, 40, 50), FRAMINGS["mtcnn"]
    >>> cut_face(picture, box, size=48, channels=1, framing=framing).shape
    (48, 48, 1)
    """
    check_integer("size", size, 1)
    check_choice("channels", channels, (1, 3))
    pixels = as_rgb(image)
    box, roll, framing = _place(face, roll, framing)
    if abs(roll) > MOST_ROLL:
        return resized(_turned(pixels, box, channels, roll, framing), size)
    return resized(as_channels(_cut(pixels, *square(box, framing)), channels), size)


def cut_points(
    points: Any,
    face: Face | Sequence[float] | np.ndarray,
    size: int,
    *,
    roll: float | None = None,
    framing: Framing | None = None,
) -> np.ndarray:
    """Carry points of a picture along into what `cut_face` cuts out of it.

    Args:
        points: `(..., 2)`, each `(x, y)` in pixels of the picture, whole at the centre of a pixel.
        face: As for `cut_face`.
        size: As for `cut_face`.
        roll: As for `cut_face`.
        framing: As for `cut_face`.

    Returns:
        float64 `(..., 2)`, the points in pixels of the cut.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    >>> cut_points([(119.5, 44.5)], (100, 20, 40, 50), 48, framing=Framing(0.96, 0, 0))
    array([[23.5, 23.5]])
    """
    check_integer("size", size, 1)
    box, roll, framing = _place(face, roll, framing)
    points = as_numbers("points", points)
    if points.shape[-1:] != (2,):
        raise ValueError(
            "`points` must have the shape (..., 2), x and y of each. "
            f"Received: shape={points.shape}"
        )
    left, top, side = square(box, framing)
    if abs(roll) > MOST_ROLL:
        cx, cy, _ = _centre(box, framing)
        cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
        x, y = points[..., 0] - (cx - 0.5), points[..., 1] - (cy - 0.5)
        points = np.stack([cos * x + sin * y, cos * y - sin * x], axis=-1) + (side - 1) / 2
    else:
        points = points - (left, top)
    return (points + 0.5) * (size / side) - 0.5


def square(box: Sequence[float] | np.ndarray, framing: Framing) -> tuple[int, int, int]:
    """Return `(left, top, side)` of the square around a box, whole numbers.

    Args:
        box: `(x, y, width, height)` in pixels of the picture, as in `fer_data.faces.Face`.
        framing: How the face lies in its box.

    Example:

    >>> square((100, 50, 40, 50), Framing(0.96, 0, 0))
    (96, 51, 48)
    """
    cx, cy, side = _centre(box, framing)
    return _round(cx - side / 2), _round(cy - side / 2), side


def roll_of(points: np.ndarray | None) -> float:
    """Return by how many degrees the line through the eyes is turned, clockwise as one sees it.

    Args:
        points: `(5, 2)` as in `fer_data.faces.Face.points`, or `None`, which gives 0.
    """
    if points is None:
        return 0.0
    across = np.asarray(points[1], np.float64) - np.asarray(points[0], np.float64)
    return math.degrees(math.atan2(across[1], across[0]))


def as_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return pixels `(..., 1 or 3)` as float32 with 1 channel (grey) or 3, in the same range."""
    pixels = np.asarray(pixels, np.float32)
    if channels == 1 and pixels.shape[-1] == 3:
        return pixels @ np.array(GREY, np.float32)[:, None]
    return np.repeat(pixels, channels, -1) if channels > pixels.shape[-1] else pixels


def resized(pixels: np.ndarray, size: int) -> np.ndarray:
    """Resize a float32 square `(side, side, channels)`: by area to shrink, else bilinearly."""
    import cv2

    side, channels = pixels.shape[1:]
    if side == size:
        return pixels
    # In float32 these are the two rules of this module, but for 1e-4 of a grey level.
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(pixels, (size, size), interpolation=method).reshape(size, size, channels)


def framing_of(face: Face) -> Framing | None:
    """Return the framing of a `Face`, its own or its detector's; `None` if unknown."""
    return face.framing or FRAMINGS.get(face.detector or "")


def _place(face, roll, framing):
    """Return box, roll and framing of a face; given values come before its own."""
    if isinstance(face, Face):
        box, points, known = face.box, face.points, framing_of(face)
    else:
        box, points, known = as_array("face", face), None, None
        numbers = box.dtype.kind in "iuf" and box.shape == (4,) and np.isfinite(box).all()
        if not numbers or (box[2:] <= 0).any():
            raise ValueError(
                "`face` must be a Face, or finite numbers (x, y, width, height) with a positive "
                f"width and height. Received: face={face!r}"
            )
    if framing is not None:
        check_framing("framing", framing)
    elif known is None:
        detector = f"detector={face.detector!r}" if isinstance(face, Face) else "a box alone"
        raise ValueError(
            "`framing` must say how the face lies in its box, since each detector draws boxes in "
            "its own way: give `framing=fer_data.faces.FRAMINGS['mtcnn']` for boxes like MTCNN's, "
            "`framing=Framing(1, 0, 0)` for a box that is to be cut as it is, or make the `Face` "
            f"with `framing=`. Received: framing=None and {detector}"
        )
    if roll is None:
        roll = roll_of(points)
    check_number("roll", roll)
    return box, roll, framing or known


def _centre(box, framing):
    x, y, width, height = (float(value) for value in box)
    longer = max(width, height)
    side = max(1, _round(framing.scale * longer))
    return x + width / 2 + framing.right * longer, y + height / 2 + framing.down * longer, side


def _round(value):
    return math.floor(value + 0.5)


def _cut(image, left, top, side):
    import cv2

    height, width = image.shape[:2]
    right, below = left + side, top + side
    if left >= 0 and top >= 0 and right <= width and below <= height:
        return image[top:below, left:right]
    x, y, end_x, end_y = max(left, 0), max(top, 0), min(right, width), min(below, height)
    if x < end_x and y < end_y:
        outside = (y - top, below - end_y, x - left, right - end_x)
        return cv2.copyMakeBorder(image[y:end_y, x:end_x], *outside, cv2.BORDER_REPLICATE)
    # All of it is outside.
    rows = np.clip(np.arange(top, below), 0, height - 1)
    columns = np.clip(np.arange(left, right), 0, width - 1)
    return image[rows[:, None], columns]


def _turned(image, box, channels, roll, framing):
    # Not `cv2.warpAffine`, which rounds places to 1/32 of a pixel.
    cx, cy, side = _centre(box, framing)
    angle = math.radians(roll)
    offset = np.arange(side) - (side - 1) / 2
    u, v = offset[None, :], offset[:, None]
    x = cx - 0.5 + math.cos(angle) * u - math.sin(angle) * v
    y = cy - 0.5 + math.sin(angle) * u + math.cos(angle) * v
    height, width = image.shape[:2]
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    # Only the part that is looked at, with the pixels beyond its last row and column doubled.
    left, top = int(x.min()), int(y.min())
    part = _cut(image, left, top, max(int(x.max()) - left, int(y.max()) - top) + 2)
    part = as_channels(part, channels)
    columns, rows = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    x, y = ((a - b)[..., None].astype(np.float32) for a, b in ((x, columns), (y, rows)))
    across = part.shape[1]
    first = (rows - top) * across + columns - left
    flat = part.reshape(-1, channels)
    upper = flat[first] * (1 - x) + flat[first + 1] * x
    lower = flat[first + across] * (1 - x) + flat[first + across + 1] * x
    return upper * (1 - y) + lower * y
