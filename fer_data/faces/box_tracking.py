"""Several faces through a stream of pictures: detected now and then, followed in between."""

import dataclasses
import itertools
import os
from typing import Any

import numpy as np

from fer_data.checks import check_number
from fer_data.faces.assignment import best_pairs
from fer_data.faces.base import FindsFaces
from fer_data.faces.face import Face, Framing
from fer_data.faces.following import flow, overlap
from fer_data.faces.image import as_rgb

# Faces are followed in pictures of at most this size: finer ones do not improve a box.
WORKING_SIZE = 640
# Points that are followed in each face: a grid of so many columns and rows, over this share of
# the box, because its corners show the background.
GRID, INSIDE = 7, 0.7
# A point is lost if, followed to the next picture and back, it ends this far from its start: in
# pixels, or in sides of the box, whichever is more.
RETURN_ERROR, RETURN_SHARE = 0.5, 0.01
# A lower correlation with the face of the frame before means another scene.
LEAST_LIKENESS, PATCH = 0.5, 24
# From one frame to the next, no face grows by more than this factor or turns by more degrees.
MOST_GROWTH, MOST_TURN = 1.4, 45
# Least overlap of a detection with the box of its track.
LEAST_OVERLAP = 0.3
# Two tracks that overlap more than this are the same face.
SAME_FACE = 0.6
# Most faces that a detection did not find and that are kept: the visible ones, then the last ones
# seen. Where a stream's time stands still, none would ever expire.
MOST_NOT_FOUND = 256
# Detectors jitter: a detection that hardly differs from the followed box moves it half-way.
NEAR, GAIN = 0.75, 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class TrackedBox:
    """A face in one picture of a stream.

    Attributes:
        track: The face's number, from 0, the same in all pictures and never used again.
        face: `Face` in this picture; its score is the last detection's.
        detected: Whether it was detected in this picture; if not, it was followed.
    """

    track: int
    face: Face
    detected: bool


@dataclasses.dataclass(eq=False)
class _Track:
    number: int
    box: np.ndarray  # float64, not clipped: it may slide out of the picture
    points: np.ndarray | None
    score: float
    detector: str | None
    seen: float  # when it was last detected
    framing: Framing | None = None
    visible: bool = True
    detected: bool = True
    shown: np.ndarray | None = None  # what `box` shows in the last picture, if known


class BoxTracker:
    """Follows the faces of one stream of pictures, however many there are.

    The detector is asked every `detect_every` seconds of the stream's own time, and at once where
    a followed face was lost. Its faces are matched to the known ones by the overlap of their boxes
    (intersection over union, the best assignment of all). In between boxes follow the sparse
    optical flow of a grid of points in each face. The track of a face that is not detected again
    for `forget_after` seconds ends at the next detection; its number is not used again.

    A detector that can `follow` is asked only near the known faces, which is much faster, and
    searches the whole picture every `search_every` seconds. It searches the whole picture while a
    face is out of sight or none is known, and when a face is not found near its last box.

    Args:
        detector: Anything with `detect(image)` that returns a list of `Face`; and, if it has a
            faster way for known faces, `follow(image, boxes)` that returns those it finds near the
            boxes, as `MtcnnDetector` has.
        detect_every: Seconds between detections; 0 searches every picture, and then boxes are
            exactly the detector's.
        search_every: Seconds between searches of the whole picture while all known faces are in
            sight. A new face may have to wait that long.
        forget_after: Seconds after which the track of a face that is not detected again ends.

    Raises:
        ValueError: If an argument is out of its range or `detector` is not a detector.

    Example:

    >>> from skimage import data
    >>> from fer_data.faces import detector
    >>> tracker = BoxTracker(detector("mtcnn"))
    >>> for time in (0.0, 0.04, 0.08):
    ...     faces = tracker.step(data.astronaut(), time)
    ...     print([(face.track, face.detected) for face in faces])
    [(0, True)]
    [(0, False)]
    [(0, False)]

    Sources: Lucas and Kanade, "An Iterative Image Registration Technique", IJCAI 1981; Kalal et
    al., "Forward-Backward Error", ICPR 2010 (the median of the flow); Kuhn, "The Hungarian Method
    for the Assignment Problem", 1955.
    """

    def __init__(
        self,
        detector: FindsFaces,
        *,
        detect_every: float = 0.2,
        search_every: float = 0.5,
        forget_after: float = 0.5,
    ) -> None:
        if not callable(getattr(detector, "detect", None)):
            raise ValueError(
                "`detector` must have a method `detect(image)`; make one with "
                f"`fer_data.faces.detector(name)`. Received: detector={detector!r}"
            )
        check_number("detect_every", detect_every, 0)
        check_number("search_every", search_every, 0)
        check_number("forget_after", forget_after, 0)
        self.detector = detector
        self.detect_every = float(detect_every)
        self.search_every = float(search_every)
        self.forget_after = float(forget_after)
        self._numbers = itertools.count()
        self.reset()

    def reset(self) -> None:
        """Forget all faces and times, as before the first picture. Numbers go on."""
        self._tracks: list[Any] = []
        self._time: float | None = None
        self._last_detection: float | None = None
        self._last_search: float | None = None
        self._shape: Any = None
        self._grey: Any = None

    def step(
        self, image: str | os.PathLike[str] | np.ndarray, timestamp: float
    ) -> list[TrackedBox]:
        """Take the stream's next picture.

        Args:
            image: An array or a file's name, as for `fer_data.faces.as_rgb`. A picture of another
                size than the last one starts anew: its faces get new numbers.
            timestamp: Seconds in the stream's own time, not before the last picture's.

        Returns:
            List of `TrackedBox`, in the order of their numbers.

        Raises:
            ValueError: If the timestamp falls, or the picture is unusable.
        """
        check_number("timestamp", timestamp)
        if self._time is not None and timestamp < self._time:
            raise ValueError(
                "`timestamp` must not be before that of the last picture; `reset()` starts anew. "
                f"Received: timestamp={timestamp!r} after {self._time!r}"
            )
        picture = as_rgb(image)
        if self._shape is not None and picture.shape != self._shape:
            self.reset()
        grey, scale = _working(picture)
        lost = self._follow(grey, scale, picture.shape) if self._grey is not None else False
        self._time, self._shape, self._grey = timestamp, picture.shape, grey
        self._tracks = [
            track
            for track in self._tracks
            if track.visible or timestamp - track.seen <= self.forget_after
        ]
        if lost or _due(timestamp, self._last_detection, self.detect_every):
            faces = None if lost else self._near(picture, timestamp)
            if faces is None:
                faces, self._last_search = self.detector.detect(picture), timestamp
            self._match(faces, timestamp)
        return [_result(track, picture.shape) for track in self._tracks if track.visible]

    def _near(self, picture, timestamp):
        """Return all known faces, or `None` where the whole picture must be searched."""
        if (
            not self.detect_every
            or not callable(getattr(self.detector, "follow", None))
            or not self._tracks
            or not all(track.visible for track in self._tracks)
            or _due(timestamp, self._last_search, self.search_every)
        ):
            return None
        faces = self.detector.follow(picture, [track.box for track in self._tracks])
        return faces if len(self._pairs(faces)) == len(faces) == len(self._tracks) else None

    def _follow(self, grey, scale, shape):
        """Move the boxes of all visible faces; return whether one was lost."""
        tracks = [track for track in self._tracks if track.visible]
        for track in tracks:
            track.detected = False
        if not tracks:
            return False
        starts = [_grid(track.box * scale) for track in tracks]
        tolerance = [
            max(RETURN_ERROR, RETURN_SHARE * track.box[2:].max() * scale) for track in tracks
        ]
        moved, good = flow(
            self._grey, grey, np.concatenate(starts), np.repeat(tolerance, GRID * GRID)
        )
        for place, track in enumerate(tracks):
            part = slice(place * GRID * GRID, (place + 1) * GRID * GRID)
            motion = _motion(starts[place], moved[part], good[part])
            track.visible = motion is not None and self._moved(track, motion, grey, scale, shape)
        return not all(track.visible for track in tracks)

    def _moved(self, track, motion, grey, scale, shape):
        """Move a track, and return whether it still shows its face."""
        turn, start, end = motion
        # From pixel centres of the small picture to places in the large one.
        start, end = (start + 0.5 + 0.5j) / scale, (end + 0.5 + 0.5j) / scale
        middle = complex(*(track.box[:2] + track.box[2:] / 2))
        size = track.box[2:] * abs(turn)
        centre = end + turn * (middle - start)
        box = np.array([centre.real - size[0] / 2, centre.imag - size[1] / 2, *size])
        if not (0 <= centre.real <= shape[1] and 0 <= centre.imag <= shape[0]):
            return False
        before, after = track.shown, _patch(grey, box * scale)
        if before is None:
            before = _patch(self._grey, track.box * scale)
        track.shown = None
        if before is None or after is None or (before * after).mean() < LEAST_LIKENESS:
            return False
        if track.points is not None:
            points = track.points[:, 0] + 1j * track.points[:, 1] + 0.5 + 0.5j
            points = end + turn * (points - start) - 0.5 - 0.5j
            track.points = np.stack([points.real, points.imag], axis=-1)
        track.box, track.shown = box, after
        return True

    def _pairs(self, faces):
        """Return `{place of a face: (its track, their overlap)}`."""
        overlaps = np.array([[overlap(t.box, face.box) for face in faces] for t in self._tracks])
        overlaps = overlaps.reshape(len(self._tracks), len(faces))
        return {
            column: (self._tracks[row], overlaps[row, column])
            for row, column in best_pairs(overlaps)
            if overlaps[row, column] >= LEAST_OVERLAP
        }

    def _match(self, faces, timestamp):
        self._last_detection = timestamp
        pairs = self._pairs(faces)
        matched = []
        for place, face in enumerate(faces):
            track, common = pairs.get(place, (None, 0.0))
            if track is None:
                track = _Track(
                    next(self._numbers), face.box.astype(np.float64), None, 0.0, None, timestamp
                )
            self._update(track, face, common, timestamp)
            matched.append(track)
        kept = [
            track
            for track in self._tracks
            if track not in matched
            and timestamp - track.seen <= self.forget_after
            and not any(overlap(track.box, other.box) > SAME_FACE for other in matched)
        ]
        most = getattr(self.detector, "max_faces", None)
        if most is not None and len(matched) >= most:
            # The detector may have left them out for these, and there may be no more.
            for track in kept:
                track.visible = False
        kept = sorted(kept, key=lambda track: (track.visible, track.seen, track.number))
        self._tracks = sorted(matched + kept[-MOST_NOT_FOUND:], key=lambda track: track.number)

    def _update(self, track, face, common, timestamp):
        near = track.visible and common > NEAR
        gain = GAIN if near and self.detect_every else 1.0
        track.box, track.shown = track.box + gain * (face.box - track.box), None
        if face.points is None or track.points is None:
            gain = 1.0
        before = 0.0 if track.points is None else track.points
        track.points = None if face.points is None else before + gain * (face.points - before)
        track.score, track.seen = face.score, timestamp
        track.detector, track.framing = face.detector, face.framing
        track.visible = track.detected = True


def _due(timestamp, last, every):
    # Times such as 0.2 - 0.04 * 5 are not quite 0.
    return last is None or timestamp - last >= every - 1e-6


def _working(picture):
    import cv2

    scale = min(1.0, WORKING_SIZE / max(picture.shape[:2]))
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return grey, scale


_SHARE = (1 + INSIDE * np.linspace(-1, 1, GRID)) / 2
_PLACES = np.stack(np.meshgrid(_SHARE, _SHARE), axis=-1).reshape(-1, 2)


def _grid(box):
    """Return points `(GRID * GRID, 2)` over the middle of a box, in pixel centres."""
    return box[:2] + _PLACES * box[2:] - 0.5


# The pairs of points whose distances tell growth and turn, far enough apart to tell them well.
_ROWS, _COLUMNS = np.divmod(np.arange(GRID * GRID), GRID)
_FIRST, _SECOND = np.triu_indices(GRID * GRID, 1)
_FAR = np.hypot(_ROWS[_FIRST] - _ROWS[_SECOND], _COLUMNS[_FIRST] - _COLUMNS[_SECOND]) >= GRID / 2
_FIRST, _SECOND = _FIRST[_FAR], _SECOND[_FAR]


def _motion(before, after, good):
    """Return `(turn, start, end)`, the similarity `end + turn * (p - start)`, or `None`."""
    if good.mean() < 0.5:
        return None
    a, b = before[:, 0] + 1j * before[:, 1], after[:, 0] + 1j * after[:, 1]
    # Some pair is there: half of the points have no room within half of the grid.
    both = good[_FIRST] & good[_SECOND]
    first, second = _FIRST[both], _SECOND[both]
    ratio = (b[first] - b[second]) / (a[first] - a[second])
    growth, angle = _median(np.abs(ratio)), _median(np.angle(ratio))
    if not 1 / MOST_GROWTH < growth < MOST_GROWTH or abs(np.degrees(angle)) > MOST_TURN:
        return None
    turn = growth * np.exp(1j * angle)
    start = a.mean()
    shift = b[good] - turn * (a[good] - start)
    return turn, start, _median(shift.real) + 1j * _median(shift.imag)


def _median(values):
    # `np.median` takes several times as long for so few numbers.
    ordered, middle = np.sort(values), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _patch(grey, box):
    """Return what a box shows, small, of mean 0 and deviation 1, or `None` if it is outside."""
    import cv2

    low = np.maximum(np.rint(box[:2]).astype(int), 0)
    high = np.minimum(np.rint(box[:2] + box[2:]).astype(int), grey.shape[::-1])
    if (high - low < 1).any():
        return None
    part = grey[low[1] : high[1], low[0] : high[0]]
    patch = cv2.resize(part, (PATCH, PATCH), interpolation=cv2.INTER_AREA).astype(np.float32)
    patch -= patch.mean()
    # Below one grey level it is noise, which correlates with nothing.
    return patch / max(float(patch.std()), 1.0)


def _result(track, shape):
    size = np.array(shape[1::-1], np.float64)
    # Not `np.clip`, which takes several times as long for two numbers.
    low = np.minimum(np.maximum(track.box[:2], 0), size - 1)
    high = np.minimum(np.maximum(track.box[:2] + track.box[2:], low + 1), size)
    box = np.concatenate([low, high - low])
    face = Face(box, track.score, track.points, track.detector, track.framing)
    return TrackedBox(track.number, face, track.detected)
