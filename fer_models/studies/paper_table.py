"""A table of a paper beside our own figures: as Markdown, as JSON and as a picture."""

import dataclasses
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from fer_data import files

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Column:
    """One figure that a table gives for every row.

    Attributes:
        name: Its name, such as `"accuracy"`, unique in the table.
        title: What stands above the column, with the unit: `"accuracy, %"`. Default: the name.
        scale: What values are multiplied by to be shown: 100 for a share in percent.
        digits: Decimal places.
    """

    name: str
    title: str = ""
    scale: float = 1.0
    digits: int = 2

    def shown(self, value: float) -> str:
        """Return a value as text."""
        return f"{value * self.scale:,.{self.digits}f}"


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: what the paper states and what we measured.

    Attributes:
        name: Its name, as the paper has it.
        published: The paper's values by the name of the column, in the same unit as ours. A column
            that is left out is one that the paper does not state.
        measured: Our values by the name of the column, one for each seed.
    """

    name: str
    published: Mapping[str, float] = dataclasses.field(default_factory=dict)
    measured: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class PaperTable:
    """A table.

    Attributes:
        title: Its heading.
        columns: Its columns.
        rows: Its rows.
        differs: What differs from the paper, a sentence each.

    Raises:
        ValueError: If a row has a value for a column that the table does not have.

    Example:

    >>> table = PaperTable(
    ...     "Table 1",
    ...     (Column("accuracy", "accuracy, %", scale=100, digits=1),),
    ...     (Row("GhostFace", {"accuracy": 0.78}, {"accuracy": (0.61, 0.63)}),),
    ... )
    >>> print(table.markdown())
    ### Table 1
    <BLANKLINE>
    | | accuracy, %: paper | ours |
    |---|---|---|
    | GhostFace | 78.0 | 62.0 ± 1.4 [49.3, 74.7] |
    <BLANKLINE>
    Ours: mean ± standard deviation over 2 seeds [95 % interval of the mean, Student's t].
    <BLANKLINE>
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    differs: Sequence[str] = ()

    def __post_init__(self) -> None:
        names = {column.name for column in self.columns}
        for row in self.rows:
            unknown = sorted((row.published.keys() | row.measured.keys()) - names)
            if unknown:
                raise ValueError(
                    f"`rows` must have values for the columns {sorted(names)} only. "
                    f"Received: {unknown} in {row.name!r}"
                )

    def markdown(self) -> str:
        """Return the table as Markdown, the paper's column beside ours."""
        heads, rules = [""], ["---"]
        for column in self.columns:
            title = column.title or column.name
            both = self._stated(column)
            heads += [f"{title}: paper", "ours"] if both else [title]
            rules += ["---"] * (1 + both)
        lines = [f"### {self.title}", "", _line(heads), "|" + "|".join(rules) + "|"]
        for row in self.rows:
            cells = [row.name]
            for column in self.columns:
                if self._stated(column):
                    value = row.published.get(column.name)
                    cells.append("" if value is None else column.shown(value))
                cells.append(_ours(column, row.measured.get(column.name, ())))
            lines.append(_line(cells))
        lines += ["", self._legend(), ""]
        if self.differs:
            lines += ["What differs from the paper:", "", *(f"- {each}" for each in self.differs)]
            lines.append("")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the table with all values, of JSON's types."""
        return {
            "title": self.title,
            "differs": list(self.differs),
            "rows": [
                {
                    "name": row.name,
                    "published": dict(row.published),
                    "measured": {name: summary(values) for name, values in row.measured.items()},
                }
                for row in self.rows
            ],
        }

    def only(self, *names: str) -> "PaperTable":
        """Return the table with some of its columns, such as those that are worth drawing.

        Args:
            *names: Names of the columns.
        """

        def kept(values):
            return {name: values[name] for name in names if name in values}

        rows = [Row(row.name, kept(row.published), kept(row.measured)) for row in self.rows]
        columns = [column for column in self.columns if column.name in names]
        return PaperTable(self.title, columns, rows, self.differs)

    def _stated(self, column):
        return any(column.name in row.published for row in self.rows)

    def _legend(self):
        counts = {len(values) for row in self.rows for values in row.measured.values()}
        most = max(counts, default=0)
        if most < 2:
            return "Ours: one seed, so without a spread." if most else "Ours: not measured."
        return (
            f"Ours: mean ± standard deviation over {most} seeds "
            f"[{CONFIDENCE * 100:.0f} % interval of the mean, Student's t]."
        )


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return the values with their mean, standard deviation and interval of the mean.

    Args:
        values: One for each seed.

    Example:

    >>> found = summary([0.5, 0.7])
    >>> round(found["mean"], 3), round(found["sd"], 3)
    (0.6, 0.141)
    """
    values = [float(value) for value in values]
    found: dict[str, Any] = {"values": values}
    if values:
        found["mean"] = statistics.fmean(values)
    if len(values) > 1:
        found["sd"] = statistics.stdev(values)
        half = found["sd"] * _quantile(len(values) - 1) / math.sqrt(len(values))
        found["interval"] = [found["mean"] - half, found["mean"] + half]
    return found


def draw(tables: Sequence[PaperTable], path: str | os.PathLike[str]) -> None:
    """Draw tables: for every column a panel, with our seeds, their mean and the paper's value.

    Args:
        tables: The tables, one below the other.
        path: The picture, a PNG file.

    Raises:
        ValueError: If no table has a measured value.
    """
    from matplotlib.figure import Figure

    shown = [
        (table, [c for c in table.columns if any(row.measured.get(c.name) for row in table.rows)])
        for table in tables
    ]
    shown = [(table, columns) for table, columns in shown if columns]
    if not shown:
        raise ValueError("`tables` must have a measured value to draw. Received: none")
    across = max(len(columns) for _, columns in shown)
    heights = [1.0 + 0.32 * len(table.rows) for table, _ in shown]
    figure = Figure((1.6 + 2.8 * across, sum(heights) + 0.5), layout="constrained")
    parts = figure.subfigures(len(shown), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, (table, columns) in zip(parts, shown, strict=True):
        part.suptitle(table.title, fontsize=10)
        axes = part.subplots(1, across, sharey=True, squeeze=False)[0]
        for axis, column in zip(axes, columns, strict=False):
            _panel(axis, table, column)
        for axis in axes[len(columns) :]:
            axis.set_axis_off()
        axes[0].set_yticks(range(len(table.rows)), [row.name for row in table.rows], fontsize=8)
        axes[0].set_ylim(len(table.rows) - 0.5, -0.5)
        axes[0].legend(fontsize=7, loc="best")
    files.save_figure(figure, path)


def _panel(axis, table, column):
    axis.set_title(column.title or column.name, fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)
    for place, row in enumerate(table.rows):
        values = [value * column.scale for value in row.measured.get(column.name, ())]
        if values:
            found = summary(values)
            low, high = found.get("interval", (found["mean"], found["mean"]))
            axis.plot([low, high], [place, place], color="tab:blue", linewidth=1)
            axis.plot(values, [place] * len(values), ".", color="tab:blue", alpha=0.5)
            axis.plot(found["mean"], place, "o", color="tab:blue", label=_once(axis, "ours"))
        if column.name in row.published:
            value = row.published[column.name] * column.scale
            axis.plot(value, place, "x", color="tab:red", label=_once(axis, "paper"))


def _once(axis, label):
    known = axis.get_legend_handles_labels()[1]
    return "_nolegend_" if label in known else label


def _ours(column, values):
    found = summary(values)
    if not found["values"]:
        return ""
    text = column.shown(found["mean"])
    # A figure such as a count of parameters is the same for every seed.
    if not found.get("sd"):
        return text
    low, high = (column.shown(end) for end in found["interval"])
    return f"{text} ± {column.shown(found['sd'])} [{low}, {high}]"


def _line(cells):
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def _quantile(freedom):
    from scipy import stats

    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
