"""Figures of other papers: the file that comes with the library, and one that a user types in."""

import csv
import dataclasses
import io
import math
import os
from pathlib import Path

from fer_models.training import ha3dnet_published
from fer_models.training.ha3dnet_published import TITLES

COLUMNS = ("dataset", "method", "accuracy", "f1", "protocol", "source")
# These may be left out.
MORE_COLUMNS = ("clips", "uar")
SCORES = ("accuracy", "f1", "uar")
# Read in November 2026 in the papers, abstracts and repositories that its sources name.
BUNDLED = Path(ha3dnet_published.__file__).with_name("ha3dnet_rivals.csv")


@dataclasses.dataclass(frozen=True)
class Rival:
    """What a paper publishes of its method on a data set.

    Attributes:
        dataset: A name of `fer_models.training.ha3dnet_published.TITLES`.
        method: The method.
        protocol: How its test clips were chosen, in words.
        source: Where the figures stand.
        scores: `accuracy`, `f1` and `uar`, shares of one; what is not published is left out.
        clips: Which clips and classes it was tested on, in words.
    """

    dataset: str
    method: str
    protocol: str
    source: str
    scores: dict[str, float]
    clips: str = ""


def bundled_rivals() -> list[Rival]:
    """Return the figures that come with the library.

    They are not those of the dissertation's tables 3 to 7, which are not in our sources.

    Example:

    >>> found = [rival for rival in bundled_rivals() if rival.method == "STSTNet"]
    >>> [(rival.dataset, rival.scores["uar"]) for rival in found]
    [('smic_hs', 0.7013), ('samm_long_videos', 0.681), ('casme2', 0.8686)]
    """
    return read_rivals(BUNDLED)


def read_rivals(path: str | os.PathLike[str]) -> list[Rival]:
    r"""Return the figures in a CSV file.

    Its first line is `dataset,method,accuracy,f1,protocol,source`, in any order; `clips` and `uar`
    may stand there too. Accuracy, F1 and UAR are shares of one; one of them is enough. Protocol and
    source must be given: without them a figure cannot be compared.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If the file is not in UTF-8, a column is missing or a line breaks a rule; it
            names the line.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rivals.csv"
    >>> _ = path.write_text(
    ...     "dataset,method,accuracy,f1,protocol,source\n"
    ...     "casme2,Some net,0.5,,leave one subject out,Somebody (2020)\n"
    ... )
    >>> [(rival.method, rival.scores) for rival in read_rivals(path)]
    [('Some net', {'accuracy': 0.5})]
    """
    try:
        # With or without a byte-order mark.
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            "`rivals` must be a CSV file in UTF-8: save it as one. "
            f"Received: {str(path)!r} ({error})"
        ) from error
    rows = csv.DictReader(io.StringIO(text, newline=""))
    lacking = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if lacking:
        raise ValueError(
            f"`rivals` must have the columns {', '.join(COLUMNS)}. "
            f"Received: {path} without {', '.join(lacking)}"
        )
    return [_rival(row, f"{path}, line {rows.line_num}") for row in rows]


def _rival(row, where):
    words = {name: (row.get(name) or "").strip() for name in (*COLUMNS, *MORE_COLUMNS)}
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
        raise ValueError(
            f"A rival must have an accuracy, an F1 or a UAR. Received: none of them in {where}"
        )
    texts = {name: words[name] for name in ("dataset", "method", "protocol", "source", "clips")}
    return Rival(**texts, scores=scores)


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
