"""The face of a clip's first frame: detector and landmark predictor as one thing that pickles."""

from typing import Any

import numpy as np

from fer_data.picture import UnreadableError

# Around a face that the owners cropped tightly: detectors look for the whole head.
BORDER = 0.25


class FaceFinder:
    """Finds the 68 landmarks of the most certain face in a picture.

    The networks are made when they are first needed and are not pickled, so that each process of
    a cluster makes its own.

    Args:
        detector: Name for `fer_data.faces.detector`, or an object with `detect(image)` that
            returns a list of `Face`, the most certain first.
        predictor: `None` for dlib's predictor, the path of its file, or a function of picture and
            `Face` that returns the `(68, 2)` landmarks, in pixels of the picture. A path counts as
            part of the data set's options by its text; an object by its class and its plain
            attributes.

    Raises:
        ValueError: If the detector's name is unknown or it has no method `detect`.
    """

    def __init__(self, detector: Any = "mtcnn", predictor: Any = None) -> None:
        if isinstance(detector, str):
            from fer_data.checks import check_choice
            from fer_data.faces.detectors import DETECTORS

            check_choice("detector", detector, DETECTORS)
        elif not callable(getattr(detector, "detect", None)):
            raise ValueError(
                "`detector` must be a name or an object with the method `detect`. "
                f"Received: detector={detector!r}"
            )
        self.detector, self.predictor = detector, predictor
        self._tools = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tools": None}

    def description(self) -> dict[str, Any]:
        """Return what names the detector and the predictor in a data set's options."""
        return {"detector": _described(self.detector), "predictor": _described(self.predictor)}

    def __call__(self, image: np.ndarray, cropped: bool = False) -> Any:
        """Return `(landmarks, note)` of a picture's face.

        Args:
            image: uint8 RGB `(height, width, 3)`.
            cropped: Whether the picture is a face already. Then it is searched with a border
                around it, and if the detector finds nothing all the same, the whole picture is
                the face's box, and `note` says so.

        Returns:
            float32 `(68, 2)`, in pixels of the picture, and `None` or `(reason, detail)`.

        Raises:
            UnreadableError: If no face is found.
        """
        detect, predict = self._made()
        border = round(BORDER * max(image.shape[:2])) if cropped else 0
        padded = np.pad(image, ((border, border), (border, border), (0, 0)), mode="edge")
        faces, note = detect(padded), None
        if faces:
            face = faces[0]
        elif cropped:
            from fer_data.faces.face import Face

            height, width = image.shape[:2]
            face = Face(np.asarray((border, border, width, height)), 0.0)
            note = ("no_detection", "nothing detected; the whole cropped picture is the face")
        else:
            raise UnreadableError("no_face", "no face was found in the first frame")
        points = np.asarray(predict(padded, face), dtype=np.float32)
        if points.shape != (68, 2):
            raise ValueError(
                "`predictor` must return landmarks of the shape (68, 2). "
                f"Received: shape={points.shape}"
            )
        return points - np.float32(border), note

    def _made(self):
        if self._tools is None:
            from fer_data import faces

            detector, predictor = self.detector, self.predictor
            if isinstance(detector, str):
                detector = faces.detector(detector)
            if not callable(predictor):
                predictor = faces.LandmarkPredictor(predictor)
            self._tools = detector.detect, predictor
        return self._tools


def _described(tool):
    if tool is None or isinstance(tool, str):
        return tool
    if hasattr(tool, "__fspath__"):
        return str(tool)
    name = getattr(tool, "__qualname__", type(tool).__qualname__)
    plain = {
        key: value
        for key, value in sorted(getattr(tool, "__dict__", {}).items())
        if isinstance(value, (str, int, float, bool, tuple, type(None)))
    }
    return f"{name}{plain or ''}"
