"""Measures of how good a model is and what it costs."""

from fer_models.evaluation.calibration import ConfidenceBins, calibration_error, confidence_bins
from fer_models.evaluation.class_scores import ClassScores
from fer_models.evaluation.classification import Report, classification_report, evaluate
from fer_models.evaluation.complexity import Complexity, LayerComplexity, complexity
from fer_models.evaluation.cross_data import CrossData, cross_data
from fer_models.evaluation.cross_data_picture import plot_cross_data
from fer_models.evaluation.group_scores import Gap, GroupReport, GroupScores, score_groups
from fer_models.evaluation.latency import Latency, latency
from fer_models.evaluation.pictures import plot_confusion, plot_curves
from fer_models.evaluation.pooled import PooledScores, pooled_scores
from fer_models.evaluation.prediction_sets import (
    SetScores,
    cross_fitted_sets,
    fit_sets,
    score_sets,
)
from fer_models.evaluation.reliability import plot_reliability
from fer_models.evaluation.score_intervals import score_intervals
from fer_models.evaluation.shared_classes import SharedScores, shared_scores
from fer_models.evaluation.split_scores import SplitScores, score_split
from fer_models.evaluation.temperature import fit_temperature
from fer_models.evaluation.valence_arousal import (
    DimensionScores,
    ValenceArousalReport,
    evaluate_valence_arousal,
    valence_arousal_report,
)
from fer_models.zoo.class_shares import estimate_class_shares, shift_class_shares
from fer_models.zoo.set_rule import SetRule

__all__ = [
    "ClassScores",
    "Complexity",
    "ConfidenceBins",
    "CrossData",
    "DimensionScores",
    "Gap",
    "GroupReport",
    "GroupScores",
    "Latency",
    "LayerComplexity",
    "PooledScores",
    "Report",
    "SetRule",
    "SetScores",
    "SharedScores",
    "SplitScores",
    "ValenceArousalReport",
    "calibration_error",
    "classification_report",
    "complexity",
    "confidence_bins",
    "cross_data",
    "cross_fitted_sets",
    "estimate_class_shares",
    "evaluate",
    "evaluate_valence_arousal",
    "fit_sets",
    "fit_temperature",
    "latency",
    "plot_confusion",
    "plot_cross_data",
    "plot_curves",
    "plot_reliability",
    "pooled_scores",
    "score_groups",
    "score_intervals",
    "score_sets",
    "score_split",
    "shared_scores",
    "shift_class_shares",
    "valence_arousal_report",
]
