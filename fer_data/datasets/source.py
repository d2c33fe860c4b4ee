"""Sources of a data set's files: a folder, or a zip archive that is read in place."""

import abc
import bisect
import functools
import hashlib
import itertools
import operator
import os
import stat
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path, PureWindowsPath
from typing import IO, Any

from fer_data.datasets.names import Names
from fer_data.file_limits import (
    PATH_CHARACTERS,
    FileLimits,
    UnreadableError,
    allowing,
    kind_of,
    open_regular,
    printable,
    read_file,
    way_out,
)
from fer_data.zip_members import open_archive, open_member, read_member

ENCRYPTED = 0x1  # bit 0 of a member's flags, APPNOTE 4.4.4
# Files and folders that are listed a second time, by links. Twelve folders that link to each other
# make millions.
AGAIN = 300_000
# Characters that the paths of all files may have together, and more for each file that is allowed.
CHARACTERS, MORE_CHARACTERS = 20_000_000, 64
_FILE_NAME = operator.attrgetter("filename")


class Source(abc.ABC):
    """Files under one root, named by their path relative to it, with "/" between the parts.

    Attributes:
        root: Absolute path of the folder or archive.
        names: `Names` of the files.
        refused: Dictionary from name to `(reason, detail)` of what is never opened: devices, links
            out of the folder, what lies too deep.
        limits: `FileLimits` of what is read.
    """

    def __init__(
        self,
        root: Path,
        listed: Iterable[tuple[str, Any]],
        refused: dict[str, tuple[str, str]],
        limits: FileLimits,
    ) -> None:
        """Keep a listing.

        Args:
            root: See above.
            listed: Name of each file and what changes with its content, in sorted order.
            refused: See above. It is looked at after all that is listed.
            limits: See above.
        """
        self.root = root
        self.limits = limits
        self.names = Names()
        digest = hashlib.sha256(str(root).encode())
        last = None
        for entry in listed:
            if last is not None and entry[0] <= last:
                raise RuntimeError(f"{root} changed while it was listed: try again")
            last = entry[0]
            self.names.append(last)
            digest.update(repr(entry).encode())
        self.refused = dict(sorted(refused.items()))
        for refusal in self.refused.items():
            digest.update(repr(refusal).encode())
        self._fingerprint = digest.hexdigest()

    @abc.abstractmethod
    def read(self, name: str) -> bytes:
        """Return the bytes of a file, of at most `limits.file_bytes`."""

    @abc.abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """Open a file of at most `limits.table_bytes` for reading bytes, a piece at a time."""

    @abc.abstractmethod
    def where(self, name: str) -> str:
        """Return how a report names a file."""

    def fingerprint(self) -> str:
        """Return a hash of the listing (names, sizes, change times), not of the contents."""
        return self._fingerprint

    def refusals(self) -> str:
        """Return why files are missing, for an error: `""` if none was refused."""
        if not self.refused:
            return ""
        reasons = ", ".join(sorted({reason for reason, _ in self.refused.values()}))
        name, (_, detail) = next(iter(self.refused.items()))
        return f" ({len(self.refused)} refused: {reasons}; the first is {name}: {detail})"

    def folders(self, parent: str = "") -> list[str]:
        """Return the sorted names of the folders directly below `parent`."""
        return self._children(parent)[0]

    def files(self, parent: str = "") -> list[str]:
        """Return the names of the files directly in `parent`."""
        return self._children(parent)[1]

    def files_below(self, parent: str = "") -> list[str]:
        """Return the names of all files below `parent`, at any depth."""
        prefix = f"{parent}/" if parent else ""
        # An archive may have as many folders as files: each must not cost a look at all names.
        start = bisect.bisect_left(self.names, prefix)
        # Past all that lies in it: "0" follows "/".
        end = bisect.bisect_left(self.names, f"{parent}0", start) if parent else len(self.names)
        return self.names[start:end]

    def _children(self, parent):
        """Return the folders and the files in a folder, found among the sorted names.

        A tree of all folders would take memory for each of the many above a deep member.
        """
        names, prefix = self.names, f"{parent}/" if parent else ""
        folders, files = [], []
        place = bisect.bisect_left(names, prefix)
        while place < len(names) and (name := names[place]).startswith(prefix):
            end = name.find("/", len(prefix))
            if end < 0:
                files.append(name)
                place += 1
                continue
            child = name[:end]
            if end > len(prefix):
                folders.append(child)
            place = bisect.bisect_left(names, f"{child}0", place)
        return folders, files


def _is_beside(folder):
    """Return whether programs keep their own files in folders of that name, and people no data."""
    return folder == "__MACOSX" or (folder.startswith(".") and folder not in (".", ".."))


class FolderSource(Source):
    """The files of a folder and of all folders below it, but for hidden folders and `__MACOSX`."""

    def __init__(
        self,
        root: Path,
        limits: FileLimits | None = None,
        follow_links: bool = False,
        named: str | None = None,
        beside: Collection[str] = (),
        left_out: str | os.PathLike[str] | None = None,
    ) -> None:
        root = Path(root)
        limits = limits or FileLimits()
        self._follow = follow_links
        self._named = named
        wanted = None if named is None else {named, *beside}
        walk = _Walk(os.fspath(root), limits, follow_links, named, wanted, left_out)
        super().__init__(root, walk.files(), walk.refused, limits)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file, of at most `limits.file_bytes`."""
        return read_inside(self.root, name, self.limits, self._follows(name))

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading bytes, a piece at a time."""
        return open_regular(_inside(self.root, name, self._follows(name)))

    def _follows(self, name):
        return self._follow or name == self._named

    def where(self, name: str) -> str:
        """Return how a report names a file."""
        return printable(os.fspath(self.root / name))


class ZipSource(Source):
    """The members of a zip archive, read without unpacking it."""

    def __init__(self, root: Path, limits: FileLimits | None = None) -> None:
        root = Path(root)
        limits = limits or FileLimits()
        with open_archive(root, limits.files) as archive:
            members = [
                info
                for info in archive.infolist()
                if not info.is_dir() and not any(map(_is_beside, info.filename.split("/")[:-1]))
            ]
        if any(info.flag_bits & ENCRYPTED for info in members):
            raise ValueError(
                "`path` must name an archive without a password; unpack it with the password of "
                f"its owners and give the folder. Received: path={str(root)!r}"
            )
        refused: dict[str, tuple[str, str]] = {}
        super().__init__(root, _listed(members, limits, refused), refused, limits)

    def __getstate__(self) -> dict[str, Any]:
        # Another process opens the archive anew.
        return {name: value for name, value in self.__dict__.items() if name != "_archive"}

    @functools.cached_property
    def _archive(self):
        return open_archive(self.root, self.limits.files)

    def read(self, name: str) -> bytes:
        """Return the bytes of a member, of at most `limits.file_bytes`."""
        return read_member(self._archive, name, self.limits.file_bytes)

    def open(self, name: str) -> IO[bytes]:
        """Open a member of at most `limits.table_bytes` for reading bytes, a piece at a time."""
        return open_member(self._archive, name, self.limits.table_bytes)

    def where(self, name: str) -> str:
        """Return how a report names a member."""
        return f"{self.root}!{name}"


def open_source(
    path: str | os.PathLike[str],
    limits: FileLimits | None = None,
    follow_links: bool = False,
    named: str | None = None,
    beside: Collection[str] = (),
    left_out: str | os.PathLike[str] | None = None,
) -> Source:
    """Open a folder or a zip archive; a folder that holds nothing but one zip counts as the zip.

    Args:
        path: The folder, the archive, or the folder the archive lies in.
        limits: `FileLimits`; `None` for the usual ones.
        follow_links: Whether links that lead out of the folder are followed.
        named: File of the folder that the user named, which is read even if it is such a link. The
            folder's others are left alone then, whatever they are.
        beside: Files beside `named` that belong to it.
        left_out: Folder below the other that is not looked into.

    Returns:
        A `Source`.

    Raises:
        ValueError: If nothing is there, the folder is empty or has too many files, or the file is
            not a zip archive that can be read without a password.
    """
    root = Path(path).expanduser().resolve()
    if not root.exists():
        raise ValueError(f"`path` must exist: there is nothing there. Received: path={str(path)!r}")
    if not root.is_dir():
        if not root.is_file() or not zipfile.is_zipfile(root):
            raise ValueError(
                "`path` must be a folder or a zip archive; this file is not a readable zip "
                f"archive. Received: path={str(path)!r}"
            )
        return ZipSource(root, limits)
    source = FolderSource(root, limits, follow_links, named, beside, left_out)
    if not source.names:
        raise ValueError(
            "`path` must be a folder with the data set in it; this one holds no files that may be "
            f"read{source.refusals()}. Received: path={str(path)!r}"
        )
    archives = [name for name in source.files() if name.lower().endswith(".zip")]
    if source.folders() or any(name.lower().endswith(".csv") for name in source.files()):
        return source
    if len(archives) > 1:
        raise ValueError(
            f"`path` must name one archive where a folder holds several: {archives}. "
            f"Received: path={str(path)!r}"
        )
    return open_source(root / archives[0], limits) if archives else source


def read_inside(
    root: str | os.PathLike[str], name: str, limits: FileLimits, follow_links: bool = False
) -> bytes:
    """Return the bytes of a file of a folder.

    Args:
        root: The folder.
        name: Path of the file in it.
        limits: `FileLimits`, of which `file_bytes` counts.
        follow_links: Whether a link may lead out of the folder.

    Raises:
        OSError: If there is no such file or it cannot be read.
        UnreadableError: If it is no regular file, too large, or a link out of the folder.
    """
    return read_file(_inside(root, name, follow_links), limits.file_bytes)


def _inside(root, name, follow_links):
    path = os.path.join(root, name)
    # Where nothing is, opening it says so.
    detail = None if follow_links or not os.path.exists(path) else way_out(path, root)
    if detail is not None:
        raise UnreadableError("link_outside", detail)
    return path


def _short(name, number):
    """Return a name as a report can show it, unlike the others'."""
    name = printable(name)
    return name if len(name) <= PATH_CHARACTERS else f"{name[:200]}... (number {number + 1})"


def _name_reason(name, limits):
    """Return `(reason, detail)` of a name that is refused, or `None`."""
    if len(name) > PATH_CHARACTERS:
        return "too_deep", f"its path has {len(name)} characters"
    if name.count("/") > limits.depth:
        detail = f"{name.count('/')} folders above it, more than {limits.depth}"
        return "too_deep", f"{detail}; {allowing('depth')}"
    if printable(name) != name:
        return "odd_name", "its name is no text in UTF-8"
    return None


def _member_reason(name):
    """Return `(reason, detail)` of a member whose name is no path below a folder, or `None`.

    What is made of a picture is written to a place by its name.
    """
    plain = "\\" not in name and not PureWindowsPath(name).drive
    if plain and not {"", ".", ".."} & set(name.split("/")):
        return None
    return "odd_name", "its name is no path below a folder, such as train/happy/1.jpg"


def _listed(members, limits, refused):
    """Yield the name of each member of an archive, with its size and checksum, in sorted order."""
    members.sort(key=_FILE_NAME)
    for name, same in itertools.groupby(members, _FILE_NAME):
        # Of several of one name the last is read.
        *_, info = same
        reason = _name_reason(name, limits) or _member_reason(name)
        if reason is None:
            yield name, (info.file_size, info.CRC)
        else:
            refused[_short(name, len(refused))] = reason


class _Walk:
    """The listing of a folder.

    Attributes:
        refused: `(reason, detail)` of what is not opened, after all `files`.
    """

    def __init__(self, root, limits, follow_links, named, wanted, left_out):
        self.refused = {}
        self._named = named
        self._wanted = wanted
        self._left_out = None if left_out is None else os.path.realpath(left_out)
        self._root = os.path.realpath(root)
        self._limits = limits
        self._follow = follow_links
        self._seen = self._again = self._characters = 0
        self._most_characters = CHARACTERS + MORE_CHARACTERS * limits.files
        self._folders = set()
        self._top = root

    def files(self):
        """Yield the name of each regular file, with its size and the time of its last change.

        In sorted order of the names: a list to sort would hold them twice.
        """
        return self._look_into(self._top, "", ())

    def _look_into(self, folder, prefix, above):
        here = os.path.realpath(folder)
        # A link to a folder above this one: its files are listed already.
        if here in above or (above and here == self._left_out):
            return
        again = here in self._folders
        self._folders.add(here)
        names = self._counted(folder, prefix, again)
        names.sort(reverse=True)
        while names:
            name = f"{prefix}{names.pop().removesuffix('/')}"
            try:
                reason = yield from self._take(name, (*above, here))
            # Other errors of the system say nothing of this entry.
            except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
                reason = "unreadable", f"{type(error).__name__}: {error.strerror}"
            if reason is not None:
                self.refused[_short(name, len(self.refused))] = reason

    def _counted(self, folder, prefix, again):
        """Return the names in a folder; those of folders end in "/", as their files are sorted."""
        names = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if self._wanted is not None and entry.name not in self._wanted:
                    continue
                self._seen += 1
                self._again += again
                if self._again > AGAIN:
                    raise ValueError(
                        f"`path` must have at most {AGAIN} files and folders that are there again "
                        f"by links inside it. Received: path={printable(self._root)!r}, where "
                        f"{printable(prefix)} is there again"
                    )
                if self._seen > self._limits.files:
                    raise ValueError(
                        f"`path` must hold at most {self._limits.files} files and folders; "
                        f"{allowing('files')}. Received: path={printable(self._root)!r}"
                    )
                self._characters += len(prefix) + len(entry.name)
                if self._characters > self._most_characters:
                    raise ValueError(
                        "`path` must hold files whose paths have at most "
                        f"{self._most_characters} characters together; {allowing('files')}. "
                        f"Received: path={printable(self._root)!r}"
                    )
                try:
                    is_folder = entry.is_dir()
                except OSError:
                    is_folder = False
                if is_folder and _is_beside(entry.name):
                    continue
                names.append(f"{entry.name}/" if is_folder else entry.name)
        return names

    def _take(self, name, above):
        """Yield a file or those of a folder; return why it is refused, if it is."""
        reason = _name_reason(name, self._limits)
        if reason is not None:
            return reason
        path = os.path.join(self._top, name)
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            if not os.path.exists(path):
                # A broken link is listed, so that it is reported when it cannot be read.
                yield name, (0, 0)
                return None
            follow = self._follow or name == self._named
            detail = None if follow else way_out(path, self._root)
            if detail is not None:
                return "link_outside", detail
            found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            yield from self._look_into(path, f"{name}/", above)
        elif stat.S_ISREG(found.st_mode):
            yield name, (found.st_size, found.st_mtime_ns)
        else:
            return "not_a_file", f"it is {kind_of(found.st_mode)}"
        return None
