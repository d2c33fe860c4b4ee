"""What the Recognizer says of a face and of a frame."""

import dataclasses
from typing import Any

import numpy as np


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
    """

    box: tuple[float, float, float, float]
    score: float
    probabilities: dict[str, float]
    label: str
    confidence: float
    track: int | None = None
    timestamp: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the same as a dictionary that `json` can write."""
        return {
            "box": list(self.box),
            "score": self.score,
            "label": self.label,
            "confidence": self.confidence,
            "probabilities": dict(self.probabilities),
            "track": self.track,
            "timestamp": self.timestamp,
        }


@dataclasses.dataclass(frozen=True, eq=False)
class FrameResult:
    """The faces of one frame of a video.

    Attributes:
        number: The frame's place in the video, from 0.
        timestamp: Seconds since the video's start.
        image: The frame, uint8 RGB `(height, width, 3)`.
        faces: list of `Expression`, in the order of their tracks.
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


def expression(face, probabilities, class_names, track=None, timestamp=None):
    """Return the `Expression` of a `Face` from its probabilities `(classes,)`."""
    values = [float(value) for value in probabilities]
    best = int(np.argmax(values))
    return Expression(
        box=tuple(float(value) for value in face.box),
        score=float(face.score),
        probabilities=dict(zip(class_names, values, strict=True)),
        label=class_names[best],
        confidence=values[best],
        track=track,
        timestamp=None if timestamp is None else float(timestamp),
    )
