"""Section on groups of people: how good the model is for each, and how far they lie apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_models import evaluation
from fer_models.auditing.blocks import Bar, Figure, Section, Table, Text, between, drawn, percent
from fer_models.evaluation.group_scores import gap_in_words

# Below so many faces of a group its accuracy is known to ten points at best.
FEW = 100


def by_group(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    class_names: Sequence[str],
    where: str,
) -> Section:
    """Return the section on groups.

    Args:
        labels: Integers `(faces,)`.
        probabilities: `(faces, classes)`.
        groups: Group of each face.
        class_names: Names in class order.
        where: What the faces are, in words.
    """
    report = evaluation.score_groups(labels, probabilities, groups, class_names)
    scores = list(report.groups.values())
    rows = tuple(
        (
            each.name,
            f"{each.examples:,}",
            Bar(each.accuracy.value, percent(each.accuracy.value)),
            between(each.accuracy.low, each.accuracy.high),
            f"{100 * each.excess.value:+.1f} ({100 * each.excess.low:+.1f} to "
            f"{100 * each.excess.high:+.1f}) points",
            f"{each.calibration_error:.4f}",
        )
        for each in scores
    )
    recalls = tuple(
        (
            name,
            *(_recall(each, name) for each in scores),
            gap_in_words(report.recall_gaps[name]) if name in report.recall_gaps else "-",
        )
        for name in class_names
    )
    gaps = {"accuracy": report.gap} if report.gap is not None else {}
    gaps |= {f"recall of {name}": gap for name, gap in report.recall_gaps.items()}
    warnings = [
        f"The {what} differs by group: {gap_in_words(gap)}."
        for what, gap in gaps.items()
        if gap.points.low > 0
    ]
    warnings += [
        f"The group {each.name} has {each.examples} faces only: its figures are rough."
        for each in scores
        if each.examples < FEW
    ]
    if len(scores) == 1:
        warnings.append("There is one group alone: nothing is known of the others.")
    if report.ungrouped:
        warnings.append(f"Faces of no group, and in none of its figures: {report.ungrouped:,}.")
    return Section(
        key="groups",
        title="Groups",
        blocks=(
            Text("Is the model as good, and as sure of itself, for each group of people?"),
            Table(
                (
                    *("group", "faces", "accuracy", "95 % interval"),
                    *("confidence less accuracy", "calibration error"),
                ),
                rows,
                "By group. Confidence above accuracy: the model promises this group too much.",
            ),
            Table(
                ("recall", *(each.name for each in scores), "largest gap"),
                recalls,
                "How much of each class is found in each group, and how far the best lies above "
                "the worst. Where 0 lies in the interval, the groups may be alike.",
            ),
            *(
                drawn(
                    lambda path, each=each: evaluation.plot_confusion(  # type: ignore[misc]
                        each, path, title=f"group {each.name}, {each.examples:,} faces"
                    ),
                    f"Confusion matrix of the group {each.name}.",
                    f"Confusion matrix of the group {each.name}.",
                )
                for each in scores
            ),
        ),
        how=f"From {where}. Intervals are exact binomial ones (Clopper and Pearson) for faces "
        "drawn independently. The interval of a gap is made of those of all groups together "
        "(Bonferroni), so that picking the largest gap does no harm; each class is by itself. "
        "The calibration error grows where faces are few.",
        warnings=tuple(warnings),
        figures=(
            ()
            if report.gap is None
            else (
                Figure(
                    "largest gap of groups",
                    f"{100 * report.gap.points.value:.1f} points",
                    f"{100 * report.gap.points.low:.1f} to {100 * report.gap.points.high:.1f}",
                ),
            )
        ),
        data=report.to_dict(),
    )


def _recall(scores, name):
    recall = scores.recalls.get(name)
    if recall is None:
        return "-"
    return f"{percent(recall.value)} ({between(recall.low, recall.high)})"
