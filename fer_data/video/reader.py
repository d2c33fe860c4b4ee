"""Reading a video file or a folder of pictures, one frame at a time."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fer_data.checks import check_choice, check_integer, check_number, check_path
from fer_data.file_limits import kind_of
from fer_data.video.file_frames import FileFrames
from fer_data.video.folder_frames import FolderFrames
from fer_data.video.sampling import interpolate, sample_positions


@dataclasses.dataclass(frozen=True)
class VideoInfo:
    """Facts about a video.

    Attributes:
        path: Absolute path of the file or folder.
        frames: Number of frames by the file's header, or `None`. It is an estimate in some formats
            and wrong in some files; `Video.count` is exact. Of a folder, the number of its
            pictures.
        fps: Mean frames per second, or `None` if unknown.
        width: Of a frame as it is handed out, in pixels.
        height: Likewise.
        rotation: By how many degrees clockwise the frames of the file were turned, as its
            metadata asks, to be upright: 0, 90, 180 or 270.
    """

    path: Path
    frames: int | None
    fps: float | None
    width: int
    height: int
    rotation: int


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a video.

    Attributes:
        number: Its place in the whole video, from 0.
        time: Seconds since the start: the file's own time stamp, which need not be evenly spaced,
            or `number / fps`; `None` for a folder without `fps`.
        image: uint8 RGB `(height, width, 3)`.
        name: The picture's file name in a folder, `None` in a video file.
    """

    number: int
    time: float | None
    image: np.ndarray
    name: str | None = None


class Video:
    """A video file, or a folder of pictures in natural order (`img2.png` before `img10.png`).

    Frames are decoded in sequence from the start of the file, never sought: seeking lands on a
    neighbour in many files. However long the file, two frames are held. An object keeps no file
    open: it can be iterated many times, also at the same time, and be pickled.

    A video file is read by OpenCV's FFmpeg, which turns the frames of a phone's video upright as
    the metadata of the file ask. Damage that the decoder conceals cannot be noticed: frames that
    build on a damaged one may be smeared up to the next key frame. Where packets are lost to the
    container itself (a torn Matroska cluster), numbers close up; `Frame.time` shows the gap.

    Args:
        path: Name of the file or folder.
        fps: Frames per second, instead of the file's own; a folder has none of its own.
        on_bad: `"error"` to raise, or `"skip"` to leave out and note in `skipped`: frames that
            cannot be decoded or differ from the first in size, entries of a folder that are not
            pictures, and the missing end of a truncated file, with its last frame, which may be
            torn. Numbers stay those of the undamaged video.

    Attributes:
        info: `VideoInfo`.
        skipped: Dictionary of what was left out so far to the reason: frame number, file name in
            a folder, or `"end"`.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If the file is empty, truncated, or no video, or not one frame can be decoded;
            if its frames have more pixels than `fer_data.file_limits.PHOTO` allows; if a folder
            holds no pictures, or anything else beside them.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> from fer_data.video import Video, VideoWriter
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with VideoWriter(f"{folder}/grey.mp4", fps=25) as writer:
    ...         for value in range(40):
    ...             writer.write(np.full((64, 96, 3), 4 * value, np.uint8))
    ...     video = Video(f"{folder}/grey.mp4")
    ...     times = [frame.time for frame in video.frames(10, 13)]
    ...     clip = video.sample(8, onset=10, offset=30)
    >>> video.info.width, times, clip.shape
    (96, [0.4, 0.44, 0.48], (8, 64, 96, 3))
    """

    def __init__(
        self, path: str | os.PathLike[str], *, fps: float | None = None, on_bad: str = "error"
    ) -> None:
        if fps is not None:
            check_number("fps", fps, 1e-6)
        check_choice("on_bad", on_bad, ("error", "skip"))
        check_path("path", path)
        path = Path(path).absolute()
        self.skipped = {}
        self._path = path
        self._strict = on_bad == "error"
        if path.is_dir():
            self._source: FolderFrames | FileFrames = FolderFrames(path, self._bad)
        elif path.is_file():
            self._source = FileFrames(path, self._bad)
        elif path.exists():
            kind = kind_of(path.stat().st_mode)
            raise ValueError(f"{str(path)!r} must be a file or a folder. Received: {kind}")
        else:
            raise FileNotFoundError(f"There is no video and no folder at {str(path)!r}.")
        self._fps = fps
        facts = self._source.facts() | ({"fps": fps} if fps else {})
        self.info = VideoInfo(path=path, **facts)

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over all frames."""
        return self.frames()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Return an iterator over the frames from `start` up to, not including, `stop`.

        Args:
            start: Number of the first frame.
            stop: Number after the last frame; `None` goes to the end.

        Returns:
            Iterator of `Frame`.

        Raises:
            ValueError: If the range is empty or goes beyond the video. If `stop` exceeds what the
                header promises, frames are counted before the first is handed out.
        """
        check_integer("start", start, 0)
        if stop is not None:
            check_integer("stop", stop, 1)
            if stop <= start:
                raise ValueError(
                    f"`stop` must be greater than `start`. Received: start={start}, stop={stop}"
                )
        last = self._last(start, stop)
        if last >= (self.info.frames or 0) and last >= self.count():
            raise self._outside(start, stop)
        return self._frames(start, stop)

    def count(self) -> int:
        """Return the number of frames, counted by decoding the whole video once.

        Frames that are skipped count, so that the last frame's number is one less.
        """
        return self._source.count()

    def sample(
        self, count: int, onset: int = 0, offset: int | None = None, apex: int | None = None
    ) -> np.ndarray:
        """Return a clip of fixed length, interpolated between the frames from onset to offset.

        Args:
            count: Frames of the clip.
            onset: Number of its first frame.
            offset: Number of its last frame, which belongs to the clip; `None` for the video's.
            apex: Number of a frame that the clip must contain, or `None`.

        Returns:
            uint8 RGB `(count, height, width, 3)`.

        Raises:
            ValueError: As `frames` and `fer_data.video.sample_positions`, or if the frame at
                `onset` or `offset` was skipped.
        """
        check_integer("onset", onset, 0)
        if offset is None:
            offset = self.count() - 1
            if onset >= offset:
                raise self._outside(onset, onset + 2)
        check_integer("offset", offset, 0)
        if apex is not None:
            check_integer("apex", apex, 0)
        try:
            positions = sample_positions(count, onset, offset, apex)
            frames = self.frames(onset, offset + 1)
            return np.stack(
                list(interpolate(((frame.number, frame.image) for frame in frames), positions))
            )
        except ValueError as error:
            raise ValueError(f"No clip from {str(self.info.path)!r}: {error}") from error

    def _frames(self, start, stop):
        for number, time, name, image in self._source.read(start):
            if stop is not None and number >= stop:
                return
            if image.shape[:2] != (self.info.height, self.info.width):
                self._bad(
                    number if name is None else name,
                    f"is {image.shape[1]}x{image.shape[0]} pixels, the first one "
                    f"{self.info.width}x{self.info.height}",
                )
                continue
            if self._fps or time is None:
                time = number / self._fps if self._fps else None
            yield Frame(number, time, image, name)
            if number + 1 == stop:
                return
        # Now the number of frames is known, where the header promised too many.
        if self._last(start, stop) >= self.count():
            raise self._outside(start, stop)

    @staticmethod
    def _last(start, stop):
        return start if stop is None else stop - 1

    def _outside(self, start, stop):
        asked = f"frame {start}" if stop is None else f"frames {start} to {stop - 1}"
        return ValueError(
            f"{str(self.info.path)!r} has {self.count()} frames, numbered from 0. "
            f"Received: {asked} (start={start}, stop={stop})"
        )

    def _bad(self, where, reason):
        """Note what is left out, or raise."""
        if self._strict:
            what = {str: f"{where!r} in", int: f"Frame {where} of"}[type(where)]
            what = "The end of" if where == "end" else what
            raise ValueError(
                f"{what} {str(self._path)!r} {reason}. "
                'on_bad="skip" leaves such things out and counts them.'
            )
        self.skipped[where] = reason
