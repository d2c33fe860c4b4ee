"""The results of the Recognizer, for a face and for a frame."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fer_data.faces.face import Face
from fer_models.recognizer.head_pose import HeadPose, head_pose
from fer_models.recognizer.quality import FaceQuality
from fer_models.zoo.set_rule import SetRule

UNSURE = "unsure"


@dataclasses.dataclass(frozen=True)
class Expression:
    """The expression of one face.

    Attributes:
        box: `(x, y, width, height)` in pixels of the picture, floats, clipped to the picture, in
            the convention of `fer_data.faces.Face`.
        score: The detector's certainty that this is a face.
        probabilities: Probability of each class by its name; they sum to 1.
        label: Name of the likeliest class.
        confidence: Its probability.
        track: The face's number in a stream, the same in all its frames; `None` in a photo.
        timestamp: Seconds in the stream's own time; `None` in a photo.
        points: Eyes, tip of the nose and corners of the mouth, five `(x, y)` in pixels as in
            `fer_data.faces.Face`; `None` where the detector gives none.
        set: Names of the classes that the answer leaves open, the likeliest first: on faces like
            those that the rule was fitted on, the true class is among them as often as the
            Recognizer's coverage promises. `None` without a rule.
        quality: `FaceQuality`, how well the face is shown; `None` if it was not judged.
        valence: How pleasant the expression looks, from -1 to 1; `None` if the network does not
            give it, as is so for all bundled weights.
        arousal: How excited it looks, from -1 (calm) to 1; `None` likewise.
    """

    box: tuple[float, float, float, float]
    score: float
    probabilities: dict[str, float]
    label: str
    confidence: float
    track: int | None = None
    timestamp: float | None = None
    points: tuple[tuple[float, float], ...] | None = None
    set: tuple[str, ...] | None = None
    quality: FaceQuality | None = None
    valence: float | None = None
    arousal: float | None = None

    @property
    def unsure(self) -> bool:
        """Whether the answer leaves more than one class open, or the face is shown badly."""
        several = self.set is not None and len(self.set) > 1
        return several or (self.quality is not None and not self.quality.good)

    @property
    def answer(self) -> str:
        """The label, or `"unsure"`."""
        return UNSURE if self.unsure else self.label

    @functools.cached_property
    def pose(self) -> HeadPose | None:
        """The direction of the head, in degrees, from `points`; `None` without them."""
        return None if self.points is None else head_pose(self.points)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as a dictionary that `json` can write."""
        return {
            "box": list(self.box),
            "score": self.score,
            "label": self.label,
            "confidence": self.confidence,
            "answer": self.answer,
            "set": None if self.set is None else list(self.set),
            "quality": None if self.quality is None else self.quality.to_dict(),
            "probabilities": dict(self.probabilities),
            "valence": self.valence,
            "arousal": self.arousal,
            "track": self.track,
            "timestamp": self.timestamp,
            "points": None if self.points is None else [list(point) for point in self.points],
            "pose": None if self.pose is None else self.pose._asdict(),
        }


@dataclasses.dataclass(frozen=True, eq=False)
class FrameResult:
    """The faces of one frame of a video.

    Attributes:
        number: The frame's place in the video, from 0.
        timestamp: Seconds since the video's start.
        image: The frame, uint8 RGB `(height, width, 3)`.
        faces: List of `Expression`, in the order of their tracks.
    """

    number: int
    timestamp: float
    image: np.ndarray
    faces: list[Expression]

    def to_dict(self) -> dict[str, Any]:
        """Return the same without the image, as a dictionary that `json` can write."""
        return {
            "frame": self.number,
            "timestamp": self.timestamp,
            "faces": [face.to_dict() for face in self.faces],
        }


def expression(
    face: Face,
    probabilities: ArrayLike,
    class_names: Sequence[str],
    track: int | None = None,
    timestamp: float | None = None,
    *,
    rule: SetRule | None = None,
    quality: FaceQuality | None = None,
) -> Expression:
    """Return the `Expression` of a `Face` from what the network gave for it.

    Args:
        face: The `Face`.
        probabilities: `(classes,)`, or `(classes + 2,)` with valence and arousal behind them.
        class_names: Names of the classes.
        track: Its number in a stream.
        timestamp: Seconds in the stream's time.
        rule: `SetRule` for the set of classes; None for no set.
        quality: `FaceQuality`, or None.
    """
    row = np.asarray(probabilities, "float64").tolist()
    values, felt = row[: len(class_names)], row[len(class_names) :]
    valence, arousal = felt or (None, None)
    best = int(np.argmax(values))
    x, y, width, height = (float(value) for value in face.box)
    return Expression(
        box=(x, y, width, height),
        score=float(face.score),
        probabilities=dict(zip(class_names, values, strict=True)),
        label=class_names[best],
        confidence=values[best],
        track=track,
        timestamp=None if timestamp is None else float(timestamp),
        points=None if face.points is None else tuple(map(tuple, face.points.tolist())),
        set=None if rule is None else _set(rule, values, class_names),
        quality=quality,
        valence=valence,
        arousal=arousal,
    )


def _set(rule, values, class_names):
    (inside,) = rule([values])
    return tuple(class_names[place] for place in np.argsort(-np.array(values)) if inside[place])
