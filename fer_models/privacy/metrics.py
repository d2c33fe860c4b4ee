"""Measures of how well scores tell members from non-members, with their intervals."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import check_integer, checked_rate
from fer_models.evaluation.intervals import Interval, binomial_interval

# Members, and non-members, of a part of the examples below which its figures say nothing.
LEAST = 10


@dataclasses.dataclass(frozen=True)
class RateAt:
    """True-positive rate at a tolerated false-positive rate.

    Attributes:
        tolerated: The tolerated false-positive rate.
        tpr: `Interval` of the share of members that are found, exact binomial
            (Clopper and Pearson), the threshold taken as given.
        fpr: `Interval` of the false-positive rate that was reached, at most `tolerated`: with n
            non-members, only multiples of 1 / n are possible.
    """

    tolerated: float
    tpr: Interval
    fpr: Interval


@arguments.checked(
    member_scores=arguments.array((None,), finite=False),
    non_member_scores=arguments.array((None,), finite=False),
)
def auc(member_scores: ArrayLike, non_member_scores: ArrayLike) -> float:
    """Return the area under the ROC curve: how often a member scores above a non-member.

    Args:
        member_scores: `(members,)`; higher for likely members.
        non_member_scores: `(non_members,)`.

    Returns:
        A float from 0 to 1; ties count half.

    Example:

    >>> auc([3.0, 1.0], [2.0, 0.0])
    0.75
    """
    members, others, values = _positions(member_scores, non_member_scores)
    return float(_auc_of_counts(np.bincount(members, minlength=values), others, values))


@arguments.checked(
    member_scores=arguments.array((None,), finite=False),
    non_member_scores=arguments.array((None,), finite=False),
    seed=arguments.seed,
)
def auc_interval(
    member_scores: ArrayLike,
    non_member_scores: ArrayLike,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the area under the ROC curve with its bootstrap interval.

    Members and non-members are drawn again, each among themselves, with replacement; the interval
    is that of the percentiles. Where all draws agree, as they do if every member scores above every
    non-member, it would have no width: there it is Newcombe's, from the area and the numbers alone.
    The interval covers the choice of examples alone: a model trained with another seed may lie
    outside.

    Args:
        member_scores: `(members,)`.
        non_member_scores: `(non_members,)`.
        confidence: Between 0 and 1.
        resamples: Number of draws, 2 or more.
        seed: Integer.

    Returns:
        An `Interval`.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. Newcombe,
        "Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part
        2", Statistics in Medicine 25, 2006, method 5.
    """
    confidence = checked_rate("confidence", confidence)
    check_integer("resamples", resamples, 2)
    # Not `scipy.stats.bootstrap`, which would sort the scores anew for every resample.
    members, others, values = _positions(member_scores, non_member_scores)
    generator = np.random.default_rng(seed)
    areas = [
        _auc_of_counts(
            np.bincount(generator.choice(members, len(members)), minlength=values),
            generator.choice(others, len(others)),
            values,
        )
        for _ in range(resamples)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(areas, [tail, 1 - tail])
    area = auc(member_scores, non_member_scores)
    if low == high:
        low, high = _newcombe(area, len(members), len(others), tail)
    return Interval(area, float(low), float(high))


@arguments.checked(
    member_scores=arguments.array((None,), finite=False),
    non_member_scores=arguments.array((None,), finite=False),
)
def roc(
    member_scores: ArrayLike, non_member_scores: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `(fpr, tpr, thresholds)`, from nothing called a member to everything.

    Examples with the same score are called the same, so that every point has a threshold.
    """
    from sklearn.metrics import roc_curve

    scores = np.concatenate([member_scores, non_member_scores])
    truth = np.repeat([1, 0], [np.size(member_scores), np.size(non_member_scores)])
    # Ranks, since scikit-learn takes no infinite scores; the thresholds are put back after.
    values, ranks = np.unique(scores, return_inverse=True)
    fpr, tpr, cuts = roc_curve(truth, ranks, drop_intermediate=False)
    return fpr, tpr, np.concatenate([[np.inf], values[cuts[1:].astype(int)]])


@arguments.checked(
    member_scores=arguments.array((None,), finite=False),
    non_member_scores=arguments.array((None,), finite=False),
)
def rate_at(
    member_scores: ArrayLike,
    non_member_scores: ArrayLike,
    tolerated: float,
    confidence: float = 0.95,
) -> RateAt:
    """Return the most members found while at most a share `tolerated` of non-members is accused.

    The best threshold is chosen on the non-members themselves, as usual, without interpolation
    between points.

    Args:
        member_scores: `(members,)`.
        non_member_scores: `(non_members,)`.
        tolerated: False-positive rate, between 0 and 1.
        confidence: Confidence of the intervals, between 0 and 1.

    Returns:
        A `RateAt`.

    Raises:
        ValueError: If a rate is out of range.

    Example:

    >>> rate_at([3.0, 1.0], [2.0, 0.0], 0.1).tpr.value
    0.5
    """
    tolerated = checked_rate("tolerated", tolerated)
    fpr, tpr, _ = roc(member_scores, non_member_scores)
    place = np.flatnonzero(fpr <= tolerated)[-1]
    members, others = np.size(member_scores), np.size(non_member_scores)
    return RateAt(
        tolerated,
        binomial_interval(round(tpr[place] * members), members, confidence),
        binomial_interval(round(fpr[place] * others), others, confidence),
    )


def _positions(member_scores, non_member_scores):
    """Return the place of each score among all different ones, and how many those are."""
    scores = np.concatenate([member_scores, non_member_scores])
    values, ranks = np.unique(scores, return_inverse=True)
    return ranks[: len(member_scores)], ranks[len(member_scores) :], len(values)


def _newcombe(area, members, others, tail):
    """Return the smallest and the largest true area with which the observed one agrees."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    if area < 0.5:
        low, high = _newcombe(1 - area, members, others, tail)
        return 1 - high, 1 - low
    more = (members + others) / 2 - 1
    width = norm.isf(tail) ** 2 / (members * others)

    def excess(true):
        variance = true * (1 - true) * (1 + more * ((1 - true) / (2 - true) + true / (1 + true)))
        return (area - true) ** 2 - width * variance

    # At 0 and at 1 nothing varies; an observed area of 1 is one end itself.
    low = brentq(excess, 0, min(area, 1 - 1e-12))
    return low, 1.0 if area == 1 else brentq(excess, area, 1)


def _auc_of_counts(member_counts, others, values):
    other_counts = np.bincount(others, minlength=values)
    below = np.cumsum(other_counts) - other_counts / 2
    return (member_counts @ below) / (member_counts.sum() * len(others))
