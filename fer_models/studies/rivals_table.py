"""Figures of other papers as a table that is no ranking: in groups, by protocol."""

import re
from collections.abc import Sequence

from fer_models.studies.published_rivals import SCORES, Rival
from fer_models.training.ha3dnet_published import TITLES

HEADS = ("protocol, as stated", "method", "tested on", "accuracy, %", "F1", "UAR", "source")
ORIGIN = (
    "Published by others, as they state it, with the protocol as stated. This is not the "
    "dissertation's own list."
)
NO_RANKING = (
    "Rows are in groups by protocol and by the alphabet within a group: this is no ranking. "
    "Compare only rows of one protocol, of the same clips and classes. A split by clip, such as "
    "80:20 at random, has clips of one person on both sides: its figures cannot be set against "
    "those with a subject left out. Accuracy and F1 are as each source averages them."
)


def rivals_table(dataset: str, rivals: Sequence[Rival], origin: str = ORIGIN) -> list[str]:
    """Return the published figures on a data set, as lines of Markdown.

    Args:
        dataset: A name of `fer_models.training.ha3dnet_published.TITLES`.
        rivals: Published figures; those of other data sets are left out.
        origin: Where they come from, in a sentence.

    Returns:
        The lines; none where nothing is published on the data set.

    Example:

    >>> rivals = [
    ...     Rival("casme2", "Some net", "leave one subject out", "Somebody (2020)", {"uar": 0.5})
    ... ]
    >>> rivals_table("casme2", rivals)[-2]
    '| leave one subject out | Some net |  |  |  | 0.5 | Somebody (2020) |'
    >>> rivals_table("smic_hs", rivals)
    []
    """
    found = [each for each in rivals if each.dataset == dataset]
    if not found:
        return []
    lines = [f"#### Published by others on {TITLES[dataset]}", "", f"{origin} {NO_RANKING}", ""]
    lines += [_line(HEADS), "|" + "---|" * len(HEADS)]
    return [*lines, *(_line(_cells(each)) for each in in_groups(found)), ""]


def in_groups(rivals: Sequence[Rival]) -> list[Rival]:
    """Return figures of one protocol together, and by the alphabet within it.

    Args:
        rivals: Published figures. Protocols stay in the order in which they come first.

    Example:

    >>> rivals = [Rival("casme2", *words, {}) for words in (("b", "x", ""), ("c", "y", ""))]
    >>> rivals.append(Rival("casme2", "a", "x", "", {}))
    >>> [(each.method, each.protocol) for each in in_groups(rivals)]
    [('a', 'x'), ('b', 'x'), ('c', 'y')]
    """
    protocols = list(dict.fromkeys(each.protocol for each in rivals))
    return sorted(rivals, key=lambda each: (protocols.index(each.protocol), each.method.casefold()))


def _cells(rival):
    scores = [rival.scores.get(name) for name in SCORES]
    shown = ["" if value is None else f"{value:.4g}" for value in scores]
    if scores[0] is not None:
        shown[0] = f"{scores[0] * 100:.4g}"
    # Addresses become links, without the punctuation of the sentence.
    source = re.sub(r"(https?://\S*[^\s.,;)])", r"<\1>", rival.source)
    return [rival.protocol, rival.method, rival.clips, *shown, source]


def _line(cells):
    # A row is one line, whatever a cell holds.
    shown = [" ".join(cell.split()).replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(shown)} |"
