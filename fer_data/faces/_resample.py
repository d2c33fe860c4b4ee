"""The resampling from a picture to a face: a box filter where it shrinks, then bilinear.

Positions are multiples of 1/2048 pixel, measured from a pair of matching points, one in the picture
and one in the face. So a picture and its mirror image are sampled at exactly mirrored places, which
sums of floats would not give.

A face takes well under a millisecond, much of it to start operations. So there are few operations,
on pairs (row, column) where possible.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

# TensorFloat-32, which some GPUs use for products with the weights, keeps 11 bits.
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
    """The source of each pixel of a face, for pictures of one size.

    Attributes:
        begin, size: The slice of the picture that is needed.
        paddings: Rows and columns to add where the slice leaves the picture.
        columns: Width of the padded slice.
        taps: Weights of the box filter from its middle to one end. The middle weight is 1 and left
            out. None where nothing shrinks.
        gain: Factor that turns the sums of the filter into means.
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


def plan(similarity: Similarity, shape: tf.Tensor, size: int, dtype: tf.DType) -> Plan:
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
    # A box of `scale` pixels covers some pixels whole, and the last one at each end in part.
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


def resample(picture: tf.Tensor, plan: Plan, size: int, channels: int | None) -> tf.Tensor:
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


def require(condition: tf.Tensor, message: str, values: Sequence[Any], result: Any) -> Any:
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
    """Return whether the face is finite and near enough to its picture to bound the memory."""
    sides = tf.cast(tf.reverse(shape[:2], [0]), tf.float64)
    from_middle = tf.abs(similarity.origin - (sides - 1) / 2)
    reach = reach * tf.reduce_sum(tf.abs(similarity.step))
    return tf.reduce_max(from_middle) + reach <= 2 * tf.reduce_max(sides)


def _pixel(position):
    return tf.bitwise.right_shift(position, _BITS)


def _filter(numbers, taps, stride):
    """Add to all numbers those before and after them, `stride` places apart, times the taps.

    The ends that lack neighbours are left out. Where rows are filtered in the flat picture, the end
    of one row mixes with the start of the next; these results are never read.
    """
    radius = tf.size(taps)
    length = tf.size(numbers) - 2 * radius * stride

    def moved(places):
        return tf.slice(numbers, [(radius + places) * stride], [length])

    def add(place, total):
        # The sum of a pair is the same in the mirror, to the last bit.
        return place + 1, total + (moved(-place) + moved(place)) * taps[place - 1]

    return tf.while_loop(lambda place, _: place <= radius, add, (tf.constant(1), moved(0)))[1]
