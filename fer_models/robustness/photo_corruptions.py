"""Corruptions of a face picture by camera, light and storage, in five strengths each."""

import numpy as np

# Per severity. Lengths are shares of the picture's longer side, so that they mean the same at every
# size; levels are grey levels of 255.
BLUR = (0.008, 0.015, 0.025, 0.04, 0.06)  # standard deviation, share of the side
NOISE = (8, 16, 28, 44, 64)  # standard deviation, levels
JPEG = (50, 30, 18, 10, 5)  # quality
BRIGHTNESS = (26, 51, 77, 102, 128)  # levels added; ImageNet-C's 0.1 to 0.5
DARKNESS = (0.6, 0.4, 0.25, 0.15, 0.08)  # share of the light that is left
SENSOR_NOISE = 3  # levels; does not fall with the light
CONTRAST = (0.5, 0.35, 0.25, 0.15, 0.08)  # share of the distance to the mean that is left
LOW_RESOLUTION = (1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8)  # share of rows and columns that is left


def blur(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Blur by a Gaussian."""
    import cv2

    sigma = BLUR[level] * max(image.shape[:2])
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def noise(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Add white Gaussian noise, independent in each channel."""
    return image + rng.normal(0, NOISE[level], image.shape)


def jpeg(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Compress as a JPEG file and read it again."""
    import cv2

    # OpenCV's order of channels begins with blue.
    pixels = np.clip(np.round(image), 0, 255).astype("uint8")[..., ::-1]
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG[level]])
    grey = image.shape[-1] == 1
    found = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
    return found.reshape(image.shape)[..., ::-1].astype("float32")  # type: ignore[union-attr]


def brightness(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Add light; the brightest parts become white."""
    return image + BRIGHTNESS[level]


def darkness(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Take away light; the sensor's noise stays."""
    return image * DARKNESS[level] + rng.normal(0, SENSOR_NOISE, image.shape)


def contrast(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Draw every pixel towards the mean of the picture."""
    mean = image.mean(axis=(0, 1), keepdims=True)
    return mean + (image - mean) * CONTRAST[level]


def low_resolution(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Shrink by area means and enlarge again, as a face far from the camera."""
    import cv2

    height, width = image.shape[:2]
    share = LOW_RESOLUTION[level]
    small = (max(1, round(width * share)), max(1, round(height * share)))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR)


PHOTO = {
    "blur": blur,
    "noise": noise,
    "jpeg": jpeg,
    "brightness": brightness,
    "darkness": darkness,
    "contrast": contrast,
    "low_resolution": low_resolution,
}
