"""A face as every detector returns it: box, score and points in one convention."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from fer_data import arguments
from fer_data.checks import check_number


class Framing(NamedTuple):
    """How a face lies in its box: the square a network sees, in units of the box's longer side.

    Attributes:
        scale: Side of the square.
        right: How far the square's centre lies to the right of the box's.
        down: How far it lies below it.
    """

    scale: float
    right: float
    down: float


@arguments.checked_class(
    box=arguments.array((4,)),
    score=arguments.number(),
    points=arguments.array((5, 2)),
    detector=arguments.text,
)
@dataclasses.dataclass(frozen=True, eq=False)
class Face:
    """A detected face.

    Points and boxes are in pixels of the picture that was given to the detector. A point's
    coordinates are whole at a pixel's centre, as in OpenCV and dlib: the centre of the first pixel
    is `(0, 0)`. A box counts pixel columns and rows: `(0, 0, width, height)` is the whole picture,
    and the centre of a box, as a point, is `(x + (width - 1) / 2, y + (height - 1) / 2)`.

    Attributes:
        box: `(x, y, width, height)`, float32, clipped to the picture.
        score: The detector's certainty, in `[0, 1]` except for `dlib_hog` and `dlib_cnn`, whose
            scores are distances to the decision boundary.
        points: float32 `(5, 2)`, each `(x, y)`: the eye on the left of the picture, the eye on its
            right, the tip of the nose, the left and the right corner of the mouth; or `None`
            where the detector has no points. They may lie outside the picture.
        detector: The detector's name, from which `landmarks` and `cut_face` know how it frames a
            face; `None` for a box from elsewhere.
        framing: How the face lies in its box, for a detector whose name is not in `FRAMINGS`, such
            as your own. `Framing(1, 0, 0)` is a box that is cut as it is, as a square.
    """

    box: np.ndarray
    score: float
    points: np.ndarray | None = None
    detector: str | None = None
    framing: Framing | None = None

    def __post_init__(self) -> None:
        box = _finite(self.box, (4,))
        if box is None or (box[2:] <= 0).any():
            raise ValueError(
                "`box` must be finite numbers (x, y, width, height) with a positive width and "
                f"height. Received: box={self.box!r}"
            )
        object.__setattr__(self, "box", box)
        check_number("score", self.score)
        object.__setattr__(self, "score", float(self.score))
        if self.points is not None:
            points = _finite(self.points, (5, 2))
            if points is None:
                raise ValueError(
                    "`points` must be finite numbers of the shape (5, 2), (x, y) of each point. "
                    f"Received: points={self.points!r}"
                )
            object.__setattr__(self, "points", points)
        if self.framing is not None:
            check_framing("framing", self.framing)

    @property
    def size(self) -> float:
        """The shorter side of the box, in pixels."""
        return float(self.box[2:].min())


def check_framing(name: str, value: Any) -> None:
    """Raise `ValueError` unless `value` is a `Framing` of finite numbers, its scale above 0."""
    if not isinstance(value, Framing) or not np.isfinite(value).all() or value.scale <= 0:
        raise ValueError(
            f"`{name}` must be a `fer_data.faces.Framing` of finite numbers with a scale above 0, "
            f"such as FRAMINGS['mtcnn']. Received: {name}={value!r}"
        )


def _finite(value, shape):
    """Return `value` as float32, or `None` unless it is finite numbers of that shape."""
    with np.errstate(over="ignore"):
        array = np.asarray(value, dtype=np.float32)
    return array if array.shape == shape and np.isfinite(array).all() else None
