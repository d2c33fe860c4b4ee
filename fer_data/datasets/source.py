"""Where a data set's files lie: a folder, or a zip archive read in place."""

import functools
import hashlib
import os
import zipfile
from pathlib import Path, PurePosixPath

ENCRYPTED = 0x1  # bit 0 of a member's flags, APPNOTE 4.4.4


class Source:
    """Files under one root, named by their path relative to it, with "/" between the parts.

    Attributes:
        root: Absolute path of the folder or archive.
        sizes: Dictionary from name to size in bytes, in sorted order of the names.
    """

    def __init__(self, root, stamps):
        self.root = root
        self._stamps = dict(sorted(stamps.items()))
        self.sizes = {name: stamp[0] for name, stamp in self._stamps.items()}

    def fingerprint(self):
        """Return a hash of the listing (names, sizes, change times), not of the contents."""
        digest = hashlib.sha256(str(self.root).encode())
        for name, stamp in self._stamps.items():
            digest.update(repr((name, stamp)).encode())
        return digest.hexdigest()

    def folders(self, parent=""):
        """Return the sorted names of the folders directly below `parent`."""
        return self._children(parent)[0]

    def files(self, parent=""):
        """Return the names of the files directly in `parent`."""
        return self._children(parent)[1]

    def files_below(self, parent=""):
        """Return the names of all files below `parent`, at any depth."""
        prefix = f"{parent}/" if parent else ""
        return [name for name in self.sizes if name.startswith(prefix)]

    @functools.cached_property
    def _tree(self):
        tree = {"": ({}, [])}
        for name in self.sizes:
            parts = PurePosixPath(name).parts
            for depth in range(1, len(parts)):
                parent, child = "/".join(parts[: depth - 1]), "/".join(parts[:depth])
                tree.setdefault(child, ({}, []))
                tree[parent][0][child] = None
            tree["/".join(parts[:-1])][1].append(name)
        return tree

    def _children(self, parent):
        folders, files = self._tree.get(parent, ({}, []))
        return list(folders), files


class FolderSource(Source):
    """The files of a folder and of all folders below it."""

    def __init__(self, root):
        root = Path(root)
        super().__init__(root, dict(_walk(os.fspath(root), "")))

    def read(self, name):
        """Return the bytes of a file."""
        return (self.root / name).read_bytes()

    def open(self, name):
        """Open a file for reading bytes, a piece at a time."""
        return (self.root / name).open("rb")

    def where(self, name):
        """Return how a report names a file."""
        return os.fspath(self.root / name)


class ZipSource(Source):
    """The members of a zip archive, read without unpacking it."""

    def __init__(self, root):
        root = Path(root)
        with zipfile.ZipFile(root) as archive:
            members = [
                info
                for info in archive.infolist()
                if not info.is_dir() and not info.filename.startswith("__MACOSX/")
            ]
        if any(info.flag_bits & ENCRYPTED for info in members):
            raise ValueError(
                "`path` must name an archive without a password; unpack it with the password of "
                f"its owners and give the folder. Received: path={str(root)!r}"
            )
        super().__init__(root, {info.filename: (info.file_size, info.CRC) for info in members})

    def __getstate__(self):
        # Another process opens the archive anew.
        return {name: value for name, value in self.__dict__.items() if name != "_archive"}

    @functools.cached_property
    def _archive(self):
        return zipfile.ZipFile(self.root)

    def read(self, name):
        """Return the bytes of a member."""
        return self._archive.read(name)

    def open(self, name):
        """Open a member for reading bytes, a piece at a time."""
        return self._archive.open(name)

    def where(self, name):
        """Return how a report names a member."""
        return f"{self.root}!{name}"


def open_source(path):
    """Open a folder or a zip archive; a folder that holds nothing but one zip counts as the zip.

    Args:
        path: The folder, the archive, or the folder the archive lies in.

    Returns:
        A `Source`.

    Raises:
        ValueError: If nothing is there, the folder is empty, or the file is not a zip archive that
            can be read without a password.
    """
    root = Path(path).expanduser().resolve()
    if not root.exists():
        raise ValueError(f"`path` must exist: there is nothing there. Received: path={str(path)!r}")
    if root.is_file():
        if not zipfile.is_zipfile(root):
            raise ValueError(
                "`path` must be a folder or a zip archive; this file is not a readable zip "
                f"archive. Received: path={str(path)!r}"
            )
        return ZipSource(root)
    source = FolderSource(root)
    if not source.sizes:
        raise ValueError(
            "`path` must be a folder with the data set in it; this one holds no files. "
            f"Received: path={str(path)!r}"
        )
    archives = [name for name in source.files() if name.lower().endswith(".zip")]
    if source.folders() or any(name.lower().endswith(".csv") for name in source.files()):
        return source
    if len(archives) > 1:
        raise ValueError(
            f"`path` must name one archive where a folder holds several: {archives}. "
            f"Received: path={str(path)!r}"
        )
    return open_source(root / archives[0]) if archives else source


def _walk(folder, prefix, above=()):
    here = os.path.realpath(folder)
    if here in above:
        # A link to a folder above this one: its files are listed already.
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if entry.is_dir():
                yield from _walk(entry.path, f"{name}/", (*above, here))
            elif entry.is_file():
                stat = entry.stat()
                yield name, (stat.st_size, stat.st_mtime_ns)
            elif entry.is_symlink():
                # A broken link is listed, so that it is reported when it cannot be read.
                yield name, (0, 0)
