"""A clip of fixed length from one of any length, by interpolation in time."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from fer_data import arguments
from fer_data.checks import check_integer, check_number, checked_array, shown


def sample_positions(count: int, onset: int, offset: int, apex: int | None = None) -> np.ndarray:
    """Return where in time to take the frames of a clip of fixed length.

    The positions are evenly spaced from onset to offset, both included. With an apex, one of them
    is the apex itself, the one that is nearest to it already, and the others are evenly spaced on
    either side of it.

    Args:
        count: Frames of the clip, 2 or more, or 3 for an apex between onset and offset.
        onset: Number of the first frame.
        offset: Number of the last frame, greater than `onset`.
        apex: Number of the frame that the clip must contain, or `None`.

    Returns:
        float64 array `(count,)`, increasing, in frames.

    Raises:
        ValueError: If the offset does not come after the onset, the apex lies outside the two, or
            `count` is too small.

    Example:

    >>> sample_positions(4, onset=10, offset=19).tolist()
    [10.0, 13.0, 16.0, 19.0]
    >>> sample_positions(5, onset=0, offset=20, apex=4).tolist()
    [0.0, 4.0, 9.333333333333332, 14.666666666666666, 20.0]
    """
    check_integer("count", count, 2)
    check_number("onset", onset, 0)
    check_number("offset", offset, 0)
    if offset <= onset:
        raise ValueError(
            f"`offset` must come after `onset`. Received: onset={onset!r}, offset={offset!r}"
        )
    if apex is None:
        return _even(onset, offset, count)
    check_number("apex", apex, 0)
    if not onset <= apex <= offset:
        raise ValueError(
            "`apex` must lie between `onset` and `offset`. "
            f"Received: onset={onset!r}, apex={apex!r}, offset={offset!r}"
        )
    if apex in (onset, offset):
        return _even(onset, offset, count)
    if count < 3:
        raise ValueError(
            "`count` must be 3 or more for an apex between onset and offset. "
            f"Received: count={count}, onset={onset!r}, apex={apex!r}, offset={offset!r}"
        )
    place = math.floor((apex - onset) / (offset - onset) * (count - 1) + 0.5)
    place = min(max(place, 1), count - 2)
    rise = _even(onset, apex, place + 1)
    return np.concatenate([rise, _even(apex, offset, count - place)[1:]])


def _even(first, last, count):
    # NumPy takes integers of more than 64 bits for objects.
    return np.linspace(float(first), float(last), count)


@arguments.checked(frames=arguments.sequence(), positions=arguments.array((None,), empty=True))
def interpolate(
    frames: Iterable[tuple[int, np.ndarray]], positions: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield a picture for each position, blended linearly from the two frames beside it.

    It holds two frames at a time. Linear blending replaces the temporal interpolation model of the
    micro-expression literature, which needs a whole clip at once and gives much the same frames.

    Args:
        frames: Iterable of `(number, picture)` with increasing numbers, and pictures of one shape
            and type. Numbers may be missing: their neighbours are blended.
        positions: Increasing numbers, as from `sample_positions`.

    Yields:
        Arrays of the shape and type of the pictures; integers are rounded.

    Raises:
        ValueError: If a position lies before the first or after the last frame, if the positions
            fall, the numbers do not rise, or the pictures differ in shape.

    Example:

    >>> import numpy as np
    >>> pictures = [np.full((2, 2, 3), value, np.uint8) for value in (0, 100, 110)]
    >>> clip = interpolate(enumerate(pictures), [0, 0.5, 1.5, 2])
    >>> [int(picture[0, 0, 0]) for picture in clip]
    [0, 50, 105, 110]

    Reference:
        Zhou, Zhao and Pietikäinen, "Towards a practical lipreading system", 2011; Pfister, Li,
        Zhao and Pietikäinen, "Recognising spontaneous facial micro-expressions", 2011 (the model
        that this stands in for).
    """
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 1 or not positions.size or not (np.diff(positions) >= 0).all():
        raise ValueError(f"`positions` must be increasing numbers. Received: positions={positions}")
    return _interpolate(frames, positions.tolist())


def _interpolate(frames, positions):
    before, place = None, 0
    for number, picture in map(_numbered, frames):
        if before is None and positions[0] < number:
            raise ValueError(
                "`positions` must not lie before the first frame. "
                f"Received: position {positions[0]:g}, first frame {number}"
            )
        if before is not None and number <= before[0]:
            raise ValueError(
                "`frames` must have increasing numbers. "
                f"Received: frame {number} after frame {before[0]}"
            )
        if before is not None and np.shape(picture) != np.shape(before[1]):
            raise ValueError(
                "`frames` must have pictures of one shape. "
                f"Received: frame {number} of {np.shape(picture)} after {np.shape(before[1])}"
            )
        while place < len(positions) and positions[place] <= number:
            yield _blend(before, (number, picture), positions[place])
            place += 1
        if place == len(positions):
            return
        before = number, picture
    last = "no frames" if before is None else f"last frame {before[0]}"
    raise ValueError(
        "`positions` must not lie after the last frame. "
        f"Received: position {positions[place]:g}, {last}"
    )


def _numbered(frame):
    if not isinstance(frame, (tuple, list)) or len(frame) != 2:
        raise ValueError(
            f"`frames` must be pairs of a number and a picture. Received: {shown(frame)}"
        )
    number, picture = frame
    check_number("number of a frame", number)
    return number, checked_array(f"picture of frame {number}", picture)


def _blend(before, after, position):
    number, picture = after
    if position == number:
        return np.array(picture)
    weight = (position - before[0]) / (number - before[0])
    first, second = np.asarray(before[1]), np.asarray(picture)
    blend = first * np.float32(1 - weight) + second * np.float32(weight)
    if np.issubdtype(second.dtype, np.integer):
        blend = np.rint(blend)
    return blend.astype(second.dtype)
