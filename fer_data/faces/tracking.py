"""One face through a video: detected once, then followed."""

import collections
import dataclasses
import itertools
import math
import os
from collections.abc import Iterable, Iterator

import numpy as np

from fer_data.checks import check_choice, check_integer
from fer_data.faces.base import FindsFaces
from fer_data.faces.face import Face
from fer_data.faces.following import METHODS, Follower, face_around
from fer_data.faces.image import as_rgb
from fer_data.faces.landmark_predictor import LandmarkPredictor, as_predictor


@dataclasses.dataclass(frozen=True, eq=False)
class TrackedFace:
    """The result of `track` for one frame.

    Attributes:
        frame: The frame's number, from 0, in what `track` was given.
        image: The frame, uint8 RGB `(height, width, 3)`.
        face: A `Face`, or `None` where there is none. Its box is drawn around the landmarks as
            dlib's HOG detector would and clipped to the picture, its five points are taken from
            the landmarks, its score is that of the last detection.
        landmarks: float32 `(68, 2)` in pixels of the frame, iBUG order, or `None`.
        score: The detector's certainty when it last saw the face, 0.0 where there is no face.
        source: `"detected"` where the detector has just found the face, `"followed"`, or
            `"missing"`.
        likeness: Correlation of the face's pixels with those in the frame before, from -1 to 1;
            1.0 where it has just been detected, 0.0 where it is missing.
        missing: How many frames up to and with this one are without a face.
    """

    frame: int
    image: np.ndarray
    face: Face | None
    landmarks: np.ndarray | None
    score: float
    source: str
    likeness: float
    missing: int


def track(
    frames: Iterable[str | os.PathLike[str] | np.ndarray],
    *,
    detector: FindsFaces | None = None,
    predictor: LandmarkPredictor | str | os.PathLike[str] | None = None,
    method: str = "flow",
    smooth: int = 1,
    verify_every: int | None = 250,
    max_missing: int = 30,
    on_missing: str = "error",
    name: str = "frames",
) -> Iterator[TrackedFace]:
    """Find the face and its 68 landmarks in every frame of a video, in constant memory.

    The detector looks for the largest face in the first frame; from there on it is followed, and
    detected anew where it is lost. It counts as lost when

    - half of its points cannot be followed there and back (`method="flow"`),
    - its pixels no longer resemble those of the frame before (a cut, a hand thrust before it),
    - the predictor puts the landmarks far from the frame before (`method="box"`),
    - its middle leaves the picture, or
    - the detector, asked every `verify_every` frames, sees no face in that place.

    If it is detected anew, the face that overlaps the last place most is taken, or else the
    largest.

    Args:
        frames: Iterable of pictures of one size, uint8 RGB `(height, width, 3)` (or whatever
            `fer_data.faces.as_rgb` takes): a generator, a list, an array `(frames, height, width,
            3)`. Each must be an array of its own, because the results keep it.
        detector: Anything with `detect(image)` that returns a list of `Face`; by default
            `fer_data.faces.detector("mtcnn")`.
        predictor: As for `fer_data.faces.landmarks`.
        method: `"flow"` follows the points by Lucas-Kanade optical flow, which is smooth but
            drifts, and lets the predictor draw them back; `"box"` gives the predictor the box of
            the last landmarks, frame by frame, so frames do not depend on each other and the
            landmarks tremble.
        smooth: How many frames on either side are averaged, with binomial weights; the result of
            a frame then comes as many frames later. 0 answers at once, for a camera.
        verify_every: Ask the detector every so many frames whether there is a face in that place,
            or `None` for never.
        max_missing: How many frames to search for the first face.
        on_missing: `"error"` where no face is in the first `max_missing` frames (or in the whole
            video if it is shorter), or `"skip"`: go on and yield frames without a face. Later on,
            frames without one are always yielded and counted.
        name: What errors call the video.

    Returns:
        A generator of `TrackedFace`, one for each frame, in order.

    Raises:
        ImportError: If a package for the detector or the predictor is missing; at once.
        ValueError: If an option is out of its range, at once; while it runs, if there are no
            frames, a frame is unusable or of another size, or no face was found (`on_missing`).

    Example:

    >>> from skimage import data
    >>> frames = [data.astronaut()] * 3
    >>> [(seen.source, seen.landmarks.shape) for seen in track(frames)]
    [('detected', (68, 2)), ('followed', (68, 2)), ('followed', (68, 2))]

    Sources: Lucas and Kanade, "An Iterative Image Registration Technique", IJCAI 1981; Kalal et
    al., "Forward-Backward Error", ICPR 2010.
    """
    check_choice("method", method, METHODS)
    check_choice("on_missing", on_missing, ("error", "skip"))
    check_integer("smooth", smooth, 0)
    check_integer("max_missing", max_missing, 1)
    if verify_every is not None:
        check_integer("verify_every", verify_every, 1)
    _check_iterable(frames)
    if detector is not None and not callable(getattr(detector, "detect", None)):
        raise ValueError(
            "`detector` must have a method `detect(image)`; make one with "
            f"`fer_data.faces.detector(name)`. Received: detector={detector!r}"
        )
    predictor = as_predictor(predictor)
    if detector is None:
        from fer_data.faces.detectors import detector as make

        detector = make("mtcnn")
    follower = Follower(detector, predictor, method, verify_every)
    seen = _search(_pictures(frames, name), follower, max_missing, on_missing, name)
    return _smoothed(seen, smooth)


def _check_iterable(frames):
    if isinstance(frames, (str, bytes, os.PathLike)):
        raise ValueError(
            "`frames` must be pictures, not the name of a video; decode it with fer_data.video. "
            f"Received: frames={frames!r}"
        )
    if hasattr(frames, "shape") and len(frames.shape) != 4:
        raise ValueError(
            "`frames` must have the shape (frames, height, width, 3) where it is an array. "
            f"Received: shape={tuple(frames.shape)}"
        )
    if not hasattr(frames, "__iter__"):
        raise ValueError(f"`frames` must be an iterable of pictures. Received: frames={frames!r}")


def _pictures(frames, name):
    shape = None
    for number, frame in enumerate(frames):
        picture = as_rgb(frame, f"{name}[{number}]")
        shape = shape or picture.shape
        if picture.shape != shape:
            raise ValueError(
                f"`{name}` must be pictures of one size. Received: {name}[0] of "
                f"{shape[1]} x {shape[0]} pixels and {name}[{number}] of "
                f"{picture.shape[1]} x {picture.shape[0]}"
            )
        yield picture
    if shape is None:
        raise ValueError(f"`{name}` must hold at least one frame. Received: none")


def _search(pictures, follower, max_missing, on_missing, name):
    """Yield `TrackedFace` with raw landmarks and without the face."""
    found, missing, number = False, 0, -1
    for number, picture in enumerate(pictures):
        points, source, likeness = follower.step(picture)
        found = found or points is not None
        missing += points is None
        if not found and number + 1 == max_missing and on_missing == "error":
            break
        score = 0.0 if points is None else follower.score
        yield TrackedFace(number, picture, None, points, score, source, likeness, missing)
    if not found and on_missing == "error":
        raise ValueError(
            f"No face was found in the first {number + 1} frames of {name} (0 to {number}). "
            "Search further with `max_missing`, or go on without with `on_missing='skip'`."
        )


def _smoothed(results, reach):
    window = collections.deque([None] * (2 * reach + 1), maxlen=2 * reach + 1)
    for result in itertools.chain(results, [None] * reach):
        window.append(result)
        now = window[reach]
        if now is None:
            continue
        if now.landmarks is None:
            yield now
            continue
        points = _mean(window, reach).astype(np.float32)
        face = face_around(points, now.score, now.image.shape)
        yield dataclasses.replace(now, face=face, landmarks=points)


def _mean(window, reach):
    """Return the binomial mean of the landmarks around the middle of the window."""
    # As wide on one side as on the other, even where the track begins or ends: a lopsided mean
    # would lag behind a moving face.
    span = 0
    while span < reach:
        newer, after = window[reach - span], window[reach + span + 1]
        if newer.source != "followed" or after is None or after.source != "followed":
            break
        span += 1
    points = sum(
        math.comb(2 * span, span + place) * window[reach + place].landmarks
        for place in range(-span, span + 1)
    )
    return points / 4**span
