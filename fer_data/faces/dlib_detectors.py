"""dlib's two face detectors."""

import importlib.util
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.checks import check_integer, check_number
from fer_data.faces.base import Detector
from fer_data.whole import how_to_install


class _DlibDetector(Detector):
    def __init__(self, *, upsample, min_score=0.0, working_size=640, **options):
        super().__init__(min_score=min_score, working_size=working_size, **options)
        check_integer("upsample", upsample, 0)
        self.upsample = upsample
        # dlib's networks hold the picture that they work on: two threads in one crash the process.
        self._lock = threading.Lock()


class DlibHogDetector(_DlibDetector):
    """Histograms of oriented gradients, Boost licence; see `fer_data.faces.detector`."""

    name = "dlib_hog"

    def __init__(self, *, upsample: int = 1, **options: Any) -> None:
        super().__init__(upsample=upsample, **options)
        self._network = _dlib().get_frontal_face_detector()

    def _find(self, pictures):
        found = []
        for picture in pictures:
            # A copy, since dlib refuses the strides that NumPy leaves on a side of one pixel.
            with self._lock:
                boxes, scores, _ = self._network.run(picture.copy(), self.upsample, self.min_score)
            found.append(
                [(_box(box), score, None) for box, score in zip(boxes, scores, strict=True)]
            )
        return found


class DlibCnnDetector(_DlibDetector):
    """Max-margin convolutional network, weights CC0; see `fer_data.faces.detector`."""

    name = "dlib_cnn"

    # The side of the faces that it was trained on; on much smaller pictures dlib raises an error.
    least_side = 80

    def __init__(
        self, weights: str | os.PathLike[str] | None = None, *, upsample: int = 0, **options: Any
    ) -> None:
        super().__init__(upsample=upsample, **options)
        # dlib drops what lies beyond the boundary, and has no option for it.
        check_number("min_score", self.min_score, 0)
        dlib = _dlib()
        path = _bundled_weights() if weights is None else Path(weights)
        if not path.is_file():
            raise FileNotFoundError(
                "`weights` must be the path of mmod_human_face_detector.dat. There is no file at "
                f"{str(path)!r}."
            )
        try:
            self._network = dlib.cnn_face_detection_model_v1(str(path))
        except RuntimeError as error:
            raise ValueError(
                "`weights` must be the path of mmod_human_face_detector.dat; dlib cannot read "
                f"{str(path)!r}: {error}"
            ) from error

    def _find(self, pictures):
        found = []
        for picture in pictures:
            short = [(0, max(0, self.least_side - side)) for side in picture.shape[:2]]
            padded = np.pad(picture, [*short, (0, 0)])
            with self._lock:
                rows = self._network(padded, self.upsample)
            found.append([(_box(row.rect), row.confidence, None) for row in rows])
        return found


def _dlib():
    try:
        import dlib
    except ImportError as error:
        raise ImportError(
            f"dlib cannot be imported ({error}). {how_to_install('faces')}"
        ) from error
    return dlib


def _bundled_weights():
    # To find the package, not to import it: its import fails without setuptools' pkg_resources.
    package = importlib.util.find_spec("face_recognition_models")
    if package is None:
        raise ImportError(
            "The weights of dlib_cnn are in the package face_recognition_models, which is not "
            f"installed. {how_to_install('faces')}, or give the path of "
            "mmod_human_face_detector.dat: `weights=PATH`."
        )
    return Path(package.submodule_search_locations[0]) / "models" / "mmod_human_face_detector.dat"


def _box(rectangle):
    return rectangle.left(), rectangle.top(), rectangle.width(), rectangle.height()
