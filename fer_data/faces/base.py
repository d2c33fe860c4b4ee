"""The base of all detectors: working size, clipping, filters, order."""

import abc
import math
import os
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from fer_data.checks import check_integer, check_number
from fer_data.faces.face import Face, Framing
from fer_data.faces.image import as_rgb


class FindsFaces(Protocol):
    """Anything with the method `detect`: a `Detector`, or a detector of your own."""

    def detect(self, image: np.ndarray, /) -> Iterable[Face]:
        """Return the faces of a uint8 RGB picture."""


class Detector(abc.ABC):
    """A face detector; see `fer_data.faces.detector` for the options.

    A subclass sets `name` and finds faces in `_find`, which gets pictures of the working size. If
    its name is not in `fer_data.faces.FRAMINGS`, it also sets `framing`, a
    `fer_data.faces.Framing`, so that `cut_face` knows how faces lie in its boxes.
    """

    name: str | None = None
    framing: Framing | None = None

    def __init__(
        self,
        *,
        min_score: float,
        min_size: float = 0,
        working_size: int | None = None,
        max_faces: int | None = None,
    ) -> None:
        check_number("min_score", min_score)
        check_number("min_size", min_size, 0)
        if working_size is not None:
            check_integer("working_size", working_size, 32)
        if max_faces is not None:
            check_integer("max_faces", max_faces, 1)
        self.min_score = min_score
        self.min_size = min_size
        self.working_size = working_size
        self.max_faces = max_faces

    def detect(self, image: str | os.PathLike[str] | np.ndarray) -> list[Face]:
        """Return the faces of one picture, the most certain first.

        Args:
            image: A file's name or an array in RGB order, as for `fer_data.faces.as_rgb`.

        Returns:
            A list of `Face`, empty where there is none.
        """
        return self.detect_batch([as_rgb(image)])[0]

    def detect_batch(
        self, images: Sequence[str | os.PathLike[str] | np.ndarray] | np.ndarray
    ) -> list[list[Face]]:
        """Return the faces of each picture: a list of lists as from `detect`.

        Args:
            images: A sequence of pictures, which may differ in size, or one array `(pictures,
                height, width, channels)`. All are read and shrunk to the working size before the
                first is searched, so an error names a bad one at once.
        """
        one = isinstance(images, (str, os.PathLike))
        if one or (hasattr(images, "shape") and len(images.shape) not in (1, 4)):
            raise ValueError(
                "`images` must be a sequence of pictures, or an array with the shape (pictures, "
                "height, width, channels); one picture goes to `detect`. Received: "
                + (f"images={images!r}" if one else f"shape={tuple(images.shape)}")  # type: ignore[union-attr]
            )
        shapes, small = [], []
        for place, image in enumerate(images):
            picture = as_rgb(image, f"images[{place}]")
            # Not the picture itself: a long list of photos would fill the memory.
            shapes.append(picture.shape)
            small.append(self._shrink(picture))
        if not small:
            return []
        return [
            self._finish(faces, shape, picture.shape)
            for faces, shape, picture in zip(self._find(small), shapes, small, strict=True)
        ]

    @abc.abstractmethod
    def _find(self, pictures):
        """Return for each uint8 RGB picture a list of `(box, score, points or None)`.

        Boxes and points are in pixels of the given pictures, in `Face`'s convention, neither
        clipped nor filtered nor sorted; faces below `min_score` may be left out.
        """

    def _shrink(self, picture):
        import cv2

        longest = max(picture.shape[:2])
        if self.working_size is None or longest <= self.working_size:
            return picture
        scale = self.working_size / longest
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)

    def _finish(self, found, shape, working_shape):
        size = np.array(shape[1::-1], dtype=np.float64)
        scale = size / working_shape[1::-1]
        faces = []
        for box, score, points in found:
            box = np.asarray(box, dtype=np.float64)
            low = np.clip(box[:2] * scale, 0, size)
            high = np.clip((box[:2] + box[2:]) * scale, 0, size)
            if score < self.min_score or (high - low).min() < max(self.min_size, math.ulp(1.0)):
                continue
            if points is not None:
                points = (np.asarray(points, dtype=np.float64) + 0.5) * scale - 0.5
            box = np.concatenate([low, high - low])
            faces.append(Face(box, score, points, self.name, self.framing))
        faces.sort(key=lambda face: -face.score)
        return faces[: self.max_faces]
