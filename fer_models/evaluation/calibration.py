"""How far a model's confidence is from its accuracy."""

import numpy as np


def calibration_error(labels, probabilities, bins=15):
    """Return the expected calibration error of the predicted class.

    Examples are put into bins of equal width by the probability of their predicted class; the
    error is the mean of |accuracy - mean confidence| over the bins, weighted by their examples.

    Args:
        labels: Integer array `(examples,)`.
        probabilities: Array `(examples, classes)`, rows summing to one.
        bins: Number of bins, 1 or more.

    Returns:
        A float from 0 (calibrated) to 1.

    Raises:
        ValueError: If `bins` is below 1.

    Example:

    >>> calibration_error([0, 1], [[0.9, 0.1], [0.9, 0.1]])
    0.4

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise ValueError(f"`bins` must be an integer of 1 or more. Received: bins={bins!r}")
    probabilities = np.asarray(probabilities, dtype="float64")
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == np.asarray(labels)
    # A confidence of exactly 1 belongs to the last bin.
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(index, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))
