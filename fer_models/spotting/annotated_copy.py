"""A copy of a video with the likely micro-expressions drawn into it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data import arguments
from fer_data.files import check_not_read
from fer_data.video import Video, VideoWriter
from fer_models.spotting.time_line import Interval, TimeLine
from fer_models.spotting.time_line_plot import COLOURS

TEXT, TRACK, CURSOR = (255, 255, 255), (60, 66, 74), (255, 255, 255)
# The strip at the bottom, as a share of the height.
STRIP = 0.04


@arguments.checked(
    video=arguments.path, path=arguments.path, line=arguments.instance(TimeLine, "a `TimeLine`")
)
def annotated_copy(
    video: str | os.PathLike[str],
    line: TimeLine,
    path: str | os.PathLike[str],
    *,
    fps: float | None = None,
    on_bad: str = "error",
    on_frame: Callable[[], Any] | None = None,
) -> Path:
    """Write a copy of a video with its intervals drawn into the frames.

    A strip at the bottom is the whole time line, with a band for every interval and a mark at the
    present time. During an interval the picture has a border in the colour of the class, and the
    label, the region that moves, and by how much.

    Args:
        video: A video file, or a folder of pictures, as for `fer_data.video.Video`.
        line: The result of `Spotter.video`.
        path: File to write, ending in .mp4, .avi or .mkv.
        fps: Frames per second, as in the search: instead of the file's own; needed for a folder.
        on_bad: `"error"`, or `"skip"` for frames that cannot be decoded.
        on_frame: Function that is called after every frame.

    Returns:
        The path.

    Raises:
        FileNotFoundError: If there is no such video.
        ValueError: If it cannot be read, a file of that ending cannot be written, the copy would
            take the place of the video, or lie in the folder of its frames, or the search had
            another number of frames per second.

    Example:

    ```python
    line = spotter.video("interview.mp4")
    annotated_copy("interview.mp4", line, "spotted/interview.mp4")
    ```
    """
    check_not_read("path", path, video)
    path = Path(path)
    if os.path.isdir(video) and path.resolve().is_relative_to(Path(video).resolve()):
        raise ValueError(
            f"`path` must not lie in the folder of frames that is read, {str(video)!r}. "
            f"Received: path={str(path)!r}"
        )
    source = Video(video, fps=fps, on_bad=on_bad)
    intervals = line.intervals()
    tints = dict(zip(line.class_names, map(_rgb, _endless(len(line.class_names))), strict=True))
    with VideoWriter(path, source.info.fps) as writer:  # type: ignore[arg-type]
        for frame in source:
            if frame.time > line.seconds:  # type: ignore[operator]
                # The time line ends here.
                break
            _check_time(line, frame)
            picture = drawn(frame.image, frame.time, intervals, line.seconds, tints)  # type: ignore[arg-type]
            writer.write(picture)
            if on_frame is not None:
                on_frame()
    return path


def _check_time(line, frame):
    """Raise an error if the search saw a frame at another time: bands would be misplaced."""
    if len(line) and frame.number == line[0].last:
        end = line[0].end
        if abs(frame.time - end) > 0.01 * max(end, frame.time):
            raise ValueError(
                "`fps` must be that of the search, or left out if it was. Received: frame "
                f"{frame.number} at {frame.time:.4g} s, in the search at {end:.4g} s"
            )


def drawn(
    image: np.ndarray,
    time: float,
    intervals: Sequence[Interval],
    seconds: float,
    tints: dict[str, tuple[int, int, int]],
) -> np.ndarray:
    """Return a frame with the time line and the interval that it lies in.

    Args:
        image: uint8 RGB `(height, width, 3)`, which stays as it is.
        time: Time of the frame, in seconds.
        intervals: All intervals of the video.
        seconds: Length of the video.
        tints: RGB colour of each class by its name.

    Returns:
        uint8 RGB of the same shape.
    """
    import cv2

    image = np.array(image)
    height, width = image.shape[:2]
    strip = max(4, round(STRIP * height))

    def across(moment):
        return round(min(max(moment / max(seconds, 1e-6), 0), 1) * (width - 1))

    image[-strip:] = TRACK
    for each in intervals:
        left, right = across(each.start), across(each.end)
        image[-strip:, left : right + 1] = tints[each.window.label]
    place = across(time)
    image[-strip:, max(0, place - 1) : place + 2] = CURSOR
    for each in (each for each in intervals if each.start <= time <= each.end):
        tint, edge = tints[each.window.label], max(2, strip // 4)
        cv2.rectangle(image, (0, 0), (width - 1, height - 1 - strip), tint, edge)
        scale = max(0.35, height / 720)
        words = f"{each.window.label} {each.window.confidence:.0%}, {each.window.region}"
        (wide, high), below = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        scale *= min(1.0, (width - 4 * edge) / max(1, wide))
        image[: high + below + 3 * edge, : wide + 4 * edge] //= 3
        at = (2 * edge, high + 2 * edge)
        cv2.putText(image, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, TEXT, 1, cv2.LINE_AA)
    return image


def _endless(count):
    return [COLOURS[place % len(COLOURS)] for place in range(count)]


def _rgb(colour):
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))
