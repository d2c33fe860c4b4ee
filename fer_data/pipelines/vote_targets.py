"""Training targets from two labellings of the same faces: a data set's own labels, and votes."""

import numpy as np
from numpy.typing import ArrayLike

from fer_data.checks import as_array, as_numbers, check_integer, check_number


def vote_targets(
    labels: ArrayLike, votes: ArrayLike, share: float = 0.5, classes: int = 7
) -> np.ndarray:
    """Mix one-hot labels with the labels that the votes predict.

    A data set's labels may be noisy (one annotator in FER2013) and follow other habits than later
    voters (ten in FER+), so the votes cannot simply replace the labels. A multinomial logistic
    regression from the shares of the votes to the labels, cross-fitted in five folds, predicts the
    distribution of the labels. This prediction keeps the habits of the labels, which a test on such
    labels rewards, and averages out their noise. Use training faces alone.

    Args:
        labels: Integers `(faces,)` in `[0, classes)`.
        votes: Numbers of votes `(faces, columns)`, not negative. A face without any (all zero, or
            all -1 as `fer2013` marks unknown ones) keeps its label.
        share: Share of the target that comes from the votes, in `[0, 1]`.
        classes: Number of classes, 2 or more.

    Returns:
        float32 `(faces, classes)`, rows summing to one.

    Raises:
        ValueError: If the shapes do not fit, a label is outside the classes, or fewer than ten
            faces of any class that occurs have votes.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> votes = rng.multinomial(10, [0.5, 0.3, 0.2], 300)
    >>> targets = vote_targets(votes.argmax(1), votes, classes=3)
    >>> targets.shape, bool((targets.argmax(1) == votes.argmax(1)).mean() > 0.9)
    ((300, 3), True)
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    check_integer("classes", classes, 2)
    check_number("share", share, 0, 1)
    labels, votes = as_array("labels", labels), as_numbers("votes", votes)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or votes.ndim != 2:
        raise ValueError(
            "`labels` must be integers (faces,) and `votes` numbers (faces, columns). Received: "
            f"labels of shape {labels.shape} and type {labels.dtype}, votes of shape {votes.shape}"
        )
    if len(labels) != len(votes) or not len(labels):
        raise ValueError(
            "`labels` and `votes` must be of one length, not empty. Received: "
            f"{len(labels)} labels, {len(votes)} votes"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"`labels` must be in [0, {classes}). Received: {labels.min()} to {labels.max()}"
        )
    targets = np.eye(classes)[labels]
    known = (votes >= 0).all(axis=1) & (votes.sum(axis=1) > 0)
    counts = np.bincount(labels[known], minlength=classes)
    too_few = [int(label) for label in np.unique(labels) if counts[label] < 10]
    if too_few:
        raise ValueError(
            "`votes` must be known for ten faces of every class, to tell how they go with the "
            f"labels. Received: fewer for the labels {too_few}"
        )
    shares = votes[known] / votes[known].sum(axis=1, keepdims=True)
    # Square roots beside the shares: one vote more matters most where there are few.
    features = np.concatenate([shares, np.sqrt(shares)], axis=1)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    said = cross_val_predict(
        LogisticRegression(max_iter=1000),
        features,
        labels[known],
        cv=folds,
        method="predict_proba",
    )
    present = np.unique(labels[known])
    mixed = (1 - share) * targets[known]
    mixed[:, present] += share * said
    targets[known] = mixed
    return targets.astype("float32")
