"""Faces: detectors, the cut that networks see, 68 landmarks, tracking, alignment, regions."""

import importlib
from typing import TYPE_CHECKING, Any

from fer_data.whole import needs_whole

__all__ = [
    "DETECTORS",
    "FRAMINGS",
    "BoxTracker",
    "Detector",
    "Face",
    "FolderCut",
    "Framing",
    "LandmarkPredictor",
    "Miss",
    "TrackedBox",
    "TrackedFace",
    "align_clip",
    "align_face",
    "alignment",
    "as_rgb",
    "cut_face",
    "cut_folder",
    "cut_points",
    "detector",
    "draw_face",
    "landmarks",
    "read_image",
    "region_sheet",
    "region_windows",
    "split_regions",
    "track",
    "transform_points",
]

if TYPE_CHECKING:
    from fer_data.faces.base import Detector
    from fer_data.faces.box_tracking import BoxTracker, TrackedBox
    from fer_data.faces.cut import FRAMINGS, cut_face, cut_points
    from fer_data.faces.detectors import DETECTORS, detector
    from fer_data.faces.drawing import draw_face, region_sheet
    from fer_data.faces.face import Face, Framing
    from fer_data.faces.folder import FolderCut, Miss, cut_folder
    from fer_data.faces.geometry import align_clip, align_face
    from fer_data.faces.image import as_rgb, read_image
    from fer_data.faces.landmark_predictor import LandmarkPredictor, landmarks
    from fer_data.faces.regions import region_windows, split_regions
    from fer_data.faces.similarity import alignment, transform_points
    from fer_data.faces.tracking import TrackedFace, track

# The module of each name, imported at the name's first use: the geometry needs TensorFlow, which
# recognition must not load.
_NAMES = {
    "DETECTORS": "detectors",
    "FRAMINGS": "cut",
    "BoxTracker": "box_tracking",
    "Detector": "base",
    "Face": "face",
    "FolderCut": "folder",
    "Framing": "face",
    "LandmarkPredictor": "landmark_predictor",
    "Miss": "folder",
    "TrackedBox": "box_tracking",
    "TrackedFace": "tracking",
    "align_clip": "geometry",
    "align_face": "geometry",
    "alignment": "similarity",
    "as_rgb": "image",
    "cut_face": "cut",
    "cut_folder": "folder",
    "cut_points": "cut",
    "detector": "detectors",
    "draw_face": "drawing",
    "landmarks": "landmark_predictor",
    "read_image": "image",
    "region_sheet": "drawing",
    "region_windows": "regions",
    "split_regions": "regions",
    "track": "tracking",
    "transform_points": "similarity",
}


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs_whole(f"fer_data.faces.{name}"):
        found = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
