"""Read the weights of a TensorFlow.js model: a `.json` file and the binary files that it names."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.file_limits import UnreadableError, read_file

# Of one file. `faceres-deep` has 14 million.
MOST_BYTES = 256 << 20
# The kinds of numbers that are read. A quantised array is another one.
DTYPES = {"float32": "<f4", "int32": "<i4"}


def read(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a TensorFlow.js model by their names.

    Args:
        path: The `.json` file. The binary files lie beside it.

    Returns:
        Dictionary from the names of the weights to arrays, in TensorFlow's order of axes.

    Raises:
        ValueError: If the file is no TensorFlow.js model, a binary file is missing, shorter or
            longer than it should be, or an array is quantised.

    Reference:
        `weightsManifest` of the format "graph-model" or "layers-model" of TensorFlow.js.
    """
    try:
        groups = json.loads(read_file(path, MOST_BYTES))["weightsManifest"]
        return {
            name: array
            for group in groups
            for name, array in _arrays(_bytes(path, group["paths"]), group["weights"], path)
        }
    except UnreadableError as error:
        raise ValueError(f"{str(path)!r} or a file of it cannot be read: {error}") from error
    except (KeyError, TypeError, RecursionError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            "a `.json` file of weights must be a TensorFlow.js model with a `weightsManifest`. "
            f"Received: {str(path)!r}: {type(error).__name__}: {error}"
        ) from error


def _bytes(path, names):
    """Return what the binary files hold, one after the other."""
    pieces = []
    for name in names:
        piece = path.parent / name
        if Path(name).name != name or not piece.is_file():
            raise ValueError(
                f"{str(path)!r} needs the file {name!r} beside it. It must lie in the same folder"
            )
        pieces.append(read_file(piece, MOST_BYTES))
    return b"".join(pieces)


def _arrays(
    data: bytes, weights: list[dict[str, Any]], path: Path
) -> Iterator[tuple[str, np.ndarray]]:
    start = 0
    for weight in weights:
        name, shape, dtype = weight["name"], weight["shape"], weight["dtype"]
        if not all(isinstance(side, int) and side >= 0 for side in shape):
            raise ValueError(
                f"{name!r} of {str(path)!r} must have a shape of whole numbers. Received: {shape}"
            )
        if "quantization" in weight or dtype not in DTYPES:
            raise ValueError(
                f"the weights must be plain {' or '.join(DTYPES)}. Received: {str(path)!r}, where "
                f"{name!r} is {weight.get('quantization', dtype)}"
            )
        count = math.prod(shape)
        end = start + 4 * count
        if end > len(data):
            raise ValueError(
                f"the binary files of {str(path)!r} are too short: they have {len(data)} bytes, "
                f"and {name!r} ends at byte {end}"
            )
        yield name, np.frombuffer(data, DTYPES[dtype], count, start).reshape(shape)
        start = end
    if start != len(data):
        raise ValueError(
            f"the binary files of {str(path)!r} are too long: they have {len(data)} bytes, and the "
            f"weights have {start}"
        )
