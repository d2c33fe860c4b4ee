"""Files written whole: under a temporary name first, so that no half file stands under its own."""

import contextlib
import csv
import errno
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.file_limits import FileLimits, UnreadableError
from fer_data.npz import LIMITS, read_npz

# In the names of files that are being written.
UNFINISHED = ".unfinished"

# Bytes of a name on the usual file systems.
LONGEST = 255


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary name to write to; rename it to `path` when the block ends without an error.

    The temporary file lies in the same folder, which is made if absent, and has the same ending.
    After an error it is deleted, and a file that was at `path` stays as it was.

    Args:
        path: Name of the file.
        durable: Whether the content reaches the disk before the file has its name, so that the
            file is whole after a loss of power too. That takes some milliseconds.

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
    temporary = unfinished(path)
    try:
        yield temporary
        if durable:
            sync(temporary)
        os.replace(temporary, path)
        if durable:
            sync(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def unfinished(path: str | os.PathLike[str]) -> Path:
    """Return the name of a file, in the same folder, until it is whole.

    Args:
        path: The file.

    Example:

    >>> name = unfinished("runs/run.json").name
    >>> name.startswith(".run."), name.endswith(".unfinished.json")
    (True, True)
    """
    path = Path(path)
    # Machine and process in the name: two workers of a cluster may write one file.
    end = f".{platform.node()}.{os.getpid()}{UNFINISHED}{path.suffix}"
    stem, room = os.fsencode(path.stem), LONGEST - len(os.fsencode(end)) - 1
    if len(stem) > room:
        # The digest tells files apart whose names begin alike.
        digest = hashlib.sha256(stem).hexdigest()[:16]
        kept = stem[: max(0, room - len(digest))].decode("utf-8", "ignore")
        return path.with_name(f".{kept}{digest}{end}")
    return path.with_name(f".{path.stem}{end}")


def check_not_read(name: str, path: str | os.PathLike[str], source: str | os.PathLike[str]) -> None:
    """Refuse to write over the file that is read.

    Args:
        name: Of the argument, for the message.
        path: The file to write, which may not be there yet.
        source: The file to read.

    Raises:
        ValueError: If both are the same file.

    Example:

    >>> check_not_read("copy", "annotated/party.mp4", "party.mp4")
    """
    if os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source):
        raise ValueError(
            f"`{name}` must be another file than the one that is read, which it would replace: "
            f"choose another folder or name. Received: {name}={str(path)!r}"
        )


def sync(path: str | os.PathLike[str]) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk.

    Args:
        path: The file or folder.

    Raises:
        OSError: If it cannot be opened or written.
    """
    folder = os.path.isdir(path)
    if folder and os.name == "nt":
        # Windows opens no folder, and writes the names by itself.
        return
    number = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(number)
    except OSError as error:
        # Some network file systems write names at once, and refuse to be asked for it.
        if not folder or error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(number)


def is_free(folder: str | os.PathLike[str]) -> bool:
    """Return whether a folder is absent, or holds nothing but what a killed process left.

    Args:
        folder: The folder.

    Returns:
        True also where all that is there is a file that was never finished.
    """
    folder = Path(folder)
    if not folder.exists():
        return True
    return folder.is_dir() and all(map(is_unfinished, folder.iterdir()))


def is_unfinished(path: str | os.PathLike[str]) -> bool:
    """Return whether a file has the name that `whole_file` gives until the file is whole.

    Args:
        path: The file; it may be absent.

    Example:

    >>> is_unfinished("runs/.run.node.17.unfinished.json"), is_unfinished("runs/run.json")
    (True, False)
    """
    name = Path(path).name
    return name.startswith(".") and UNFINISHED in name


def remove_unfinished(folder: str | os.PathLike[str]) -> None:
    """Delete what killed processes left in a folder, and in those inside.

    Args:
        folder: The folder, in which nothing else writes; it may be absent.
    """
    for path in list(Path(folder).rglob(f".*{UNFINISHED}*")):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def remove_folder(folder: str | os.PathLike[str]) -> None:
    """Delete a folder with all that it holds, at one moment for whoever reads it.

    Args:
        folder: The folder; it may be absent.
    """
    folder = Path(folder)
    if not folder.exists():
        return
    aside = folder.with_name(f".{folder.name}.{platform.node()}.{os.getpid()}{UNFINISHED}")
    os.replace(folder, aside)
    shutil.rmtree(aside)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file (UTF-8) whole.

    Bytes of file names that are not UTF-8 are written as escapes of Python and JSON.

    Args:
        path: Name of the file.
        text: Its content.
    """
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


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


def read_json(
    path: str | os.PathLike[str],
    names: Iterable[str] = (),
    *,
    same: Mapping[str, Any] | None = None,
    remove: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Args:
        path: The file.
        names: Names that the object must have.
        same: Values that it must have, by name; None for any.
        remove: What a user removes to have the file made again, for the message of an error; None
            for the file.

    Returns:
        The object.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If the file is damaged, or holds something else.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_json(f"{folder}/result.json", {"accuracy": 0.5})
    ...     read_json(f"{folder}/result.json", ["accuracy"])
    {'accuracy': 0.5}
    """
    what = f"remove {'it' if remove is None else remove} to have it made again"
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"A JSON file cannot be read; {what}. Received: {str(path)!r} ({error})"
        ) from error
    same = dict(same or {})
    wanted = list(dict.fromkeys([*names, *same]))
    missing = [name for name in wanted if not isinstance(content, dict) or name not in content]
    if missing or not isinstance(content, dict):
        raise ValueError(
            f"A JSON file must hold an object{' with ' * bool(wanted)}{', '.join(wanted)}; {what}. "
            f"Received: {str(path)!r} with {_kind(content)}"
        )
    for name, value in same.items():
        if content[name] != value:
            raise ValueError(
                f"A JSON file must be the one of {name}={value!r}; {what}. "
                f"Received: {str(path)!r} with {name}={content[name]!r}"
            )
    return content


def _kind(content):
    if isinstance(content, dict):
        return f"an object of {', '.join(content) or 'nothing'}"
    return "null" if content is None else f"a {type(content).__name__}"


def write_table(
    path: str | os.PathLike[str], header: Iterable[Any], rows: Iterable[Iterable[Any]]
) -> Path:
    """Write a CSV file whole, row by row.

    Bytes of file names that are not UTF-8 are written as escapes of Python and JSON.

    Args:
        path: Name of the file.
        header: Names of the columns.
        rows: The rows.

    Returns:
        The path.
    """
    path = Path(path)
    with (
        whole_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
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


def read_arrays(
    path: str | os.PathLike[str],
    names: Iterable[str],
    limits: FileLimits = LIMITS,
    *,
    optional: Iterable[str] = (),
) -> dict[str, np.ndarray]:
    """Read the named arrays of an `.npz` file.

    Args:
        path: Name of the file.
        names: Names of all the arrays that it must hold.
        limits: How much may be read: `files` counts the arrays, `array_bytes` their bytes together.
        optional: Names of arrays that it may hold besides, such as those that older files lack.

    Returns:
        Dictionary from name to array, without the optional ones that are not there.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If the file cannot be read, is beyond a limit or holds other arrays.
    """
    try:
        found = read_npz(path, limits=limits)
    except UnreadableError as error:
        large = error.reason == "too_many_array_bytes"
        remedy = "raise `limits.array_bytes`" if large else "remove it to have it made again"
        raise ValueError(
            f"A file of arrays cannot be read; {remedy}. Received: {str(path)!r} ({error})"
        ) from error
    names = [*names, *(name for name in optional if name in found)]
    if sorted(found) != sorted(names):
        raise ValueError(
            f"A file of arrays must hold {', '.join(names)}. "
            f"Received: {str(path)!r} with {list(found)}"
        )
    return {name: found[name] for name in names}


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
