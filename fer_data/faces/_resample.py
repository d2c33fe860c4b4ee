"""The one resampling between a picture and a face: a box filter where it shrinks, then bilinear.

Positions are whole numbers of 1/2048 pixel, measured from two points that belong together, one of
the picture and one of the face. So a picture and its mirror image are sampled at places that are
mirror images to the last bit, which sums of floats are not.

A face takes well under a millisecond, of which starting an operation is a good part: there are few
of them, on pairs (row, column) where possible.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

# 11 bits are what survives in TensorFloat-32, should the weights meet a GPU that uses it.
_BITS = 11
_UNIT = 1 << _BITS
# Rows of a multiple of 16 pixels are multiples of 64 bytes, which TensorFlow slices uncopied.
_ROUND_UP = np.array([0, 15], "int32")


class Similarity(NamedTuple):
    """A map from the face to the picture that turns, scales and shifts.

    The face's point `anchor + (x, y)` lies in the picture at
    `origin + (a * x - b * y, b * x + a * y)`, where `step` is `(a, b)`.

    Attributes:
        origin: float64 tensor `(..., 2)`, a point `(x, y)` of the picture.
        step: float64 tensor `(..., 2)`, picture pixels for one pixel of the face.
        anchor: Two numbers, the point of the face at `origin`; the same for a whole batch.
    """

    origin: tf.Tensor
    step: tf.Tensor
    anchor: tuple[float, float]


class Plan(NamedTuple):
    """Where each pixel of a face comes from, in pictures of one size.

    Attributes:
        begin, size: The slice of the picture that is needed.
        paddings: What lies around it outside the picture.
        columns: Width of the padded slice.
        taps: Of the box filter, from its middle, which is 1 and left out, to one end; none where
            nothing shrinks.
        gain: What brings the sums of the filter back to means.
        index: `(pixels, 1)`, the upper left one of each four neighbours, in the filtered slice.
        right, below: `(pixels, channels)`, weights of the right and of the lower neighbours.
    """

    begin: tf.Tensor
    size: tf.Tensor
    paddings: tf.Tensor
    columns: tf.Tensor
    taps: tf.Tensor
    gain: tf.Tensor
    index: tf.Tensor
    right: tf.Tensor
    below: tf.Tensor


def plan(similarity, shape, size, dtype):
    """Prepare the resampling of pictures of one size by one similarity.

    Args:
        similarity: `Similarity` without batch axes.
        shape: int32 tensor `(3,)`, height, width and channels of the pictures.
        size: Height and width of the output.
        dtype: Type of the pictures.

    Returns:
        A `Plan`.

    Raises:
        tf.errors.InvalidArgumentError: If the face is not finite, or not in or near the picture.
    """
    dtype = tf.float64 if dtype == tf.float64 else tf.float32
    # Rows before columns from here on, as in the picture.
    x, y = (np.arange(size) - np.array(similarity.anchor)[:, None]) * _UNIT
    moves = tf.gather(similarity.step, [1, 0, 0, 1])[:, None] * np.stack([x, x, y, -y])
    moves = tf.reshape(tf.cast(tf.round(moves), tf.int32), (2, 2, size))
    centre = tf.cast(tf.round(tf.reverse(similarity.origin, [0]) * _UNIT), tf.int32)
    low = _pixel(centre + tf.reduce_sum(tf.reduce_min(moves, 2), 0))
    high = _pixel(centre + tf.reduce_sum(tf.reduce_max(moves, 2), 0)) + 2
    scale = tf.maximum(tf.norm(similarity.step), 1)
    radius = tf.cast(tf.math.ceil((scale - 1) / 2), tf.int32)
    begin = low - radius
    extent = tf.bitwise.bitwise_and(high - low + 2 * radius + _ROUND_UP, ~_ROUND_UP)
    end = begin + extent
    start, stop = tf.maximum(begin, 0), tf.minimum(end, shape[:2])
    near = _near(similarity, max(abs(x).max(), abs(y).max()) / _UNIT, shape)
    near &= tf.reduce_all((low < shape[:2]) & (high > 0))
    values = [similarity.origin, similarity.step, shape]
    start, stop, radius = require(near, _NEAR, values, (start, stop, radius))

    across, down = tf.unstack(moves)
    position = across[:, None, :] + (down + (centre - low * _UNIT)[:, None])[:, :, None]
    row, column = tf.unstack(_pixel(position))
    columns = extent[1]
    part = tf.cast(tf.bitwise.bitwise_and(position, _UNIT - 1), dtype)
    # A product with a power of two is exact, and cheaper than tiling or broadcasting.
    weights = tf.fill(tf.concat([[1], shape[2:]], 0), tf.cast(1 / _UNIT, dtype))
    weights = tf.matmul(tf.reshape(part, (-1, 1)), weights)
    below, right = tf.unstack(tf.reshape(weights, (2, size * size, -1)))
    # A box as wide as `scale` pixels covers whole ones, and of the last ones at its ends a part.
    covered = (scale + 1) / 2 - tf.cast(tf.range(1, radius + 1), tf.float64)
    return Plan(
        begin=tf.pad(start, [[0, 1]]),
        size=tf.concat([stop - start, shape[2:]], 0),
        paddings=tf.pad(tf.stack([start - begin, end - stop], 1), [[0, 1], [0, 0]]),
        columns=columns,
        taps=tf.cast(tf.minimum(covered, 1), dtype),
        gain=tf.cast(1 / (scale * scale), dtype),
        index=tf.reshape(row * columns + column, (-1, 1)),
        right=right,
        below=below,
    )


def resample(picture, plan, size, channels):
    """Sample one picture as planned.

    Args:
        picture: `(height, width, channels)`, of any type of number.
        plan: A `Plan` for its size.
        size: Height and width of the output.
        channels: Static number of channels or `None`.

    Returns:
        Tensor `(size, size, channels)`, float64 for float64 pictures, else float32.
    """
    count = channels or tf.shape(picture)[2]
    region = tf.pad(tf.slice(picture, plan.begin, plan.size), plan.paddings)
    numbers = tf.reshape(tf.cast(region, plan.taps.dtype), (-1,))
    numbers = _filter(numbers, plan.taps, plan.columns * count)
    pixels = tf.reshape(_filter(numbers, plan.taps, count), (-1, count))
    index, left = plan.index, 1 - plan.right
    # gather_nd copies short runs a third faster than gather does.
    upper = tf.gather_nd(pixels, index) * left
    upper += tf.gather_nd(pixels, index + 1) * plan.right
    index += plan.columns
    lower = tf.gather_nd(pixels, index) * left
    lower += tf.gather_nd(pixels, index + 1) * plan.right
    face = (upper + (lower - upper) * plan.below) * plan.gain
    return tf.ensure_shape(tf.reshape(face, (size, size, count)), (size, size, channels))


def require(condition, message, values, result):
    """Return `result` once `condition` has been asserted."""
    # `tf.debugging.Assert` would wrap each of them into a conditional of ten operations.
    check = tf.raw_ops.Assert(condition=condition, data=[message, *values], summarize=140)
    with tf.control_dependencies([] if check is None else [check]):
        return tf.nest.map_structure(tf.identity, result)


_NEAR = (
    "A face must be finite, overlap its picture, and reach no farther from the middle of it than "
    "twice the longer side. Received: centre (x, y), picture pixels for a pixel of the face as a "
    "vector (x, y), and picture (height, width, channels) ="
)


def _near(similarity, reach, shape):
    """Whether the face is finite and so near its picture that its memory is bounded."""
    sides = tf.cast(tf.reverse(shape[:2], [0]), tf.float64)
    from_middle = tf.abs(similarity.origin - (sides - 1) / 2)
    reach = reach * tf.reduce_sum(tf.abs(similarity.step))
    return tf.reduce_max(from_middle) + reach <= 2 * tf.reduce_max(sides)


def _pixel(position):
    return tf.bitwise.right_shift(position, _BITS)


def _filter(numbers, taps, stride):
    """Add to all numbers those before and after them, `stride` places apart, times the taps.

    The ends that lack neighbours are left out. Where rows are filtered in the flat picture, so are
    the last pixels of one with the first ones of the next, which nobody asks for.
    """
    radius = tf.size(taps)
    length = tf.size(numbers) - 2 * radius * stride

    def moved(places):
        return tf.slice(numbers, [(radius + places) * stride], [length])

    def add(place, total):
        # The sum of a pair is the same in the mirror, to the last bit.
        return place + 1, total + (moved(-place) + moved(place)) * taps[place - 1]

    return tf.while_loop(lambda place, _: place <= radius, add, (tf.constant(1), moved(0)))[1]
