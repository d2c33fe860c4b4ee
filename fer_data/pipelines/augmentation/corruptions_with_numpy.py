"""Corruptions of single pictures with OpenCV and NumPy, for the augmentation without TensorFlow."""

import cv2
import numpy as np

from fer_data.pipelines.augmentation.corruption_policy import AMOUNTS, SENSOR_NOISE, Corruptions


def corrupted(pixels: np.ndarray, corruptions: Corruptions, rng: np.random.Generator) -> np.ndarray:
    """Return a batch of which a fraction is corrupted, each image in one way.

    Args:
        pixels: Floating point `(batch, height, width, channels)`, channels 1 or 3.
        corruptions: What to draw from.
        rng: A NumPy random generator.

    Returns:
        float32 of whole numbers in `[0, 255]`.

    Example:

    >>> faces = np.full((4, 48, 48, 1), 128.0)
    >>> corrupted(faces, Corruptions(), np.random.default_rng(0)).shape
    (4, 48, 48, 1)
    """
    result = _whole(pixels)
    chosen, strengths = rng.random((2, len(pixels)))
    kinds = rng.integers(len(corruptions.names), size=len(pixels))
    for place in np.flatnonzero(chosen < corruptions.fraction):
        name = corruptions.names[kinds[place]]
        amount = AMOUNTS[name](corruptions.strength * strengths[place])
        image = result[place]
        result[place] = _whole(CHANGES[name](image, amount, rng).reshape(image.shape))
    return result


def _whole(pixels):
    return np.clip(np.round(pixels), 0, 255).astype("float32")


def _blur(image, amount, rng):
    # OpenCV takes 0 for a request to choose.
    sigma = max(amount * max(image.shape[:2]), 1e-3)
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def _noise(image, amount, rng):
    return image + rng.normal(0, amount, image.shape)


def _jpeg(image, amount, rng):
    # OpenCV's order of channels begins with blue.
    pixels = image.astype("uint8")[..., ::-1]
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, round(amount)])
    kind = cv2.IMREAD_GRAYSCALE if image.shape[-1] == 1 else cv2.IMREAD_COLOR
    found = cv2.imdecode(data, kind)
    return found.reshape(image.shape)[..., ::-1]


def _darkness(image, amount, rng):
    return image * amount + rng.normal(0, SENSOR_NOISE, image.shape)


def _low_resolution(image, amount, rng):
    height, width = image.shape[:2]
    small = (max(1, round(width * amount)), max(1, round(height * amount)))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR)


CHANGES = {
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "darkness": _darkness,
    "low_resolution": _low_resolution,
}
