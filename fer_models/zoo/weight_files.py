"""Weights of a model in one small .npz file, of half precision or 8 bits."""

import hashlib
import os

import keras
import numpy as np

from fer_data.checks import check_choice
from fer_data.file_limits import FileLimits, UnreadableError
from fer_data.files import write_arrays
from fer_data.npz import read_npz

MOVING = ("moving_mean", "moving_variance")
NUMBERS = ("float16", "int8")
# Behind the path of a weight: the float32 factors of its 8-bit numbers.
SCALE = ":scale"
# A depthwise convolution has so few numbers that 8 bits would save next to nothing.
LARGE = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


def write_weights(
    model: keras.Model, path: str | os.PathLike[str], numbers: str = "float16"
) -> None:
    """Write the weights of a model as float16, or those of its large kernels in 8 bits.

    The statistics of batch normalisation stay float32: they have few numbers, and a variance may
    lie outside the range of float16. In 8 bits are the kernels of dense layers and of
    convolutions, but for depthwise ones: those of an output are whole numbers from -127 to 127,
    times the output's own factor. The same weights give the same bytes.

    Args:
        model: A built Keras model.
        path: Name of the file, ending in .npz.
        numbers: `"float16"` or `"int8"`.

    Raises:
        ValueError: If a weight is not finite or too large for float16, or `numbers` is another;
            nothing is written.

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
    check_choice("numbers", numbers, NUMBERS)
    large = _large_kernels(model) if numbers == "int8" else set()
    arrays = {}
    for weight in model.weights:
        array = keras.ops.convert_to_numpy(weight).astype("float32")
        if weight.path in large and np.isfinite(array).all():
            arrays[weight.path], arrays[weight.path + SCALE] = _in_eight_bits(array)
            continue
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
        f"{weight.path} {tuple(weight.shape)}: {problem}"
        for weight in model.weights
        if (problem := _problem(arrays, weight.path, tuple(weight.shape)))
    ]
    if wrong:
        raise ValueError(
            f"The weights in {str(path)!r} must fit the model {model.name!r}. Received: "
            + "; ".join(wrong)
        )
    for weight in model.weights:
        array = arrays[weight.path].astype("float32")
        if weight.path + SCALE in arrays:
            array = array * arrays[weight.path + SCALE]
        weight.assign(array)


def _problem(arrays, path, shape):
    """Return why a file's arrays hold no weight of that path and shape; None if they do."""
    if path not in arrays:
        return "missing"
    if arrays[path].shape != shape:
        return f"{arrays[path].shape} in the file"
    if path + SCALE in arrays and arrays[path + SCALE].shape != shape[-1:]:
        return f"factors of shape {arrays[path + SCALE].shape} in the file"
    return None


def _large_kernels(model):
    return {x.kernel.path for x in model._flatten_layers() if isinstance(x, LARGE) and x.built}


def _in_eight_bits(array):
    """Return int8 numbers and one float32 factor for each output, the last axis."""
    largest = np.abs(array).max(axis=tuple(range(array.ndim - 1)))
    scale = np.where(largest > 0, largest / 127, 1).astype("float32")
    return np.rint(array / scale).astype("int8"), scale


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
