"""The pictures of a folder as frames."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fer_data import picture
from fer_data.file_limits import PHOTO, read_file


def natural_key(name: str) -> tuple[list[int | str], str]:
    """Return a sort key by which the numbers in names count as numbers."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if part.isdecimal() else part for part in parts], name


def _is_litter(name):
    return name.startswith(".") or name.casefold() in ("thumbs.db", "desktop.ini")


class FolderFrames:
    """Reads the pictures of one folder in natural order; see `fer_data.video.Video`.

    It passes over the files that file managers leave in folders (names that begin with a dot,
    `Thumbs.db`).
    """

    def __init__(self, path: Path, bad: Callable[..., Any]) -> None:
        self.path = path
        self._bad = bad
        self.names = []
        entries = [entry for entry in path.iterdir() if not _is_litter(entry.name)]
        entries.sort(key=lambda entry: natural_key(entry.name))
        for entry in entries:
            if entry.is_dir():
                bad(entry.name, "is a folder, not a picture")
            elif entry.suffix.lower() not in picture.SUFFIXES:
                bad(entry.name, "is no picture by its ending")
            else:
                self.names.append(entry.name)
        if not self.names:
            raise ValueError(
                f"The folder {str(path)!r} holds no pictures, of its {len(entries)} entries none "
                f"ends in {', '.join(picture.SUFFIXES)}."
            )

    def facts(self) -> dict[str, Any]:
        """Return the fields of `VideoInfo`, from the first readable picture."""
        for _, _, _, image in self.read(0):
            height, width = image.shape[:2]
            return {
                "frames": len(self.names),
                "fps": None,
                "width": width,
                "height": height,
                "rotation": 0,
            }
        raise ValueError(
            f"Of the {len(self.names)} pictures in {str(self.path)!r} not one can be read."
        )

    def count(self) -> int:
        """Return the number of pictures."""
        return len(self.names)

    def read(self, start: int) -> Iterator[tuple[int, None, str, np.ndarray]]:
        """Yield `(number, None, name, image)` from frame `start` on."""
        for number, name in enumerate(self.names[start:], start):
            try:
                image = picture.decode(read_file(self.path / name, PHOTO.file_bytes), 3)
            except (picture.UnreadableError, OSError) as error:
                self._bad(name, f"(frame {number}) cannot be read: {error}")
                continue
            yield number, None, name, image
