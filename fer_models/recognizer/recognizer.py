"""From pictures to expressions: detector, crop and network in one object."""

import collections
import contextlib
import itertools
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from fer_data import arguments
from fer_data.checks import (
    as_array,
    check_integer,
    check_number,
    check_scale,
    checked_names,
    checked_rate,
)
from fer_data.compiled.lite_runner import LiteNetwork
from fer_data.faces.cut import cut_face
from fer_data.faces.detectors import detector as make_detector
from fer_data.faces.face import Face
from fer_data.faces.image import as_rgb
from fer_data.labels import EMOTIONS
from fer_data.video import Video
from fer_data.whole import needs_whole
from fer_models.recognizer.classifier import Classifier
from fer_models.recognizer.quality import FaceQuality, QualityGate
from fer_models.recognizer.results import Expression, FrameResult, expression
from fer_models.recognizer.session import Session
from fer_models.runtime.ready_networks import ready_network
from fer_models.zoo import bundled, hub_models
from fer_models.zoo.class_shares import named_shares, shares_of_card
from fer_models.zoo.set_rule import SetRule

if TYPE_CHECKING:
    import keras

# Pictures that wait for their faces to fill a batch, in bytes: large photos come in small batches.
MOST_WAITING = 256 * 2**20
# Frames of a video that are classified together, which is faster than one by one.
FRAMES_TOGETHER = 8
DEFAULT_GATE = QualityGate()
# The default of `sets`, and the coverage that it means.
BY_CARD: Literal["card"] = "card"
USUAL_COVERAGE = 0.9


class Detects(Protocol):
    """The methods that your own detector must have.

    It need not be thread-safe: the calls of one `Recognizer` never overlap, even if many threads
    use it, as those of the live page do.
    """

    def detect(self, image: np.ndarray, /) -> Iterable[Face]:
        """Return the faces of a uint8 RGB picture."""


class Recognizer:
    """Finds faces and names the expression of each.

    Pictures are RGB; a file's name is as good as an array (see `fer_data.faces.as_rgb`). A picture
    in which the detector finds no face gives an empty list. `fer_data.faces.cut` describes how a
    face is cut out.

    Bundled weights lie in the package ready to run on LiteRT, on the processor, and so do the
    detectors `"mtcnn"`, `"retinaface"` and `"yunet"`: neither Keras nor TensorFlow is imported for
    them. To run bundled weights in Keras, on a graphics card for example, give the model and the
    names that `fer_models.load_model` returns.

    Args:
        weights: Bundled weights, such as `"ghostface:fer2013"` or the tag `"fer2013"` alone; by
            default `"ghostface:ferplus"`, which is sure of most of its answers. Or the path of a
            `.keras` file with a whole model, `"hf://NAMESPACE/MODEL"` or
            `"hf://NAMESPACE/MODEL@REVISION"` for one of the Hugging Face Hub (extra `hub`), or a
            `keras.Model`, which gives probabilities for faces in [0, 255]. A model of
            `fer_models.with_valence_arousal` gives `Expression.valence` and `.arousal` too.
        detector: One of `fer_data.faces.DETECTORS`, or any object with a method `detect(image)`
            that returns a list of `Face`. It may also have `detect_batch(images)`, faster for many
            pictures, and `follow(image, boxes)`, faster for known faces.
        model: Name of the model that a tag alone belongs to. If the default model does not have the
            tag and only one other model has it, that model is taken.
        class_names: Names of the network's outputs in their order. By default those of the
            registry for a tag, `fer_data.labels.EMOTIONS` for a network of 7.
        min_score: Drop faces of a lower score; `None` for the detector's own rule.
        max_faces: Keep only so many faces of a picture, the most certain; `None` keeps all.
        working_size: Pixels of the longer side to which a detector given by name shrinks a picture.
        batch_size: Faces, and photos in `photos`, that are worked on together.
        flip: Take the mean with the mirrored face: steadier, at twice the network's time.
        sets: Coverage of the classes that an answer leaves open (`Expression.set`); the card of
            bundled weights must have a rule for it. Or a `SetRule`, as from
            `fer_models.evaluation.fit_sets`; or `None` for no sets. By default `"card"`: the card's
            rule for 0.9, and no sets where there is no rule.
        class_shares: How often each class is shown in the pictures, where that differs from the
            faces that the weights were calibrated on: `"even"`, or shares by name such as
            `{"neutral": 0.6, "happy": 0.3}`, the other classes dividing the rest evenly. The
            probabilities are shifted to them (`fer_models.evaluation.shift_class_shares`). For
            bundled weights alone, because their cards state the shares of the classes. The card's
            rule for sets does not hold then, so there are no sets by default. None leaves the
            probabilities as they are.
        quality: `QualityGate` that judges how well a face is shown, `Expression.quality`; or
            `None`.

    Attributes:
        class_names: Tuple of the names of the classes.
        input_size: Pixels of each side of the faces that the network takes.
        detector: The detector.
        set_rule: The `SetRule` for the classes that answers leave open, or `None`.
        quality_gate: `QualityGate` that judges how well a face is shown, or `None`.

    Raises:
        FileNotFoundError: If there is no file at the path.
        ImportError: If a package is missing; the message names it.
        OSError: If the weights' file cannot be read.
        ValueError: If an argument breaks its rule, or the model has another input or output.

    Example:

    >>> from skimage import data
    >>> recognizer = Recognizer()
    >>> face = recognizer.photo(data.astronaut())[0]
    >>> face.label
    'happy'
    """

    def __init__(
        self,
        weights: "str | os.PathLike[str] | keras.Model" = bundled.DEFAULT_WEIGHTS,
        detector: str | Detects = "mtcnn",
        *,
        model: str = "ghostface",
        class_names: Iterable[str] | None = None,
        min_score: float | None = None,
        max_faces: int | None = None,
        working_size: int | None = 640,
        batch_size: int = 32,
        flip: bool = False,
        sets: float | SetRule | Literal["card"] | None = BY_CARD,
        class_shares: Mapping[str, float] | Literal["even"] | None = None,
        quality: QualityGate | None = DEFAULT_GATE,
    ) -> None:
        check_integer("batch_size", batch_size, 1)
        if not isinstance(flip, bool):
            raise ValueError(f"`flip` must be True or False. Received: flip={flip!r}")
        if quality is not None and not isinstance(quality, QualityGate):
            raise ValueError(
                "`quality` must be a `fer_models.recognizer.QualityGate` or None. "
                f"Received: quality={quality!r}"
            )
        self.quality_gate = quality
        if isinstance(weights, str):
            # A copy, which may load them later, must have the same.
            weights = hub_models.pinned(weights)
        network = _network(weights, model)
        names = _names(class_names, network.class_names, network.classes)
        shares = None if class_shares is None else _shares(class_shares, names, weights, model)
        if shares is not None and not isinstance(sets, SetRule):
            _check_no_sets(sets)
            sets = None
        self.set_rule = _set_rule(sets, weights, model)
        self.batch_size = batch_size
        self.detector = _finder(detector, min_score, max_faces, working_size)
        self._classifier = Classifier(network, batch_size, flip, shares)
        # A network that only a framework can run is made again when it is unpickled.
        self._again: dict[str, Any] | None = (
            None
            if isinstance(network.run, LiteNetwork)
            else {"weights": weights, "model": model, "flip": flip, "shares": shares}
        )
        self.class_names: tuple[str, ...] = names
        self.input_size: int = self._classifier.size
        self._own_session: Session | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what makes a copy, in this process or another one; it has sessions of its own."""
        state = self.__dict__ | {"_own_session": None}
        return state if self._again is None else state | {"_classifier": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what `__getstate__` gave."""
        self.__dict__.update(state)
        if self._again is not None:
            again = self._again
            network = _network(again["weights"], again["model"])
            self._classifier = Classifier(network, self.batch_size, again["flip"], again["shares"])

    def photo(self, image: str | os.PathLike[str] | np.ndarray) -> list[Expression]:
        """Return the faces of one picture, the most certain face first.

        Args:
            image: A file's name or an array, as for `fer_data.faces.as_rgb`.

        Returns:
            List of `Expression`, empty where no face was found.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the picture is unusable.
        """
        return next(self.photos([image]))

    def photos(
        self, images: Iterable[str | os.PathLike[str] | np.ndarray], batch_size: int | None = None
    ) -> Iterator[list[Expression]]:
        """Yield the faces of each picture, in order, a list as from `photo`.

        Detector and network work on several pictures together. However many there are, memory holds
        at most `batch_size` of them, or 256 MiB.

        Args:
            images: Iterable of file names or arrays.
            batch_size: Pictures that are worked on together; by default the Recognizer's.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If a picture is unusable; the results of earlier pictures of its batch are
                lost too.
        """
        if isinstance(images, (str, os.PathLike)) or not hasattr(images, "__iter__"):
            raise ValueError(
                "`images` must be an iterable of pictures; one picture goes to `photo`. "
                f"Received: images={images!r}"
            )
        if isinstance(images, Mapping) or (
            isinstance(images, np.ndarray)
            and (images.ndim < 3 or (images.ndim == 3 and images.shape[-1] in (1, 3, 4)))
        ):
            what = "a dictionary" if isinstance(images, Mapping) else f"shape={images.shape}"
            raise ValueError(
                "`images` must be an iterable of pictures, or an array of them; one picture goes "
                f"to `photo`. Received: {what}"
            )
        if batch_size is not None:
            check_integer("batch_size", batch_size, 1)
        return self._photos(images, batch_size or self.batch_size)

    def _photos(self, images, batch_size):
        for pictures in _batches(images, batch_size):
            found = self.detector.detect_batch(pictures)
            answers = zip(*self.examine_faces(pictures, found), strict=True)
            for faces in found:
                yield [
                    expression(face, values, self.class_names, rule=self.set_rule, quality=quality)
                    for face, (values, quality) in zip(faces, answers, strict=False)
                ]

    @arguments.checked(
        path=arguments.either(
            arguments.path,
            arguments.instance(Video, "a `fer_data.video.Video`"),
            rule="a path or a `fer_data.video.Video`",
        ),
        on_bad=arguments.text,
    )
    def video(
        self,
        path: str | os.PathLike[str] | Video,
        *,
        smoothing: float = 0.3,
        detect_every: float = 0.2,
        search_every: float = 0.5,
        fps: float | None = None,
        on_bad: Literal["error", "skip"] = "error",
    ) -> Iterator[FrameResult]:
        """Return a generator of a video's frames with their faces, in constant memory.

        Args:
            path: A video file, or a folder of pictures, as for `fer_data.video.Video`; or such a
                `Video`, which has its own `fps` and `on_bad` and notes what it skips.
            smoothing: Time constant in seconds of the exponential mean of each face's
                probabilities; 0 leaves each frame to itself.
            detect_every: Seconds between detections; faces are followed in between.
            search_every: Seconds between searches of the whole frame by a detector that can look
                for known faces near their last places alone, as `"mtcnn"` can; see
                `fer_data.faces.BoxTracker`.
            fps: Frames per second, instead of the file's own; needed for a folder.
            on_bad: `"error"` or `"skip"`, for frames that cannot be decoded.

        Returns:
            Generator of `FrameResult`, one for each frame.

        Raises:
            FileNotFoundError: If there is no such file or folder; at once.
            ValueError: If an option is out of its range, or the file is no video; at once. While
                it runs, if a frame cannot be decoded and `on_bad` is `"error"`.
        """
        session = self.session(smoothing, detect_every, search_every)
        if not isinstance(path, Video):
            video = Video(path, fps=fps, on_bad=on_bad)
        elif (fps, on_bad) == (None, "error"):
            video = path
        else:
            raise ValueError(
                "`fps` and `on_bad` are those of the `Video`: give them to it. "
                f"Received: fps={fps}, on_bad={on_bad!r}"
            )
        if video.info.fps is None:
            raise ValueError(
                "`fps` must be given where nothing says how many frames a second there are. "
                f"Received: fps=None for {str(video.info.path)!r}"
            )
        return self._video(video, session)

    def _video(self, video, session):
        waiting = collections.deque()

        def frames():
            for frame in video:
                waiting.append(frame)
                yield frame.image, frame.time

        for faces in session.frames(frames(), FRAMES_TOGETHER, copy=False):
            frame = waiting.popleft()
            yield FrameResult(frame.number, frame.time, frame.image, faces)

    @arguments.checked(timestamp=arguments.number())
    def frame(
        self, image: str | os.PathLike[str] | np.ndarray, timestamp: float | None = None
    ) -> list[Expression]:
        """Return the faces of a live stream's next frame, from the Recognizer's own session.

        For several streams at once, make a `session()` for each.

        Args:
            image: uint8 RGB `(height, width, 3)`.
            timestamp: Seconds, not before the last frame's; by default those of the clock.

        Returns:
            List of `Expression` with tracks and smoothed probabilities.

        Raises:
            ValueError: If the frame is no such picture, or the time before the last frame's.
        """
        if self._own_session is None:
            self._own_session = self.session()
        return self._own_session.frame(image, timestamp)

    def session(
        self, smoothing: float = 0.3, detect_every: float = 0.2, search_every: float = 0.5
    ) -> Session:
        """Return a `Session` for one stream of frames.

        Args:
            smoothing: As for `video`.
            detect_every: As for `video`.
            search_every: As for `video`.

        Raises:
            ValueError: If one is no number of 0 or more.
        """
        return Session(self, smoothing, detect_every, search_every)

    def classify(self, crops: np.ndarray) -> np.ndarray:
        """Return the probabilities of faces that are already cut out.

        Args:
            crops: `(faces, size, size, 1 or 3)` in [0, 255], uint8 or float, grey or RGB. Other
                sizes and channels than the network's are converted.

        Returns:
            float32 `(faces, classes)`, in the order of `class_names`.

        Raises:
            ValueError: If the shape or the type is another one, or the values look scaled to [0, 1]
                or [-1, 1].
        """
        crops = as_array("crops", crops)
        if crops.size:
            check_scale("crops", crops)
        return self._classifier(crops)

    @arguments.checked(
        pictures=arguments.sequence(), faces=arguments.sequence(arguments.sequence())
    )
    def classify_faces(
        self, pictures: Iterable[np.ndarray], faces: Iterable[Iterable[Face]]
    ) -> np.ndarray:
        """Return the probabilities of found faces.

        Args:
            pictures: List of uint8 RGB pictures.
            faces: For each picture, a list of `fer_data.faces.Face`.

        Returns:
            float32 `(faces, classes)`, all faces of the first picture first.
        """
        return self._classifier(self._cuts(pictures, faces))

    @arguments.checked(
        pictures=arguments.sequence(), faces=arguments.sequence(arguments.sequence())
    )
    def examine_faces(
        self, pictures: Iterable[np.ndarray], faces: Iterable[Iterable[Face]]
    ) -> tuple[np.ndarray, list[FaceQuality | None]]:
        """Return what the network gives for found faces, and their quality.

        Args:
            pictures: As for `classify_faces`.
            faces: As for `classify_faces`.

        Returns:
            Probabilities as from `classify_faces`, with valence and arousal in two more columns
            where the network gives them; and the `FaceQuality` of each face, `None` without a
            gate.
        """
        faces = [list(found) for found in faces]
        cuts = self._cuts(pictures, faces)
        gate, flat = self.quality_gate, itertools.chain.from_iterable(faces)
        qualities = [
            None if gate is None else gate(cut, face) for cut, face in zip(cuts, flat, strict=True)
        ]
        return self._classifier.rows(cuts), qualities

    def _cuts(self, pictures, faces):
        size, channels = self.input_size, self._classifier.channels
        pictures, faces = list(pictures), list(faces)
        if len(pictures) != len(faces):
            raise ValueError(
                "`faces` must hold a list for each of `pictures`. "
                f"Received: {len(faces)} lists for {len(pictures)} pictures"
            )
        cuts = [
            cut_face(picture, face, size, channels)
            for picture, found in zip(pictures, faces, strict=True)
            for face in found
        ]
        return np.stack(cuts) if cuts else np.zeros((0, size, size, channels), np.float32)


def _network(weights, model):
    ready = ready_network(weights, model)
    if ready is not None:
        return ready
    # Keras is imported for other networks alone.
    with needs_whole(f"The network {weights!r}"):
        from fer_models.recognizer.keras_network import keras_network
        from fer_models.zoo.loading import load_model

    return keras_network(*load_model(weights, model))


def _card(weights, model):
    """Return the card of bundled weights, or None."""
    known = bundled.all_weights()
    source = ":".join(bundled.split(weights, model)) if isinstance(weights, str) else None
    return known[source].card if source in known else None


def _shares(class_shares, names, weights, model):
    """Return the shares of the classes `(known, wanted)`."""
    card = _card(weights, model)
    if card is None:
        raise ValueError(
            "`class_shares` must be None for weights whose card does not state the shares of the "
            "classes: shift the probabilities with `fer_models.evaluation.shift_class_shares`. "
            f"Received: class_shares={class_shares!r}, weights={weights!r}"
        )
    return shares_of_card(card), named_shares(class_shares, names)


def _check_no_sets(sets):
    """Refuse sets by the card, whose rule does not hold for other shares of the classes."""
    if sets is not None and not (isinstance(sets, str) and sets == BY_CARD):
        raise ValueError(
            "`sets` must be a `SetRule` or None with `class_shares`, since the card's rule holds "
            f"for the shares of its own faces. Received: sets={sets!r}"
        )


def _set_rule(sets, weights, model):
    """Return the `SetRule` that `sets` means, or None."""
    if sets is None or isinstance(sets, SetRule):
        return sets
    by_card = isinstance(sets, str) and sets == BY_CARD
    coverage = USUAL_COVERAGE if by_card else checked_rate("sets", sets)
    card = _card(weights, model)
    rule = None if card is None else SetRule.of_card(card, coverage)
    if rule is None and not by_card:
        raise ValueError(
            "`sets` must be a `SetRule` or None for weights without a rule for a coverage. To fit "
            "one: `fer weights sets NAME:TAG --path FOLDER` for weights of `fer weights`, "
            f"`fer_models.evaluation.fit_sets` for other networks. Received: sets={sets!r}"
        )
    return rule


def _finder(detector, min_score, max_faces, working_size):
    """Return a `_Finder` of a detector by name or given."""
    if isinstance(detector, str):
        options = {"max_faces": max_faces, "working_size": working_size}
        if min_score is not None:
            options["min_score"] = min_score
        made = make_detector(detector, **options)
        kind = _Follower if callable(getattr(made, "follow", None)) else _Finder
        return kind(made, None, None, (detector, options))
    if not callable(getattr(detector, "detect", None)):
        raise ValueError(
            "`detector` must be a name of `fer_data.faces.DETECTORS`, or have a method "
            f"`detect(image)`. Received: detector={detector!r}"
        )
    if min_score is not None:
        check_number("min_score", min_score)
    if max_faces is not None:
        check_integer("max_faces", max_faces, 1)
    kind = _Follower if callable(getattr(detector, "follow", None)) else _Finder
    return kind(detector, min_score, max_faces, None)


class _Finder:
    """A detector with the limits on what it finds."""

    def __init__(self, detector, least, most, again):
        self._detector, self._least, self._most = detector, least, most
        # Name and options of a detector that is made again where this one is unpickled: what
        # OpenCV and dlib hold cannot be pickled.
        self._again = again
        # A lock by process: a forked child does not wait for a thread that stayed in its parent.
        self._locks = {}
        self.name = getattr(detector, "name", None)
        # The tracker asks for it.
        self.max_faces = getattr(detector, "max_faces", None) if most is None else most

    def __getstate__(self):
        state = self.__dict__ | {"_locks": {}}
        return state if self._again is None else state | {"_detector": None}

    def __setstate__(self, state):
        self.__dict__.update(state)
        if self._again is not None:
            name, options = self._again
            self._detector = make_detector(name, **options)

    def detect(self, image):
        with self._turn():
            return self._kept(self._detector.detect(image))

    def detect_batch(self, images):
        if hasattr(self._detector, "detect_batch"):
            with self._turn():
                return [self._kept(faces) for faces in self._detector.detect_batch(images)]
        return [self.detect(image) for image in images]

    def _turn(self):
        """Return what is held during a call of the detector; those of the package need nothing."""
        if self._again is not None:
            return contextlib.nullcontext()
        return self._locks.setdefault(os.getpid(), threading.Lock())

    def _kept(self, faces):
        faces = [face for face in faces if self._least is None or face.score >= self._least]
        return sorted(faces, key=lambda face: -face.score)[: self._most]


class _Follower(_Finder):
    """A detector that can look for known faces only near their last places."""

    def follow(self, image, boxes):
        with self._turn():
            return self._kept(self._detector.follow(image, boxes))


def _batches(images, batch_size):
    """Yield lists of uint8 RGB pictures."""
    waiting, held = [], 0
    listed = isinstance(images, (Sequence, np.ndarray))
    for place, image in enumerate(images):
        picture = as_rgb(image, f"images[{place}]")
        if not listed and isinstance(image, np.ndarray) and np.may_share_memory(picture, image):
            # A camera or a generator may write the next picture into the same array.
            picture = picture.copy()
        waiting.append(picture)
        held += picture.nbytes
        if len(waiting) == batch_size or held >= MOST_WAITING:
            yield waiting
            waiting, held = [], 0
    if waiting:
        yield waiting


def _names(given, known, classes):
    names = known if given is None else checked_names("class_names", given)
    if names is None:
        if classes != len(EMOTIONS):
            raise ValueError(
                f"`class_names` must be given for a network of other than {len(EMOTIONS)} classes. "
                f"Received: class_names=None for {classes} classes"
            )
        names = EMOTIONS
    if len(names) != classes:
        raise ValueError(
            f"`class_names` must be {classes} different names, one for each of the network's "
            f"outputs. Received: class_names={names!r}"
        )
    return tuple(names)
