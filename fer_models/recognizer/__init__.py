"""Faces and their expressions in photos, videos and live pictures."""

from fer_models.recognizer.annotation import draw
from fer_models.recognizer.recognizer import Recognizer
from fer_models.recognizer.results import Expression, FrameResult
from fer_models.recognizer.session import Session
from fer_models.recognizer.table import table

__all__ = ["Expression", "FrameResult", "Recognizer", "Session", "draw", "table"]
