"""MTCNN's three stages on any pictures: propose faces, refine them, confirm them.

NumPy and OpenCV do the work between the networks, by the rules of the wheel `mtcnn` 1.0, which does
it in TensorFlow. The faces are the same.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

# The first network looks for faces of this many pixels in pictures that shrink by this factor.
# With a larger least face its pyramid would get pictures smaller than the network's window.
LEAST_FACE = 20
SHRINKING = 0.709
# The first network's window and its step, in pixels of the shrunk picture.
WINDOW, STEP = 12, 2
# How much two faces may overlap: in one shrunk picture, between them, and in later stages.
OVERLAP_IN_ONE, OVERLAP = 0.5, 0.7
# Sides of the inputs of the second and the third network.
SIDES = (24, 48)
# So many patches or comparisons are held at a time: noise gives thousands of proposals.
AT_A_TIME = 256


class Cascade:
    """Finds faces with three networks, each a function from pictures to rows of numbers.

    Pictures are float32 `(n, height, width, 3)`, RGB in [-1, 1]. Faces are rows of float64: `x1,
    y1, x2, y2` in pixels, the score, and after the third network the `x` and then the `y` of five
    points.

    Args:
        propose: Gives `(n, rows, columns, 6)`: for each window the shifts of its corners, and the
            scores of no face and of a face.
        refine: The same for pictures of 24 pixels, `(n, 6)`.
        confirm: For pictures of 48 pixels `(n, 16)`: shifts, five points, scores.
        threads: How many sizes of a picture the first network gets at once, from as many threads.
    """

    def __init__(
        self,
        propose: Callable[[np.ndarray], np.ndarray],
        refine: Callable[[np.ndarray], np.ndarray],
        confirm: Callable[[np.ndarray], np.ndarray],
        threads: int = 1,
    ) -> None:
        self._propose, self._refine, self._confirm = propose, refine, confirm
        self._threads = threads

    def detect(
        self, pictures: Sequence[np.ndarray], scores: tuple[float, float, float]
    ) -> list[np.ndarray]:
        """Return the faces of pictures of one size, a list of rows `(faces, 15)`.

        Args:
            pictures: uint8 RGB pictures `(height, width, 3)` of one size.
            scores: Least scores of a face in the three networks.
        """
        return [
            self._look_closer(picture, rows, *scores[1:])
            for picture, rows in zip(pictures, self._proposals(pictures, scores[0]), strict=True)
        ]

    def follow(
        self, picture: np.ndarray, boxes: np.ndarray, scores: tuple[float, float]
    ) -> np.ndarray:
        """Return the faces near squares, which take the place of the first network's proposals.

        Args:
            picture: uint8 RGB `(height, width, 3)`.
            boxes: `(n, 4)` squares `x1, y1, x2, y2`.
            scores: Least scores of a face in the second and the third network.
        """
        rows = np.concatenate([boxes, np.ones((len(boxes), 1))], 1)
        return self._look_closer(picture, rows, *scores)

    def _proposals(self, pictures, least):
        import cv2

        height, width = pictures[0].shape[:2]
        pictures = [_scaled(picture) for picture in pictures]

        def look(scale):
            size = int(width * scale), int(height * scale)
            small = [cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in pictures]
            return [
                _suppress(_windows(outputs, scale, least), OVERLAP_IN_ONE)
                for outputs in self._propose(np.stack(small))
            ]

        scales = _pyramid(width, height)
        if self._threads == 1:
            by_scale = [look(scale) for scale in scales]
        else:
            # For this call alone, since threads do not survive a fork.
            with ThreadPoolExecutor(self._threads, "propose") as pool:
                by_scale = list(pool.map(look, scales))
        found = [[np.zeros((0, 5))] for _ in pictures]
        for several in by_scale:
            for rows, more in zip(found, several, strict=True):
                rows.append(more)
        return [_squares(_suppress(np.concatenate(rows), OVERLAP)) for rows in found]

    def _look_closer(self, picture, rows, second, third):
        outputs = _looked_at(self._refine, picture, rows, SIDES[0], 6)
        rows = _adjusted(rows, outputs)
        rows = _squares(_suppress(rows[rows[:, 4] > second], OVERLAP))
        outputs = _looked_at(self._confirm, picture, rows, SIDES[1], 16)
        rows = np.concatenate([_adjusted(rows, outputs), _points(rows, outputs[:, 4:14])], 1)
        return _suppress(rows[rows[:, 4] > third], OVERLAP, by_smaller=True)


def _scaled(pixels):
    """Return uint8 pixels as the networks take them: float32 in [-1, 1]."""
    scaled = pixels.astype(np.float32)
    # In place, since new memory for a picture costs more than the sums.
    scaled -= 127.5
    scaled /= 128
    return scaled


def _pyramid(width, height):
    least = min(width, height)
    count = round(-(np.log(least / WINDOW) / np.log(SHRINKING) + 1))
    return WINDOW / LEAST_FACE * SHRINKING ** np.arange(count)


def _windows(outputs, scale, least):
    """Return the windows in which the first network sees a face, in pixels of the picture."""
    score = outputs[..., 5]
    places = np.stack(np.nonzero(score > least))
    shifts = outputs[places[0], places[1], :4].astype(np.float64) * (WINDOW - 1)
    corner = places[::-1].T * STEP
    corners = np.concatenate([corner + 1, corner + WINDOW], 1) + shifts
    return np.concatenate([corners / scale, score[places[0], places[1], None]], 1)


def _suppress(rows, most, by_smaller=False):
    """Return rows, the best first, without those that overlap a better one by more than `most`.

    By the wheel's rule, better rows count even if they are left out themselves. Overlap is the
    shared area divided by the area of both together, or by that of the smaller one.
    """
    rows = rows[np.argsort(rows[:, 4])[::-1]]
    low, high = rows[:, :2], rows[:, 2:4]
    areas = (high - low).prod(1)
    kept = np.ones(len(rows), bool)
    for start in range(0, len(rows), AT_A_TIME):
        some = slice(start, start + AT_A_TIME)
        better = slice(0, start + AT_A_TIME)
        sides = np.minimum(high[better, None], high[None, some])
        sides -= np.maximum(low[better, None], low[None, some])
        shared = np.maximum(sides, 0).prod(2)
        if by_smaller:
            whole = np.minimum(areas[better, None], areas[None, some])
        else:
            whole = areas[better, None] + areas[None, some] - shared
        with np.errstate(divide="ignore", invalid="ignore"):
            covered = np.triu(shared / whole > most, 1 - start)
        kept[some] = ~covered.any(0)
    return rows[kept]


def _squares(rows):
    """Return rows whose boxes are squares around the same centre, as wide as the longer side."""
    rows = rows.copy()
    sides = rows[:, 2:4] - rows[:, :2]
    longer = sides.max(1, keepdims=True)
    rows[:, :2] += sides * 0.5 - longer * 0.5
    rows[:, 2:4] = rows[:, :2] + longer
    return rows


def _adjusted(rows, outputs):
    """Return rows with the corners shifted by a network's numbers, and with its score."""
    # Single precision where the wheel has it.
    shifts = outputs[:, :4] * np.tile(_sides(rows), 2).astype(np.float32)
    return np.concatenate([rows[:, :4] + shifts, outputs[:, -1:]], 1)


def _points(rows, points):
    left, top = rows[:, :1], rows[:, 1:2]
    across, down = np.split(_sides(rows), 2, axis=1)
    x, y = across * points[:, :5] + left - 1, down * points[:, 5:] + top - 1
    return np.concatenate([x, y], 1).astype(np.float32)


def _sides(rows):
    return rows[:, 2:4] - rows[:, :2] + 1


def _looked_at(network, picture, rows, side, numbers):
    """Return a network's output for the boxes, `(n, numbers)`."""
    some = [rows[start : start + AT_A_TIME] for start in range(0, len(rows), AT_A_TIME)]
    found = [network(_patches(picture, each, side)) for each in some]
    return np.concatenate([np.zeros((0, numbers), np.float32), *found])


def _patches(picture, rows, side):
    """Return the contents of the boxes at one size: bilinear samples, and 0 outside the picture.

    The rule of TensorFlow's `crop_and_resize`: the outermost samples lie on the box's corners. Only
    the pixels that are looked at are scaled, not the whole picture.
    """
    height, width = picture.shape[:2]
    x, right, x_share, x_inside = _samples(rows[:, 0], rows[:, 2], width, side)
    y, below, y_share, y_inside = _samples(rows[:, 1], rows[:, 3], height, side)
    pixels = picture.reshape(-1, 3)

    def row_of(line):
        line = line[:, :, None] * width
        first = _scaled(pixels.take(line + x[:, None], axis=0))
        other = _scaled(pixels.take(line + right[:, None], axis=0))
        other -= first
        other *= x_share[:, None, :, None]
        first += other
        return first

    upper, lower = row_of(y), row_of(below)
    lower -= upper
    lower *= y_share[:, :, None, None]
    upper += lower
    upper *= (y_inside[:, :, None] & x_inside[:, None])[..., None]
    return upper


def _samples(low, high, length, side):
    """Return two pixels of each sample along an axis, the second's share, and if it is inside.

    In single precision, as in TensorFlow: that decides which samples are inside.
    """
    low, high = ((end / length).astype(np.float32)[:, None] for end in (low, high))
    last = np.float32(length - 1)
    step = (high - low) * last / np.float32(side - 1)
    places = low * last + np.arange(side, dtype=np.float32) * step
    inside = (places >= 0) & (places <= last)
    places = np.clip(places, 0, last)
    first = np.floor(places)
    return first.astype(np.intp), np.ceil(places).astype(np.intp), places - first, inside
