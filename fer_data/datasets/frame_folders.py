"""Clips as folders of numbered pictures: which folder, which file is frame 46."""

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from fer_data import picture
from fer_data.datasets.clip_rows import BadRow
from fer_data.datasets.source import Source


class FrameFolders:
    """The folders of a source that hold pictures.

    Args:
        source: `Source` to look in.
        accept: Function of a folder's parts, in small letters; it returns whether to look at it.
    """

    def __init__(
        self, source: Source, accept: Callable[[tuple[str, ...]], bool] = lambda parts: True
    ) -> None:
        self._names = {}
        self._by_end = {}
        self._frames = {}
        for name in source.names:
            path = PurePosixPath(name)
            hidden = path.name.startswith(".")
            if not hidden and path.suffix.lower() in picture.SUFFIXES:
                self._names.setdefault(str(path.parent), []).append(name)
        for folder in self._names:
            parts = tuple(part.casefold() for part in PurePosixPath(folder).parts)
            if parts and accept(parts):
                self._by_end.setdefault(parts[-1], []).append((parts, folder))

    def __len__(self) -> int:
        return sum(len(folders) for folders in self._by_end.values())

    def find(self, *end: str) -> list[str]:
        """Return the folders whose path ends in these parts; case does not count."""
        end = tuple(part.casefold() for part in end)
        return [
            folder
            for parts, folder in self._by_end.get(end[-1], [])
            if parts[len(parts) - len(end) :] == end
        ]

    def all(self) -> list[str]:
        """Return all folders, sorted."""
        return sorted(folder for found in self._by_end.values() for _, folder in found)

    def frames(self, folder: str) -> dict[int, str]:
        """Return `{frame number: file name}` in the order of the numbers.

        The number is the last one in the file's name, padded or not (`img46.jpg`,
        `006_05562.jpg`); pictures without one are no frames.

        Raises:
            BadRow: If two files have one number.
        """
        if folder not in self._frames:
            self._frames[folder] = _numbered(self._names[folder])
        numbered = dict(self._frames[folder])
        if len(numbered) < len(self._frames[folder]):
            raise BadRow("ambiguous_frames", f"{folder} has two files of one frame number")
        return numbered


def has_part(*words: str) -> Callable[[tuple[str, ...]], bool]:
    """Return a function for `FrameFolders`: whether one of the words is in a part of the path."""
    return lambda parts: any(word in part for part in parts for word in words)


def lacks_part(*words: str) -> Callable[[tuple[str, ...]], bool]:
    """Return a function for `FrameFolders`: whether none of the words is in a part of the path."""
    return lambda parts: not has_part(*words)(parts)


def _numbered(names):
    """Return sorted pairs of frame number and file name."""
    found = [(re.findall(r"\d+", PurePosixPath(name).stem), name) for name in names]
    return sorted((int(numbers[-1]), name) for numbers, name in found if numbers)
