"""Builder of data sets of labelled videos, from which single frames are taken."""

import functools
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_data import picture
from fer_data.checks import check_integer
from fer_data.datasets.emotion_builder import EmotionBuilder
from fer_data.datasets.policy import Item
from fer_data.datasets.source import FolderSource
from fer_data.file_limits import open_regular
from fer_data.video import Video
from fer_data.zip_members import DAMAGED

FRAMES = 3
# First bytes of a file that Git LFS has not fetched.
POINTER = b"version https://git-lfs.github.com/spec/"
# One video is decoded at a time; readers of its other frames wait for it.
_DECODING = threading.Lock()


class VideoBuilder(EmotionBuilder, skip_registration=True):
    """Builder of a data set of videos that takes some frames of each video.

    A video is divided into `frames` parts of equal length, and the middle frame of each is taken.
    All frames of a video have its label, also those in which the expression begins or ends. The
    faces in them are found and cut unless `pictures="uncut"`. `id` is the path of the video, "#"
    and the number of the part, from 1.

    Args:
        frames: Number of frames to take from each video.
        **kwargs: See `EmotionBuilder`. `path` must be a folder: videos in an archive are not read.
    """

    def __init__(self, *, frames: int = FRAMES, **kwargs: Any) -> None:
        check_integer("frames", frames, 1)
        super().__init__(frames=frames, **kwargs)

    def _find(self, frames, **options):
        super()._find(**options)
        self._number = frames
        if not isinstance(self._source, FolderSource):
            raise ValueError(
                "`path` must be a folder of videos; unpack the archive and give the folder. "
                f"Received: path={str(self._source.root)!r}"
            )

    def _file_of(self, item):
        return item.id.rpartition("#")[0]

    def _frames(
        self,
        name: str,
        label: int,
        *,
        subject: str,
        groups: Mapping[str, str],
        extra: Mapping[str, Any] | None = None,
    ) -> list[Item]:
        """Return the `Item`s of the frames of a video."""
        path = Path(self._source.root, name)
        found = []
        for part in range(self._number):
            where = f"{self._source.where(name)}, frame {part + 1} of {self._number}"
            read = functools.partial(read_frame, path, part, self._number)
            about = {**self._about(subject, groups), **(extra or {})}
            found.append(Item("train", label, f"{name}#{part + 1}", where, read, about))
        return found


def read_frame(path: str | os.PathLike[str], part: int, parts: int) -> np.ndarray:
    """Return the frame in the middle of a part of a video.

    Args:
        path: File of the video.
        part: Number of the part, from 0.
        parts: Number of parts of equal length.

    Returns:
        uint8 RGB `(height, width, 3)`.

    Raises:
        picture.UnreadableError: If the video cannot be read, or has fewer frames than parts.
    """
    try:
        with _DECODING:
            return _middles(os.fspath(path), os.stat(path).st_mtime_ns, parts)[part]
    except DAMAGED as error:
        raise picture.UnreadableError("unreadable", f"{type(error).__name__}: {error}") from error


@functools.lru_cache(maxsize=2)
def _middles(path, changed, parts):
    """Return the frames of all parts; `changed` keeps a changed file apart in the cache."""
    with open_regular(path) as file:
        begin = file.read(len(POINTER))
    if begin == POINTER:
        raise picture.UnreadableError(
            "not_fetched", "a pointer of Git LFS in place of the video; fetch it: git lfs pull"
        )
    try:
        video = Video(path, on_bad="skip")
        count = video.count()
        if count < parts:
            raise picture.UnreadableError("too_short", f"{count} frames, fewer than {parts}")
        wanted = [(2 * part + 1) * count // (2 * parts) for part in range(parts)]
        found = {
            frame.number: frame.image
            for frame in video.frames(0, wanted[-1] + 1)
            if frame.number in wanted
        }
    except ValueError as error:
        raise picture.UnreadableError("unreadable", str(error)) from error
    lost = [number for number in wanted if number not in found]
    if lost:
        raise picture.UnreadableError("corrupt", f"frames {lost} cannot be decoded")
    return [found[number] for number in wanted]
