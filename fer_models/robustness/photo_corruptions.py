"""Corruptions of a face picture by camera, light and storage, in five strengths each."""

import numpy as np

# Per severity. Lengths are shares of the picture's longer side, so that they mean the same at every
# size; levels are grey levels of 255.
BLUR = (0.008, 0.015, 0.025, 0.04, 0.06)  # standard deviation, share of the side
NOISE = (8, 16, 28, 44, 64)  # standard deviation, levels
JPEG = (50, 30, 18, 10, 5)  # quality
BRIGHTNESS = (26, 51, 77, 102, 128)  # levels added; ImageNet-C's 0.1 to 0.5
DARKNESS = (0.6, 0.4, 0.25, 0.15, 0.08)  # share of the light that is left
CONTRAST = (0.5, 0.35, 0.25, 0.15, 0.08)  # share of the distance to the mean that is left
LOW_RESOLUTION = (1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8)  # share of rows and columns that is left


def blur(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Blur by a Gaussian."""
    return _changed("blur", image, BLUR[level], rng)


def noise(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise, independent in each channel."""
    return _changed("noise", image, NOISE[level], rng)


def jpeg(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Compress as a JPEG file and read it again."""
    return _changed("jpeg", np.clip(np.round(image), 0, 255), JPEG[level], rng).astype("float32")


def brightness(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Add light; the brightest parts become white."""
    return image + BRIGHTNESS[level]


def darkness(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Take away light; the sensor's noise stays."""
    return _changed("darkness", image, DARKNESS[level], rng)


def contrast(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Draw every pixel towards the mean of the picture."""
    mean = image.mean(axis=(0, 1), keepdims=True)
    return mean + (image - mean) * CONTRAST[level]


def low_resolution(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Shrink by area means and enlarge again, as a face far from the camera."""
    return _changed("low_resolution", image, LOW_RESOLUTION[level], rng)


def _changed(name, image, amount, rng):
    """Return an image as the augmentation of the same name changes it."""
    # Imported here, as OpenCV is only needed where a picture is changed.
    from fer_data.pipelines.augmentation.corruptions_with_numpy import CHANGES

    return CHANGES[name](image, amount, rng)


PHOTO = {
    "blur": blur,
    "noise": noise,
    "jpeg": jpeg,
    "brightness": brightness,
    "darkness": darkness,
    "contrast": contrast,
    "low_resolution": low_resolution,
}
