"""The regions of an aligned face that the models of micro-expressions see.

The regions are windows of a face, cut out without resampling: a pixel shows what the alignment
sampled. The windows follow the landmarks, or lie on a fixed grid that is the same for every face.
"""

import tensorflow as tf
from numpy.typing import ArrayLike

from fer_data.checks import check_choice, shown
from fer_data.faces._resample import require
from fer_data.faces.similarity import as_numbers

# How windows are placed.
CUTS = ("landmarks", "grid")
_BROWS = {"left": range(17, 22), "right": range(22, 27)}
_EYES = {"left": range(36, 42), "right": range(42, 48)}
# What each window follows, of the 68 points in iBUG order.
POINTS = {
    "left": (*_BROWS["left"], *_EYES["left"]),
    "right": (*_BROWS["right"], *_EYES["right"]),
    "upper": (*_BROWS["left"], *_BROWS["right"], *_EYES["left"], *_EYES["right"]),
    "lower": tuple(range(48, 68)),
}
# Number of regions: their names, the width of each in units of `size`, and which region takes its
# place in the mirror image.
_WINDOWS = {
    2: (("upper", "lower"), (2, 1), (0, 1)),
    3: (("left", "right", "lower"), (1, 1, 1), (1, 0, 2)),
}


def split_regions(
    face: tf.Tensor | ArrayLike, size: int = 64, landmarks: tf.Tensor | ArrayLike | None = None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Cut an aligned face into the three regions of the micro-expression models.

    With landmarks, each region is the window of `size` pixels around the middle of its points: brow
    and eye on the left, brow and eye on the right, mouth. Windows lie on whole pixels and inside
    the face. If any window of this size contains all points of a region, then this one does. All
    frames of a clip share one window: a window that followed its points from frame to frame would
    take away the motion of a lip corner, and add the jitter of the landmarks.

    Without landmarks, the windows are those of a fixed grid. Of a face of 128 pixels, rows and
    columns: `[0:64, 0:64]`, `[0:64, 64:128]` and `[64:128, 32:96]`; of other sizes the same halves
    and quarters.

    Nothing is resampled: align the face to `2 * size`. Left and right are the picture's, not the
    person's: a horizontal flip of the picture swaps them, flipped.

    Args:
        face: `(..., 2 * size, 2 * size, channels)`, aligned by `align_face` or `align_clip`.
        size: Height and width of a region, even.
        landmarks: `(68, 2)` points `(x, y)` in iBUG order, in pixels of the face, as
            `transform_points(points, alignment(points))` gives them: of one face, or of a clip's
            first frame. `(batch, 68, 2)` for a batch of faces or clips. `None` for the grid.

    Returns:
        `(left_upper, right_upper, lower)`, each `(..., size, size, channels)` of the face's type.

    Raises:
        ValueError: If `size` is odd, or a static shape does not fit it or the other.
        tf.errors.InvalidArgumentError: If the face's shape does not fit `size`, or landmarks are
            not finite or not as many as the faces.

    Example:

    >>> import numpy as np
    >>> face = np.zeros((128, 128, 3), "uint8")
    >>> left, right, lower = split_regions(face)
    >>> lower.shape
    TensorShape([64, 64, 3])
    >>> points = np.full((68, 2), 40.0)
    >>> points[48:] = 64.0, 80.0
    >>> face[80, 64] = 255
    >>> _, _, lower = split_regions(face, landmarks=points)
    >>> np.argwhere(lower[..., 0] == 255)
    array([[32, 32]])
    """
    face = _checked_face(face, size)
    if landmarks is None:
        quarter = size // 2
        return (
            face[..., :size, :size, :],
            face[..., :size, size:, :],
            face[..., size:, quarter : quarter + size, :],
        )
    return cut_windows(face, region_windows(landmarks, size), size)


def region_windows(landmarks: tf.Tensor | ArrayLike, size: int = 64, regions: int = 3) -> tf.Tensor:
    """Return the windows of the regions that follow the landmarks of an aligned face.

    A window is centred on the middle of the smallest box around its points, rounded to whole
    pixels, and moved into the face where it would reach beyond.

    Args:
        landmarks: `(..., 68, 2)`, as for `split_regions`.
        size: Height and width of a region, even; the face has twice as much.
        regions: 3 for left, right and lower; 2 for upper, which is as wide as the face, and lower.

    Returns:
        Int32 tensor `(..., regions, 2)`: row and column of the upper left pixel of each window.

    Raises:
        ValueError: If an argument's range or static shape is wrong.
        tf.errors.InvalidArgumentError: If landmarks are not finite.

    Example:

    >>> import numpy as np
    >>> points = np.full((68, 2), 40.0)
    >>> points[48:] = 64.0, 80.0
    >>> region_windows(points).numpy().tolist()
    [[8, 8], [8, 8], [48, 32]]
    """
    _check_size(size)
    check_choice("regions", regions, tuple(_WINDOWS))
    landmarks = as_numbers("landmarks", landmarks)
    shape = landmarks.shape
    if shape.rank is None or shape.rank < 2 or not shape[-2:].is_compatible_with((68, 2)):
        raise ValueError(
            "`landmarks` must have the static shape (..., 68, 2), in iBUG order: a detector's "
            f"five points show no brows. Received: shape={shape}"
        )
    points = tf.cast(tf.ensure_shape(landmarks, (*shape[:-2], 68, 2)), tf.float64)
    finite = tf.reduce_all(tf.math.is_finite(points))
    points = require(finite, "`landmarks` must be finite. Received: landmarks =", [points], points)
    names, widths, _ = _WINDOWS[regions]
    windows = []
    for name, width in zip(names, widths, strict=True):
        own = tf.gather(points, POINTS[name], axis=-2)
        middle = (tf.reduce_min(own, axis=-2) + tf.reduce_max(own, axis=-2)) / 2
        # Halves go to even numbers, as do those of the mirror image: the room is an even number.
        corner = tf.round(middle - ((width * size - 1) / 2, (size - 1) / 2))
        corner = tf.clip_by_value(corner, 0.0, ((2 - width) * float(size), float(size)))
        windows.append(tf.reverse(tf.cast(corner, tf.int32), axis=[-1]))
    return tf.stack(windows, axis=-2)


def mirrored_windows(windows: tf.Tensor, size: int = 64) -> tf.Tensor:
    """Return the windows of the same regions in the mirror images of the faces.

    Args:
        windows: `(..., regions, 2)`, as `region_windows` returns them.
        size: As for `region_windows`.

    Returns:
        Int32 tensor of the same shape.

    Example:

    >>> mirrored_windows(tf.constant([[8, 10], [8, 50], [60, 30]])).numpy().tolist()
    [[8, 14], [8, 54], [60, 34]]
    """
    _, widths, places = _WINDOWS[windows.shape[-2]]
    rows, columns = tf.unstack(tf.gather(windows, places, axis=-2), axis=-1)
    room = [(2 - width) * size for width in widths]
    return tf.stack([rows, room - columns], axis=-1)


def cut_windows(face: tf.Tensor, windows: tf.Tensor, size: int = 64) -> tuple[tf.Tensor, ...]:
    """Cut windows out of faces.

    Args:
        face: `(..., 2 * size, 2 * size, channels)`.
        windows: `(regions, 2)` for all faces, or `(batch, regions, 2)` for a batch of faces or
            clips, as `region_windows` returns them.
        size: Height and width of a region, even.

    Returns:
        A tensor for each region, `(..., size, size, channels)`; of two regions, the upper one
        `(..., size, 2 * size, channels)`.

    Raises:
        ValueError: If a static shape does not fit `size` or the other.
        tf.errors.InvalidArgumentError: If there are not as many windows as faces.
    """
    face = _checked_face(face, size)
    batched = windows.shape.rank - 2
    if batched not in (0, 1) or (batched and face.shape.rank < 4):
        raise ValueError(
            "`landmarks` must have the shape (68, 2) for a face or a clip, or (batch, 68, 2) for "
            f"a batch of them. Received: landmarks.shape={(*windows.shape[:-2], 68, 2)}, "
            f"face.shape={face.shape}"
        )
    widths = [width * size for width in _WINDOWS[windows.shape[-2]][1]]

    def cut(face, windows):
        before = [0] * (face.shape.rank - 3)
        whole = [-1] * len(before)
        regions = []
        for number, width in enumerate(widths):
            begin = tf.concat([before, windows[number], [0]], axis=0)
            region = tf.slice(face, begin, [*whole, size, width, -1])
            regions.append(tf.ensure_shape(region, (*face.shape[:-3], size, width, face.shape[-1])))
        return tuple(regions)

    if not batched:
        return cut(face, windows)
    if not face.shape[:1].is_compatible_with(windows.shape[:1]):
        raise ValueError(
            "`landmarks` must be of as many faces as `face` holds. "
            f"Received: {windows.shape[0]} and {face.shape[0]}"
        )
    counts = tf.shape(windows)[0], tf.shape(face)[0]
    as_many = "`landmarks` must be of as many faces as `face` holds. Received:"
    face = require(tf.equal(*counts), as_many, [*counts], face)
    inner = face.shape[1:-3]
    spec = [tf.TensorSpec((*inner, size, w, face.shape[-1]), face.dtype) for w in widths]
    # Slices of rows, one face after the other: gathering pixels takes three times as long.
    found = tf.map_fn(lambda both: cut(*both), (face, windows), fn_output_signature=tuple(spec))
    return tuple(
        tf.ensure_shape(region, (face.shape[0], *part.shape))
        for region, part in zip(found, spec, strict=True)
    )


def _check_size(size):
    if isinstance(size, bool) or not isinstance(size, int) or not 2 <= size < 2**31 or size % 2:
        raise ValueError(f"`size` must be an even integer >= 2. Received: size={shown(size)}")


def _checked_face(face, size):
    _check_size(size)
    face = as_numbers("face", face)
    shape = face.shape
    side = 2 * size
    if shape.rank is None or shape.rank < 3 or not shape[-3:-1].is_compatible_with((side, side)):
        raise ValueError(
            f"`face` must have the shape (..., 2 * size, 2 * size, channels), here (..., {side}, "
            f"{side}, channels). Received: shape={shape}, size={size}"
        )
    return tf.ensure_shape(face, (*shape[:-3], side, side, shape[-1]))
