"""A video with its face followed: drawn into every frame, and its regions on a sheet."""

import collections
import dataclasses
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fer_data.faces.drawing import draw_face, region_sheet
from fer_data.faces.geometry import align_face
from fer_data.faces.regions import split_regions
from fer_data.faces.similarity import alignment, transform_points
from fer_data.faces.tracking import TrackedFace, track
from fer_data.files import check_not_read
from fer_data.video import Video, VideoWriter

# Frames per second of a folder of pictures, which has no rate of its own.
FPS = 25
# Faces in a row of the sheet, and in all.
COLUMNS, SHEET = 8, 16


@dataclasses.dataclass(frozen=True, eq=False)
class FollowedVideo:
    """The result of `follow_video`.

    Attributes:
        detected: Frames in which the detector found the face.
        followed: Frames in which the face was followed from the frame before.
        missing: Frames without the face.
        seconds: Time to decode each frame and to find its face.
        regions: uint8 RGB sheet of the face's regions in frames from the whole video, or None
            where no frame has a face.
    """

    detected: int
    followed: int
    missing: int
    seconds: tuple[float, ...] = dataclasses.field(repr=False)
    regions: np.ndarray | None = dataclasses.field(repr=False)

    @property
    def frames(self) -> int:
        """Number of all frames."""
        return self.detected + self.followed + self.missing


def follow_video(
    video: Video,
    copy: str | os.PathLike[str],
    *,
    done: Callable[[TrackedFace], Any] = lambda seen: None,
    **options: Any,
) -> FollowedVideo:
    """Follow the face of a video, and write a copy with box and landmarks in every frame.

    Args:
        video: A `fer_data.video.Video`.
        copy: Name of the copy, ending in .mp4, .avi or .mkv.
        done: Called with the result for each frame when the frame is written.
        **options: As for `fer_data.faces.track`: `detector`, `method`, `on_missing` and so on.

    Returns:
        `FollowedVideo`.

    Raises:
        ValueError: As from `track`, where a frame cannot be decoded, and if `copy` is the video.

    Example:

    ```python
    found = follow_video(Video("interview.mp4"), "followed.mp4")
    print(found.missing, "of", found.frames)
    ```
    """
    check_not_read("copy", copy, video.info.path)
    counts, seconds, sheet = collections.Counter(), [], []
    total = video.info.frames or video.count()
    results = _follow(video, options)
    with VideoWriter(copy, video.info.fps or FPS) as writer:
        while True:
            start = time.perf_counter()
            number, at, seen = next(results, (None, None, None))
            if seen is None:
                break
            seconds.append(time.perf_counter() - start)
            counts[seen.source] += 1
            text = f"frame {number}" + ("" if at is None else f"  {at:.2f} s")
            if seen.face is None:
                writer.write(_noted(seen.image, f"{text}  no face"))
            else:
                drawn = draw_face(seen.image, seen.face, seen.landmarks, title=seen.source)
                writer.write(_noted(drawn, text))
                # If a chosen frame has no face, the next frame with a face takes its place.
                if number >= len(sheet) * total / SHEET and len(sheet) < SHEET:  # type: ignore[operator]
                    sheet.append((text, _regions(seen)))
            done(seen)
    regions = None
    if sheet:
        titles, parts = zip(*sheet, strict=True)
        left, right, lower = map(np.stack, zip(*parts, strict=True))
        regions = region_sheet(left, right, lower, titles, COLUMNS)
    return FollowedVideo(
        counts["detected"], counts["followed"], counts["missing"], tuple(seconds), regions
    )


def _follow(video, options):
    """Yield `(frame number, its time or None, TrackedFace)`."""
    waiting = collections.deque()

    def images():
        for frame in video:
            waiting.append((frame.number, frame.time))
            yield frame.image

    for seen in track(images(), name=str(video.info.path), **options):
        yield *waiting.popleft(), seen


def _regions(seen):
    """Return the three regions of a tracked face, uint8 `(64, 64, 3)` each."""
    aligned = align_face(seen.image, seen.landmarks, dtype="uint8")
    points = transform_points(seen.landmarks, alignment(seen.landmarks))
    return [region.numpy() for region in split_regions(aligned, landmarks=points)]


def _noted(image, text):
    """Return the picture with a line of text in its upper left corner."""
    import cv2

    font, scale = cv2.FONT_HERSHEY_SIMPLEX, max(0.35, image.shape[0] / 800)
    (width, height), _ = cv2.getTextSize(text, font, scale, 1)
    noted = image.copy()
    noted[: 2 * height, : width + height] = (0, 0, 0)
    at = (height // 2, height * 3 // 2)
    return cv2.putText(noted, text, at, font, scale, (255, 255, 255), 1, cv2.LINE_AA)
