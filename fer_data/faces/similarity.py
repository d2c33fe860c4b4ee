"""The similarity transform behind `align_face`, computed from landmarks.

Pixel centres have whole coordinates. So a face of `size` pixels spans -0.5 to `size - 0.5`, and a
point at the share `f` of its side has the coordinate `f * size - 0.5`.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from fer_data.checks import check_integer
from fer_data.faces._resample import Similarity, require

# Shares of the face's side. With them the eyes and brows stay in the upper quarters and the mouth
# in the lower square of the grid of `split_regions`.
EYES_X = (0.34, 0.66)
EYES_Y = 0.36

# The eyes among the landmarks: of 68 points in iBUG order, of a detector's five.
_EYES = {68: slice(36, 48), 5: slice(0, 2)}


def alignment(landmarks: np.ndarray | tf.Tensor, size: int = 128) -> tf.Tensor:
    """Return the similarity that takes a picture's points to those of the aligned face.

    The eye centres, means of the points 36 to 41 and 42 to 47, come to 0.34 and 0.66 of the
    face's width and 0.36 of its height: for 128 pixels to `(43.02, 45.58)` and `(83.98, 45.58)`.

    Args:
        landmarks: `(..., 68, 2)` points `(x, y)` in iBUG order, or `(..., 5, 2)` as in
            `Face.points`, in pixels of the picture.
        size: Height and width of the face in pixels.

    Returns:
        Tensor `(..., 2, 3)`, the matrix for `transform_points`; float64 for float64 landmarks,
        else float32.

    Raises:
        ValueError: If an argument's type, range or static shape is wrong.
        tf.errors.InvalidArgumentError: If landmarks are not finite, or the eye centres coincide.

    Example:

    >>> points = np.zeros((5, 2), "float32")
    >>> points[:2] = (100, 80), (164, 80)
    >>> alignment(points, size=128).numpy().round(2)
    array([[  0.64,   0.  , -20.98],
           [ -0.  ,   0.64,  -5.62]], dtype=float32)
    """
    landmarks = as_numbers("landmarks", landmarks)
    return _matrix(from_landmarks(landmarks, size), landmarks.dtype)


def transform_points(points: np.ndarray | tf.Tensor, matrix: np.ndarray | tf.Tensor) -> tf.Tensor:
    """Move points by the matrix that `alignment` returns.

    Args:
        points: `(..., n, 2)` points `(x, y)`.
        matrix: `(..., 2, 3)`; leading axes broadcast against those of the points.

    Returns:
        Tensor `(..., n, 2)` of the matrix's type.

    Raises:
        ValueError: If an argument's type or static shape is wrong.

    Example:

    >>> transform_points([[3.0, 4.0]], [[0.5, 0.0, 1.0], [0.0, 0.5, -1.0]]).numpy()
    array([[2.5, 1. ]], dtype=float32)
    """
    matrix = as_numbers("matrix", matrix)
    points = as_numbers("points", points)
    for name, value, tail in (("points", points, (None, 2)), ("matrix", matrix, (2, 3))):
        if value.shape.rank is not None and not value.shape[-2:].is_compatible_with(tail):
            ends = ", ".join("n" if side is None else str(side) for side in tail)
            raise ValueError(
                f"`{name}` must have the shape (..., {ends}). Received: shape={value.shape}"
            )
    if not matrix.dtype.is_floating:
        matrix = tf.cast(matrix, tf.float32)
    points = tf.cast(points, matrix.dtype)[..., None, :]
    # Not a matrix product, which TensorFloat-32 would round to 1/4 pixel in a large picture.
    turned = tf.reduce_sum(matrix[..., None, :, :2] * points, axis=-1)
    return turned + matrix[..., None, :, 2]


def from_landmarks(landmarks: tf.Tensor, size: int) -> Similarity:
    """Return the `Similarity` of `alignment`."""
    check_integer("size", size, 1)
    shape = landmarks.shape
    if shape.rank is None or shape.rank < 2 or shape[-1] != 2 or shape[-2] not in _EYES:
        raise ValueError(
            "`landmarks` must have the static shape (..., 68, 2) or (..., 5, 2). "
            f"Received: shape={shape}"
        )
    points = tf.cast(landmarks[..., _EYES[shape[-2]], :], tf.float64)
    count = points.shape[-2] // 2
    # Sums, not means: of float32 points they are exact, so a mirrored face has the same.
    first = tf.reduce_sum(points[..., :count, :], axis=-2)
    second = tf.reduce_sum(points[..., count:, :], axis=-2)
    apart = second - first
    origin = (first + second) / (2 * count)
    step = apart / ((EYES_X[1] - EYES_X[0]) * size * count)
    finite = tf.reduce_all(tf.math.is_finite(tf.cast(landmarks, tf.float64)))
    valid = finite & tf.reduce_all(tf.reduce_any(apart != 0, axis=-1))
    message = (
        "`landmarks` must be finite, and the centres of the two eyes apart. Received: landmarks ="
    )
    origin, step = require(valid, message, [landmarks], (origin, step))
    return Similarity(origin, step, ((size - 1) / 2, EYES_Y * size - 0.5))


def as_numbers(name: str, value: Any) -> tf.Tensor:
    """Return a tensor, whole or floating; `ValueError` for anything else."""
    try:
        tensor = tf.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{name}` must be an array of numbers. Received: {value!r}") from error
    if not (tensor.dtype.is_floating or tensor.dtype.is_integer):
        raise ValueError(f"`{name}` must be of numbers. Received: dtype={tensor.dtype.name}")
    return tensor


def _matrix(similarity, dtype):
    """Return the matrix from the picture to the face, the inverse of the similarity."""
    a, b = tf.unstack(similarity.step, axis=-1)
    square = a * a + b * b
    rows = tf.stack([tf.stack([a, b], -1), tf.stack([-b, a], -1)], -2) / square[..., None, None]
    moved = tf.linalg.matvec(rows, similarity.origin)
    shift = np.array(similarity.anchor) - moved
    matrix = tf.concat([rows, shift[..., None]], axis=-1)
    return tf.cast(matrix, tf.float64 if dtype == tf.float64 else tf.float32)
