"""FER2013's faces under the labels that FER+ gave them."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_data.datasets.fer2013 import Fer2013
from fer_data.labels import EMOTIONS, EMOTIONS_WITH_CONTEMPT, FERPLUS_CLASSES, FERPLUS_VOTE_COLUMNS

# Of the ten columns of votes.
PLACES = [FERPLUS_CLASSES.index(name) for name in EMOTIONS_WITH_CONTEMPT]


class FerPlus(Fer2013):
    """FER+: FER2013's faces, labelled anew by ten people each.

    Reads what `Fer2013` reads, which must have the votes, and keeps its splits and features. The
    label is the class of the majority by the rule of FER+'s authors: single votes are taken for
    slips and removed, then more than half of what is left must agree. Faces without a majority, or
    with one for "unknown" or "not a face" (or for contempt, unless asked for), are left out,
    counted and listed.

    Args:
        path: As for `Fer2013`.
        contempt: Whether contempt is an eighth class, after FER2013's seven.
        **kwargs: See `LocalBuilder`.

    Reference:
        Barsoum et al., "Training Deep Networks for Facial Expression Recognition with
        Crowd-Sourced Label Distribution", ICMI 2016; the rule as in their published code.
    """

    name = "ferplus"

    def __init__(
        self, *, path: str | os.PathLike[str], contempt: bool = False, **kwargs: Any
    ) -> None:
        if not isinstance(contempt, bool):
            raise ValueError(f"`contempt` must be True or False. Received: contempt={contempt!r}")
        self._contempt = contempt
        super().__init__(path=path, contempt=contempt, **kwargs)

    def _find(self, *, contempt, **options):
        super()._find(**options)
        if not (self._votes_csv if self._csv else self._labels_csv):
            raise ValueError(
                "`path` must hold the votes of FER+: fer2013new.csv beside fer2013.csv, or "
                f"labels.csv beside the class folders. Received: {self._source.root}, without"
                f"{self._source.refusals()}"
            )

    def _class_names(self):
        return EMOTIONS_WITH_CONTEMPT if self._contempt else EMOTIONS

    def _items(self, report):
        kept = []
        for item in super()._items(report):
            votes = item.extra.get("votes")
            place = None if votes is None else majority(votes)
            name = None if place is None else FERPLUS_VOTE_COLUMNS[place]
            if place in PLACES[: len(self._class_names())]:
                item.label = PLACES.index(place)
                kept.append(item)
            else:
                report.read += 1
                report.drop(f"majority for {name}" if name else "no majority", item.where)
        return kept


def majority(votes: Sequence[int] | np.ndarray) -> int | None:
    """Return the place of the majority among votes, or `None` where there is none.

    Args:
        votes: Numbers of votes, the same columns as `FERPLUS_VOTE_COLUMNS`.

    Returns:
        The column that has more than half of the votes, those that are alone in their column left
        out; `None` if there is no such column.

    Example:

    >>> majority([6, 0, 0, 3, 0, 0, 0, 0, 1, 0])
    0
    >>> majority([4, 4, 0, 0, 0, 0, 0, 0, 1, 1]) is None
    True
    """
    votes = np.where(np.asarray(votes, dtype="float64") <= 1, 0, votes)
    best = int(votes.argmax())
    return best if votes[best] > votes.sum() / 2 else None
