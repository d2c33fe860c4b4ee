"""Class weights for data sets whose classes are not equally frequent."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import as_array


@arguments.checked(
    classes=arguments.either(
        arguments.integer(-(2**63)),
        arguments.sequence(arguments.text),
        rule="an integer of 1 or more, or a list of names",
    ),
    power=arguments.number(),
    largest=arguments.number(),
    effective_beta=arguments.number(),
)
def class_weights(
    labels: ArrayLike,
    classes: int | Sequence[str],
    power: float = 1.0,
    largest: float | None = None,
    effective_beta: float | None = None,
) -> dict[int, float]:
    """Return the weight of every class for `fit(class_weight=...)`.

    The weights are scikit-learn's "balanced" ones, `n / (classes * count)`, raised to `power`, or
    those of the effective number of examples, `(1 - beta) / (1 - beta ** count)`. They are scaled
    so that the mean weight of an example is one and the loss keeps its size; `largest` is applied
    after that.

    Args:
        labels: Integer class of every example, `(n,)`.
        classes: Number of classes, or a sequence of their names (only its length counts).
        power: Exponent in `[0, 1]`: 1 balances fully, 0.5 half way, 0 not at all.
        largest: No weight is larger than this; a positive number or `None`.
        effective_beta: Beta in `[0, 1)` of the effective number; instead of `power`.

    Returns:
        Dictionary from class number to weight.

    Raises:
        ValueError: For a class without examples, labels outside the classes, or an argument out
            of range.

    Example:

    >>> class_weights([0, 0, 0, 1], 2)
    {0: 0.6666666666666666, 1: 2.0}

    Reference:
        [Cui et al., 2019](https://arxiv.org/abs/1901.05555) for the effective number.
    """
    from sklearn.utils.class_weight import compute_class_weight

    labels = as_array("labels", labels)
    if labels.ndim != 1 or not labels.size or labels.dtype.kind not in "iu":
        raise ValueError(
            "`labels` must be a non-empty vector of integers. "
            f"Received: dtype={labels.dtype}, shape={labels.shape}"
        )
    classes = classes if isinstance(classes, (int, np.integer)) else len(classes)
    if classes < 1:
        raise ValueError(f"`classes` must be at least 1. Received: classes={classes}")
    if not 0 <= power <= 1:
        raise ValueError(f"`power` must be in [0, 1]. Received: power={power}")
    if largest is not None and not 0 < largest < math.inf:
        raise ValueError(f"`largest` must be a positive number. Received: largest={largest}")
    if effective_beta is not None and not 0 <= effective_beta < 1:
        raise ValueError(
            f"`effective_beta` must be in [0, 1). Received: effective_beta={effective_beta}"
        )
    if effective_beta is not None and power != 1.0:
        raise ValueError(
            "`power` and `effective_beta` exclude each other. "
            f"Received: power={power}, effective_beta={effective_beta}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"`labels` must be in [0, {classes}). "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        raise ValueError(
            "Every class needs an example to have a weight. "
            f"Received: none of class {np.flatnonzero(counts == 0).tolist()}"
        )
    if effective_beta is None:
        weights = compute_class_weight("balanced", classes=np.arange(classes), y=labels) ** power
    else:
        weights = (1 - effective_beta) / (1 - effective_beta ** counts.astype(float))
    weights = weights * (len(labels) / (weights * counts).sum())
    if largest is not None:
        weights = np.minimum(weights, largest)
    return {number: float(weight) for number, weight in enumerate(weights)}
