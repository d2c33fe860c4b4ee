"""Validation and test pictures set apart: by class with copies on one side, or whole people."""

import collections
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from fer_data.checks import check_choice
from fer_data.protocols.dividing import group_disjoint

SOURCES = ("train", "test")


class AlreadyDividedError(ValueError):
    """A share is to be set apart for a split that the data set has of its own."""


def check_shares(
    validation_fraction: float, test_fraction: float, validation_from: str = "train"
) -> None:
    """Raise `ValueError` unless these shares leave pictures to train on.

    Args:
        validation_fraction: Share of the pictures to set apart for validation.
        test_fraction: Share of the training pictures to set apart as test pictures.
        validation_from: Which pictures the validation pictures are taken from, one of `SOURCES`.
    """
    for split, fraction in {"validation": validation_fraction, "test": test_fraction}.items():
        if not 0 <= fraction < 1:
            raise ValueError(
                f"`{split}_fraction` must lie in [0, 1). Received: {split}_fraction={fraction}"
            )
    if validation_fraction + test_fraction >= 1:
        raise ValueError(
            "`validation_fraction` and `test_fraction` must leave pictures to train on. "
            f"Received: {validation_fraction} and {test_fraction}"
        )
    check_choice("validation_from", validation_from, SOURCES)
    if validation_from == "test" and (test_fraction or not validation_fraction):
        raise ValueError(
            '`validation_from="test"` needs a `validation_fraction` above 0 and no '
            f"`test_fraction`. Received: {validation_fraction} and {test_fraction}"
        )


def check_undivided(
    splits: Collection[str], fractions: Mapping[str, float], validation_from: str = "train"
) -> None:
    """Raise `ValueError` if a data set already has such a split, or lacks the source for it.

    The error of a split that is there is an `AlreadyDividedError`.

    Args:
        splits: Names of the splits that the data set has.
        fractions: Share to set apart, by the name of the split that gets it.
        validation_from: One of `SOURCES`.
    """
    for split, fraction in fractions.items():
        if fraction and split in splits:
            raise AlreadyDividedError(
                f"`{split}_fraction` must be 0 where the data set has a {split} split. "
                f"Received: {split}_fraction={fraction}"
            )
    if validation_from == "test" and "test" not in splits:
        raise ValueError(
            '`validation_from="test"` needs a data set with a test split. Received: one without'
        )


def set_apart(
    pictures: Sequence[bytes | str],
    labels: Sequence[int],
    fractions: Mapping[str, float],
    seed: int,
) -> list[str | None]:
    """Return which split each picture goes to.

    The shares are those of every class. Which pictures are taken depends on the pictures and the
    seed, not on their order. Copies of a picture go to the same split and count once, under the
    least of their labels. Each class keeps at least one picture where it is.

    Args:
        pictures: A hash for each picture, equal for equal pictures.
        labels: Class number of each picture.
        fractions: Share to set apart, by the name of the split that gets it.
        seed: Of the choice.

    Returns:
        For each picture the name of a split, or None where it stays.

    Example:

    >>> found = set_apart(list("abcdabcd"), [0, 0, 1, 1] * 2, {"validation": 0.5}, seed=1)
    >>> found[:4].count("validation"), found[:4] == found[4:]
    (2, True)
    """
    rng = np.random.default_rng(seed)
    least: dict[bytes | str, int] = {}
    for picture, label in zip(pictures, labels, strict=True):
        least[picture] = min(least.get(picture, label), label)
    goes: dict[bytes | str, str] = {}
    for label in sorted(set(least.values())):
        own = sorted(picture for picture, given in least.items() if given == label)
        rng.shuffle(own)
        start = 0
        for split, fraction in fractions.items():
            stop = min(start + round(fraction * len(own)), len(own) - 1)
            goes.update(dict.fromkeys(own[start:stop], split))
            start = stop
    return [goes.get(picture) for picture in pictures]


def set_people_apart(
    subjects: Sequence[bytes | str],
    labels: Sequence[int],
    fractions: Mapping[str, float],
    seed: int,
) -> list[str | None]:
    """Return which split each picture goes to, so that no person is in two splits.

    Whole people cannot be divided in exact shares: `fer_data.protocols.group_disjoint` comes as
    close as it can.

    Args:
        subjects: Who is in each picture.
        labels: Class number of each picture.
        fractions: Share to set apart, by the name of the split that gets it.
        seed: Of the choice.

    Returns:
        For each picture the name of a split, or None where it stays.

    Raises:
        ValueError: If there are too few people.

    Example:

    >>> found = set_people_apart(list("aabbccdd"), [0, 1] * 4, {"validation": 0.25}, seed=1)
    >>> found.count("validation"), found[::2] == found[1::2]
    (2, True)
    """
    shares = {split: share for split, share in fractions.items() if share}
    goes: list[str | None] = [None] * len(subjects)
    if not shares:
        return goes
    parts = {"": 1 - sum(shares.values())} | shares
    people, most = len(set(subjects)), max(collections.Counter(labels).values(), default=0)
    if min(people, most) < len(parts):
        words = " and ".join(f"`{split}_fraction`" for split in shares)
        raise ValueError(
            f"{words} {'needs' if len(shares) == 1 else 'need'} pictures of {len(parts)} people or "
            f"more, and {len(parts)} pictures of one class. Received: {people} people, and at most "
            f"{most} pictures of a class"
        )
    found = group_disjoint(np.asarray(labels), np.asarray(subjects), parts, seed)
    for split in shares:
        for place in found[split].tolist():
            goes[place] = split
    return goes
