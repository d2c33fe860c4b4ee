"""`FER` of the package `fer`."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import check_flag, check_integer, check_number, check_sequence, shown
from fer_data.faces.face import Face
from fer_models.compat.bgr_pictures import AS_IT_IS, as_rgb_from_bgr, is_usual, warn_of_unused
from fer_models.recognizer import Recognizer
from fer_models.zoo.bundled import DEFAULT_WEIGHTS

_HAAR = {"scale_factor": 1.1, "min_neighbors": 5}
_WHY = "They belong to OpenCV's Haar cascade, in whose place YuNet finds the faces."


class FER:
    """Detects emotions by the names and shapes of the package `fer` (25.10).

    Pictures are names of files, arrays in OpenCV's order (BGR), or base64, as there. What differs
    is said in `docs/coming-from.md`.

    Args:
        cascade_file: Must be None: there is no Haar cascade.
        mtcnn: Find faces with MTCNN; by default YuNet does, where `fer` has a Haar cascade.
        tfserving: Must be False: no other server is asked.
        use_tflite: Accepted; the network runs on LiteRT either way.
        scale_factor: Of the Haar cascade; without effect.
        min_face_size: Leave out faces whose box is smaller, in pixels; not with `mtcnn`.
        min_neighbors: Of the Haar cascade; without effect.
        offsets: Pixels by which `face_rectangles` of `detect_emotions` grow on each side, `(x, y)`.
            Faces that are found here are cut as the network has learnt them.
        weights: Weights, as for `fer_models.Recognizer`.

    Attributes:
        emotions: What `detect_emotions` gave last.

    Raises:
        ValueError: If an argument breaks its rule, or asks for what is not here.

    Example:

    >>> from skimage import data
    >>> detector = FER(mtcnn=True)
    >>> detector.top_emotion(data.astronaut()[..., ::-1])[0]
    'happy'
    """

    def __init__(
        self,
        cascade_file: str | None = None,
        mtcnn: bool = False,
        tfserving: bool = False,
        use_tflite: bool = True,
        scale_factor: float = 1.1,
        min_face_size: int = 50,
        min_neighbors: int = 5,
        offsets: tuple[int, int] = (10, 10),
        *,
        weights: Any = DEFAULT_WEIGHTS,
    ) -> None:
        if cascade_file is not None:
            raise ValueError(
                "`cascade_file` must be None: there is no Haar cascade here; `mtcnn=True` and the "
                f"default, YuNet, find faces. Received: cascade_file={cascade_file!r}"
            )
        check_flag("mtcnn", mtcnn)
        if not is_usual(tfserving, False):
            raise ValueError(
                "`tfserving` must be False: the network runs in this program. "
                f"Received: tfserving={tfserving!r}"
            )
        check_number("scale_factor", scale_factor, 1.0)
        check_integer("min_face_size", min_face_size, 1)
        check_integer("min_neighbors", min_neighbors, 0)
        if not isinstance(offsets, (tuple, list)) or len(offsets) != 2:
            raise ValueError(f"`offsets` must be two numbers. Received: offsets={shown(offsets)}")
        for place, offset in enumerate(offsets):
            check_number(f"offsets[{place}]", offset)
        haar = {"scale_factor": scale_factor, "min_neighbors": min_neighbors}
        warn_of_unused(haar, _HAAR, _WHY)
        self.tfserving, self.use_tflite = tfserving, use_tflite
        self.emotions: list[dict[str, Any]] = []
        self._mtcnn = bool(mtcnn)
        self._least = 0 if mtcnn else min_face_size
        self._offsets = tuple(offsets)
        self._recognizer = Recognizer(weights, "mtcnn" if mtcnn else "yunet")

    def detect_emotions(
        self,
        img: str | os.PathLike[str] | ArrayLike,
        face_rectangles: Iterable[Iterable[float]] | None = None,
    ) -> list[dict[str, Any]]:
        """Return the faces of a picture and their emotions.

        Args:
            img: The picture.
            face_rectangles: Boxes `(x, y, width, height)` that are known already; by default the
                faces are found.

        Returns:
            A dictionary for each face: `box`, `[x, y, width, height]` in whole pixels (an int32
            array, with `mtcnn` a list, and as it was given, as in `fer`), and `emotions`, a
            probability by name, rounded to two places. Empty where there is no face.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If picture or boxes are unusable.
        """
        if face_rectangles is not None:
            check_sequence("face_rectangles", face_rectangles)
            face_rectangles = list(face_rectangles)
            for place, box in enumerate(face_rectangles):
                arguments.array((4,))(f"face_rectangles[{place}]", box)
        return self._detect([img], None if face_rectangles is None else [face_rectangles])[0]

    def batch_detect_emotions(
        self, imgs: Iterable[str | os.PathLike[str] | ArrayLike]
    ) -> list[list[dict[str, Any]]]:
        """Return what `detect_emotions` gives for each of several pictures.

        Args:
            imgs: The pictures.
        """
        check_sequence("imgs", imgs)
        return self._detect(list(imgs), None)

    def find_faces(
        self,
        img: str | os.PathLike[str] | ArrayLike,
        bgr: bool = True,
        gray_img: np.ndarray | None = None,
    ) -> list[list[int]] | np.ndarray:
        """Return the boxes of the faces of a picture.

        Args:
            img: The picture.
            bgr: Accepted: arrays with three channels are BGR, others grey.
            gray_img: Accepted; the detectors see colour.

        Returns:
            `[x, y, width, height]` of each face: an int32 array `(faces, 4)`, with `mtcnn` a list.
        """
        boxes = [_whole(face.box) for face in self._found([as_rgb_from_bgr(img)])[0]]
        return boxes if self._mtcnn else np.array(boxes, np.int32).reshape(-1, 4)

    def top_emotion(
        self, img: str | os.PathLike[str] | ArrayLike
    ) -> tuple[str | None, float | None]:
        """Return the likeliest emotion of the first face, and its probability.

        Args:
            img: The picture.

        Returns:
            `(name, probability)`, or `(None, None)` where there is no face. The first face is the
            one that the detector is most certain of.
        """
        faces = self.detect_emotions(img)
        if not faces:
            return None, None
        emotions = faces[0]["emotions"]
        name = max(emotions, key=emotions.get)
        return name, emotions[name]

    def _get_labels(self):
        return dict(enumerate(self._recognizer.class_names))

    def _found(self, pictures):
        found = self._recognizer.detector.detect_batch(pictures)
        return [[face for face in faces if face.size >= self._least] for faces in found]

    def _detect(self, images, rectangles):
        if not images:
            return []
        pictures = [as_rgb_from_bgr(image) for image in images]
        if rectangles is None:
            found = self._found(pictures)
            boxes = [[self._box(face) for face in faces] for faces in found]
        else:
            boxes = [list(each) for each in rectangles]
            found = [[self._cut_as(box) for box in each] for each in boxes]
        probabilities = iter(self._recognizer.classify_faces(pictures, found))
        several = [
            [{"box": box, "emotions": self._named(next(probabilities))} for box in each]
            for each in boxes
        ]
        self.emotions = several[-1]
        return several

    def _cut_as(self, box):
        x, y, width, height = (float(value) for value in box)
        side = max(width, height)
        across, down = self._offsets
        grown = np.array(
            [
                x - (side - width) / 2 - across,
                y - (side - height) / 2 - down,
                side + 2 * across,
                side + 2 * down,
            ]
        )
        return Face(grown, 1.0, framing=AS_IT_IS)

    def _box(self, face):
        box = _whole(face.box)
        return box if self._mtcnn else np.array(box, np.int32)

    def _named(self, probabilities):
        return {
            name: round(float(value), 2)
            for name, value in zip(self._recognizer.class_names, probabilities, strict=True)
        }


def _whole(box):
    return [int(value) for value in box]
