"""Faces: detectors, 68 landmarks, tracking, and alignment and regions as TensorFlow operations."""

from fer_data.faces.base import Detector
from fer_data.faces.box_tracking import BoxTracker, TrackedBox
from fer_data.faces.detectors import DETECTORS, detector
from fer_data.faces.drawing import draw_face, region_sheet
from fer_data.faces.face import Face
from fer_data.faces.geometry import align_clip, align_face, crop_face, split_regions
from fer_data.faces.image import as_rgb, read_image
from fer_data.faces.landmark_predictor import LandmarkPredictor, landmarks
from fer_data.faces.similarity import alignment, cropping, transform_points
from fer_data.faces.tracking import TrackedFace, track

__all__ = [
    "DETECTORS",
    "BoxTracker",
    "Detector",
    "Face",
    "LandmarkPredictor",
    "TrackedBox",
    "TrackedFace",
    "align_clip",
    "align_face",
    "alignment",
    "as_rgb",
    "crop_face",
    "cropping",
    "detector",
    "draw_face",
    "landmarks",
    "read_image",
    "region_sheet",
    "split_regions",
    "track",
    "transform_points",
]
