"""Dividing examples: stratified by class, disjoint by group, and one group out at a time.

scikit-learn does the division; this module adds checks and names the parts.
"""

import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import check_integer


@arguments.checked(
    labels=arguments.categories,
    fractions=arguments.mapping(arguments.number()),
    seed=arguments.integer(0, 2**32 - 1),
)
def stratified(
    labels: ArrayLike, fractions: Mapping[str, float], seed: int = 0
) -> dict[str, np.ndarray]:
    """Split at random, with the share of every class equal in all parts.

    Args:
        labels: Class of every example, `(n,)`.
        fractions: Share of every part, `{"train": 0.8, "test": 0.2}`; they sum to one.
        seed: Integer.

    Returns:
        Dictionary from part to a sorted array of indices into `labels`.

    Raises:
        ValueError: If the fractions do not sum to one, or a class has fewer examples than there
            are parts, or so few that none may be left for the last parts.

    Example:

    >>> parts = stratified([0, 1] * 50, {"train": 0.8, "validation": 0.1, "test": 0.1})
    >>> {name: len(indices) for name, indices in parts.items()}
    {'train': 80, 'validation': 10, 'test': 10}
    """
    from sklearn.model_selection import train_test_split

    labels = _vector("labels", labels)
    fractions = _fractions(fractions)
    names, counts = np.unique(labels, return_counts=True)
    if counts.min() < len(fractions):
        raise ValueError(
            f"Every class needs at least {len(fractions)} examples, one for each part. "
            f"Received: {counts.min()} of class {names[counts.argmin()]}"
        )
    parts, rest = {}, np.arange(len(labels))
    *first, last = fractions
    for name in first:
        # A whole number, since shares round: 0.15 of the remaining 0.3 is slightly less than a
        # half.
        size = round(fractions[name] * len(labels))
        if min(size, len(rest) - size) < len(names):
            raise ValueError(
                f"Every part needs at least {len(names)} examples, one for each class. Received: "
                f"{len(labels)} examples, fractions={fractions}"
            )
        left = {name: int((labels[rest] == name).sum()) for name in names.tolist()}
        rare = min(left, key=lambda name: left[name])
        if left[rare] < 2:
            raise ValueError(
                f"Every class needs more examples to be divided by {fractions}: leave out those of "
                f"rare classes, or join classes. Received: {counts[names == rare][0]} of class "
                f"{rare}, of which {left[rare]} would be left for the last parts"
            )
        taken, rest = train_test_split(
            rest, train_size=size, stratify=labels[rest], random_state=seed
        )
        parts[name] = np.sort(taken)
    parts[last] = np.sort(rest)
    return parts


@arguments.checked(
    labels=arguments.categories,
    groups=arguments.categories,
    fractions=arguments.mapping(arguments.number()),
    seed=arguments.integer(0, 2**32 - 1),
    folds=arguments.integer(2),
)
def group_disjoint(
    labels: ArrayLike,
    groups: ArrayLike,
    fractions: Mapping[str, float],
    seed: int = 0,
    folds: int | None = None,
) -> dict[str, np.ndarray]:
    """Split so that no group (a subject, an identity) is in two parts, with classes balanced.

    scikit-learn's `StratifiedGroupKFold` makes folds, and every part gets as many of them as its
    fraction asks for; sizes are therefore as close as whole groups and folds allow. A class with
    fewer examples than there are folds may be absent from a part.

    Args:
        labels: Class of every example, `(n,)`.
        groups: Group of every example, `(n,)`.
        fractions: Share of every part, `{"train": 0.8, "test": 0.2}`; they sum to one.
        seed: Integer.
        folds: Number of folds. By default the least, from 2 to 20, that hits the fractions best.

    Returns:
        Dictionary from part to a sorted array of indices.

    Raises:
        ValueError: If there are fewer groups than the folds needed, or a part would be empty.

    Example:

    >>> labels = np.arange(200) % 7
    >>> groups = np.arange(200) // 10
    >>> parts = group_disjoint(labels, groups, {"train": 0.8, "test": 0.2})
    >>> set(groups[parts["train"]]) & set(groups[parts["test"]])
    set()
    """
    from sklearn.model_selection import StratifiedGroupKFold

    labels, groups = _vector("labels", labels), _vector("groups", groups)
    if len(labels) != len(groups):
        raise ValueError(
            "`labels` and `groups` must have one length. "
            f"Received: {len(labels)} labels, {len(groups)} groups"
        )
    fractions = _fractions(fractions)
    most = len(np.unique(groups))
    shares = np.array(list(fractions.values()))
    most = min(most, np.unique(labels, return_counts=True)[1].max())
    if folds is None:
        # A rare class does not lessen the folds, or the parts would be far from their fractions.
        folds = best_folds(shares, most)
    if folds > most or folds < len(shares):
        raise ValueError(
            "The groups must be at least as many as the folds, and so must the examples of the "
            f"most frequent class; the folds must be as many as the {len(shares)} parts. "
            f"Received: {most} groups or examples, folds={folds}"
        )
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Of a rare class, which is then in some of the folds alone.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        held_out = [test for _, test in splitter.split(labels, labels, groups)]
    parts, start = {}, 0
    for name, count in zip(fractions, _allot(shares, folds), strict=True):
        indices = np.concatenate(held_out[start : start + count])
        if not len(indices):
            raise ValueError(
                f"Too few groups: part {name!r} would be empty. "
                f"Received: {most} groups, fractions={fractions}"
            )
        parts[name] = np.sort(indices)
        start += count
    return parts


@arguments.checked(
    labels=arguments.categories,
    groups=arguments.categories,
    folds=arguments.integer(2),
    seed=arguments.integer(0, 2**32 - 1),
)
def group_folds(
    labels: ArrayLike, groups: ArrayLike, folds: int = 5, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield `(train, test)` of folds in which no group is on both sides, with classes balanced.

    Each example is in the test part of one fold. If every example is a group of its own, this is a
    plain stratified cross-validation.

    Args:
        labels: Class of every example, `(n,)`.
        groups: Group of every example, `(n,)`.
        folds: Number of folds, 2 or more.
        seed: Integer.

    Yields:
        Sorted indices of the training and of the test part.

    Raises:
        ValueError: If there are fewer groups than folds, or fewer examples of every class.

    Example:

    >>> labels, groups = np.arange(24) % 3, np.arange(24) // 6
    >>> [sorted({*groups[test].tolist()}) for train, test in group_folds(labels, groups, 2)]
    [[1, 2], [0, 3]]
    """
    from sklearn.model_selection import StratifiedGroupKFold

    labels, groups = _vector("labels", labels), _vector("groups", groups)
    if len(labels) != len(groups):
        raise ValueError(
            "`labels` and `groups` must have one length. "
            f"Received: {len(labels)} labels, {len(groups)} groups"
        )
    check_integer("folds", folds, 2)
    most = min(len(np.unique(groups)), np.unique(labels, return_counts=True)[1].max())
    if folds > most:
        raise ValueError(
            f"`folds` must be at most {most}, the number of groups, and of the examples of the "
            f"most frequent class. Received: folds={folds}"
        )
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    return splitter.split(labels, labels, groups)


def leave_one_group_out(groups: ArrayLike) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
    """Yield `(group, train, test)` with each group (subject) as the test part once.

    Args:
        groups: Group of every example, `(n,)`; at least two.

    Yields:
        The group's name, the sorted indices of all others, and its own.

    Example:

    >>> [(name, len(train), len(test)) for name, train, test in leave_one_group_out("aabbb")]
    [('a', 3, 2), ('b', 2, 3)]
    """
    from sklearn.model_selection import LeaveOneGroupOut

    groups = _vector("groups", list(groups) if isinstance(groups, str) else groups)
    if len(np.unique(groups)) < 2:
        raise ValueError(f"`groups` must hold at least two groups. Received: {np.unique(groups)}")
    for train, test in LeaveOneGroupOut().split(groups, groups=groups):
        yield groups[test[:1]].tolist()[0], train, test


def best_folds(shares: ArrayLike, most: int) -> int:
    """Return the least number of folds, from 2 to 20, of which whole ones fit the shares best.

    Args:
        shares: Share of every part; they sum to one.
        most: Number of folds that there can be at most.

    Example:

    >>> best_folds([0.9, 0.1], 15), best_folds([0.9, 0.1], 4)
    (10, 4)
    """
    shares = np.asarray(shares, "float64")
    candidates = range(2, min(20, most) + 1)
    return min(candidates, key=lambda k: (round(_misfit(shares, k), 9), k), default=2)


def _vector(name: str, values: Any) -> np.ndarray:
    arguments.categories(name, values)
    return np.asarray(values)


def _fractions(fractions):
    values = list(fractions.values())
    valid = len(values) >= 2 and all(0 < value < 1 for value in values)
    if not valid or not math.isclose(sum(values), 1.0, abs_tol=1e-6):
        raise ValueError(
            "`fractions` must give two or more parts a share in (0, 1) each, one in all. "
            f"Received: fractions={fractions}"
        )
    return dict(fractions)


def _allot(shares, folds):
    """Return whole folds for every part, at least one, by the largest remainders."""
    counts = np.maximum(np.floor(shares * folds + 1e-9).astype(int), 1)
    while counts.sum() != folds:
        lack = shares * folds - counts
        if counts.sum() < folds:
            counts[lack.argmax()] += 1
        else:
            counts[np.where(counts > 1, lack, np.inf).argmin()] -= 1
    return counts


def _misfit(shares, folds):
    if folds < len(shares):
        return math.inf
    return float(np.abs(_allot(shares, folds) / folds - shares).max())
