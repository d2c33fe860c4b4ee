"""Attacks by one number per example: members have lower loss and more certain predictions."""

import numpy as np
from numpy.typing import ArrayLike

from fer_data.checks import as_array, as_numbers, checked_values


def loss_threshold(losses: ArrayLike) -> np.ndarray:
    """Score examples by their loss alone: the lower, the more like a member.

    Args:
        losses: `(examples,)` or `(examples, queries)`, of which the mean counts.

    Returns:
        Scores `(examples,)`: minus the loss.

    Raises:
        ValueError: If the shape is wrong or a loss is not finite.

    Example:

    >>> loss_threshold([0.5, 2.0]).tolist()
    [-0.5, -2.0]

    Reference:
        Yeom et al., "Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting",
        CSF 2018.
    """
    return -checked_values("losses", losses).mean(axis=1)


def entropy_threshold(entropies: ArrayLike) -> np.ndarray:
    """Score examples by the entropy of their prediction: the lower, the more like a member.

    It needs no label, and cannot tell a sure right prediction from a sure wrong one;
    `modified_entropy` can.

    Args:
        entropies: `(examples,)` or `(examples, queries)`, of which the mean counts.

    Returns:
        Scores `(examples,)`: minus the entropy.

    Raises:
        ValueError: If the shape is wrong or a value is not finite.

    Example:

    >>> entropy_threshold([0.25, 0.5]).tolist()
    [-0.25, -0.5]

    Reference:
        Salem et al., "ML-Leaks", NDSS 2019.
    """
    return -checked_values("entropies", entropies).mean(axis=1)


def modified_entropy(probabilities: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """Return Song and Mittal's modified entropy, which takes the true label into account.

    -(1 - p) log(p) of the true class, and -q log(1 - q) of each other class, in nats: low for a
    sure right prediction, high for a sure wrong one. Give it to `entropy_threshold`.

    Args:
        probabilities: `(examples, classes)` or `(examples, queries, classes)`.
        labels: True classes, integers `(examples,)`.

    Returns:
        `(examples,)` or `(examples, queries)`.

    Raises:
        ValueError: If shapes do not fit, probabilities are outside of [0, 1], or a label is
            outside of the classes.

    Example:

    >>> values = modified_entropy([[0.9, 0.1], [0.1, 0.9]], [0, 0])
    >>> bool(values[0] < 0.1 < 4 < values[1])
    True

    Reference:
        Song and Mittal, "Systematic Evaluation of Privacy Risks of Machine Learning Models",
        USENIX Security 2021.
    """
    probabilities = as_numbers("probabilities", probabilities)
    if probabilities.ndim not in (2, 3) or probabilities.shape[-1] < 2:
        raise ValueError(
            "`probabilities` must be of shape (examples, classes) or (examples, queries, classes) "
            f"with 2 classes or more. Received: shape={probabilities.shape}"
        )
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("`probabilities` must be from 0 to 1. Received: others")
    labels = as_array("labels", labels)
    classes = probabilities.shape[-1]
    if (
        labels.shape != probabilities.shape[:1]
        or labels.dtype.kind not in "iu"
        or ((labels < 0) | (labels >= classes)).any()
    ):
        raise ValueError(
            f"`labels` must be {len(probabilities)} integers from 0 to {classes - 1}. "
            f"Received: dtype={labels.dtype}, shape={labels.shape}"
        )
    hot = np.eye(classes, dtype=bool)[labels]
    if probabilities.ndim == 3:
        hot = hot[:, None]
    # The miss is 1 - p for the true class, and the probability for each other class.
    miss = np.where(hot, 1 - probabilities, probabilities)
    rest = np.where(hot, probabilities, 1 - probabilities)
    return -(miss * np.log(np.maximum(rest, np.finfo("float64").tiny))).sum(axis=-1)
