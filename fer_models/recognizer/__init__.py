"""Faces and their expressions in photos, videos and live pictures."""

from fer_models.recognizer.annotation import draw
from fer_models.recognizer.detections import to_supervision
from fer_models.recognizer.head_pose import HeadPose, head_pose
from fer_models.recognizer.quality import FaceQuality, QualityGate
from fer_models.recognizer.recognizer import Recognizer
from fer_models.recognizer.results import Expression, FrameResult
from fer_models.recognizer.session import Session
from fer_models.recognizer.table import table

__all__ = [
    "Expression",
    "FaceQuality",
    "FrameResult",
    "HeadPose",
    "QualityGate",
    "Recognizer",
    "Session",
    "draw",
    "head_pose",
    "table",
    "to_supervision",
]
