"""Alignment of faces by their eyes, in TensorFlow ops, for graphs and batches.

Networks of micro-expressions see regions of such faces. Networks of still pictures see what
`fer_data.faces.cut_face` cuts.

Each pixel of a face is sampled once, from the picture itself: where the face shrinks, from pixels
averaged by a box as wide as the shrinking, which prevents aliasing; else bilinearly. Places outside
the picture are black (0). A picture and its mirror image give faces that are mirror images bit for
bit, if their points are exact mirror images (`width - 1 - x` must not have rounded). Gradients
reach the picture, as the exact adjoint of the sampling, but not the points.
"""

import functools

import numpy as np
import tensorflow as tf

from fer_data.faces import _resample
from fer_data.faces.similarity import as_numbers, from_landmarks

_IMAGE_RULE = "(height, width, channels) or (batch, height, width, channels)"
_CLIP_RULE = "(frames, height, width, channels) or (batch, frames, height, width, channels)"


def align_face(
    image: np.ndarray | tf.Tensor,
    landmarks: np.ndarray | tf.Tensor,
    size: int = 128,
    dtype: str | None = None,
) -> tf.Tensor:
    """Turn, scale and shift a face so that its eyes come to fixed places.

    The centres of the eyes come to 0.34 and 0.66 of the width and 0.36 of the height, where
    `fer_data.faces.split_regions` expects them; `alignment` returns the transform.

    Args:
        image: `(height, width, channels)`, or a batch of such pictures; any range of values.
        landmarks: `(68, 2)` points `(x, y)` in iBUG order, or `(5, 2)` as in `Face.points`. One set
            for each picture of a batch, `(batch, 68, 2)`; or several for a single picture,
            `(faces, 68, 2)`.
        size: Height and width of the face.
        dtype: Type of the face: `None` for float32 from whole numbers and the picture's own from
            floats, or `"uint8"` (rounded, and clipped to [0, 255]), or a float type.

    Returns:
        Tensor `(size, size, channels)`, or `(batch, size, size, channels)` where pictures or
        landmarks have a batch axis. In the range of the picture, and black outside it.

    Raises:
        ValueError: If an argument's type, range or static shape is wrong.
        tf.errors.InvalidArgumentError: If landmarks are not finite, the eye centres coincide, or
            the face reaches farther from the middle of its picture than twice the longer side.

    Example:

    >>> points = np.zeros((5, 2), "float32")
    >>> points[:2] = (300, 150), (364, 154)
    >>> align_face(np.zeros((360, 640, 3), "uint8"), points).shape
    TensorShape([128, 128, 3])
    """
    image = _pictures("image", image, (3, 4), _IMAGE_RULE)
    landmarks = as_numbers("landmarks", landmarks)
    similarity = from_landmarks(landmarks, size)
    _check_axes(landmarks, image)
    return _run(image, similarity, size, dtype)


def align_clip(
    frames: np.ndarray | tf.Tensor,
    landmarks: np.ndarray | tf.Tensor,
    size: int = 128,
    dtype: str | None = None,
) -> tf.Tensor:
    """Align all frames of a clip by the landmarks of its first one.

    All frames share one transform. Aligned one by one, they would shake with the jitter of the
    landmarks, of which 0.2 px make grey-level noise as large as a micro-expression.

    Args:
        frames: `(frames, height, width, channels)`, or a batch of such clips; any range of values.
        landmarks: Of the first frame `(68, 2)`, or of all frames `(frames, 68, 2)`, of which the
            first is used; with a batch axis for a batch. `(5, 2)` in place of `(68, 2)` as in
            `align_face`.
        size: Height and width of the faces.
        dtype: Type of the faces, as for `align_face`.

    Returns:
        Tensor `(frames, size, size, channels)`, or `(batch, frames, size, size, channels)`.

    Raises:
        ValueError: If an argument's type, range or static shape is wrong.
        tf.errors.InvalidArgumentError: As for `align_face`.

    Example:

    >>> points = np.zeros((16, 5, 2), "float32")
    >>> points[:, :2] = (300, 150), (364, 154)
    >>> align_clip(np.zeros((16, 360, 640, 3), "uint8"), points).shape
    TensorShape([16, 128, 128, 3])
    """
    frames = _pictures("frames", frames, (4, 5), _CLIP_RULE)
    landmarks = as_numbers("landmarks", landmarks)
    batched = frames.shape.rank == 5
    if landmarks.shape.rank not in (2 + batched, 3 + batched):
        raise ValueError(
            "`landmarks` must have the shape (68, 2) or (frames, 68, 2), with a batch axis if "
            f"`frames` has one. Received: shape={landmarks.shape}, frames.shape={frames.shape}"
        )
    if landmarks.shape.rank == 3 + batched:
        _check_length("landmarks", landmarks.shape[batched], "frames", frames.shape[batched])
        landmarks = landmarks[:, 0] if batched else landmarks[0]
    if batched:
        _check_length("landmarks", landmarks.shape[0], "frames", frames.shape[0])
    return _run(frames, from_landmarks(landmarks, size), size, dtype)


def _run(pictures, similarity, size, dtype):
    target = _target("dtype", dtype, pictures.dtype)
    if not tf.executing_eagerly():
        return _faces(pictures, similarity, size, target)
    shape, poses = pictures.shape, similarity.origin.shape
    signature = (
        tf.TensorSpec([None] * (shape.rank - 1) + [shape[-1]], pictures.dtype),
        *[tf.TensorSpec([None] * (poses.rank - 1) + [2], tf.float64)] * 2,
    )
    faces = _compiled(size, target, similarity.anchor, signature)
    return faces(pictures, similarity.origin, similarity.step)


@functools.lru_cache(maxsize=32)
def _compiled(size, target, anchor, signature):
    """Return the resampling as a graph, which runs ten times as fast as op by op."""

    def faces(pictures, origin, step):
        return _faces(pictures, _resample.Similarity(origin, step, anchor), size, target)

    return tf.function(faces, input_signature=signature, autograph=False)


def _faces(pictures, similarity, size, target):
    """Resample one or several pictures by one or several similarities."""
    channels = pictures.shape[-1]
    shape = tf.shape(pictures)[-3:]
    spec = tf.TensorSpec((size, size, channels), target)

    def sample(picture, plan):
        return _as_type(_resample.resample(picture, plan, size, channels), target)

    def planned(origin, step):
        moved = _resample.Similarity(origin, step, similarity.anchor)
        return _resample.plan(moved, shape, size, pictures.dtype)

    batched = similarity.origin.shape.rank == 2
    rank = pictures.shape.rank
    if rank == 3 and not batched:
        return sample(pictures, planned(similarity.origin, similarity.step))
    if rank == 4 and not batched:
        plan = planned(similarity.origin, similarity.step)
        return _map(lambda picture: sample(picture, plan), pictures, spec)
    poses = (similarity.origin, similarity.step)
    if rank == 3:
        return _map(lambda pose: sample(pictures, planned(*pose)), poses, spec)
    if rank == 4:
        return _map(lambda both: sample(both[0], planned(*both[1:])), (pictures, *poses), spec)

    def clip(both):
        plan = planned(*both[1:])
        return _map(lambda picture: sample(picture, plan), both[0], spec)

    spec_of_clip = tf.TensorSpec((pictures.shape[1], size, size, channels), target)
    return _map(clip, (pictures, *poses), spec_of_clip)


def _map(function, elements, spec):
    faces = tf.map_fn(function, elements, fn_output_signature=spec)
    first = tf.nest.flatten(elements)[0]
    return tf.ensure_shape(faces, (first.shape[0], *spec.shape))


def _as_type(face, target):
    if target == tf.uint8:
        face = tf.round(tf.clip_by_value(face, 0, 255))
    return tf.cast(face, target)


def _target(name, dtype, given):
    if dtype is None:
        return given if given.is_floating else tf.float32
    try:
        target = tf.as_dtype(dtype)
    except TypeError:
        target = None
    if target is None or not (target == tf.uint8 or target.is_floating):
        raise ValueError(
            f'`{name}` must be None, "uint8" or a float type. Received: {name}={dtype!r}'
        )
    return target


def _pictures(name, value, ranks, rule):
    pictures = as_numbers(name, value)
    shape = pictures.shape
    if shape.rank not in ranks:
        raise ValueError(f"`{name}` must have the shape {rule}. Received: shape={shape}")
    if 0 in shape[-3:]:
        raise ValueError(f"`{name}` must not be empty. Received: shape={shape}")
    return pictures


def _check_axes(landmarks, image):
    """Check the axes before the last two of the landmarks against those of the pictures."""
    extra, batched = landmarks.shape.rank - 2, image.shape.rank == 4
    if extra > 1 or (batched and extra != 1):
        raise ValueError(
            "`landmarks` must belong to one picture, or be one for each picture of a batch. "
            f"Received: landmarks.shape={landmarks.shape}, image.shape={image.shape}"
        )
    if batched:
        _check_length("landmarks", landmarks.shape[0], "image", image.shape[0])


def _check_length(name, length, other, expected):
    if None not in (length, expected) and length != expected:
        raise ValueError(
            f"`{name}` and `{other}` must be of the same number. Received: {length} and {expected}"
        )
