"""Scores for each group of people, and the gaps between the groups."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fer_data import arguments
from fer_data.checks import check_sequence, checked_labels, checked_names, checked_rate, shown
from fer_models.evaluation.calibration import calibration_error
from fer_models.evaluation.class_scores import ClassScores, Scored, scored
from fer_models.evaluation.intervals import Interval, binomial_interval
from fer_models.evaluation.probability_checks import checked_probabilities


@dataclasses.dataclass(frozen=True)
class GroupScores(Scored):
    """Scores of one group.

    Attributes:
        name: Name of the group.
        examples: Number of its examples.
        accuracy: `Interval` of the share of right predictions, exact binomial.
        recalls: `Interval` of the recall of each class that has examples in the group, by name.
        confidence: Mean probability of the predicted class.
        calibration_error: Expected calibration error in 15 bins. It grows where examples are few,
            whatever the model.
        excess: `Interval` of `confidence` minus the accuracy: above 0 where the model is
            overconfident. Its ends come from those of the accuracy; the confidence is taken as
            exact.
        classes: `ClassScores` in class order.
        confusion: Integer array `(classes, classes)`: rows are true, columns predicted classes.
        absent: Names of the classes without examples in the group.
    """

    name: str
    examples: int
    accuracy: Interval
    recalls: Mapping[str, Interval]
    confidence: float
    calibration_error: float
    excess: Interval
    classes: tuple[ClassScores, ...]
    confusion: np.ndarray = dataclasses.field(compare=False)
    absent: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Gap:
    """The distance of the best group above the worst.

    Attributes:
        best: Name of the group of the highest share.
        worst: Name of the group of the lowest.
        points: `Interval` of the difference of the two shares, from -1 to 1. The intervals of all
            pairs of groups hold together with the stated confidence, so picking the largest gap
            afterwards does no harm. If the interval contains 0, the groups may be alike.
    """

    best: str
    worst: str
    points: Interval


@dataclasses.dataclass(frozen=True)
class GroupReport:
    """Scores by group, and the largest gaps.

    Attributes:
        groups: `GroupScores` by name, in the order of the names.
        gap: `Gap` of the accuracy; `None` for a single group.
        recall_gaps: `Gap` of the recall of each class that two groups or more have, by the
            class's name. Each interval holds by itself only: with seven at 95 %, up to one report
            in three has an interval that misses.
        ungrouped: Number of examples of no group, which are in none of the figures.
        level: Confidence of all intervals, such as 0.95.
    """

    groups: Mapping[str, GroupScores]
    gap: Gap | None
    recall_gaps: Mapping[str, Gap]
    ungrouped: int
    level: float

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings, lists and dictionaries, ready for JSON."""
        return {
            "groups": {name: scores.to_dict() for name, scores in self.groups.items()},
            "gap": None if self.gap is None else dataclasses.asdict(self.gap),
            "recall_gaps": {
                name: dataclasses.asdict(gap) for name, gap in self.recall_gaps.items()
            },
            "ungrouped": self.ungrouped,
            "level": self.level,
        }

    def to_markdown(self) -> str:
        """Return tables of the groups and of the recall of each class, and the gaps, as text."""
        scores = list(self.groups.values())
        lines = [
            f"| group | examples | accuracy | {100 * self.level:g}% interval | "
            "confidence less accuracy | calibration error |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for each in scores:
            lines.append(
                f"| {_cell(each.name)} | {each.examples:,} | {each.accuracy.value:.2%} | "
                f"{_ends(each.accuracy)} | {100 * each.excess.value:+.1f} "
                f"({100 * each.excess.low:+.1f} to {100 * each.excess.high:+.1f}) points | "
                f"{each.calibration_error:.4f} |"
            )
        if self.gap is not None:
            lines += ["", f"Largest gap: {gap_in_words(self.gap)}."]
        if self.ungrouped:
            lines += ["", f"Of no group, and in none of these: {self.ungrouped:,}."]
        lines += [
            "",
            "| recall | " + " | ".join(_cell(each.name) for each in scores) + " | largest gap |",
            "|---" + "|---:" * (len(scores) + 1) + "|",
        ]
        for name in scores[0].class_names:
            cells = [_recall(each, name) for each in scores]
            gap = self.recall_gaps.get(name)
            cells.append("-" if gap is None else gap_in_words(gap))
            lines.append(f"| {_cell(name)} | {' | '.join(map(_cell, cells))} |")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.to_markdown()


@arguments.checked(
    labels=arguments.labels,
    probabilities=arguments.array((None, None), low=0, high=1),
    class_names=arguments.names,
)
def score_groups(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    class_names: Sequence[str],
    confidence: float = 0.95,
) -> GroupReport:
    """Score predictions by group.

    Intervals are exact binomial ones (Clopper and Pearson), for examples drawn independently:
    several pictures of one person make them too narrow. The interval of a gap comes from those of
    its groups, each at a confidence with which all of them hold together (Bonferroni). It is safe,
    but wider than an interval for two groups chosen beforehand.

    Args:
        labels: Class numbers `(examples,)`.
        probabilities: `(examples, classes)`, rows summing to one.
        groups: Group of each example, in their order; None, an empty word, nan or pandas.NA
            for none.
        class_names: Names in class order.
        confidence: Confidence of the intervals, between 0 and 1.

    Returns:
        A `GroupReport`.

    Raises:
        ValueError: If an argument breaks its rule, a row of `probabilities` does not sum to one,
            `groups` has another length than the labels, or no example has a group.

    Example:

    >>> said = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])
    >>> found = score_groups(np.array([0, 1, 0, 1]), said, ["a", "a", "b", "b"], ("happy", "sad"))
    >>> found.gap.best, found.gap.points.value
    ('a', 0.5)

    Reference:
        Clopper and Pearson, Biometrika 1934.
    """
    confidence = checked_rate("confidence", confidence)
    probabilities = checked_probabilities(probabilities)
    class_names = checked_names("class_names", class_names, probabilities.shape[1])
    labels = checked_labels(labels, len(probabilities), len(class_names))
    named = group_names(groups, len(labels))
    names = sorted({name for name in named if name})
    if not names:
        raise ValueError(
            "`groups` must name the group of one example or more. Received: no group at all"
        )
    places = {name: np.flatnonzero(named == name) for name in names}
    found = {
        name: _scores(name, labels[some], probabilities[some], class_names, confidence)
        for name, some in places.items()
    }
    counts = {name: (_right(scores), scores.examples) for name, scores in found.items()}
    recall_gaps = {}
    for number, class_name in enumerate(class_names):
        of_class = {
            name: (int(scores.confusion[number, number]), int(scores.confusion[number].sum()))
            for name, scores in found.items()
        }
        gap = largest_gap({n: count for n, count in of_class.items() if count[1]}, confidence)
        if gap is not None:
            recall_gaps[class_name] = gap
    return GroupReport(
        groups=found,
        gap=largest_gap(counts, confidence),
        recall_gaps=recall_gaps,
        ungrouped=int((named == "").sum()),
        level=confidence,
    )


def largest_gap(counts: Mapping[str, tuple[int, int]], confidence: float = 0.95) -> Gap | None:
    """Return how far the highest share lies above the lowest.

    Args:
        counts: Successes and trials, 1 or more, of each group by its name.
        confidence: Confidence with which the intervals of all pairs of groups hold together.

    Returns:
        A `Gap`; None for fewer than two groups.

    Example:

    >>> gap = largest_gap({"a": (90, 100), "b": (60, 100), "c": (75, 100)})
    >>> gap.best, gap.worst, gap.points.low > 0
    ('a', 'b', True)
    """
    if len(counts) < 2:
        return None
    together = 1 - (1 - confidence) / len(counts)
    shares = {name: binomial_interval(*count, together) for name, count in counts.items()}
    best = max(shares, key=lambda name: shares[name].value)
    worst = min(shares, key=lambda name: shares[name].value)
    if best == worst:
        # All are alike: the first two say so.
        best, worst = list(shares)[:2]
    high, low = shares[best], shares[worst]
    return Gap(
        best, worst, Interval(high.value - low.value, high.low - low.high, high.high - low.low)
    )


def group_names(groups: Sequence[Any] | np.ndarray, count: int) -> np.ndarray:
    """Return the group of each example as text, `""` for none, or raise `ValueError`.

    Args:
        groups: As for `score_groups`.
        count: Number of examples.
    """
    check_sequence("groups", groups)
    if not hasattr(groups, "__len__") or getattr(groups, "ndim", 1) != 1:
        raise ValueError(
            "`groups` must be a vector with the group of each example, such as a column of a "
            f"table. Received: groups={shown(groups)}"
        )
    if len(groups) != count:
        raise ValueError(
            f"`groups` must have one entry an example, {count}. Received: {len(groups)}"
        )
    return np.array([_name(group) for group in groups], dtype=object)


def gap_in_words(gap: Gap) -> str:
    """Return a gap as text, such as `"a above b by 4.0 points (-1.2 to 9.1)"`."""
    points = gap.points
    return (
        f"{gap.best} above {gap.worst} by {100 * points.value:.1f} points "
        f"({100 * points.low:.1f} to {100 * points.high:.1f})"
    )


def _name(group):
    if group is None or _is_missing(group):
        return ""
    return (group.decode() if isinstance(group, bytes) else str(group)).strip()


def _is_missing(group):
    # nan and pandas.NA are what pandas has for an empty cell; what NA compares to has no truth.
    try:
        return bool(group != group)
    except TypeError:
        return True


def _right(scores):
    return int(np.trace(scores.confusion))


def _scores(name, labels, probabilities, class_names, confidence):
    found = scored(labels, probabilities.argmax(axis=1), class_names)
    del found["accuracy"]
    right = int(np.trace(found["confusion"]))
    accuracy = binomial_interval(right, len(labels), confidence)
    sure = float(probabilities.max(axis=1).mean())
    recalls = {
        each.name: binomial_interval(int(found["confusion"][i, i]), each.support, confidence)
        for i, each in enumerate(found["classes"])
        if each.support
    }
    return GroupScores(
        name=name,
        examples=len(labels),
        accuracy=accuracy,
        recalls=recalls,
        confidence=sure,
        calibration_error=calibration_error(labels, probabilities),
        excess=Interval(sure - accuracy.value, sure - accuracy.high, sure - accuracy.low),
        **found,
    )


def _recall(scores, name):
    recall = scores.recalls.get(name)
    return "-" if recall is None else f"{recall.value:.1%} ({_ends(recall)})"


def _ends(interval):
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"


def _cell(text):
    return text.replace("|", "\\|")
