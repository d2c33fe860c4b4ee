"""Pictures of any kind, turned into uint8 RGB for the detectors."""

import os
from pathlib import Path

import numpy as np

from fer_data import arguments, picture
from fer_data.checks import as_array, check_scale
from fer_data.file_limits import PHOTO, read_file


@arguments.checked(path=arguments.path)
def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a picture file as uint8 RGB, turned upright by its EXIF orientation.

    Args:
        path: Name of a file in one of the formats of `fer_data.picture.FORMATS`: PNG, JPEG, BMP,
            GIF, WebP, TIFF, PPM. The content decides, not the ending of the name.

    Returns:
        uint8 array `(height, width, 3)`. Grey is repeated, transparency is laid on black, and of 16
        bits the high 8 are kept. In pictures of 32 bits, values up to 255 count as 8 bits and
        values up to 65,535 as 16.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty, truncated, damaged, in another format, not a regular
            file, or larger than `fer_data.file_limits.PHOTO` allows; or if it has float pixels, or
            integers beyond 16 bits.

    Example:

    >>> from skimage import data
    >>> read_image(f"{data.data_dir}/astronaut.png").shape
    (512, 512, 3)
    """
    path = Path(path)
    if not path.exists() or path.is_dir():
        raise FileNotFoundError(f"There is no picture at {str(path)!r}.")
    try:
        return picture.decode(read_file(path, PHOTO.file_bytes), 3)
    except picture.UnreadableError as error:
        raise ValueError(
            f"The picture {str(path)!r} cannot be read ({error.reason}): {error}"
        ) from error


def as_rgb(image: str | os.PathLike[str] | np.ndarray, name: str = "image") -> np.ndarray:
    """Return a picture as uint8 RGB `(height, width, 3)`.

    Args:
        image: A file's name, or an array in RGB order: `(height, width)`, or with 1 (grey),
            3 (RGB) or 4 (RGBA) channels; uint8, uint16, or floats in `[0, 255]`. Floats are
            rounded, of 16 bits the high 8 are kept, transparency is laid on black.
        name: What the error calls the picture.

    Returns:
        uint8 array `(height, width, 3)`: a read-only view of an array that is that already, else
        a new one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be read, or the array is empty, has another shape or type,
            or holds floats outside `[0, 255]`, not finite, or all in `[0, 1]`: those are most
            likely scaled pixels, in which a detector would find nothing.
    """
    if isinstance(image, (str, os.PathLike)):
        return read_image(image)
    pixels = as_array(name, image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3, 4):
        raise ValueError(
            f"`{name}` must have the shape (height, width), or (height, width, channels) with 1, "
            f"3 or 4 channels. Received: shape={np.shape(image)}"
        )
    if 0 in pixels.shape:
        raise ValueError(f"`{name}` must not be empty. Received: shape={np.shape(image)}")
    pixels = _as_uint8(pixels, name)
    if pixels.shape[-1] == 4:
        alpha = pixels[..., 3:].astype(np.uint16)
        return ((pixels[..., :3] * alpha + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _as_uint8(pixels, name):
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ValueError(
            f"`{name}` must be of type uint8, uint16 or float. Received: dtype={pixels.dtype}"
        )
    low, high = pixels.min(), pixels.max()
    if not (low >= 0 and high <= 255):
        raise ValueError(
            f"`{name}` must hold pixels in [0, 255]. Received: values from {low} to {high}"
        )
    check_scale(name, pixels)
    return np.rint(pixels).astype(np.uint8)
