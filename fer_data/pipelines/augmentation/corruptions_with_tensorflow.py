"""Corruptions of batches with TensorFlow, each image in its own way and by its own strength.

Images of one kind are gathered, changed together and put back, as RandAugment's are. Blur and the
loss of resolution are linear in rows and in columns, so they are one matrix for each.
"""

import math

import tensorflow as tf

from fer_data.pipelines.augmentation.corruption_policy import (
    AMOUNTS,
    BLUR,
    SENSOR_NOISE,
    Corruptions,
)
from fer_data.pipelines.augmentation.rand_augment import per_image, to_uint8


def corrupt(images: tf.Tensor, corruptions: Corruptions, seed: tf.Tensor) -> tf.Tensor:
    """Corrupt a fraction of a batch.

    Args:
        images: uint8 tensor `(batch, height, width, channels)`, channels 1 or 3.
        corruptions: What to draw from.
        seed: A pair of integers as a tensor `(2,)`: the same gives the same result.

    Returns:
        uint8 tensor of the same shape.

    Example:

    >>> faces = tf.zeros((4, 48, 48, 1), tf.uint8)
    >>> corrupt(faces, Corruptions(), tf.constant([1, 2])).shape
    TensorShape([4, 48, 48, 1])
    """
    batch, kinds = tf.shape(images)[0], len(corruptions.names)
    which, kind, how_much, own = tf.unstack(tf.random.split(seed, 4), num=4)
    chosen = tf.random.stateless_uniform((batch,), which) < corruptions.fraction
    place = tf.random.stateless_uniform((batch,), kind, 0, kinds, tf.int32)
    strength = tf.random.stateless_uniform((batch,), how_much, 0.0, 1.0) * corruptions.strength
    members = tf.dynamic_partition(tf.range(batch), tf.where(chosen, place + 1, 0), kinds + 1)
    changed = [tf.gather(images, members[0])]
    for number, (name, who) in enumerate(zip(corruptions.names, members[1:], strict=True)):
        pixels = tf.cast(tf.gather(images, who), tf.float32)
        amounts = AMOUNTS[name](tf.gather(strength, who))
        found = CHANGES[name](pixels, amounts, tf.random.fold_in(own, number))
        changed.append(to_uint8(found))
    return tf.ensure_shape(tf.dynamic_stitch(members, changed), images.shape)


def _blur(pixels, amounts, seed):
    height, width = pixels.shape[1:3]
    longer = max(height, width)
    deviations = tf.maximum(amounts * longer, 1e-3)
    reach = math.ceil(4 * BLUR * longer)
    return _along(pixels, *(_gaussian(length, deviations, reach) for length in (height, width)))


def _noise(pixels, amounts, seed):
    return pixels + per_image(amounts) * tf.random.stateless_normal(tf.shape(pixels), seed)


def _jpeg(pixels, amounts, seed):
    channels = pixels.shape[-1]

    def stored(image_and_quality):
        data = tf.raw_ops.EncodeJpegVariableQuality(
            images=image_and_quality[0], quality=image_and_quality[1]
        )
        return tf.io.decode_jpeg(data, channels=channels, dct_method="INTEGER_ACCURATE")

    found = tf.map_fn(
        stored,
        (to_uint8(pixels), tf.cast(tf.round(amounts), tf.int32)),
        fn_output_signature=tf.TensorSpec(pixels.shape[1:], tf.uint8),
    )
    return tf.cast(found, tf.float32)


def _darkness(pixels, amounts, seed):
    sensor = SENSOR_NOISE * tf.random.stateless_normal(tf.shape(pixels), seed)
    return pixels * per_image(amounts) + sensor


def _low_resolution(pixels, amounts, seed):
    return _along(pixels, *(_coarser(length, amounts) for length in pixels.shape[1:3]))


def _along(pixels, rows, columns):
    """Multiply each image by a matrix of its own for its rows, and one for its columns."""
    pixels = tf.einsum("bij,bjwc->biwc", rows, pixels)
    return tf.einsum("bvw,biwc->bivc", columns, pixels)


def _gaussian(length, deviations, reach):
    """Return the matrices `(batch, length, length)` of a blur that repeats the border."""
    to = tf.range(length, dtype=tf.float32)[:, None]
    source = tf.range(-reach, length + reach)
    distance = to - tf.cast(source, tf.float32)
    weights = tf.exp(-0.5 * (distance / deviations[:, None, None]) ** 2)
    weights /= tf.reduce_sum(weights, axis=-1, keepdims=True)
    return weights @ tf.one_hot(tf.clip_by_value(source, 0, length - 1), length)


def _coarser(length, shares):
    """Return the matrices of a loss of resolution: means over areas, then between their middles."""
    small = tf.maximum(tf.round(length * shares), 1.0)[:, None, None]
    step = length / small
    place = tf.range(length, dtype=tf.float32)
    begin = place[:, None] * step
    overlap = tf.minimum(begin + step, place + 1) - tf.maximum(begin, place)
    means = tf.clip_by_value(overlap, 0.0, 1.0) / step
    middle = tf.clip_by_value((place[:, None] + 0.5) / step - 0.5, 0.0, small - 1)
    return tf.maximum(1.0 - tf.abs(middle - place), 0.0) @ means


CHANGES = {
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "darkness": _darkness,
    "low_resolution": _low_resolution,
}
