"""Writing a video file that is whole or not there."""

import os
from pathlib import Path
from typing import Any, Self

import numpy as np

from fer_data.checks import as_array, check_number, check_path, shown
from fer_data.files import unfinished

CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "FFV1"}


class VideoWriter:
    """Writes RGB pictures into a video file.

    The file appears under its name when the `with` block ends, after it was read back; if the
    block is left by an error, nothing remains. An existing file is replaced only then.

    Args:
        path: Name of the file to write, ending in .mp4, .avi or .mkv if `codec` is `None`. Its
            folder is made if need be.
        fps: Frames a second. It is written in thousandths up to 65, in hundredths up to 655, and so
            on, as MPEG-4 has it.
        codec: Four letters; by default `"mp4v"` (MPEG-4 Part 2: desktop players show it, web
            browsers do not; `"vp09"` is for those) for .mp4, `"MJPG"` for .avi, and `"FFV1"`, which
            loses nothing, for .mkv. Others depend on the build of OpenCV.

    Raises:
        ValueError: If the ending is unknown and there is no `codec`, or OpenCV cannot write it.
        OSError: At the end, if the file cannot be read back, as on a full disk.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> from fer_data.video import Video, VideoWriter
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with VideoWriter(f"{folder}/black.mp4", fps=25) as writer:
    ...         writer.write(np.zeros((48, 64, 3), np.uint8))
    ...     Video(f"{folder}/black.mp4").count()
    1
    """

    def __init__(self, path: str | os.PathLike[str], fps: float, codec: str | None = None) -> None:
        check_path("path", path)
        check_number("fps", fps, 1e-3)
        if codec is not None and not (
            isinstance(codec, str) and codec.isascii() and len(codec) == 4
        ):
            raise ValueError(f"`codec` must be four letters. Received: codec={shown(codec)}")
        self.path = Path(path)
        suffix = self.path.suffix.lower()
        if codec is None and suffix not in CODECS:
            raise ValueError(
                f"`path` must end in one of {tuple(CODECS)} if there is no `codec`. "
                f"Received: path={str(path)!r}"
            )
        self.fps = float(fps)
        self.codec = codec or CODECS[suffix]
        self.frames = 0
        self._temporary = unfinished(self.path)
        self._writer: Any = None
        self._shape: tuple[int, ...] | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self.close()
        else:
            self._discard()

    def write(self, image: np.ndarray) -> None:
        """Append a picture.

        Args:
            image: uint8 RGB `(height, width, 3)`, of the same size as the first. Codecs want even
                sizes: an odd last row or column is repeated.
        """
        import cv2

        if self._closed:
            raise ValueError(
                "A closed `VideoWriter` takes no more frames: make another one. "
                f"Received: a frame for {str(self.path)!r}"
            )
        image = as_array("image", image)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3 or not image.size:
            raise ValueError(
                "`image` must be uint8 RGB (height, width, 3). "
                f"Received: dtype={image.dtype}, shape={image.shape}"
            )
        if self._shape is None:
            self._open(image.shape)
        elif image.shape != self._shape:
            raise ValueError(
                f"`image` must have the first frame's shape {self._shape}. "
                f"Received: frame {self.frames} with shape={image.shape}"
            )
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def close(self) -> None:
        """Finish the file, read it back, and put it under its name; once that is done, nothing.

        Raises:
            ValueError: If no frame was written.
            OSError: If the file cannot be read back, as on a full disk.
        """
        if self._closed:
            return
        if self._writer is None:
            raise ValueError(f"There is no frame to write to {str(self.path)!r}.")
        self._writer.release()
        try:
            self._check()
            os.replace(self._temporary, self.path)
            self._closed = True
        finally:
            self._discard()

    def _open(self, shape):
        import cv2

        self.path.parent.mkdir(parents=True, exist_ok=True)
        height, width = (side + side % 2 for side in shape[:2])
        self._writer = cv2.VideoWriter(
            str(self._temporary.absolute()),
            cv2.CAP_FFMPEG,
            cv2.VideoWriter_fourcc(*self.codec),
            _written_rate(self.fps),
            (width, height),
        )
        if not self._writer.isOpened():
            self._discard()
            raise ValueError(
                f"This build of OpenCV cannot write {width}x{height} pixels at {self.fps:g} frames "
                f"a second with codec {self.codec!r} to {str(self.path)!r}; its own codecs are "
                f"{tuple(CODECS.values())}."
            )
        self._shape = shape

    def _check(self):
        """Raise `OSError` unless the frames can be read back; OpenCV itself raises nothing."""
        import cv2

        name = str(self._temporary.absolute())
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
        readable = capture.isOpened() and capture.read()[0]
        capture.release()
        # Undecoded packets are counted, which takes no time.
        packets = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
        found = sum(iter(packets.grab, False)) if readable else 0
        packets.release()
        if found != self.frames:
            raise OSError(
                f"Of {self.frames} frames that were written to {str(self.path)!r} {found} can be "
                "read back; the disk may be full."
            )

    def _discard(self):
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        self._temporary.unlink(missing_ok=True)


def _written_rate(fps):
    """Return a rate that OpenCV can hand to MPEG-4, as a fraction of two numbers of 16 bits."""
    decimals = next((count for count in (3, 2, 1) if fps * 10**count < 65535), 0)
    return round(fps, decimals)
