"""Augmentation of clips: one draw for all frames and all regions of a clip."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from fer_data.pipelines.augmentation import rand_augment
from fer_data.pipelines.augmentation import with_tensorflow as stills
from fer_data.pipelines.augmentation.policies import Augmentation


def clip_policy(augmentation: str | Mapping[str, Any] | Augmentation | None) -> Augmentation:
    """Return the `Augmentation` that an argument names, if clips can have it.

    Args:
        augmentation: Anything that `fer_data.pipelines.augmentation.policy` takes.

    Raises:
        ValueError: For RandAugment, MixUp, corruptions, erasing and keras-cv, which are for
            pictures.
    """
    policy = stills.policy(augmentation)
    parts = (policy.rand_aug, policy.corruptions, policy.mixup)
    pictures = policy.erase or any(part is not None for part in parts)
    if pictures or policy.engine != "tensorflow":
        raise ValueError(
            "`augmentation` of clips must have no RandAugment, no MixUp and nothing erased or "
            "corrupted, and no other engine. "
            f"Received: augmentation={augmentation!r}"
        )
    return policy


def augment_clips(
    parts: Sequence[tf.Tensor],
    augmentation: str | Mapping[str, Any] | Augmentation | None,
    seed: tf.Tensor | tuple[int, int],
) -> tuple[tf.Tensor, ...]:
    """Augment a batch of clips, each with its own random numbers.

    All frames and parts of a clip are changed by the same numbers: a frame that was turned or lit
    in another way than its neighbours would look like motion. Contrast is taken about the mean of
    all of them.

    Args:
        parts: float32 tensors `(batch, frames, height, width, channels)` of one shape, in
            `[0, 255]`: the face, or the regions `(left, right, lower)`. Regions are turned, moved
            and scaled about their own centres; a flip mirrors them and swaps left and right.
        augmentation: Anything that `clip_policy` takes.
        seed: A pair of integers, as a tensor `(2,)` or a tuple: the same gives the same result.

    Returns:
        Tuple of tensors of the same shapes, in `[0, 255]`, not rounded.

    Example:

    >>> face = tf.zeros((2, 16, 128, 128, 3))
    >>> (face,) = augment_clips((face,), {"flip": 0.5, "rotation": 0.03}, seed=(1, 2))
    """
    policy = clip_policy(augmentation)
    shape, count = parts[0].shape, len(parts)
    batch = tf.shape(parts[0])[0]
    # Frames, parts and colours become channels of one picture, which is resampled once.
    pixels = tf.concat([tf.transpose(part, (0, 2, 3, 1, 4)) for part in parts], axis=3)
    height, width = shape[2:4]
    pixels = tf.reshape(pixels, (batch, height, width, count * shape[1] * shape[4]))

    (flip, turn, down, right, scale, contrast, brightness), crop_seed = _draws(batch, seed)
    flipped = _flipped(flip, policy)
    if policy.crop:
        pixels = stills._cropped(pixels, policy.crop, crop_seed)
    if policy.geometric:
        pixels = rand_augment.affine(
            pixels,
            angle=turn * (2 * math.pi * policy.rotation),
            shift_y=down * (policy.shift * height),
            shift_x=right * (policy.shift * width),
            scale=1.0 + scale * policy.zoom,
            flip=flipped,
            fill=policy.fill,
        )
    if policy.contrast:
        factor = rand_augment.per_image(1.0 + contrast * policy.contrast)
        mean = tf.reduce_mean(pixels, axis=(1, 2, 3), keepdims=True)
        pixels = mean + (pixels - mean) * factor
    if policy.brightness:
        pixels += rand_augment.per_image(brightness * (255.0 * policy.brightness))
    if policy.contrast or policy.brightness:
        pixels = tf.clip_by_value(pixels, 0.0, 255.0)

    pixels = tf.reshape(pixels, (batch, height, width, count, shape[1], shape[4]))
    parts = [
        tf.ensure_shape(tf.transpose(part, (0, 3, 1, 2, 4)), shape)
        for part in tf.unstack(pixels, axis=3)
    ]
    if count > 1:
        left, right, *others = parts
        swap = tf.reshape(flipped, (-1, 1, 1, 1, 1))
        parts = [tf.where(swap, right, left), tf.where(swap, left, right), *others]
    return tuple(parts)


def flipped_clips(
    count: int | tf.Tensor,
    augmentation: str | Mapping[str, Any] | Augmentation | None,
    seed: tf.Tensor | tuple[int, int],
) -> tf.Tensor:
    """Tell which clips of a batch `augment_clips` flips.

    Use it for things that must be flipped with a face, such as the windows of its regions.

    Args:
        count: Clips of the batch, an integer or a tensor of one.
        augmentation: As for `augment_clips`.
        seed: As for `augment_clips`.

    Returns:
        Bool tensor `(count,)`.

    Example:

    >>> flipped_clips(3, {"flip": 1.0}, seed=(1, 2)).numpy().tolist()
    [True, True, True]
    """
    return _flipped(_draws(count, seed)[0][0], clip_policy(augmentation))


def _draws(batch, seed):
    """Return seven numbers from -1 to 1 for every clip, and the seed of the crops."""
    basic_seed, crop_seed = tf.unstack(tf.random.split(tf.cast(seed, tf.int32), 2), num=2)
    draws = tf.random.stateless_uniform((7, batch), basic_seed, -1.0, 1.0)
    return tf.unstack(draws, num=7), crop_seed


def _flipped(flip, policy):
    return (flip + 1.0) / 2.0 < policy.flip
