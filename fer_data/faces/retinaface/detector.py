"""RetinaFace as a detector: pictures of one size go through the network together."""

import os

import numpy as np

from fer_data.checks import check_flag, check_integer, check_number
from fer_data.faces.base import Detector
from fer_data.faces.retinaface.anchors import STRIDES, anchors, decode
from fer_data.faces.retinaface.rows import keras_rows, ready_rows

# The grey that bordered the pictures in training.
BORDER = 128


class RetinaFaceDetector(Detector):
    """RetinaFace MobileNet-0.25, our own Keras 3 network, ready on LiteRT or on a Keras backend.

    The network lies in the package with the public weights (MIT licence), converted to LiteRT, and
    runs on the processor without Keras. Other weights run in Keras, on the device that it chooses,
    and so do the public ones with `through_keras=True` or without LiteRT: then
    `keras.utils.get_file` fetches their file (2 MB) once and checks it by its SHA-256.

    Pictures are padded to multiples of 32 on the right and below. In Keras those of one padded size
    go through the network in batches, and each new size may cost a compilation, on JAX always and
    on TensorFlow for the first few.

    Args:
        weights: Name of an h5 file with the weights, or None for the public ones.
        min_score: Drop faces with a lower score, from 0 to 1.
        min_size: Drop faces whose box has a shorter side, in pixels of the picture given.
        working_size: Shrink pictures whose longer side is longer to this many pixels, or None.
            The smallest anchors are 16 pixels wide: much smaller faces of the shrunk picture are
            missed.
        max_faces: Keep this many of the most certain faces, or None for all.
        iou_threshold: Of two boxes that overlap by more (intersection over union), the less
            certain one is dropped.
        batch_size: How many pictures go through the network at once in Keras. LiteRT takes them
            one by one.
        through_keras: Whether to run the network in Keras in any case, which a graphics card needs.

    Raises:
        ImportError: If it takes Keras and that is not installed.
        FileNotFoundError: If there is no file at `weights`.
        OSError: If the public weights cannot be fetched.
        ValueError: If the file does not hold the weights, or an argument breaks its rule.

    Reference:
        - Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild",
          https://arxiv.org/abs/1905.00641

    Example:

    >>> from skimage import data
    >>> detector = RetinaFaceDetector(working_size=320)
    >>> [face] = detector.detect(data.astronaut())
    >>> face.score > 0.99
    True
    """

    name = "retinaface"

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        *,
        min_score: float = 0.5,
        min_size: float = 0,
        working_size: int | None = 640,
        max_faces: int | None = None,
        iou_threshold: float = 0.4,
        batch_size: int = 16,
        through_keras: bool = False,
    ) -> None:
        super().__init__(
            min_score=min_score, min_size=min_size, working_size=working_size, max_faces=max_faces
        )
        check_number("min_score", min_score, 0, 1)
        check_number("iou_threshold", iou_threshold, 0, 1)
        check_integer("batch_size", batch_size, 1)
        self.iou_threshold = iou_threshold
        self.batch_size = batch_size
        check_flag("through_keras", through_keras)
        ready = None if through_keras else ready_rows(weights)
        self._rows = keras_rows(weights) if ready is None else ready

    def _find(self, pictures):
        by_size = {}
        for place, picture in enumerate(pictures):
            size = tuple(-(-side // STRIDES[-1]) * STRIDES[-1] for side in picture.shape[:2])
            by_size.setdefault(size, []).append(place)
        found = [None] * len(pictures)
        for size, places in by_size.items():
            for start in range(0, len(places), self.batch_size):
                batch = places[start : start + self.batch_size]
                faces = self._find_in_batch([pictures[place] for place in batch], size)
                for place, some in zip(batch, faces, strict=True):
                    found[place] = some
        return found

    def _find_in_batch(self, pictures, size):
        pixels = np.full((len(pictures), *size, 3), BORDER, np.float32)
        for row, picture in zip(pixels, pictures, strict=True):
            row[: picture.shape[0], : picture.shape[1]] = picture
        places = anchors(*size)
        return [self._faces(places, rows) for rows in self._rows(pixels)]

    def _faces(self, places, rows):
        import cv2

        likely = np.flatnonzero(rows[:, 0] >= self.min_score)
        if not likely.size:
            return []
        rows = rows[likely]
        scores = rows[:, 0]
        boxes, points = decode(places[likely], rows[:, 1:5], rows[:, 5:])
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.0, self.iou_threshold)
        # The network's points have 0 at the picture's edge, a `Face`'s at the first pixel's centre.
        return [(boxes[row], scores[row], points[row] - 0.5) for row in kept]
