"""How good a model is, and what it costs."""

from fer_models.evaluation.calibration import ConfidenceBins, calibration_error, confidence_bins
from fer_models.evaluation.class_scores import ClassScores
from fer_models.evaluation.classification import Report, classification_report, evaluate
from fer_models.evaluation.complexity import Complexity, LayerComplexity, complexity
from fer_models.evaluation.latency import Latency, latency
from fer_models.evaluation.pictures import plot_confusion, plot_curves
from fer_models.evaluation.pooled import PooledScores, pooled_scores
from fer_models.evaluation.reliability import plot_reliability
from fer_models.evaluation.split_scores import SplitScores, score_split
from fer_models.evaluation.temperature import fit_temperature

__all__ = [
    "ClassScores",
    "Complexity",
    "ConfidenceBins",
    "Latency",
    "LayerComplexity",
    "PooledScores",
    "Report",
    "SplitScores",
    "calibration_error",
    "classification_report",
    "complexity",
    "confidence_bins",
    "evaluate",
    "fit_temperature",
    "latency",
    "plot_confusion",
    "plot_curves",
    "plot_reliability",
    "pooled_scores",
    "score_split",
]
