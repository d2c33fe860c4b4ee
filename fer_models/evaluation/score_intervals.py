"""Bootstrap intervals of macro F1 and of the calibration error."""

import numpy as np

from fer_data import arguments
from fer_data.checks import checked_labels, checked_rate
from fer_models.evaluation.calibration import calibration_error
from fer_models.evaluation.class_scores import mean_of, scored
from fer_models.evaluation.intervals import Interval
from fer_models.evaluation.probability_checks import checked_probabilities

BINS = 15


@arguments.checked(
    labels=arguments.labels,
    probabilities=arguments.array((None, None), low=0, high=1),
    resamples=arguments.integer(2, 2**20),
    seed=arguments.seed,
)
def score_intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Interval, Interval]:
    """Return macro F1 and the expected calibration error with their bootstrap intervals.

    Macro F1 gets the percentile interval, the calibration error the basic bootstrap interval. Few
    examples make the calibration error look larger than it is, and resampling adds the same bias
    again. The basic interval subtracts that bias, so the figure may lie above its own interval. If
    the true error is near 0, the interval covers it less often than `confidence`: with an error of
    0 about 60 times in 100, and with an error of 0.02 and 500 examples 85 times in 100.

    Args:
        labels: Class numbers `(examples,)`.
        probabilities: `(examples, classes)`, rows summing to one.
        confidence: Confidence of the intervals, between 0 and 1.
        resamples: Number of bootstrap samples, 2 or more.
        seed: Seed of the draws.

    Returns:
        `(macro F1, calibration error)`, each an `Interval`.

    Raises:
        ValueError: If an argument breaks its rule, or a row of `probabilities` does not sum to one.

    Example:

    >>> said = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])
    >>> f1, error = score_intervals(np.array([0, 1, 0, 1]), said)
    >>> round(f1.value, 3), round(error.value, 3)
    (0.733, 0.3)

    Reference:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    confidence = checked_rate("confidence", confidence)
    probabilities = checked_probabilities(probabilities)
    count, classes = probabilities.shape
    labels = checked_labels(labels, count, classes)
    predictions, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    # For each example: its cell of the confusion matrix, and its part of the gap of its bin.
    cells = np.eye(classes**2)[labels * classes + predictions]
    gaps = np.eye(BINS)[np.minimum((sure * BINS).astype(int), BINS - 1)]
    gaps *= ((labels == predictions) - sure)[:, None]
    drawn = np.random.default_rng(seed)
    f1s, errors = [], []
    for _ in range(resamples):
        times = np.bincount(drawn.integers(count, size=count), minlength=count)
        f1s.append(_macro_f1((times @ cells).reshape(classes, classes)))
        errors.append(np.abs(times @ gaps).sum() / count)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(f1s, tails)
    names = [str(number) for number in range(classes)]
    f1 = mean_of(scored(labels, predictions, names)["classes"], "f1")
    error = calibration_error(labels, probabilities, BINS)
    # The error lies between 0 and 1.
    ends = np.clip(2 * error - np.quantile(errors, tails), 0, 1)
    return (
        Interval(f1, float(low), float(high)),
        Interval(error, float(ends[1]), float(ends[0])),
    )


def _macro_f1(confusion):
    examples, said = confusion.sum(axis=1), confusion.sum(axis=0)
    there = examples > 0
    return float(np.mean(2 * np.diag(confusion)[there] / (examples + said)[there]))
