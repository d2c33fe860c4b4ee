"""Windows of aligned faces that slide over a stream of tracked faces, in constant memory."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from fer_data.faces.geometry import align_face
from fer_data.faces.similarity import alignment, transform_points
from fer_data.faces.tracking import TrackedFace
from fer_models.spotting.time_line import Gap

# As in the prepared data sets of micro-expressions.
SIDE = 128


@dataclasses.dataclass(frozen=True, eq=False)
class FaceWindow:
    """The faces of a window, all aligned by the landmarks of its first frame.

    Attributes:
        numbers: Numbers in the video of the frames that were kept: the first, the last, and those
            that interpolation needs.
        times: Their times in seconds.
        faces: uint8 `(frames, 128, 128, 3)`, likewise.
        landmarks: float32 `(68, 2)`, of the first frame, in pixels of `faces`.
    """

    numbers: np.ndarray
    times: np.ndarray
    faces: np.ndarray
    landmarks: np.ndarray


class SlidingWindows:
    """Cuts a stream of tracked faces into overlapping windows.

    Each window is aligned like the clips of the data sets: by one similarity for all of its frames,
    from the landmarks of its first one. No window reaches over a frame without a face, a cut, or a
    frame that could not be decoded; after that, windows begin anew.

    At most `length / stride` windows are open at a time. Each holds the faces that its
    interpolation needs, at most two for each frame of the network. So memory does not grow with the
    video.

    Args:
        length: Frames of a window in the video, 3 or more.
        stride: Frames from one window to the next.
        frames: Frames that the network takes.

    Attributes:
        most_held: The most faces that were held at a time.
    """

    def __init__(self, length: int, stride: int, frames: int) -> None:
        self.length, self.stride = length, stride
        wanted = np.linspace(0, length - 1, frames)
        # Rounding errors must not ask for a neighbour of a frame that is met exactly.
        sides = np.concatenate([np.floor(wanted + 1e-9), np.ceil(wanted - 1e-9)])
        middle = [(length - 1) // 2]  # so that a network of two frames leaves a frame to measure
        self._offsets = {int(place) for place in (*sides, *middle, 0, length - 1)}
        self._open = collections.deque(maxlen=-(-length // stride))
        self.most_held = 0

    def __call__(
        self, seen: Iterable[tuple[int, float, TrackedFace]]
    ) -> Iterator[FaceWindow | Gap]:
        """Yield `FaceWindow`s and `Gap`s.

        Args:
            seen: Iterable of `(number, time, face)`: a frame's number in the video, its seconds,
                and its `fer_data.faces.tracking.TrackedFace`.
        """
        self._open.clear()
        last: tuple[int, float] | None = None
        gap: tuple[int, float] | None = None
        since = 0
        for number, time, tracked in seen:
            lost, skipped = tracked.landmarks is None, last is not None and number > last[0] + 1
            anew = tracked.source == "detected" and last is not None and gap is None
            if lost or skipped or anew:
                self._open.clear()
                since = 0
            if gap is not None and (skipped or not lost):
                yield Gap(*gap, *last, "no face")  # type: ignore[misc, call-arg]
                gap = None
            if skipped:
                yield Gap(*last, number, time, "not decoded")  # type: ignore[misc, call-arg]
            elif anew and not lost:
                yield Gap(*last, number, time, "cut")  # type: ignore[misc, call-arg]
            if lost and gap is None:
                gap = number, time
            last = number, time
            if lost:
                continue
            if since % self.stride == 0:
                self._open.append(_Open(number, tracked.landmarks))
            since += 1
            self._add(number, time, tracked.image)
            if number - self._open[0].first == self.length - 1:
                yield self._open.popleft().window()
        if gap is not None:
            yield Gap(*gap, *last, "no face")  # type: ignore[misc, call-arg]

    def _add(self, number, time, image):
        """Align a frame for every open window that needs it."""
        needing = [each for each in self._open if number - each.first in self._offsets]
        if needing:
            landmarks = np.stack([each.landmarks for each in needing])
            faces = align_face(image, landmarks, SIDE, dtype="uint8").numpy()
            for each, face in zip(needing, faces, strict=True):
                each.kept.append((number, time, face))
        self.most_held = max(self.most_held, sum(len(each.kept) for each in self._open))


class _Open:
    def __init__(self, first, landmarks):
        self.first, self.landmarks, self.kept = first, landmarks, []

    def window(self):
        numbers, times, faces = zip(*self.kept, strict=True)
        aligned = transform_points(self.landmarks, alignment(self.landmarks, SIDE)).numpy()
        return FaceWindow(
            np.array(numbers), np.array(times), np.stack(faces), aligned.astype(np.float32)
        )
