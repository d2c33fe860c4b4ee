"""Pictures as those packages take them: arrays in OpenCV's order, names of files, base64."""

import base64
import binascii
import contextlib
import os
import warnings
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike

from fer_data import picture
from fer_data.checks import as_array
from fer_data.faces.face import Face, Framing
from fer_data.faces.image import as_rgb

# A box that is cut as it is, as a square.
AS_IT_IS = Framing(1.0, 0.0, 0.0)
_BASE64 = "data:image/"


class ImageNotFoundError(FileNotFoundError, ValueError):
    """There is no file of that name. DeepFace raises a `ValueError` then."""


class FaceNotDetectedError(ValueError):
    """A picture without a face, where `enforce_detection` asks for one."""


def as_rgb_from_bgr(image: str | os.PathLike[str] | ArrayLike | IO[bytes]) -> np.ndarray:
    """Return a picture as uint8 RGB.

    Args:
        image: Name of a file, an array with its channels in OpenCV's order (BGR) or grey, a file
            that is open for reading bytes, or text that begins with `data:image/`, with the file in
            base64 after the comma.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ImageNotFoundError: If there is no such file.
        ValueError: If the picture is unusable, or an address of the web.
    """
    if hasattr(image, "read"):
        # Whoever has written it, or read it before, has left it at its end.
        with contextlib.suppress(AttributeError, TypeError, OSError):
            image.seek(0)  # type: ignore[union-attr]
        return _decoded(image.read(), "The open file")
    if isinstance(image, str):
        if image.startswith(_BASE64):
            return _decoded(_bytes(image), "The base64 text")
        if image.startswith(("http://", "https://")):
            raise ValueError(
                "`image` must not be an address: nothing is fetched here. Fetch the picture, then "
                f"give the name of the file. Received: image={image!r}"
            )
        return _of_file(image)
    if isinstance(image, os.PathLike):
        return _of_file(image)
    pixels = as_array("image", image)
    if pixels.ndim == 3 and pixels.shape[-1] in (3, 4):
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]]
    return as_rgb(pixels)


def whole_picture(pixels: np.ndarray) -> Face:
    """Return a `Face` that is the whole picture, of score 0."""
    height, width = pixels.shape[:2]
    return Face(np.array([0, 0, width, height]), 0.0, framing=AS_IT_IS)


def is_usual(value: Any, usual: object) -> bool:
    """Return whether an argument is a plain value that equals another, whatever its type.

    Args:
        value: The argument. An array, which has no plain equality, equals nothing.
        usual: The other value.
    """
    return isinstance(value, (str, int, float, np.generic)) and bool(value == usual)


def warn_of_unused(given: Mapping[str, Any], usual: Mapping[str, Any], why: str) -> None:
    """Warn of arguments that have no effect here and were given a value of their own.

    Args:
        given: Values by name.
        usual: The values that those packages have by default.
        why: What is said of them.
    """
    unused = [name for name, value in given.items() if not is_usual(value, usual[name])]
    if unused:
        # The caller of the function that calls this one.
        warnings.warn(f"No effect: {', '.join(unused)}. {why}", stacklevel=3)


def _of_file(path):
    try:
        return as_rgb(path)
    except FileNotFoundError as error:
        raise ImageNotFoundError(*error.args) from error


def _bytes(text):
    try:
        return base64.b64decode(text.partition(",")[2], validate=True)
    except binascii.Error as error:
        raise ValueError(
            "`image` must hold a picture in base64 after the comma of 'data:image/...,'. "
            f"Received: {text[:40]!r}... ({error})"
        ) from error


def _decoded(data, what):
    try:
        return picture.decode(data, 3)
    except picture.UnreadableError as error:
        raise ValueError(f"{what} holds no picture ({error.reason}): {error}") from error
