"""YuNet, through OpenCV."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.checks import check_number
from fer_data.faces.base import Detector

# In the package as it was published; its licence lies beside it.
FILE = Path(__file__).parent / "networks" / "face_detection_yunet_2023mar.onnx"
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
# A file of one commit never changes; the address resolves the repository's Git LFS pointer.
SOURCE = (
    "https://media.githubusercontent.com/media/opencv/opencv_zoo/"
    "f12e12798e8314f7c074a6656816c048dcc95b7a/models/face_detection_yunet/"
    "face_detection_yunet_2023mar.onnx"
)


class YuNetDetector(Detector):
    """YuNet (2023mar), MIT licence; see `fer_data.faces.detector`."""

    name = "yunet"

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        *,
        min_score: float = 0.7,
        working_size: int | None = 640,
        **options: Any,
    ) -> None:
        super().__init__(min_score=min_score, working_size=working_size, **options)
        check_number("min_score", min_score, 0, 1)
        import cv2

        path = FILE if weights is None else Path(weights)
        if not path.is_file():
            raise FileNotFoundError(
                f"`weights` must be the path of YuNet's ONNX file. There is none at {str(path)!r}."
            )
        # Its bytes: on Windows OpenCV opens no file of a name beyond the system's code page.
        content, nothing = np.frombuffer(path.read_bytes(), np.uint8), np.empty(0, np.uint8)
        try:
            self._network = cv2.FaceDetectorYN.create(
                "onnx", content, nothing, (320, 320), min_score
            )
        except cv2.error as error:
            raise ValueError(
                f"`weights` must be YuNet's ONNX file; OpenCV cannot read {str(path)!r}: {error}"
            ) from error
        # The network keeps the size of its input between two calls, which threads must not mix.
        self._lock = threading.Lock()

    def _find(self, pictures):
        import cv2

        found = []
        for picture in pictures:
            bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            with self._lock:
                self._network.setInputSize(bgr.shape[1::-1])
                rows = self._network.detect(bgr)[1]
            rows = [] if rows is None else rows
            found.append([(row[:4], row[14], row[4:14].reshape(5, 2)) for row in rows])
        return found
