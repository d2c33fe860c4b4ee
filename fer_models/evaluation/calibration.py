"""Calibration: the distance of a model's confidence from its accuracy."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import check_integer, checked_labels
from fer_models.evaluation.probability_checks import checked_probabilities


@dataclasses.dataclass(frozen=True)
class ConfidenceBins:
    """Examples by the probability of their predicted class, in bins of equal width.

    Attributes:
        counts: Examples in each bin, integers `(bins,)`.
        accuracy: Share of right predictions in each bin; nan in an empty one.
        confidence: Mean probability of the predicted class in each bin; nan in an empty one.
    """

    counts: np.ndarray
    accuracy: np.ndarray
    confidence: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the mean of |accuracy - confidence|, by examples."""
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float(gaps @ self.counts / self.counts.sum())


@arguments.checked(
    labels=arguments.array((None,), kinds="ui"),
    probabilities=arguments.array(ranks=(2,)),
    bins=arguments.integer(1),
)
def confidence_bins(labels: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> ConfidenceBins:
    """Put examples into bins by the probability of their predicted class.

    Args:
        labels: Class numbers `(examples,)`.
        probabilities: Array `(examples, classes)` from 0 to 1, rows summing to one.
        bins: Number of bins of equal width from 0 to 1, 1 or more.

    Returns:
        `ConfidenceBins`.

    Raises:
        ValueError: If there are no examples, a row of `probabilities` does not sum to one, a label
            is outside the classes, the lengths differ, or `bins` is below 1.

    Example:

    >>> confidence_bins([0, 1], [[0.9, 0.1], [0.9, 0.1]], bins=2).accuracy
    array([nan, 0.5])
    """
    check_integer("bins", bins, 1)
    probabilities = checked_probabilities(probabilities)
    labels = checked_labels(labels, *probabilities.shape)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    # A confidence of exactly 1 belongs to the last bin.
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        accuracy = np.bincount(index, weights=correct, minlength=bins) / counts
        confidence = np.bincount(index, weights=confidence, minlength=bins) / counts
    return ConfidenceBins(counts, accuracy, confidence)


def calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> float:
    """Return the expected calibration error of the predicted class.

    Examples are put into bins of equal width by the probability of their predicted class; the
    error is the mean of |accuracy - mean confidence| over the bins, weighted by their examples.

    Args:
        labels: Class numbers `(examples,)`.
        probabilities: Array `(examples, classes)` from 0 to 1, rows summing to one.
        bins: Number of bins, 1 or more.

    Returns:
        A float from 0 (calibrated) to 1.

    Raises:
        ValueError: As `confidence_bins`.

    Example:

    >>> calibration_error([0, 1], [[0.9, 0.1], [0.9, 0.1]])
    0.4

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
    """
    return confidence_bins(labels, probabilities, bins).error
