"""Following of a face from one picture to the next, and the check that it is still there."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_data.faces.base import FindsFaces
from fer_data.faces.cut import FRAMINGS
from fer_data.faces.face import Face
from fer_data.faces.landmark_predictor import LandmarkPredictor, cut_out, to_crop, to_picture

METHODS = ("flow", "box")

# Faces are followed at about the size that the predictor and the flow's windows are made for.
LEAST_SIDE, MOST_SIDE = 160, 320
# Room around the face, in sides.
ROOM = 0.35

# Side in pixels of what is compared around a point.
WINDOW = 15
# A point is lost if, followed to the next picture and back, it ends this many eye distances from
# its start.
RETURN_ERROR = 0.02
# A lower correlation with the face of the frame before means another scene.
LEAST_LIKENESS = 0.6
# The predictor never moves a face by this many eye distances from one frame to the next.
MOST_JUMP = 0.35
# Flow asks the predictor only every so many frames: asked in each, tracks tremble half as much
# again.
REFRESH_EVERY = 3
# Flow gives way to the predictor where they differ by this many eye distances, which is drift.
# Smaller differences are the predictor's noise.
LEAST_GAIN, FULL_GAIN_AT = 0.35, 0.2

# Weights that make the centres of the two eyes from 68 landmarks.
EYES = np.zeros((2, 68))
EYES[0, 36:42] = EYES[1, 42:48] = 1 / 6


class Follower:
    """Follows one face through pictures that come one after another.

    Args:
        detector: Anything with `detect(image)`.
        predictor: A `LandmarkPredictor`.
        method: One of `METHODS`, as for `fer_data.faces.track`.
        verify_every: Likewise.
    """

    def __init__(
        self,
        detector: FindsFaces,
        predictor: LandmarkPredictor,
        method: str,
        verify_every: int | None,
    ) -> None:
        self.detector = detector
        self.predictor = predictor
        self.by_flow = method == "flow"
        self.verify_every = verify_every
        self.points = None
        self.box = None
        self.score = 0.0

    def step(self, picture: np.ndarray) -> tuple[np.ndarray | None, str, float]:
        """Return landmarks (or `None`), their source and the likeness in the next picture.

        Source and likeness are those of `fer_data.faces.tracking.TrackedFace`.
        """
        if self.points is not None:
            likeness = self._follow(picture)
            if likeness is not None:
                return self.points, "followed", likeness
        if self._detect(picture):
            return self.points, "detected", 1.0
        self.points = None
        return None, "missing", 0.0

    def _detect(self, picture):
        faces = self.detector.detect(picture)
        if not faces:
            return False
        near = [0.0 if self.box is None else overlap(face.box, self.box) for face in faces]
        face = max(zip(near, faces, strict=True), key=lambda pair: (pair[0], pair[1].size))[1]
        points = self.predictor(picture, face).astype(np.float64)
        if not _plausible(points, picture):
            return False
        self._keep(_grey(picture), points)
        self.score = face.score
        self.correction = np.zeros_like(points)
        self.since_refresh = self.since_verified = 0
        return True

    def _follow(self, picture):
        """Move the points to the next picture; return the likeness, or `None` where lost."""
        side = self.box[2]
        factor = float(np.clip(side, LEAST_SIDE, MOST_SIDE) / side)
        # Both resampled in the same way: a face that keeps still does not move by a fraction of a
        # pixel.
        before, origin, scale = cut_out(self.grey, self.box, factor, ROOM)
        grey = _grey(picture)
        after, _, _ = cut_out(grey, self.box, factor, ROOM)
        start = (self.points - origin + 0.5) * scale - 0.5
        moved = self._by_flow(before, after, start) if self.by_flow else self._by_box(after, start)
        if moved is None:
            return None
        likeness = float((_patch(before, start) * _patch(after, moved)).mean())
        points = to_picture(moved, origin, scale).astype(np.float64)
        if likeness < LEAST_LIKENESS or not _plausible(points, picture):
            return None
        self.since_verified += 1
        if self.since_verified == self.verify_every and not self._verify(
            picture, box_around(points)
        ):
            return None
        self._keep(grey, points)
        return likeness

    def _keep(self, grey, points):
        self.grey, self.points, self.box = grey, points, box_around(points)

    def _by_flow(self, before, after, start):
        across = _eye_distance(start)
        moved, good = flow(before, after, start, RETURN_ERROR * across)
        if good.mean() < 0.5:
            return None
        if not good.all():
            moved = np.where(good[:, None], moved, _similar(start[good], moved[good], start))
        self.since_refresh += 1
        if self.since_refresh == REFRESH_EVERY:
            self.since_refresh = 0
            away = self.predictor.predict(after, box_around(moved)) - moved
            distance = np.hypot(away[:, :1], away[:, 1:]) / across
            gain = np.clip(distance / FULL_GAIN_AT, LEAST_GAIN, 1)
            # In steps, because a jump is what the eye and a motion network see first.
            self.correction = gain * away / (across * REFRESH_EVERY)
        return moved + self.correction * across

    def _by_box(self, crop, start):
        moved = self.predictor.predict(crop, box_around(start))
        jump = np.hypot(*(moved - start).T).mean() / _eye_distance(start)
        return None if jump > MOST_JUMP else moved

    def _verify(self, picture, box):
        self.since_verified = 0
        # A small picture, in which the face is large, takes the detector a tenth of the time.
        crop, origin, scale = cut_out(picture, box, min(1.0, 128 / max(box[2:])))
        there = to_crop(box, origin, scale)
        scores = [f.score for f in self.detector.detect(crop) if overlap(f.box, there) > 0.3]
        if scores:
            self.score = max(scores)
        return bool(scores)


def box_around(points: np.ndarray) -> np.ndarray:
    """Return the box that dlib's HOG detector would draw around landmarks, as four floats.

    Args:
        points: `(68, 2)`.
    """
    # Medians over 19 faces on photos and 91 frames of two videos, which agree to 0.05.
    low, high = points.min(0), points.max(0)
    extent = (high - low).sum() / 2
    side = 1.085 * extent
    centre = (low + high) / 2 - (0, 0.1 * extent)
    return np.array([*(centre - (side - 1) / 2), side, side])


def face_around(points: np.ndarray, score: float, shape: Sequence[int]) -> Face:
    """Return the `Face` of landmarks in a picture of a shape `(height, width, channels)`."""
    size = np.array(shape[1::-1], dtype=np.float64)
    box = box_around(points)
    low = np.clip(box[:2], 0, size - 1)
    high = np.clip(box[:2] + box[2:], low + 1, size)
    five = np.concatenate([EYES @ points, points[[30, 48, 54]]])
    # The box is drawn as dlib draws it, so it has dlib's framing.
    return Face(np.concatenate([low, high - low]), score, five, framing=FRAMINGS["dlib_hog"])


def _eye_distance(points):
    left, right = EYES @ points
    return float(np.hypot(*(right - left)))


def _plausible(points, picture):
    """Return whether the eyes are apart and the middle of the inner face lies in the picture."""
    height, width = picture.shape[:2]
    x, y = points[17:].mean(0)
    return _eye_distance(points) > 4 and -0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5


def _grey(picture):
    import cv2

    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def flow(
    before: np.ndarray, after: np.ndarray, points: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Follow points to the next picture; return them, and which of them also come back."""
    import cv2

    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
    options: dict[str, Any] = {"winSize": (WINDOW, WINDOW), "criteria": stop}
    start = points.astype(np.float32)
    moved, there, _ = cv2.calcOpticalFlowPyrLK(before, after, start, None, maxLevel=3, **options)  # type: ignore[call-overload]
    good = there[:, 0] > 0
    if not good.any():
        return moved.astype(np.float64), good
    # A good match finds its way back without the coarse levels, which cost the most, and within a
    # part of the pictures.
    ends = np.concatenate([start[good], moved[good]])
    low = np.maximum(ends.min(0) - 2 * WINDOW, 0).astype(int)
    right, below = (ends.max(0) + 2 * WINDOW + 1).astype(int)
    part = (slice(low[1], below), slice(low[0], right))
    origin = low.astype(np.float32)
    options["flags"] = cv2.OPTFLOW_USE_INITIAL_FLOW
    back, here, _ = cv2.calcOpticalFlowPyrLK(
        after[part], before[part], moved - origin, start - origin, maxLevel=0, **options
    )
    good &= here[:, 0] > 0
    good &= np.hypot(*(back + origin - start).T) <= tolerance
    return moved.astype(np.float64), good


def _similar(source, target, points):
    """Move points by the similarity transform that best takes `source` to `target`."""
    a, b = source[:, 0] + 1j * source[:, 1], target[:, 0] + 1j * target[:, 1]
    away = a - a.mean()
    turn = (away.conj() * (b - b.mean())).sum() / (away.conj() * away).real.sum()
    moved = (points[:, 0] + 1j * points[:, 1] - a.mean()) * turn + b.mean()
    return np.stack([moved.real, moved.imag], axis=-1)


def _patch(crop, points):
    """Return the upright face at 32x32, of mean 0 and deviation 1 (less if it is uniform)."""
    import cv2

    left, right = EYES @ points
    across = (right - left) / 12
    x, y = (left + right) / 2 - 15.5 * across - 11 * np.array([-across[1], across[0]])
    back = np.array([[across[0], -across[1], x], [across[1], across[0], y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(crop, back, (32, 32), flags=flags).astype(np.float32)
    patch -= patch.mean()
    # Below one grey level it is noise, which correlates with nothing.
    return patch / max(float(patch.std()), 1.0)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the intersection over union of two boxes."""
    low = np.maximum(a[:2], b[:2])
    high = np.minimum(a[:2] + a[2:], b[:2] + b[2:])
    both = float(np.maximum(high - low, 0).prod())
    return both / (float(a[2] * a[3]) + float(b[2] * b[3]) - both)
