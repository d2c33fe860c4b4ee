"""The parts of a report: sections of text, tables, pictures and warnings, before any format."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph of plain text."""

    text: str


@dataclasses.dataclass(frozen=True)
class Bar:
    """A cell of a table that is a share from 0 to 1, written and drawn."""

    share: float | None
    text: str


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of strings and `Bar`s; all columns but the first are set to the right.

    Attributes:
        header: Names of the columns.
        rows: Tuple of rows, each as long as the header.
        caption: What it shows.
        full: Whether it stands in the model card too, and not on the page alone.
    """

    header: tuple
    rows: tuple
    caption: str
    full: bool = True


@dataclasses.dataclass(frozen=True)
class Picture:
    """A PNG picture.

    Attributes:
        data: Its bytes.
        alt: What it shows, for those who cannot see it.
        caption: What to look for.
        wide: Whether it needs the whole width of the page.
    """

    data: bytes = dataclasses.field(repr=False)
    alt: str
    caption: str
    wide: bool = False


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number for the head of the page: what it is, its value, and what it is seen beside."""

    name: str
    value: str
    beside: str = ""


@dataclasses.dataclass(frozen=True)
class Section:
    """One part of a report.

    Attributes:
        key: Short name, an anchor and the key of its data.
        title: Heading.
        blocks: Tuple of `Text`, `Table` and `Picture`.
        how: How the numbers came about.
        warnings: Tuple of sentences.
        figures: Tuple of `Figure` for the head of the page.
        data: Its numbers, ready for JSON.
    """

    key: str
    title: str
    blocks: tuple
    how: str
    warnings: tuple = ()
    figures: tuple = ()
    data: dict = dataclasses.field(default_factory=dict, repr=False)


def drawn(
    draw: Callable[[Path], str | os.PathLike[str]], alt: str, caption: str, wide: bool = False
) -> Picture:
    """Return the `Picture` that a function draws, called with the path of a PNG file."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        return Picture(Path(draw(Path(folder) / "picture.png")).read_bytes(), alt, caption, wide)


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as text, such as `"93.1 %"`; a dash for `None`."""
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def between(low: float, high: float, digits: int = 1) -> str:
    """Return an interval of shares as text, such as `"91.0 to 94.8 %"`."""
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f} %"
