"""Rows and columns of small pictures with names beside and above, laid out in inches."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

_DARK, _GREY = "#1b2a3a", "#5b6875"
_GAP, _HEADING = 0.06, 0.34
_TEXT = 8
# Of the title: points, and inches a letter and a line take.
_TITLE, _LETTER, _LINE = 11, 0.088, 0.19


class PictureGrid:
    """A matplotlib figure of pictures of one shape.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        shape: (height, width) of a picture, in any unit.
        side: Width of a picture in inches.
        row_names: Text at the left of each row, lines split by newlines, or `None`.
        above: Lines of text above each picture of the first row.
        title: Heading, or `None`; it is broken into lines as wide as the figure.
        bar: Whether to leave room for a colour bar at the right.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        shape: Sequence[int],
        *,
        side: float = 1.1,
        row_names: Sequence[str] | None = None,
        above: int = 0,
        title: str | None = None,
        bar: bool,
    ) -> None:
        # Imported here, and without pyplot, which needs a window system and has global state.
        from matplotlib.figure import Figure

        height, width = shape
        self.wide, self.tall = side, side * height / width
        longest = max(
            (len(line) for name in row_names or () for line in name.split("\n")), default=0
        )
        self.left = 0.1 + 0.07 * longest
        self.bar = 0.5 if bar else 0
        self.width = self.left + columns * (self.wide + _GAP) + self.bar
        letters = max(1, int(self.width / _LETTER))
        lines = [
            part for line in (title or "").splitlines() for part in textwrap.wrap(line, letters)
        ]
        heading = _HEADING + _LINE * (len(lines) - 1) if lines else 0
        self.top = _GAP + heading + 0.17 * above
        self.height = self.top + rows * (self.tall + _GAP) + _GAP
        self.figure = Figure(figsize=(self.width, self.height))
        for row, name in enumerate(row_names or ()):
            middle = self.top + row * (self.tall + _GAP) + self.tall / 2
            self._text(self.left - 0.07, middle, name, ha="right", fontsize=_TEXT, color=_DARK)
        if lines:
            middle = 0.2 + _LINE * (len(lines) - 1) / 2
            words = "\n".join(lines)
            self._text(self.width / 2, middle, words, ha="center", fontsize=_TITLE, color=_DARK)

    def _text(self, x, y, text, **style):
        self.figure.text(
            x / self.width,
            1 - y / self.height,
            text,
            # A name may hold dollar signs, which are no formula.
            **{"va": "center", "linespacing": 1.25, "parse_math": False, **style},
        )

    def _axes(self, x, y, wide, tall):
        box = (x, self.height - y - tall, wide, tall)
        sizes = (self.width, self.height) * 2
        return self.figure.add_axes(tuple(a / b for a, b in zip(box, sizes, strict=True)))

    def show(
        self,
        row: int,
        column: int,
        image: np.ndarray | None,
        heat: np.ndarray | None = None,
        alpha: float = 0.5,
        limits: tuple[float, float] = (0, 1),
    ) -> None:
        """Draw an image (bytes; `None` for none) and a map in viridis over it."""
        x = self.left + column * (self.wide + _GAP)
        y = self.top + row * (self.tall + _GAP)
        axes = self._axes(x, y, self.wide, self.tall)
        axes.set_axis_off()
        if image is not None:
            axes.imshow(image, vmin=0, vmax=255, cmap="gray", aspect="auto")
        if heat is not None:
            low, high = limits
            axes.imshow(
                heat,
                vmin=low,
                vmax=high if high > low else low + 1,
                cmap="viridis",
                alpha=alpha if image is not None else 1,
                # The same frame as the picture's, whatever the size of the map.
                extent=(0, 1, 0, 1) if image is None else _extent(image),
                aspect="auto",
            )

    def above(self, column: int, line: int, text: str, color: str = _GREY, **style: Any) -> None:
        """Write above a column; line 0 is the one next to the picture."""
        x = self.left + column * (self.wide + _GAP) + self.wide / 2
        self._text(
            x, self.top - 0.1 - 0.17 * line, text, ha="center", fontsize=_TEXT, color=color, **style
        )

    def color_bar(self, ends: tuple[str, str]) -> None:
        """Draw viridis with a text at its lower and upper end."""
        from matplotlib.cm import ScalarMappable

        axes = self._axes(self.width - self.bar + 0.04, self.top, 0.09, self.tall)
        bar = self.figure.colorbar(ScalarMappable(cmap="viridis"), cax=axes, ticks=[0, 1])
        bar.ax.set_yticklabels(ends)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7, length=0)


def _extent(image):
    height, width = image.shape[:2]
    return (-0.5, width - 0.5, height - 0.5, -0.5)
