"""Read the weights of a network that dlib has written: a `.dat` file."""

import dataclasses
import math
import re
from pathlib import Path

import numpy as np

from fer_data.file_limits import UnreadableError, read_file

# A name begins with its length: one byte for the size of the number, and the number.
_LAYERS = re.compile(rb"\x01\x05con_4|\x01\x07affine_")
# The network for face recognition has 22 million.
MOST_BYTES = 256 << 20
# The version of dlib's record of a tensor.
_TENSOR = 2


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A convolution and the scaling behind it, as dlib's files have them.

    Attributes:
        kernel: Shape (out, in, rows, columns).
        scale: One factor for each output.
        offset: One number for each output. It has the bias of the convolution in it.
    """

    kernel: np.ndarray
    scale: np.ndarray
    offset: np.ndarray


def read(path: Path) -> list[Convolution]:
    """Return the convolutions of a network of dlib, the one next to the picture first.

    Args:
        path: The `.dat` file of a network in which each convolution (`con_`) has a scaling
            (`affine_`) behind it, as dlib's network for face recognition.

    Raises:
        ValueError: If the file is damaged, or of another network.

    Reference:
        `serialize` of `con_`, `affine_`, `tensor` and integers in dlib 19 (dlib/dnn, serialize.h).
    """
    try:
        data = read_file(path, MOST_BYTES)
    except UnreadableError as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error}") from error
    found = [(match.group()[2:], match.end()) for match in _LAYERS.finditer(data)]
    kinds = [kind for kind, _ in found]
    if not found or kinds != [b"con_4", b"affine_"] * (len(found) // 2):
        raise ValueError(
            "a `.dat` file of weights must be a network of dlib, with a scaling behind each "
            f"convolution. Received: {str(path)!r}"
        )
    try:
        starts = [start for _, start in found]
        return [_convolution(data, *pair) for pair in zip(starts[::2], starts[1::2], strict=True)]
    except (IndexError, ValueError) as error:
        raise ValueError(f"{str(path)!r} is damaged: {error}") from error


def _convolution(data, convolution, affine):
    values, at = _tensor(data, convolution)
    # Filters, rows, columns, two strides, two paddings; then the shape of the kernel.
    for _ in range(7):
        _, at = _integer(data, at)
    shape, at = _shape(data, at)
    size, filters = math.prod(shape), shape[0]
    scaling, _ = _tensor(data, affine)
    if len(values) != size + filters or len(scaling) != 2 * filters:
        raise ValueError(f"{len(values)} and {len(scaling)} numbers for a kernel of {shape}")
    scale, offset = scaling[:filters], scaling[filters:]
    return Convolution(values[:size].reshape(shape), scale, offset + scale * values[size:])


def _tensor(data, at):
    version, at = _integer(data, at)
    if version != _TENSOR:
        raise ValueError(f"a tensor of version {version} instead of {_TENSOR}")
    shape, at = _numbers(data, at, 4)
    count = math.prod(shape)
    return np.frombuffer(data, "<f4", count, at), at + 4 * count


def _shape(data, at):
    _, at = _integer(data, at)
    return _numbers(data, at, 4)


def _numbers(data, at, count):
    numbers = []
    for _ in range(count):
        number, at = _integer(data, at)
        numbers.append(number)
    return tuple(numbers), at


def _integer(data, at):
    """Return an integer and where it ends: a byte of its size and sign, and its bytes."""
    size = data[at] & 0x0F
    number = int.from_bytes(data[at + 1 : at + 1 + size], "little")
    return -number if data[at] & 0x80 else number, at + 1 + size
