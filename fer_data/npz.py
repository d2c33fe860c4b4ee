"""Arrays of `.npz` files of strangers: kinds and sizes are checked before anything is unpacked."""

import math
import os
import zipfile
from collections.abc import Collection

import numpy as np

from fer_data.file_limits import FileLimits, UnreadableError
from fer_data.zip_members import open_archive, open_member

LIMITS = FileLimits()
SUFFIX = ".npy"  # what NumPy adds to the name of an array
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(
    path: str | os.PathLike[str],
    only: Collection[str] | None = None,
    limits: FileLimits = LIMITS,
) -> dict[str, np.ndarray]:
    """Read the arrays of an `.npz` file, as `numpy.savez` writes it.

    Args:
        path: A regular file.
        only: Names of the arrays to read, where they are there. None: all.
        limits: How much may be read: `files` counts the arrays, `array_bytes` their bytes together.

    Returns:
        Dictionary from name to array, in the order of the file.

    Raises:
        OSError: If there is no such file or it may not be read.
        fer_data.file_limits.UnreadableError: If it is no such file or damaged, holds Python
            objects, states a shape that it does not hold, or is beyond a limit.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/points.npz", x=np.arange(3), y=np.zeros(3))
    ...     read_npz(f"{folder}/points.npz", only=["x"])
    {'x': array([0, 1, 2])}
    """
    try:
        with open_archive(path, limits.files) as archive:
            members = {
                info.filename.removesuffix(SUFFIX): info
                for info in archive.infolist()
                if only is None or info.filename.removesuffix(SUFFIX) in only
            }
            size = sum(info.file_size for info in members.values())
            if size > limits.array_bytes:
                raise UnreadableError(
                    "too_many_array_bytes",
                    f"arrays of {size} bytes, more than {limits.array_bytes}",
                )
            for name, info in members.items():
                _check_header(archive, name, info)
            return {name: _read(archive, info) for name, info in members.items()}
    except (FileNotFoundError, PermissionError, UnreadableError, MemoryError):
        raise
    # Whatever a damaged archive makes zipfile, zlib or NumPy raise, other errors of a file too.
    except Exception as error:
        raise UnreadableError("corrupt", f"{type(error).__name__}: {error}") from error


def _check_header(archive, name, info):
    """Refuse an array whose header states what its member does not hold."""
    with open_member(archive, info.filename, info.file_size) as member:
        version = np.lib.format.read_magic(member)
        if version not in _HEADERS:
            raise ValueError(f"array {name!r} has version {version} of NumPy's format")
        try:
            shape, _, dtype = _HEADERS[version](member)
        except MemoryError as error:  # of Python's parser: a header has 10,000 characters at most
            raise ValueError(f"the header of array {name!r} is nested too deeply") from error
        held = info.file_size - member.tell()
    if dtype.hasobject:
        raise UnreadableError("objects", f"array {name!r} holds Python objects, which may be code")
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or not dtype.itemsize or size != held:
        raise UnreadableError(
            "shape", f"array {name!r} states the shape {shape} of {dtype}, and has {held} bytes"
        )


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with open_member(archive, info.filename, info.file_size) as member:
        array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
        # Only at its end a checksum is compared.
        member.read()
    return array
