"""Augmentation of batches of still faces in tf.data: the policy's entries, one after the other.

`augment` applies a policy (`fer_data.pipelines.augmentation.policies`) to a uint8 batch with
stateless random numbers: the same seed gives the same batch on any number of workers. keras-cv's
and Keras's own RandAugment keep a random generator inside, and a parallel `map` draws from it in an
order that changes from run to run. That is why the operations are written anew here, on
TensorFlow's kernels. `fer_data.pipelines.augmentation.with_keras_cv` offers keras-cv's operations.
"""

import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from fer_data import arguments
from fer_data.pipelines.augmentation import corruptions_with_tensorflow, rand_augment
from fer_data.pipelines.augmentation.policies import (
    CROP_RATIO,
    CROP_TRIES,
    ERASED_AREA,
    ERASED_RATIO,
    PRESETS,
    Augmentation,
    MixUp,
    RandAug,
    policy,
)

__all__ = ["PRESETS", "Augmentation", "MixUp", "RandAug", "augment", "policy"]


@arguments.checked(labels=arguments.array(), seed=arguments.array((2,), kinds="ui"))
def augment(
    images: tf.Tensor,
    labels: tf.Tensor,
    augmentation: str | Mapping[str, Any] | Augmentation | None,
    seed: tf.Tensor | tuple[int, int],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Augment one batch, every image with its own random numbers.

    Args:
        images: uint8 tensor `(batch, height, width, channels)`, channels 1 or 3.
        labels: float32 tensor `(batch, classes)` of class weights that sum to one; with no MixUp
            in the policy any tensor, which is passed through.
        augmentation: Anything `policy` takes.
        seed: A pair of integers, as a tensor `(2,)` or a tuple: the same gives the same result.

    Returns:
        `(images, labels)` of the same shapes and dtypes.

    Raises:
        ValueError: For images or labels of another kind.
        ImportError: If the policy asks for keras-cv, and it is not installed.

    Example:

    >>> images = tf.zeros((8, 64, 64, 1), tf.uint8)
    >>> labels = tf.one_hot([0, 1, 2, 3, 4, 5, 6, 0], 7)
    >>> images, labels = augment(images, labels, "randaug+mixup", seed=(1, 2))
    """
    augmentation = policy(augmentation)
    images = tf.convert_to_tensor(images)
    labels = tf.convert_to_tensor(labels)
    if images.dtype != tf.uint8 or images.shape.rank != 4:
        raise ValueError(
            "`images` must be uint8 of shape (batch, height, width, channels). "
            f"Received: dtype={images.dtype.name}, shape={images.shape}"
        )
    basic_seed, rand_seed, mix_seed = tf.unstack(tf.random.split(tf.cast(seed, tf.int32), 3), num=3)
    rand_aug, mix = _engine(augmentation)
    images = _basic(images, augmentation, basic_seed)
    if augmentation.rand_aug is not None:
        images = rand_aug(images, augmentation.rand_aug, augmentation.fill, rand_seed)
    if augmentation.corruptions is not None:
        # A seed beside the three, which stay what they are without corruptions.
        own = tf.random.fold_in(tf.cast(seed, tf.int32), 1)
        images = corruptions_with_tensorflow.corrupt(images, augmentation.corruptions, own)
    if augmentation.mixup is not None:
        if labels.shape.rank != 2 or not labels.dtype.is_floating:
            raise ValueError(
                "MixUp needs one-hot or soft labels: floating point of shape (batch, classes). "
                f"Received: dtype={labels.dtype.name}, shape={labels.shape}"
            )
        images, labels = mix(images, labels, augmentation.mixup, mix_seed)
    return images, labels


def check_engine(augmentation: str | Mapping[str, Any] | Augmentation | None) -> None:
    """Raise `ImportError` if a policy asks for a package that is not installed.

    Args:
        augmentation: Anything `policy` takes.
    """
    _engine(policy(augmentation))


def _engine(augmentation):
    """Return the functions that apply RandAugment and MixUp."""
    wanted = augmentation.rand_aug is not None or augmentation.mixup is not None
    if augmentation.engine == "keras_cv" and wanted:
        # Imported only on request: keras-cv is an extra, and slow to trace.
        from fer_data.pipelines.augmentation import with_keras_cv

        return with_keras_cv.rand_augment, with_keras_cv.mix
    return rand_augment.apply, _mix


def _cropped(pixels, least, seed):
    """Apply random resized crops by torchvision's rule: several tries to draw one that fits."""
    batch, tries = tf.shape(pixels)[0], CROP_TRIES
    draws = tf.random.stateless_uniform((4, tries, batch), seed)
    area = least + (1.0 - least) * draws[0]
    ratio = tf.exp((2.0 * draws[1] - 1.0) * math.log(CROP_RATIO))
    height, width = tf.sqrt(area / ratio), tf.sqrt(area * ratio)
    fits = (height <= 1.0) & (width <= 1.0)
    first = tf.argmax(fits, axis=0, output_type=tf.int32)
    chosen = tf.stack([first, tf.range(batch)], axis=1)
    # Where no draw fits, take the whole image.
    height, width = (
        tf.where(tf.reduce_any(fits, axis=0), tf.gather_nd(side, chosen), 1.0)
        for side in (height, width)
    )
    top = tf.gather_nd(draws[2], chosen) * (1.0 - height)
    left = tf.gather_nd(draws[3], chosen) * (1.0 - width)
    boxes = tf.stack([top, left, top + height, left + width], axis=1)
    size = pixels.shape[1:3]
    crops = tf.image.crop_and_resize(pixels, boxes, tf.range(batch), size)
    return tf.ensure_shape(crops, pixels.shape)


def _basic(images, augmentation, seed):
    toned = augmentation.contrast or augmentation.brightness
    if not (augmentation.geometric or augmentation.crop or toned or augmentation.erase):
        return images
    batch = tf.shape(images)[0]
    # One draw for all: seven uniform numbers per image.
    draws = tf.unstack(tf.random.stateless_uniform((7, batch), seed, -1.0, 1.0), num=7)
    flip, turn, down, right, scale, contrast, brightness = draws
    pixels = tf.cast(images, tf.float32)
    if augmentation.crop:
        pixels = _cropped(pixels, augmentation.crop, tf.random.fold_in(seed, 1))
    if augmentation.geometric:
        height, width = images.shape[1:3]
        pixels = rand_augment.affine(
            pixels,
            angle=turn * (2 * math.pi * augmentation.rotation),
            shift_y=down * (augmentation.shift * height),
            shift_x=right * (augmentation.shift * width),
            scale=1.0 + scale * augmentation.zoom,
            flip=(flip + 1.0) / 2.0 < augmentation.flip,
            fill=augmentation.fill,
        )
    if augmentation.contrast:
        factor = rand_augment.per_image(1.0 + contrast * augmentation.contrast)
        mean = tf.reduce_mean(pixels, axis=(1, 2), keepdims=True)
        pixels = mean + (pixels - mean) * factor
    if augmentation.brightness:
        pixels += rand_augment.per_image(brightness * (255.0 * augmentation.brightness))
    if augmentation.erase:
        pixels = _erased(pixels, augmentation.erase, tf.random.fold_in(seed, 2))
    return rand_augment.to_uint8(pixels)


def _erased(pixels, probability, seed):
    """Apply Random Erasing: random pixels in a rectangle, which is cut off where it is too long."""
    batch, (height, width) = tf.shape(pixels)[0], pixels.shape[1:3]
    draws = tf.unstack(tf.random.stateless_uniform((5, batch), seed), num=5)
    chosen, area, ratio, top, left = draws
    area = ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * area
    ratio = tf.exp((1.0 - 2.0 * ratio) * math.log(ERASED_RATIO))
    high, wide = tf.minimum(tf.sqrt(area / ratio), 1.0), tf.minimum(tf.sqrt(area * ratio), 1.0)
    rows = _inside(height, top * (1.0 - high), high)[:, :, None, None]
    columns = _inside(width, left * (1.0 - wide), wide)[:, None, :, None]
    erased = rows & columns & (chosen < probability)[:, None, None, None]
    noise = tf.random.stateless_uniform(tf.shape(pixels), tf.random.fold_in(seed, 1), 0.0, 255.0)
    return tf.where(erased, noise, pixels)


def _inside(length, start, share):
    """Return for each image which of `length` pixels have their middle in the part."""
    middles = (tf.range(length, dtype=tf.float32) + 0.5) / length
    return (middles >= start[:, None]) & (middles < (start + share)[:, None])


def _mix(images, labels, mixup, seed):
    batch = tf.shape(images)[0]
    choose, partner, own, other = tf.unstack(tf.random.split(seed, 4), num=4)
    mixed = tf.random.stateless_uniform((batch,), choose) < mixup.fraction
    # A roll by 1 to batch - 1 places, so that no image is mixed with itself.
    places = tf.random.stateless_uniform((), partner, 1, tf.maximum(batch, 2), tf.int32)
    if mixup.blend is not None:
        weight = tf.fill((batch,), 1.0 - mixup.blend)
    else:
        # Beta from two Gammas; in float32 both underflow to 0/0 at a small alpha.
        a = tf.random.stateless_gamma((batch,), own, mixup.alpha, dtype=tf.float64)
        b = tf.random.stateless_gamma((batch,), other, mixup.alpha, dtype=tf.float64)
        weight = tf.cast(tf.math.divide_no_nan(a, a + b), tf.float32)
    weight = tf.where(mixed, weight, 1.0)
    pixels = tf.cast(images, tf.float32)
    theirs = tf.roll(pixels, places, axis=0)
    pixels = theirs + (pixels - theirs) * rand_augment.per_image(weight)
    weight = tf.cast(weight, labels.dtype)[:, None]
    labels = weight * labels + (1 - weight) * tf.roll(labels, places, axis=0)
    return rand_augment.to_uint8(pixels), labels
