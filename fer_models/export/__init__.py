"""Models made faster, and written for other programs: LiteRT, ONNX, SavedModel."""

from fer_models.export.accuracy_lost import AccuracyLost, accuracy_lost
from fer_models.export.export_report import Comparison, ExportReport, compare
from fer_models.export.exported import load
from fer_models.export.exporting import SUFFIXES, export
from fer_models.export.folding import batch_norms, fold_batch_norm

FORMATS = tuple(SUFFIXES)

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "AccuracyLost",
    "Comparison",
    "ExportReport",
    "accuracy_lost",
    "batch_norms",
    "compare",
    "export",
    "fold_batch_norm",
    "load",
]
