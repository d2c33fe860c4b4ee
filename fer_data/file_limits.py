"""Limits for reading files that others made; only regular files are read.

A picture's or an archive's own header is a claim of whoever wrote it. So sizes are counted while
bytes are read, and pixels are checked before they are decoded.
"""

import dataclasses
import errno
import io
import os
import stat
from collections.abc import Mapping
from typing import IO, Any, BinaryIO

from fer_data.checks import check_integer

# Bytes that are unpacked at a time.
PIECE = 1 << 16
# Characters of a line of a text table. The longest of FER2013 has 9,000.
LINE_CHARACTERS = 130_000
# Characters of a file's path in a folder or archive. As many as systems allow.
PATH_CHARACTERS = 4_096
# Bytes of a spreadsheet, and of what is compressed in it. The owners' have less than one million.
SHEET_BYTES = 32 << 20
# XML elements of its sheets and texts, and of all else in it. A cell with a value has three.
SHEET_ELEMENTS, OTHER_ELEMENTS = 500_000, 100_000
# The largest sheet that is read, counted by the cells that hold something.
SHEET_ROWS, SHEET_COLUMNS = 100_000, 1_000
# Characters of a cell. As many as spreadsheet programs allow.
CELL_CHARACTERS = 32_767

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


# The limit behind a reason.
_LIMIT_OF = {"too_many_bytes": "file_bytes", "too_many_pixels": "pixels"}


class UnreadableError(Exception):
    """A file that cannot be used.

    Attributes:
        reason: Short name of the reason, a key of the report.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def allowing(limit: str) -> str:
    """Return how a user allows more than a limit.

    Args:
        limit: Name of a field of `FileLimits`.
    """
    option = f"--option limits='{{\"{limit}\":N}}'"
    return (
        f'`limits={{"{limit}": N}}` allows more (`fer prepare {option}`; `fer train` has '
        "`--data-options`)"
    )


# How a user has a link followed.
FOLLOWING = (
    "`follow_links=True` follows it (`fer prepare --option follow_links=true`; `fer train` has "
    "`--data-options`, `fer crop` has `--follow-links`)"
)


def with_way_out(error: UnreadableError) -> UnreadableError:
    """Return the error of a picture of a data set with how to allow more, where a limit is why."""
    limit = _LIMIT_OF.get(error.reason)
    return UnreadableError(error.reason, f"{error}; {allowing(limit)}") if limit else error


@dataclasses.dataclass(frozen=True)
class FileLimits:
    """How much is read of the files of others.

    A picture beyond a limit is left out, counted and listed with a reason, which stands in
    brackets below. A folder, archive or table beyond a limit is an error.

    Args:
        file_bytes: Most bytes of a picture's file (`too_many_bytes`).
        pixels: Most pixels of a picture (`too_many_pixels`); of WebP half as many.
        jpeg_pixels: Most pixels of a JPEG file in a class folder. One of more than `pixels` is
            decoded at a half, a quarter or an eighth of its height and width, unless it is
            progressive. `changed({"pixels": ...})` sets both.
        files: Most files and folders of a folder, members of an archive, and rows of a table. A
            class folder has a lower one, `IMAGE_FOLDER`.
        depth: Most folders above a file (`too_deep`).
        table_bytes: Most bytes of a text table, such as `fer2013.csv`.
        array_bytes: Most bytes of the arrays of an `.npz` file together, and of the faces that its
            pictures hold.

    Raises:
        ValueError: If a limit is no integer of 1 or more.

    Example:

    >>> FileLimits(pixels=50_000_000).file_bytes
    67108864
    """

    file_bytes: int = 64 << 20
    pixels: int = 13_000_000
    jpeg_pixels: int = 50_000_000
    files: int = 5_000_000
    depth: int = 32
    table_bytes: int = 512 << 20
    array_bytes: int = 4 << 30

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            check_integer(name, value, 1)

    def changed(self, values: "Mapping[str, int] | FileLimits | None") -> "FileLimits":
        """Return these limits with others in place of some.

        Args:
            values: The others by name, such as `{"pixels": 50_000_000}`, or all of them; None for
                none.

        Raises:
            ValueError: If a name is unknown or a limit is no integer of 1 or more.
        """
        if values is None:
            return self
        if isinstance(values, FileLimits):
            return values
        names = tuple(field.name for field in dataclasses.fields(self))
        if not isinstance(values, Mapping) or not set(values) <= set(names):
            raise ValueError(
                f"`limits` must be a dictionary of numbers by names of {names}. "
                f"Received: limits={values!r}"
            )
        values = dict(values)
        if "pixels" in values:
            values.setdefault("jpeg_pixels", values["pixels"])
        return dataclasses.replace(self, **values)


# For pictures in class folders. Each that is there takes half a kilobyte.
IMAGE_FOLDER = FileLimits(files=200_000)
# For photos that a user names one by one: as large as the sensors of phones.
PHOTO = FileLimits(file_bytes=256 << 20, pixels=120_000_000, jpeg_pixels=120_000_000)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading. Nothing else is opened: a pipe would never end.

    Args:
        path: Name of the file.

    Raises:
        OSError: If there is no such file or it may not be read.
        UnreadableError: If it is a device, a named pipe, a socket, a folder, or a link that leads
            back to itself.
    """
    try:
        found = os.stat(path)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENAMETOOLONG):
            raise
        # Faults of a link, and not of the system.
        raise UnreadableError("unreadable", f"a broken link: {error.strerror}") from error
    _check_kind(found)
    # A pipe that took the file's place just now would wait for a writer.
    flags = ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
    how = os.O_RDONLY | sum(getattr(os, name, 0) for name in flags)
    descriptor = os.open(path, how)
    try:
        _check_kind(os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_file(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the bytes of a regular file.

    Args:
        path: Name of the file.
        most: Most bytes.

    Raises:
        OSError: If there is no such file or it cannot be read.
        UnreadableError: If it is no regular file or has more bytes.
    """
    with open_regular(path) as file:
        check_size(os.fstat(file.fileno()).st_size, most)
        data = file.read(most + 1)
    # Some systems state no size, such as that of /proc.
    check_size(len(data), most)
    return data


def read_stream(file: IO[bytes], most: int) -> bytes:
    """Return the rest of a compressed file, whatever the size in its header.

    Args:
        file: Opened for reading bytes.
        most: Most bytes.

    Raises:
        UnreadableError: If there are more.
    """
    buffer = io.BytesIO()
    while piece := file.read(PIECE):
        check_size(buffer.tell() + len(piece), most)
        buffer.write(piece)
    return buffer.getvalue()


def check_size(size: int, most: int) -> None:
    """Raise `UnreadableError` if a file has more bytes than allowed."""
    if size > most:
        raise UnreadableError("too_many_bytes", f"{size} bytes, more than {most}")


def kind_of(mode: int) -> str | None:
    """Return what a file is that is not regular, such as "a device"; None for a regular one.

    Args:
        mode: As in `os.stat_result.st_mode`.
    """
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "of an unknown kind")


def way_out(path: str | os.PathLike[str], root: str | os.PathLike[str]) -> str | None:
    """Return where a path leads if that is outside of a folder, `None` if it is inside.

    Args:
        path: The path, which may be a link or lie below one.
        root: The folder.
    """
    real, root = os.path.realpath(path), os.path.realpath(root)
    if real == root or real.startswith(os.path.join(root, "")):
        return None
    return f"a link to {printable(real)}; {FOLLOWING}"


def printable(name: str) -> str:
    """Return a name whose bytes that are not text, as of another encoding, are written out."""
    return name.encode("utf-8", "backslashreplace").decode()


def is_number(text: Any) -> bool:
    r"""Return whether a text is a number of the digits 0 to 9.

    `str.isdigit` is true of superscripts too, which `int` refuses.

    Args:
        text: The text.

    Example:

    >>> [is_number(text) for text in ("07", "\u00b2", "\uff12", "-1", "1.0", "")]
    [True, False, False, False, False, False]
    """
    # Longer ones than Python turns into a number are no counts.
    return isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 1000


def _check_kind(found):
    kind = kind_of(found.st_mode)
    if kind is not None:
        raise UnreadableError("not_a_file", f"it is {kind}")
