"""Weights of a model in one small .npz file of half precision."""

import hashlib
import os

import keras
import numpy as np

from fer_data.file_limits import FileLimits, UnreadableError
from fer_data.files import write_arrays
from fer_data.npz import read_npz

MOVING = ("moving_mean", "moving_variance")


def write_weights(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Write the weights of a model as float16.

    The statistics of batch normalisation stay float32: they have few numbers, and a variance may
    lie outside the range of float16. The same weights give the same bytes.

    Args:
        model: A built Keras model.
        path: Name of the file, ending in .npz.

    Raises:
        ValueError: If a weight is not finite or too large for float16; nothing is written.

    Example:

    >>> import os, tempfile
    >>> import fer_models
    >>> model = fer_models.ghostface(input_shape=(48, 48, 1), width=0.25)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_weights(model, f"{folder}/small.npz")
    ...     read_weights(model, f"{folder}/small.npz")
    ...     os.path.getsize(f"{folder}/small.npz") < 600_000
    True
    """
    arrays = {}
    for weight in model.weights:
        array = keras.ops.convert_to_numpy(weight).astype("float32")
        if not weight.path.endswith(MOVING):
            with np.errstate(over="ignore"):
                array = array.astype("float16")
        if not np.isfinite(array).all():
            raise ValueError(
                f"Weights must be finite and below 65504. Received: {weight.path} of {model.name}"
            )
        arrays[weight.path] = array
    write_arrays(path, arrays)


def read_weights(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Set the weights of a model from a file of `write_weights`.

    A model without its top takes the file of one with it.

    Args:
        model: A model of the same architecture; its input may have another size.
        path: Name of the file.

    Raises:
        ValueError: If weights are missing or have another shape; the message lists them all, and
            the model stays as it is.
    """
    try:
        arrays = read_npz(path, limits=FileLimits(array_bytes=_most_bytes(model)))
    except UnreadableError as error:
        raise ValueError(
            "A file of weights must be one that `write_weights` wrote, whole. "
            f"Received: {str(path)!r} ({error})"
        ) from error
    wrong = [
        f"{weight.path} {tuple(weight.shape)}: "
        + (f"{arrays[weight.path].shape} in the file" if weight.path in arrays else "missing")
        for weight in model.weights
        if weight.path not in arrays or arrays[weight.path].shape != tuple(weight.shape)
    ]
    if wrong:
        raise ValueError(
            f"The weights in {str(path)!r} must fit the model {model.name!r}. Received: "
            + "; ".join(wrong)
        )
    for weight in model.weights:
        weight.assign(arrays[weight.path].astype("float32"))


def _most_bytes(model):
    """Return more bytes than a file with the weights of the model, or of one with a top, holds."""
    return 8 * model.count_params() + (64 << 20)


def weights_digest(model: keras.Model) -> str:
    """Return a SHA-256 of all weights of a model, the same wherever they were read from.

    Args:
        model: A built Keras model.

    Returns:
        Hexadecimal digits.
    """
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()
