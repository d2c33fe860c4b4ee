"""Checks that a face is sharp, large and frontal enough for a prediction."""

import dataclasses
from typing import Any

import numpy as np

from fer_data.checks import check_number
from fer_data.faces.cut import as_channels, framing_of, resized, square
from fer_data.faces.face import Face
from fer_models.recognizer.head_pose import head_pose

# Side at which sharpness is measured: that of GhostFace's faces, whatever the network.
SIDE = 48


@dataclasses.dataclass(frozen=True)
class FaceQuality:
    """How well a face is shown.

    Attributes:
        sharpness: Variance of the Laplacian of the face as the network sees it, in grey levels
            squared at 48x48 pixels; low where it is blurred, or enlarged from few pixels, or pale.
        size: Side in pixels of the square that was cut out of the picture.
        yaw: Degrees by which the head is turned to the right of the picture; None where the
            detector gives no points.
        verdict: `"good"`, or what is wrong: `"blurred"`, `"small"`, `"turned"`, or several of them
            with commas between.
    """

    sharpness: float
    size: int
    yaw: float | None
    verdict: str

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdict == "good"

    def to_dict(self) -> dict[str, Any]:
        """Return the same as a dictionary that `json` can write."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class QualityGate:
    """Judges faces by three limits.

    The default limits are our choice: at each of them the accuracy on FER2013's validation faces,
    which were blurred or shrunk on purpose, or are turned in the photo, has fallen by about five
    points (`python benchmarks/face_quality.py --path FER2013`).

    Args:
        least_sharpness: A face of a lower `FaceQuality.sharpness` is `"blurred"`.
        least_size: A face of fewer pixels a side is `"small"`.
        most_yaw: A face turned by more degrees, either way, is `"turned"`. A face without points
            passes.

    Raises:
        ValueError: If a limit is no number of 0 or more.

    Example:

    >>> gate = QualityGate(least_size=40)
    >>> gate(np.zeros((48, 48, 1)), Face((0, 0, 30, 30), 0.9, detector="mtcnn")).verdict
    'blurred, small'

    Reference:
        Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative study",
        ICPR 2000: the variance of the Laplacian.
    """

    least_sharpness: float = 150.0
    least_size: float = 28.0
    most_yaw: float = 30.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_number(field.name, getattr(self, field.name), 0)

    def __call__(self, cut: np.ndarray, face: Face) -> FaceQuality:
        """Return the quality of a face.

        Args:
            cut: What `fer_data.faces.cut_face` cut out for the network, `(side, side, 1 or 3)` in
                [0, 255].
            face: The face as it was found.
        """
        sharp = sharpness(cut)
        _, _, size = square(face.box, framing_of(face))  # type: ignore[arg-type]
        pose = None if face.points is None else head_pose(face.points)
        yaw = None if pose is None else float(pose.yaw)
        wrong = [
            name
            for name, fails in (
                ("blurred", sharp < self.least_sharpness),
                ("small", size < self.least_size),
                ("turned", yaw is not None and abs(yaw) > self.most_yaw),
            )
            if fails
        ]
        return FaceQuality(sharp, size, yaw, ", ".join(wrong) or "good")


def sharpness(cut: np.ndarray) -> float:
    """Return the variance of the Laplacian of a face at 48x48 pixels, in grey levels squared.

    Args:
        cut: A face `(side, side, 1 or 3)` in [0, 255].

    Example:

    >>> sharpness(np.full((48, 48, 1), 128))
    0.0
    """
    import cv2

    grey = resized(as_channels(cut, 1), SIDE)
    return float(cv2.Laplacian(grey[..., 0], cv2.CV_32F).var())
