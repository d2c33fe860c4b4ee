"""Figures of other papers that a user types in: a CSV file, and what must stand in it."""

import csv
import dataclasses
import math
import os
from pathlib import Path

from fer_models.training.ha3dnet_published import TITLES

COLUMNS = ("dataset", "method", "accuracy", "f1", "protocol", "source")
SCORES = ("accuracy", "f1")


@dataclasses.dataclass(frozen=True)
class Rival:
    """What a paper publishes of its method on a data set.

    Attributes:
        dataset: A name of `fer_models.training.ha3dnet_published.TITLES`.
        method: The method.
        protocol: How its test clips were chosen, in words.
        source: Where the figures stand.
        scores: `accuracy` and `f1`, shares of one; what is not published is left out.
    """

    dataset: str
    method: str
    protocol: str
    source: str
    scores: dict[str, float]

    @property
    def name(self) -> str:
        """What a table calls it."""
        return f"{self.method}, {self.protocol} ({self.source})"


def read_rivals(path: str | os.PathLike[str]) -> list[Rival]:
    r"""Return the figures in a CSV file.

    Its first line is `dataset,method,accuracy,f1,protocol,source`. Accuracy and F1 are shares of
    one; one of the two may be empty. Protocol and source may not: without them a figure cannot be
    compared.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If a column is missing or a line breaks a rule; it names the line.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rivals.csv"
    >>> _ = path.write_text(
    ...     "dataset,method,accuracy,f1,protocol,source\n"
    ...     "casme2,Some net,0.5,,leave one subject out,Somebody (2020)\n"
    ... )
    >>> [(rival.name, rival.scores) for rival in read_rivals(path)]
    [('Some net, leave one subject out (Somebody (2020))', {'accuracy': 0.5})]
    """
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        lacking = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if lacking:
            raise ValueError(
                f"`rivals` must have the columns {', '.join(COLUMNS)}. "
                f"Received: {path} without {', '.join(lacking)}"
            )
        return [_rival(row, f"{path}, line {rows.line_num}") for row in rows]


def _rival(row, where):
    words = {name: (row[name] or "").strip() for name in COLUMNS}
    if words["dataset"] not in TITLES:
        raise ValueError(
            f"`dataset` of a rival must be one of {tuple(TITLES)}. "
            f"Received: {words['dataset']!r} in {where}"
        )
    for name in ("method", "protocol", "source"):
        if not words[name]:
            raise ValueError(f"`{name}` of a rival must be given. Received: nothing in {where}")
    scores = {name: _share(name, words[name], where) for name in SCORES if words[name]}
    if not scores:
        raise ValueError(f"A rival must have an accuracy or an F1. Received: neither in {where}")
    return Rival(words["dataset"], words["method"], words["protocol"], words["source"], scores)


def _share(name, text, where):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ValueError(
            f"`{name}` of a rival must be a share of one, such as 0.94 for 94 %. "
            f"Received: {text!r} in {where}"
        )
    return value
