"""Scores of each class, and their means."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class ClassScores:
    """Scores of one class, each from 0 to 1; `None` where the class has no examples.

    Attributes:
        name: Name of the class.
        precision: Share of right predictions among those of the class; 0 without any.
        recall: Share of the class's examples that were found.
        f1: Harmonic mean of the two.
        support: Number of examples.
    """

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


class Scored:
    """The common part of results with `classes`, `confusion` and `absent`."""

    classes: tuple[ClassScores, ...]
    confusion: np.ndarray
    absent: tuple[str, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in order."""
        return tuple(scores.name for scores in self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings, lists and dictionaries, ready for JSON."""
        content = dataclasses.asdict(self)  # type: ignore[call-overload]
        content["classes"] = list(content["classes"])
        content["confusion"] = self.confusion.tolist()
        content["absent"] = list(self.absent)
        return content


def scored(labels: np.ndarray, predictions: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Return accuracy, `ClassScores`, confusion matrix and the names of absent classes, by name."""
    # Imported here: scikit-learn takes a second, which `import fer_models` should not cost.
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    numbers = range(len(names))
    *values, support = precision_recall_fscore_support(
        labels, predictions, labels=numbers, zero_division=0
    )
    return {
        "accuracy": float(np.mean(labels == predictions)),
        "classes": tuple(
            ClassScores(  # type: ignore[call-arg]
                name,
                *(float(v[i]) if support[i] else None for v in values),  # type: ignore[arg-type]
                int(support[i]),
            )
            for i, name in enumerate(names)
        ),
        "confusion": confusion_matrix(labels, predictions, labels=numbers),
        "absent": tuple(name for name, count in zip(names, support, strict=True) if not count),
    }


def mean_of(classes: Sequence[ClassScores], value: str, weighted: bool = False) -> float:
    """Return the mean of a score over the classes that have examples, or over the examples."""
    present = [scores for scores in classes if scores.support]
    weights = [scores.support for scores in present] if weighted else None
    return float(np.average([getattr(scores, value) for scores in present], weights=weights))
