"""Augmentation of batches of still faces with OpenCV and NumPy, for machines without TensorFlow."""

import math

import cv2
import numpy as np

from fer_data.pipelines.augmentation.corruptions_with_numpy import corrupted
from fer_data.pipelines.augmentation.policies import (
    CROP_RATIO,
    CROP_TRIES,
    ERASED_AREA,
    ERASED_RATIO,
    Augmentation,
)

BORDERS = {
    "reflect": cv2.BORDER_REFLECT,
    "nearest": cv2.BORDER_REPLICATE,
    "wrap": cv2.BORDER_WRAP,
    "constant": cv2.BORDER_CONSTANT,
}


def augmented(
    images: np.ndarray, targets: np.ndarray, augmentation: Augmentation, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return one batch, every image augmented with its own random numbers.

    Args:
        images: uint8 `(batch, height, width, channels)`.
        targets: float32 `(batch, classes)`.
        augmentation: An `Augmentation`.
        rng: A NumPy random generator.

    Returns:
        `(images, targets)`, images float32 of whole numbers in `[0, 255]`.
    """
    pixels = images.astype("float32")
    if augmentation.geometric or augmentation.crop:
        pixels = _moved(pixels, augmentation, rng)
    batch = len(pixels)
    if augmentation.contrast:
        factor = 1 + augmentation.contrast * rng.uniform(-1, 1, (batch, 1, 1, 1))
        mean = pixels.mean(axis=(1, 2), keepdims=True)
        pixels = mean + (pixels - mean) * factor
    if augmentation.brightness:
        pixels = pixels + 255 * augmentation.brightness * rng.uniform(-1, 1, (batch, 1, 1, 1))
    if augmentation.erase:
        pixels = _erased(pixels, augmentation.erase, rng)
    if augmentation.corruptions is not None:
        pixels = corrupted(pixels, augmentation.corruptions, rng)
    if augmentation.mixup is not None:
        pixels, targets = _mixed(pixels, targets, augmentation.mixup, rng)
    return np.clip(np.round(pixels), 0, 255).astype("float32"), targets


def _moved(pixels, augmentation, rng):
    """Apply flip, rotation, shift, zoom and crop as one affine map: pixels are sampled once."""
    batch, height, width, _ = pixels.shape
    turn, down, right, scale = rng.uniform(-1, 1, (4, batch))
    angle = 2 * math.pi * augmentation.rotation * turn
    inverse = 1 / (1 + augmentation.zoom * scale)
    side = np.where(rng.random(batch) < augmentation.flip, -1, 1)
    cosine, sine = np.cos(angle) * inverse, np.sin(angle) * inverse
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = np.stack([augmentation.shift * width * right, augmentation.shift * height * down])
    # Maps a place in the output to the place in the input.
    turned = np.array([[side * cosine, -side * sine], [sine, cosine]]).transpose(2, 0, 1)
    moved = middle - (turned @ (middle[:, None] + shift).T[:, :, None])[:, :, 0]
    if augmentation.crop:
        corner, share = _crops(augmentation.crop, batch, rng)
        turned = turned * share[:, :, None]
        moved = corner * (2 * middle) + moved * share
    matrices = np.concatenate([turned, moved[:, :, None]], axis=2)
    border = BORDERS[augmentation.fill]
    result = np.empty_like(pixels)
    for image, matrix, place in zip(pixels, matrices, result, strict=True):
        warped = cv2.warpAffine(
            image, matrix, (width, height), None, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, border
        )
        place[:] = warped.reshape(image.shape)
    return result


def _crops(least, batch, rng):
    """Draw corners and sizes `(batch, x and y)` of random resized crops, in shares of the sides."""
    area, ratio, left, top = rng.random((4, CROP_TRIES, batch))
    area = least + (1 - least) * area
    ratio = CROP_RATIO ** (2 * ratio - 1)
    wide, high = np.sqrt(area * ratio), np.sqrt(area / ratio)
    fits = (wide <= 1) & (high <= 1)
    chosen = fits.argmax(axis=0), np.arange(batch)
    # Where no draw fits, take the whole image.
    share = np.where(fits.any(axis=0), [wide[chosen], high[chosen]], 1.0).T
    corner = np.stack([left[chosen], top[chosen]], axis=1) * (1 - share)
    return corner, share


def _erased(pixels, probability, rng):
    """Apply Random Erasing: random pixels in a rectangle, which is cut off where it is too long."""
    batch, height, width, _ = pixels.shape
    chosen, area, ratio, top, left = rng.random((5, batch))
    area = ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * area
    ratio = ERASED_RATIO ** (1 - 2 * ratio)
    high, wide = np.minimum(np.sqrt(area / ratio), 1), np.minimum(np.sqrt(area * ratio), 1)
    rows = _inside(height, top * (1 - high), high)[:, :, None, None]
    columns = _inside(width, left * (1 - wide), wide)[:, None, :, None]
    erased = rows & columns & (chosen < probability)[:, None, None, None]
    return np.where(erased, rng.uniform(0, 255, pixels.shape), pixels)


def _inside(length, start, share):
    """Return for each image which of `length` pixels have their middle in the part."""
    middles = (np.arange(length) + 0.5) / length
    return (middles >= start[:, None]) & (middles < (start + share)[:, None])


def _mixed(pixels, targets, mixup, rng):
    batch = len(pixels)
    mixed = rng.random(batch) < mixup.fraction
    # A roll by 1 to batch - 1 places, so that no image is mixed with itself.
    places = rng.integers(1, max(batch, 2))
    weight = np.full(batch, 1 - (mixup.blend or 0.0))
    if mixup.blend is None:
        weight = rng.beta(mixup.alpha, mixup.alpha, batch)
    weight = np.where(mixed, weight, 1.0)
    pixels = _between(pixels, np.roll(pixels, places, axis=0), weight[:, None, None, None])
    targets = _between(targets, np.roll(targets, places, axis=0), weight[:, None])
    return pixels, targets.astype("float32")


def _between(own, other, weight):
    return other + (own - other) * weight
