"""Checks of what scores are made of: probabilities, and the labels they are compared with."""

import numpy as np
from numpy.typing import ArrayLike

from fer_data.checks import as_array, as_numbers

# Rows of a half-precision softmax sum to one only to about two digits.
_SUM_TOLERANCE = 1e-2


def checked_probabilities(probabilities: ArrayLike) -> np.ndarray:
    """Return probabilities as float64 `(examples, classes)`, or raise `ValueError`."""
    probabilities = as_numbers("probabilities", probabilities)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise ValueError(
            "`probabilities` must be of shape (examples, classes) with 2 classes or more. "
            f"Received: shape={probabilities.shape}"
        )
    if not len(probabilities):
        raise ValueError("`probabilities` must hold at least one example. Received: none")
    if not np.isfinite(probabilities).all():
        bad = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
        raise ValueError(
            f"`probabilities` must be finite. Received: {len(bad)} rows that are not, the first "
            f"{bad[0]}"
        )
    wrong = (probabilities < 0).any(axis=1)
    wrong |= np.abs(probabilities.sum(axis=1) - 1) > _SUM_TOLERANCE
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            "`probabilities` must be from 0 to 1 and sum to one in every row (logits go through a "
            f"softmax first). Received: {int(wrong.sum())} rows that do not, the first {first}: "
            f"{probabilities[first].tolist()}"
        )
    return probabilities


def checked_labels_or_distributions(
    labels: ArrayLike, count: int, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the class numbers and the distributions that `labels` mean, or raise `ValueError`."""
    labels = as_array("labels", labels)
    if labels.dtype.kind not in "buif":
        raise ValueError(f"`labels` must be integers. Received: dtype={labels.dtype}")
    if labels.ndim == 1:
        if len(labels) != count:
            raise ValueError(
                f"`labels` must have one entry an example, {count}. Received: {len(labels)}"
            )
        if not np.issubdtype(labels.dtype, np.integer) and (labels != labels.round()).any():
            raise ValueError(f"`labels` must be integers. Received: dtype={labels.dtype}")
        outside = (labels < 0) | (labels >= classes)
        if outside.any():
            raise ValueError(
                f"`labels` must be from 0 to {classes - 1}. Received: {int(outside.sum())} that "
                f"are not, such as {labels[outside][0]}"
            )
        labels = labels.astype(int)
        return labels, np.eye(classes)[labels]
    if labels.shape != (count, classes):
        raise ValueError(
            f"`labels` must be of shape ({count},) or ({count}, {classes}). "
            f"Received: shape={labels.shape}"
        )
    labels = labels.astype("float64")
    if not (labels >= 0).all() or not (np.abs(labels.sum(axis=1) - 1) <= _SUM_TOLERANCE).all():
        raise ValueError(
            "`labels` of one row an example must be from 0 to 1 and sum to one in every row. "
            f"Received: sums from {labels.sum(axis=1).min()} to {labels.sum(axis=1).max()}"
        )
    return labels.argmax(axis=1), labels
