"""Files written whole: under a temporary name first, so that no half file stands under its own."""

import contextlib
import csv
import json
import os
import platform
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name to write to; rename it to `path` when the block ends without an error.

    The temporary file lies in the same folder, which is made if absent, and has the same ending.
    After an error it is deleted, and a file that was at `path` stays as it was.

    Args:
        path: Name of the file.

    Yields:
        The temporary name, a `pathlib.Path`.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(f"{folder}/notes/first.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     Path(folder, "notes", "first.txt").read_text()
    'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Machine and process in the name: two workers of a cluster may write one file.
    owner = f"{platform.node()}.{os.getpid()}"
    temporary = path.with_name(f".{path.stem}.{owner}.unfinished{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file (UTF-8) whole.

    Args:
        path: Name of the file.
        text: Its content.
    """
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write a JSON file whole, indented, without NaN and infinity.

    Args:
        path: Name of the file.
        content: Anything of JSON's types.

    Raises:
        ValueError: If a number is NaN or infinite.
    """
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_table(
    path: str | os.PathLike[str], header: Iterable[Any], rows: Iterable[Iterable[Any]]
) -> Path:
    """Write a CSV file whole, row by row.

    Args:
        path: Name of the file.
        header: Names of the columns.
        rows: The rows.

    Returns:
        The path.
    """
    path = Path(path)
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, Any], *, compressed: bool = True
) -> None:
    """Write named arrays to an `.npz` file whole.

    Args:
        path: Name of the file, ending in `.npz`.
        arrays: Arrays by name.
        compressed: Whether to compress them.

    Raises:
        ValueError: If the name does not end in `.npz`.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"`path` must end in .npz. Received: path={str(path)!r}")
    with whole_file(path) as temporary:
        (np.savez_compressed if compressed else np.savez)(temporary, **arrays)


def read_arrays(path: str | os.PathLike[str], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Read the named arrays of an `.npz` file.

    Args:
        path: Name of the file.
        names: Names of all the arrays that it must hold.

    Returns:
        Dictionary from name to array.

    Raises:
        ValueError: If the file cannot be read or holds other arrays.
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


def save_figure(figure: Any, path: str | os.PathLike[str], dpi: int = 150) -> Path:
    """Write a figure of matplotlib whole.

    Args:
        figure: A `matplotlib.figure.Figure`.
        path: Name of the file; its ending (`.png`, `.svg`, `.pdf`, ...) chooses the format.
        dpi: Pixels an inch.

    Returns:
        The path.

    Raises:
        ValueError: If matplotlib cannot write files of that ending.
    """
    path = Path(path)
    kind = path.suffix.lstrip(".").lower()
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise ValueError(
            f"`path` must end in one of {', '.join('.' + name for name in sorted(known))}. "
            f"Received: path={str(path)!r}"
        )
    with whole_file(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=dpi, facecolor="white")
    return path
