"""The check that the sets of an audit have no picture in common."""

import itertools
from collections.abc import Mapping

import numpy as np

from fer_data import arguments


class OverlapError(ValueError):
    """Sets of an audit share pictures.

    Attributes:
        counts: Dictionary from a pair of names to the number of pictures that are in both.
    """

    def __init__(self, message: str, counts: Mapping[tuple[str, str], int]) -> None:
        super().__init__(message)
        self.counts = counts


@arguments.checked(sets=arguments.mapping(arguments.array((None,), kinds="uiUSO", empty=True)))
def overlaps(sets: Mapping[str, np.ndarray]) -> dict[tuple[str, str], int]:
    """Count the pictures that are in two sets, by their content.

    Args:
        sets: Dictionary from name to content hashes, as `content_hashes` or `Signals.hashes`
            gives them.

    Returns:
        Dictionary from each pair of names that share pictures to the number of different ones.

    Example:

    >>> overlaps({"members": ["a", "b"], "non-members": ["b", "c"]})
    {('members', 'non-members'): 1}
    """
    found = {
        (first, second): len(np.intersect1d(sets[first], sets[second]))
        for first, second in itertools.combinations(sets, 2)
    }
    return {pair: count for pair, count in found.items() if count}


@arguments.checked(sets=arguments.mapping(arguments.array((None,), kinds="uiUSO", empty=True)))
def refuse_overlap(sets: Mapping[str, np.ndarray]) -> None:
    """Raise `OverlapError` if two sets share pictures; arguments as in `overlaps`."""
    counts = overlaps(sets)
    if counts:
        shared = ", ".join(
            f"{count} in both {first} and {second}" for (first, second), count in counts.items()
        )
        sizes = ", ".join(f"{len(hashes)} {name}" for name, hashes in sets.items())
        raise OverlapError(
            "Members, non-members and population must have no picture in common, or the audit "
            f"measures nothing. Received: {shared} (of {sizes})",
            counts,
        )
