"""Scores pooled over folds, as micro-expression papers give them: UF1 and UAR."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_models.evaluation.class_scores import ClassScores, Scored, mean_of, scored


@dataclasses.dataclass(frozen=True)
class PooledScores(Scored):
    """What `pooled_scores` finds, each score from 0 to 1.

    Attributes:
        accuracy: Share of right predictions.
        uf1: Unweighted F1: the mean over the classes of `2 TP / (2 TP + FP + FN)`.
        uar: Unweighted average recall: the mean over the classes of `TP / (TP + FN)`.
        precision: Mean precision of the classes; that of a class never predicted is 0.
        weighted_precision: Mean precision weighted by the number of examples.
        weighted_f1: Mean F1 weighted by the number of examples.
        examples: Number of examples.
        folds: Number of folds.
        classes: `ClassScores` in class order.
        confusion: Integer array `(classes, classes)`: rows are true, columns predicted classes.
        absent: Names of the classes without examples in any fold. They enter no mean.
    """

    accuracy: float
    uf1: float
    uar: float
    precision: float
    weighted_precision: float
    weighted_f1: float
    examples: int
    folds: int
    classes: tuple[ClassScores, ...]
    confusion: np.ndarray = dataclasses.field(compare=False)
    absent: tuple[str, ...]

    @property
    def error_rate(self) -> float:
        """Share of wrong predictions."""
        return 1 - self.accuracy

    @property
    def macro_f1(self) -> float:
        """UF1, by the name that `Report` has for it: `plot_confusion` draws either."""
        return self.uf1

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings, lists and dictionaries, ready for JSON."""
        return super().to_dict() | {"error_rate": self.error_rate}


@arguments.checked(folds=arguments.sequence(), class_names=arguments.sequence(arguments.scalar))
def pooled_scores(
    folds: Iterable[tuple[ArrayLike, ArrayLike]], class_names: Iterable[str]
) -> PooledScores:
    """Score the predictions of several folds as one.

    True and false positives and false negatives of each class are summed over all folds, then
    precision, recall and F1 of each class are taken, then their mean over the classes. The mean
    of the folds' own scores is another number: where a subject shows one class alone, as in
    leave-one-subject-out, F1 of a fold means little.

    Args:
        folds: Pairs `(labels, predictions)` of class numbers `(n,)`, one for each fold.
        class_names: Names in class order.

    Returns:
        `PooledScores`.

    Raises:
        ValueError: If there is no fold or no example, a fold is no pair of integer vectors of one
            length, or a number is outside the classes.

    Example:

    >>> folds = [([0, 0], [0, 1]), ([1, 2], [1, 2])]
    >>> scores = pooled_scores(folds, ("negative", "positive", "surprise"))
    >>> round(scores.uf1, 4), round(scores.uar, 4)
    (0.7778, 0.8333)

    Reference:
        See, Yap, Li, Hong and Wang, "MEGC 2019 - The Second Facial Micro-Expressions Grand
        Challenge", FG 2019.
    """
    names = tuple(str(name) for name in class_names)
    pairs = [_checked(pair, len(names)) for pair in folds]
    if not sum(len(labels) for labels, _ in pairs):
        raise ValueError(
            f"`folds` must hold at least one example. Received: {len(pairs)} folds without any"
        )
    labels, predictions = (np.concatenate(values) for values in zip(*pairs, strict=True))
    scores = scored(labels, predictions, names)
    classes = scores["classes"]
    return PooledScores(
        **scores,
        uf1=mean_of(classes, "f1"),
        uar=mean_of(classes, "recall"),
        precision=mean_of(classes, "precision"),
        weighted_precision=mean_of(classes, "precision", weighted=True),
        weighted_f1=mean_of(classes, "f1", weighted=True),
        examples=len(labels),
        folds=len(pairs),
    )


def _checked(pair, classes):
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(
            "`folds` must hold pairs (labels, predictions). Received: "
            f"{type(pair).__name__} {pair!r}"
        )
    labels, predictions = map(np.asarray, pair)
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(
            "`folds` must hold labels and predictions of one length, vectors of class numbers. "
            f"Received: shapes {labels.shape} and {predictions.shape}"
        )
    for name, values in (("labels", labels), ("predictions", predictions)):
        if len(values) and not np.issubdtype(values.dtype, np.integer):
            raise ValueError(f"`{name}` must be integers. Received: dtype={values.dtype}")
        outside = (values < 0) | (values >= classes)
        if outside.any():
            raise ValueError(
                f"`{name}` must be from 0 to {classes - 1}. Received: {values[outside][0]}"
            )
    return labels.astype(int), predictions.astype(int)
