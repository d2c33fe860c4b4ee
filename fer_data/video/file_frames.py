"""The frames of a video file, decoded in sequence by OpenCV's FFmpeg."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fer_data import picture
from fer_data.file_limits import PHOTO
from fer_data.video.container import SIGNATURES, is_video, missing_bytes, shown_seconds, states_rate

TICK = 0.01  # milliseconds, below the resolution of any time stamp
# Frames a second. What is faster may be the rate of the file's clock, and is looked at again.
FASTEST = 240


class FileFrames:
    """Reads one video file; see `fer_data.video.Video`."""

    def __init__(self, path: Path, bad: Callable[..., Any]) -> None:
        self.path = path
        self._bad = bad
        self._total: int | None = None
        # FFmpeg plays GIFs, but not WebP.
        if path.suffix.lower() in set(picture.SUFFIXES) - {".gif"}:
            raise ValueError(
                f"{str(path)!r} is a picture, not a video: name the folder that holds the frames."
            )
        if path.stat().st_size and not is_video(path):
            raise ValueError(
                f"{str(path)!r} cannot be read as a video: it does not begin like "
                f"{', '.join(SIGNATURES)}."
            )
        self._missing = missing_bytes(path) if path.stat().st_size else 0
        if self._missing:
            bad("end", f"is missing: the file is truncated, {self._missing} bytes too short")

    def facts(self) -> dict[str, Any]:
        """Return the fields of `VideoInfo`, from the file's header."""
        import cv2

        for _, _, _, image in self.read(0):
            height, width = image.shape[:2]
            break
        else:
            raise ValueError(f"Not one frame of {str(self.path)!r} can be decoded.")
        capture = self._open()
        try:
            frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)
            fps = capture.get(cv2.CAP_PROP_FPS)
            rotation = capture.get(cv2.CAP_PROP_ORIENTATION_META)
        finally:
            capture.release()
        if fps > FASTEST or not states_rate(self.path):
            times = np.sort(self._packet_times())
            if len(times) > 1 and times[-1] > times[0]:
                frames, fps = len(times), 1000 * (len(times) - 1) / (times[-1] - times[0])
        return {
            "frames": int(frames) if frames >= 1 else None,
            "fps": float(fps) if math.isfinite(fps) and fps > 0 else None,
            "width": width,
            "height": height,
            "rotation": int(rotation) % 360,
        }

    def count(self) -> int:
        """Return how many frames there are, with those that were skipped."""
        if self._total is None:
            for _ in self._grab_all(self._open()):
                pass
        return self._total  # type: ignore[return-value]

    def read(self, start: int) -> Iterator[tuple[int, float, None, np.ndarray]]:
        """Yield `(number, seconds, None, image)` from frame `start` on."""
        import cv2

        capture = self._open()
        for number, time in self._grab_all(capture):
            # Grabbing decodes; what lies before the range is spared the colour conversion.
            if number >= start:
                readable, image = capture.retrieve()
                if readable:
                    yield number, time, None, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                else:
                    self._bad(number, "cannot be converted to RGB")

    def _grab_all(self, capture):
        """Yield `(number, seconds)` of each frame, which can then be retrieved."""
        import cv2

        try:
            whole = self._frames_before_tear() if self._missing else math.inf
            number, time, step, times = -1, -math.inf, 0.0, None
            while True:
                following = number + 1
                if capture.grab():
                    now = capture.get(cv2.CAP_PROP_POS_MSEC)
                    if now < time - TICK:
                        # Of some formats the last frame has no time stamp, which OpenCV gives as 0.
                        now = time + step
                    step, time = (now - time if number >= 0 else 0.0), now
                    if times is not None:
                        # After damage, a frame's place among the time stamps is its number.
                        following = max(following, int(np.searchsorted(times, time - TICK)))
                    self._lose(range(number + 1, following))
                    number = following
                    if number >= whole:
                        self._bad(number, "may be torn: the file ends in it or before it")
                        self._total = number
                        return
                    yield number, time / 1000
                    continue
                if times is None:
                    # Whether this is the end or damage, the packets tell, without decoding.
                    times, failures = np.sort(self._packet_times()), 0
                failures += 1
                if number + failures >= len(times):
                    after = max(following, int(np.searchsorted(times, time + TICK)))
                    lost = max(0, len(times) - after)
                    self._lose(range(following, following + lost))
                    self._total = min(following + lost, whole)
                    return
        finally:
            capture.release()

    def _lose(self, numbers):
        for number in numbers:
            self._bad(number, "cannot be decoded")

    def _frames_before_tear(self):
        # The last packet is the torn one; its frame need not be the last to be shown.
        times = self._packet_times()
        return int(np.searchsorted(np.sort(times), times[-1] - TICK)) if times else 0

    def _packet_times(self):
        """Return the times in milliseconds of the file's frames, in the order they are stored."""
        import cv2

        capture = self._open([cv2.CAP_PROP_FORMAT, -1])
        times = []
        try:
            while capture.grab():
                times.append(capture.get(cv2.CAP_PROP_POS_MSEC))
        finally:
            capture.release()
        # The packets of frames that an edit list hides are there too.
        end = 1000 * shown_seconds(self.path)
        return [time for time in times if -TICK < time < end - TICK]

    def _open(self, parameters=()):
        import cv2

        if not cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG):
            raise ImportError("This build of OpenCV has no FFmpeg; that of opencv-python has.")
        # Told to use FFmpeg, OpenCV does not take a number in the name for a series of pictures.
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG, list(parameters))
        if not capture.isOpened():
            capture.release()
            size = self.path.stat().st_size
            state = "is empty" if not size else "cannot be read as a video"
            if self._missing:
                state += f": it is truncated, {self._missing} bytes too short"
            raise ValueError(f"{str(self.path)!r} {state}.")
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        width, height = (int(capture.get(side)) for side in sides)
        if width * height > PHOTO.pixels:
            capture.release()
            raise ValueError(
                f"The frames of {str(self.path)!r} must have at most {PHOTO.pixels} pixels. "
                f"Received: {width}x{height}"
            )
        return capture
