"""Writing arrays so that a half-written file never stands under its name."""

import os
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
