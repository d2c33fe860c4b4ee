"""Models made faster, and written for other programs: LiteRT, ONNX, SavedModel."""

from fer_models.export.export_report import Comparison, ExportReport, compare
from fer_models.export.exporting import SUFFIXES, export
from fer_models.export.folding import batch_norms, fold_batch_norm
from fer_models.export.running import load

FORMATS = tuple(SUFFIXES)

__all__ = [
    "FORMATS",
    "Comparison",
    "ExportReport",
    "batch_norms",
    "compare",
    "export",
    "fold_batch_norm",
    "load",
]
