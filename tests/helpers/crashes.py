"""A process that is killed at every change of a file, as those of SQLite's tests are.

The work is done once. Before each change of a file below a folder, the folder is copied: the copy
is what a kill at this moment leaves. Then the work goes on in each copy.
"""

import contextlib
import hashlib
import os
import shutil
import sys
import threading
import warnings
from pathlib import Path

import h5py

CHANGES = {
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Logs of which nothing depends.
IGNORED = ("tensorboard",)


class Moments:
    """Copies of a folder at the moments at which files in it change.

    Attributes:
        points: How many changes there were.
        copies: A folder for every state that differs from those before, in their order.
    """

    def __init__(self, folder, copies):
        self.folder, self._copies = Path(folder), Path(copies)
        self.points, self.copies, self._seen = 0, [], set()
        self._lock, self._busy = threading.Lock(), None

    def look(self):
        """Copy the folder, if it is in a state that was not seen yet."""
        if self.busy():
            return
        with self._lock:
            self._busy = threading.get_ident()
            try:
                self.points += 1
                while not self._copied():
                    pass
            finally:
                self._busy = None

    def _copied(self):
        """Copy the folder; return whether no other thread has changed it meanwhile."""
        copy = self._copies / f"{len(self.copies):04d}"
        try:
            state = content_of(self.folder)
            if state in self._seen:
                return True
            if self.folder.exists():
                shutil.copytree(
                    self.folder, copy, ignore=lambda folder, names: {*IGNORED} & {*names}
                )
        except (FileNotFoundError, shutil.Error):
            shutil.rmtree(copy, ignore_errors=True)
            return False
        self._seen.add(state)
        self.copies.append(copy)
        return True

    def busy(self):
        """Return whether this thread is copying."""
        return self._busy == threading.get_ident()

    def touches(self, *paths):
        """Return whether one of the paths of a change is below the folder, or cannot be told."""
        for path in paths:
            if isinstance(path, (str, bytes, os.PathLike)):
                path = os.fsdecode(path)
                # `rmtree` names files relative to a folder that is open.
                if not os.path.isabs(path) or Path(path).is_relative_to(self.folder):
                    return True
        return False


def content_of(folder):
    """Return a hash of all names and contents below a folder."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).rglob("*")):
        name = path.relative_to(folder)
        if not {*IGNORED} & {*name.parts}:
            digest.update(f"{name}\0{path.is_dir()}\0".encode())
            if path.is_file():
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


_watching: list[Moments] = []
_installed: list[bool] = []


def _audit(event, args):
    if not _watching or _watching[-1].busy():
        return
    if event == "open":
        path, mode, flags = args
        writes = any(sign in mode for sign in "wax+") if mode else flags & WRITING
        if writes and _watching[-1].touches(path):
            _watching[-1].look()
    elif event in CHANGES and _watching[-1].touches(*args[:2]):
        _watching[-1].look()


@contextlib.contextmanager
def every_change(folder, copies, monkeypatch):
    """Watch a folder while the block runs; give its `Moments`.

    Args:
        folder: The folder; it may be absent.
        copies: Folder for the copies.
        monkeypatch: The fixture. What h5py and `os.fsync` do is known to no audit hook.
    """
    if not _installed:
        # A hook stays for good, so it must do nothing where nobody watches.
        sys.addaudithook(_audit)
        _installed.append(True)
    moments = Moments(folder, copies)

    def watched(function):
        def call(*args, **kwargs):
            moments.look()
            return function(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", watched(os.fsync))
        patch.setattr(h5py.File, "close", watched(h5py.File.close))
        _watching.append(moments)
        try:
            yield moments
            moments.look()
        finally:
            _watching.remove(moments)


def go_on_in_each(moments, work, expected, most=None):
    """Let the work go on in each copy; what it then gives must be what an unbroken one gave.

    Args:
        moments: What `every_change` gave.
        work: Function of a folder.
        expected: What it gives in a folder in which nothing was yet.
        most: Copies that are gone on with, evenly chosen, the first and the last among them. None:
            all.
    """
    copies = moments.copies
    if most is not None and most < len(copies):
        copies = [copies[place * (len(copies) - 1) // (most - 1)] for place in range(most)]
    for copy in copies:
        with warnings.catch_warnings():
            # It is told where an epoch was not finished.
            warnings.simplefilter("ignore", RuntimeWarning)
            found = work(copy)
        assert found == expected, copy
        shutil.rmtree(copy)
    states = f"{len(moments.copies)} different states, of which {len(copies)} went on"
    print(f"{moments.points} changes of files, {states}")
