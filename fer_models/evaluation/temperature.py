"""Calibration after training: one number that divides the logits."""

import numpy as np
from numpy.typing import ArrayLike

from fer_data.checks import as_array, as_numbers


def fit_temperature(labels: ArrayLike, logits: ArrayLike) -> float:
    """Return the temperature with which a classifier's probabilities fit the labels best.

    Dividing the logits by it changes no prediction, only how certain each is. Fit it on faces that
    the model was not trained on.

    Args:
        labels: Integer array `(examples,)`.
        logits: Array `(examples, classes)`: the output before the softmax, or the logarithm of
            the probabilities.

    Returns:
        A float from 0.05 to 20: above 1 where the model is too certain.

    Raises:
        ValueError: If the arrays do not fit each other or are not finite.

    Example:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 3, 2000)
    >>> said = np.where(rng.uniform(size=2000) < 0.8, labels, (labels + 1) % 3)
    >>> bool(fit_temperature(labels, 10.0 * np.eye(3)[said]) > 3)
    True

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.
    """
    from scipy.optimize import minimize_scalar

    labels = as_array("labels", labels)
    logits = as_numbers("logits", logits)
    whole = np.issubdtype(labels.dtype, np.integer)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels) or not whole:
        raise ValueError(
            "`labels` must be integers (examples,) and `logits` numbers (examples, classes). "
            f"Received: labels of shape {labels.shape} and type {labels.dtype}, logits of shape "
            f"{logits.shape}"
        )
    if labels.min() < 0 or labels.max() >= logits.shape[1] or not np.isfinite(logits).all():
        raise ValueError(
            f"`labels` must be in [0, {logits.shape[1]}) and `logits` finite. Received: labels "
            f"from {labels.min()} to {labels.max()}"
        )
    rows = np.arange(len(labels))
    logits = logits - logits.max(axis=1, keepdims=True)

    def loss(exponent):
        scaled = logits / np.exp(exponent)
        return np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[rows, labels])

    bounds = np.log([0.05, 20.0])
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
