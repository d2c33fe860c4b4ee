"""Labels that a model's predictions contradict, ranked."""

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import as_numbers, checked_labels
from fer_data.files import write_table


@dataclasses.dataclass(frozen=True)
class Suspect:
    """A label, and the prediction that contradicts it.

    Attributes:
        index: Place of the example in the caller's arrays.
        given: Its label.
        predicted: The most probable other class.
        margin: Probability of the label minus that of the other class, from -1 to 1: the lower,
            the more suspect.
        confident: Whether confident learning counts it as an error.
    """

    index: int
    given: int
    predicted: int
    margin: float
    confident: bool


def confident_joint(labels: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Count examples by given label and by the label that the model is confident of.

    The threshold of class `j` is the mean probability of `j` over the examples labelled `j`. An
    example counts for the class with the largest probability among those that reach their own
    threshold, and not at all if none does.

    Args:
        labels: Integers `(examples,)`.
        probabilities: `(examples, classes)`, of a model that was not trained on that example.

    Returns:
        The counts `(classes, classes)`, given label by rows; and the confident class of each
        example, -1 for none.

    Raises:
        ValueError: If shapes do not fit, or probabilities do not sum to one.

    Example:

    >>> counts, confident = confident_joint([0, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    >>> counts.tolist(), confident.tolist()
    ([[1, 1], [0, 1]], [0, 1, 1])

    Reference:
        Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset
        Labels", JAIR 2021, equations 1 and 2.
    """
    labels, probabilities = _checked(labels, probabilities)
    classes = probabilities.shape[1]
    # A class without examples has no threshold, so no example can reach it.
    thresholds = np.full(classes, np.inf)
    for each in np.unique(labels):
        thresholds[each] = probabilities[labels == each, each].mean()
    reached = np.where(probabilities >= thresholds, probabilities, -np.inf)
    confident = np.where(np.isfinite(reached).any(axis=1), reached.argmax(axis=1), -1)
    counts = np.zeros((classes, classes), int)
    some = confident >= 0
    np.add.at(counts, (labels[some], confident[some]), 1)
    return counts, confident


def rank_suspects(labels: ArrayLike, probabilities: ArrayLike) -> list[Suspect]:
    """Rank all examples by how much the predictions contradict their labels.

    The order is that of the normalised margin: the probability of the given label minus the largest
    of the others, lowest first. Examples that confident learning counts as errors, off the diagonal
    of its joint, are marked `confident`.

    Args:
        labels: Integers `(examples,)`.
        probabilities: `(examples, classes)`. Take them from models that were not trained on the
            example (cross-validation): models that have memorised a wrong label do not contradict
                it.

    Returns:
        A list of `Suspect`, one for each example.

    Raises:
        ValueError: As in `confident_joint`.

    Example:

    >>> first = rank_suspects([0, 1], [[0.9, 0.1], [0.7, 0.3]])[0]
    >>> first.index, first.predicted, round(first.margin, 2)
    (1, 0, -0.4)

    Reference:
        Northcutt, Jiang and Chuang, JAIR 2021, section 3.2 (ranking by normalised margin).
    """
    _, confident = confident_joint(labels, probabilities)
    labels, probabilities = _checked(labels, probabilities)
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -np.inf
    other = others.argmax(axis=1)
    margin = probabilities[rows, labels] - probabilities[rows, other]
    marked = (confident >= 0) & (confident != labels)
    return [
        Suspect(int(n), int(labels[n]), int(other[n]), float(margin[n]), bool(marked[n]))
        for n in np.argsort(margin, kind="stable")
    ]


@arguments.checked(
    suspects=arguments.sequence(arguments.instance(Suspect, "a `Suspect`")),
    path=arguments.path,
    class_names=arguments.sequence(arguments.scalar),
    ids=arguments.sequence(arguments.plain),
)
def write_suspects(
    suspects: Iterable[Suspect],
    path: str | os.PathLike[str],
    class_names: Sequence[str],
    ids: Sequence[str] | None = None,
) -> Path:
    """Write suspects as a CSV file, in their order.

    Args:
        suspects: List of `Suspect`.
        path: File to write: rank, id, given and predicted label, margin, confident (yes or no).
        class_names: Names in class order.
        ids: Name of each example, in the order of the arrays; default: its place.

    Returns:
        The path, as a `pathlib.Path`.

    Raises:
        ValueError: If a class has no name, or an example no id.

    Example:

    ```python
    write_suspects(rank_suspects(labels, probabilities), "out/suspects.csv", names, file_names)
    ```
    """
    suspects = list(suspects)
    names = [str(name) for name in class_names]
    most = max((max(each.given, each.predicted) for each in suspects), default=-1)
    if most >= len(names):
        raise ValueError(f"`class_names` must name every class. Received: {names} for {most + 1}")
    last = max((each.index for each in suspects), default=-1)
    if ids is not None and last >= len(ids):
        raise ValueError(f"`ids` must name every example. Received: {len(ids)} for {last + 1}")
    rows = []
    for rank, each in enumerate(suspects, 1):
        name = each.index if ids is None else ids[each.index]
        confident = "yes" if each.confident else "no"
        row = (names[each.given], names[each.predicted], f"{each.margin:.4f}", confident)
        rows.append((rank, name, *row))
    header = ("rank", "id", "given", "predicted", "margin", "confident")
    return write_table(path, header, rows)


def _checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    probabilities = as_numbers("probabilities", probabilities)
    if probabilities.ndim != 2 or not len(probabilities) or probabilities.shape[1] < 2:
        raise ValueError(
            "`probabilities` must be of shape (examples, classes), one example and two classes or "
            f"more. Received: shape={probabilities.shape}"
        )
    sums = probabilities.sum(axis=1)
    if not (
        np.isfinite(sums).all() and (probabilities >= 0).all() and np.allclose(sums, 1, atol=1e-3)
    ):
        raise ValueError(
            "`probabilities` must be from 0 to 1 and sum to one. "
            f"Received: sums from {sums.min()} to {sums.max()}"
        )
    return checked_labels(labels, *probabilities.shape), probabilities
