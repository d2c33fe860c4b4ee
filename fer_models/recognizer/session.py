"""One stream of frames: which face is which, and what each one showed lately."""

import itertools
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import check_number, is_number, shown
from fer_data.faces.box_tracking import BoxTracker, TrackedBox
from fer_data.faces.face import Face
from fer_data.faces.image import as_rgb
from fer_models.recognizer.quality import FaceQuality
from fer_models.recognizer.results import Expression, expression
from fer_models.recognizer.some_ahead import some_ahead
from fer_models.zoo.set_rule import SetRule

MOST_REMEMBERED = 256  # tracks


class Engine(Protocol):
    """Finds faces and classifies them: what a `Session` needs of a `Recognizer`.

    Attributes:
        detector: Finds the faces, with `detect(image)`.
        class_names: Names of the classes in the order of the probabilities.
        set_rule: Rule of the classes that an answer leaves open; None for no sets.
    """

    detector: Any
    class_names: tuple[str, ...]
    set_rule: SetRule | None

    def examine_faces(
        self, pictures: Iterable[np.ndarray], faces: Iterable[Iterable[Face]]
    ) -> tuple[np.ndarray, list[FaceQuality | None]]:
        """Return a row for each found face, and the quality of each.

        A row holds the probabilities of the classes, and behind them valence and arousal where the
        network gives them.
        """


class Smoother:
    """Exponential means of each track's probabilities over its own time.

    After `dt` seconds a new value counts `1 - exp(-dt / seconds)`, so that frames may come
    unevenly. The first value of a track counts in full.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._known: dict[int, tuple[Any, float]] = {}

    def __call__(
        self, tracks: Iterable[int], values: Iterable[np.ndarray], timestamp: float
    ) -> list[np.ndarray]:
        """Return the means `(n, classes)` of the given tracks after their new values."""
        means = []
        for track, value in zip(tracks, values, strict=True):
            if self.seconds and track in self._known:
                before, then = self._known[track]
                share = -math.expm1(-(timestamp - then) / self.seconds)
                value = before + share * (value - before)
            # Taken out first, so that the last ones are those seen last.
            self._known.pop(track, None)
            self._known[track] = value, timestamp
            means.append(value)
        return means

    def forget(self, before: float) -> None:
        """Forget the tracks that were not seen since a time."""
        recent = [(track, known) for track, known in self._known.items() if known[1] >= before]
        # While a stream's time stands still, nothing gets old.
        self._known = dict(recent[-MOST_REMEMBERED:])


@arguments.checked_class(
    engine=arguments.having("detector", "class_names", rule="a `Recognizer`"),
    smoothing=arguments.number(),
    detect_every=arguments.number(),
    search_every=arguments.number(),
)
class Session:
    """Recognizes the faces of one stream, frame by frame; made by `Recognizer.session`.

    Every camera, file or browser needs its own. Sessions of one `Recognizer` share its networks
    and know nothing of each other; call one session from one thread at a time.

    Args:
        engine: Finds and classifies the faces; a `Recognizer`.
        smoothing: Seconds over which the probabilities of a face are averaged; 0: not at all.
        detect_every: Seconds between two detections; 0: in every frame.
        search_every: Seconds between two searches of the whole frame by a detector that can
            follow known faces.

    Attributes:
        milliseconds: How long the parts of the last `frame` took: `"detect"` (detection and
            tracking), `"classify"` (cropping and the network), `"total"`.
    """

    def __init__(
        self,
        engine: Engine,
        smoothing: float = 0.3,
        detect_every: float = 0.2,
        search_every: float = 0.5,
    ) -> None:
        check_number("smoothing", smoothing, 0)
        self._engine = engine
        self._tracker = BoxTracker(
            engine.detector, detect_every=detect_every, search_every=search_every
        )
        self._smoothing = float(smoothing)
        self._start: float | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all faces and times: the next frame is the first of a new stream."""
        self._tracker.reset()
        self._smoother = Smoother(self._smoothing)
        self._start = None
        self.milliseconds = {"detect": 0.0, "classify": 0.0, "total": 0.0}

    def frame(
        self, image: str | os.PathLike[str] | np.ndarray, timestamp: float | None = None
    ) -> list[Expression]:
        """Return the faces of the next frame.

        Args:
            image: uint8 RGB `(height, width, 3)`, or anything that `fer_data.faces.as_rgb` takes.
            timestamp: Seconds in the stream's own time, not before the last frame's. By default
                the seconds since the first frame, by the clock.

        Returns:
            List of `Expression`, in the order of their tracks; empty where there is no face.

        Raises:
            ValueError: If the picture is unusable or the timestamp falls.
        """
        start = time.perf_counter()
        if timestamp is None:
            self._start = start if self._start is None else self._start
            timestamp = start - self._start
        picture = as_rgb(image)
        found = self.locate(picture, timestamp)
        located = time.perf_counter()
        (faces,) = self._finished([(picture, timestamp, found)])
        end = time.perf_counter()
        self.milliseconds = {
            "detect": 1000 * (located - start),
            "classify": 1000 * (end - located),
            "total": 1000 * (end - start),
        }
        return faces

    @arguments.checked(
        together=arguments.integer(1), copy=arguments.flag, ahead=arguments.integer(1)
    )
    def frames(
        self,
        frames: Iterable[tuple[str | os.PathLike[str] | np.ndarray, float]],
        together: int = 1,
        *,
        copy: bool = True,
        ahead: int = 8,
    ) -> Iterator[list[Expression]]:
        """Return a generator of the faces of many frames, on two cores.

        The calling thread looks for the faces of a frame while another one cuts out and classifies
        those of the frames before. The answers are those of `frame`, in the same order. But each
        comes only when the faces of a later frame are found: of the next frame if the classifier
        keeps up, of the frame `ahead` frames later if it does not. So use this for videos, and for
        cameras where a frame's delay does no harm.

        The answers are equal to the bit if LiteRT runs the network, as it runs bundled weights. On
        other frameworks they are so with `together=1`; with more frames in a call the last digits
        may differ.

        While the generator runs, do not use the session otherwise: neither `frame` nor `reset`, nor
        a second generator.

        Args:
            frames: Iterable of pairs `(image, timestamp)`. The images are those that `frame` takes;
                the timestamps are seconds, and each must be given.
            together: Frames that are classified in one call; a graphics card works better on
                several. So many frames are read before the first answer.
            copy: Whether arrays are copied, so that a camera may write its next frame into the
                same array. False saves the copy where each frame has an array of its own.
            ahead: The most frames whose faces are found and that wait to be classified, but always
                those of one call. More than 1 uses both cores better, because the detector takes
                long for some frames and no time for others; 1 keeps the delay small.

        Returns:
            Generator of lists of `Expression`, one for each frame.

        Raises:
            ValueError: At once, if `frames` is no iterable of pairs but a picture or a path. While
                the generator runs, if an item is no such pair, a picture is unusable or a timestamp
                falls. The answers to earlier frames come first, but those of frames in the same
                call are lost.

        Example:

        >>> from skimage import data
        >>> from fer_models import Recognizer
        >>> portrait = data.astronaut()
        >>> live = Recognizer().session()
        >>> for faces in live.frames([(portrait, 0.0), (portrait, 0.04)]):
        ...     print([(face.track, face.label) for face in faces])
        [(0, 'happy')]
        [(0, 'happy')]
        """
        one = isinstance(frames, (str, bytes, os.PathLike, np.ndarray, Mapping))
        if one or not isinstance(frames, Iterable):
            raise ValueError(
                "`frames` must be an iterable of pairs (image, timestamp in seconds); the file of "
                f"a video goes to `Recognizer.video`. Received: frames={shown(frames)}"
            )
        return self._frames(_pictures(frames, copy), together, max(1, ahead // together))

    def _frames(self, pictures, together, most):
        for answers in some_ahead(self._located(pictures, together), self._finished, most):
            yield from answers

    def _located(self, pictures, together):
        """Yield lists of `(picture, timestamp, its TrackedBoxes)`."""
        while batch := list(itertools.islice(pictures, together)):
            yield [(*each, self.locate(*each)) for each in batch]

    def _finished(self, batch):
        """Return the lists of `Expression` of a list that `_located` gave."""
        pictures, timestamps, found = zip(*batch, strict=True)
        rows, qualities = self._engine.examine_faces(
            list(pictures), [[box.face for box in boxes] for boxes in found]
        )
        answers, start = [], 0
        for timestamp, boxes in zip(timestamps, found, strict=True):
            part = slice(start, start + len(boxes))
            start += len(boxes)
            answers.append(self.conclude(boxes, rows[part], timestamp, qualities[part]))
        return answers

    def locate(self, picture: np.ndarray, timestamp: float) -> list[TrackedBox]:
        """Return the `TrackedBox`es of the next picture: the first half of `frame`."""
        return self._tracker.step(picture, timestamp)

    def conclude(
        self,
        found: Sequence[TrackedBox],
        probabilities: ArrayLike,
        timestamp: float,
        qualities: Sequence[FaceQuality | None],
    ) -> list[Expression]:
        """Return the `Expression`s of located faces: the second half of `frame`."""
        tracks = [box.track for box in found]
        means = self._smoother(tracks, np.asarray(probabilities), timestamp)
        self._smoother.forget(timestamp - 2 * self._tracker.forget_after)
        names, rule = self._engine.class_names, self._engine.set_rule
        return [
            expression(box.face, mean, names, box.track, timestamp, rule=rule, quality=quality)
            for box, mean, quality in zip(found, means, qualities, strict=True)
        ]


def _pictures(frames, copy):
    """Yield `(picture, timestamp)` of the pairs that `Session.frames` takes, uint8 RGB."""
    for number, pair in enumerate(frames):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not is_number(pair[1]):
            raise ValueError(
                f"`frames[{number}]` must be a pair of a picture and its time, a finite number of "
                f"seconds. Received: {_in_words(pair)}"
            )
        image, timestamp = pair
        picture = as_rgb(image, f"frames[{number}][0]")
        # The array may hold a later frame before the faces of this one are cut out.
        shared = copy and np.may_share_memory(picture, np.asarray(image))
        yield picture.copy() if shared else picture, timestamp


def _in_words(item):
    """Return what an item of `Session.frames` is, where it is no pair of a picture and a time."""
    if not isinstance(item, (tuple, list)):
        return shown(item)
    if len(item) == 2:
        return f"the time {shown(item[1])}"
    return f"a {type(item).__name__} of {len(item)}"
