"""Zip archives of strangers: how many members they may have, and how much a member may hold."""

import io
import os
import zipfile
import zlib
from typing import IO

from fer_data.file_limits import allowing, check_size, open_regular, read_stream

# What reading a damaged or exotic member, or a file that is gone or closed to this user, may raise.
# Other errors of the system, such as of a disk or of too many open files, say nothing of the file.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError),
    *(FileNotFoundError, PermissionError, NotADirectoryError),
)
# Most bytes of an archive's directory: those of one million members, which take half a gigabyte of
# memory. In a folder a file takes a fifth of that.
DIRECTORY_BYTES = 128 << 20
# Of bzip2 and LZMA a few bytes may stand for gigabytes, and Python unpacks them at once.
METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
MEMBER = b"PK\x01\x02"  # what a member's entry in the directory begins with, APPNOTE 4.3.12


class _Counted:
    """A file that hands out no directory of more members than allowed.

    `zipfile` reads the directory, which stands at the end, in one piece of the length that the
    archive states, and makes an object of each entry.
    """

    def __init__(self, file, most):
        self._file = file
        self._most = most

    def read(self, size=-1):
        if size > DIRECTORY_BYTES:
            raise ValueError(
                f"A zip archive must have a directory of at most {DIRECTORY_BYTES} bytes; unpack "
                f"it and give the folder. Received: a directory of {size} bytes"
            )
        data = self._file.read(size)
        count = data.count(MEMBER)
        if count > self._most:
            raise ValueError(
                f"A zip archive must have at most {self._most} members; {allowing('files')}. "
                f"Received: an archive of {count} members"
            )
        return data

    def __getattr__(self, name):
        return getattr(self._file, name)


class _Archive(zipfile.ZipFile):
    """A zip archive that closes its file with itself."""

    def __init__(self, file, most):
        self._source = file
        super().__init__(_Counted(file, most))

    def close(self):
        super().close()
        self._source.close()


def open_archive(source: str | os.PathLike[str] | bytes, most: int) -> zipfile.ZipFile:
    """Open a zip archive for reading its members.

    Args:
        source: Name of a regular file, or the archive's bytes.
        most: Most members.

    Returns:
        The archive. Read its members with `read_member`.

    Raises:
        OSError: If there is no such file or it cannot be read.
        ValueError: If there are more members.
        fer_data.file_limits.UnreadableError: If it is no regular file.
        zipfile.BadZipFile: If it is no zip archive.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else open_regular(source)
    try:
        return _Archive(file, most)
    except BaseException:
        file.close()
        raise


def open_member(archive: zipfile.ZipFile, name: str, most: int) -> IO[bytes]:
    """Open a member for reading bytes, a piece at a time, if its header states no more bytes.

    Args:
        archive: As from `open_archive`.
        name: Name of the member.
        most: Most bytes. No more than the header states are ever given.

    Raises:
        NotImplementedError: If it is compressed by another method than deflate.
        fer_data.file_limits.UnreadableError: If its header states more.
        zipfile.BadZipFile: If it is damaged, which reading may raise too.
    """
    info = archive.getinfo(name)
    if not 0 <= info.header_offset < archive.start_dir:
        # Going there would be an error of the system.
        raise zipfile.BadZipFile(f"the directory places it at byte {info.header_offset}")
    if info.compress_type not in METHODS:
        raise NotImplementedError(
            f"members must be {' or '.join(METHODS.values())}; unpack the archive and give the "
            f"folder. Received: method {info.compress_type}"
        )
    check_size(info.file_size, most)
    try:
        return archive.open(info)
    except UnicodeDecodeError as error:
        raise zipfile.BadZipFile(f"its name is no text in UTF-8: {error}") from error


def read_member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return the bytes of a member, of which no more are unpacked than allowed.

    Args:
        archive: As from `open_archive`.
        name: Name of the member.
        most: Most bytes.

    Raises:
        NotImplementedError: As for `open_member`.
        fer_data.file_limits.UnreadableError: If it has more.
    """
    with open_member(archive, name, most) as member:
        return read_stream(member, most)
