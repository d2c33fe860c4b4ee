"""Files of arrays, written so that a half-written one never stands under its name."""

import os
import zipfile
from pathlib import Path

import numpy as np


def write_arrays(path, arrays):
    """Write named arrays to an `.npz` file, under a temporary name that is renamed at the end.

    Args:
        path: File to write, ending in `.npz`.
        arrays: Dictionary from name to array.

    Raises:
        ValueError: If the name does not end in `.npz`.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"`path` must end in .npz. Received: path={str(path)!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    with unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays)
    os.replace(unfinished, path)


def read_arrays(path, names):
    """Read the named arrays of an `.npz` file.

    Args:
        path: File to read.
        names: Names of all the arrays that it must hold.

    Returns:
        Dictionary from name to array.

    Raises:
        ValueError: If the file cannot be read or holds something else.
    """
    try:
        with np.load(os.fspath(path), allow_pickle=False) as file:
            if sorted(file.files) == sorted(names):
                return {name: file[name] for name in names}
            found = file.files
    except (zipfile.BadZipFile, EOFError, ValueError, AttributeError) as error:
        raise ValueError(
            f"A file of arrays cannot be read; remove it to have it made again. "
            f"Received: {str(path)!r} ({error})"
        ) from error
    raise ValueError(
        f"A file of arrays must hold {', '.join(names)}. Received: {str(path)!r} with {found}"
    )
