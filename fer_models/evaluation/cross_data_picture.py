"""Picture of the scores of several models on several data sets."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from fer_data import arguments
from fer_data.checks import check_choice
from fer_data.files import save_figure
from fer_models.evaluation.cross_data import SCORES, CrossData

_DARK, _FRAME = "#1b2a3a", "#d1495b"
# The calibration error at which its colour is full; a larger one makes the scale longer.
_FULL_ERROR = 0.25


@arguments.checked(
    found=arguments.instance(CrossData, "a `CrossData`, as `cross_data` returns it"),
    path=arguments.path,
    trained_on=arguments.mapping(arguments.sequence(arguments.text)),
    title=arguments.text,
)
def plot_cross_data(
    found: CrossData,
    path: str | os.PathLike[str],
    trained_on: Mapping[str, Collection[str]] | None = None,
    title: str | None = None,
) -> Path:
    """Draw accuracy, macro F1 and calibration error of every model on every data set.

    Each score is a matrix: a row for each model, a column for each data set, the interval under the
    figure. A frame marks the data sets that a model was trained on.

    Args:
        found: The scores.
        path: File to write; its ending chooses the format.
        trained_on: The data sets that each model was trained on, by name of the model; None for no
            frames.
        title: Heading, or None.

    Returns:
        The path written, as a `pathlib.Path`.

    Raises:
        ValueError: If an argument breaks its rule, or the ending of `path` is unknown.

    Example:

    ```python
    plot_cross_data(found, "cross_data.png", {"ghostface:fer2013": ["fer2013"]})
    ```
    """
    # Imported here, and as an object without pyplot: no window system, no global state.
    from matplotlib.figure import Figure

    for name in trained_on or {}:
        check_choice("trained_on", name, found.models)
    rows, columns = len(found.models), len(found.data)
    longest = max(map(len, found.models))
    width = 3 * (1.35 * columns + 0.4) + 0.085 * longest + 0.4
    slanted = max(map(len, found.data)) > 12
    height = 0.85 * rows + 1.1 + (0.5 if slanted else 0) + (0.4 if title else 0)
    figure = Figure(figsize=(max(width, 6), height), layout="constrained")
    panels = figure.subplots(1, len(SCORES), sharey=True, squeeze=False)[0]
    for axes, (name, heading, form) in zip(panels, SCORES, strict=True):
        cells = [[getattr(each, name) for each in row.values()] for row in found.scores.values()]
        values = np.array([[each.value for each in row] for row in cells])
        error = name == "calibration_error"
        most = max(_FULL_ERROR, values.max()) if error else 1
        axes.imshow(values, cmap="Oranges" if error else "Blues", vmin=0, vmax=most, aspect="auto")
        axes.set_title(
            f"{heading[0].lower()}{heading[1:]}{' (0 is best)' if error else ''}", fontsize=11
        )
        turn = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
        # A name may hold dollar signs, which are no formula.
        axes.set_xticks(range(columns), found.data, parse_math=False, **turn)
        axes.set_yticks(range(rows), found.models, parse_math=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="minor", length=0)
        for row, column in np.ndindex(rows, columns):
            each = cells[row][column]
            colour = "white" if each.value > 0.6 * most else _DARK
            place = {"ha": "center", "color": colour}
            axes.text(column, row, form.format(each.value), va="bottom", fontweight="bold", **place)
            low, high = form.format(each.low), form.format(each.high)
            axes.text(column, row + 0.06, f"{low} to {high}", va="top", fontsize=7.5, **place)
            if found.data[column] in (trained_on or {}).get(found.models[row], ()):
                _frame(axes, row, column)
    panels[0].set_ylabel("model")
    figure.supxlabel(
        f"data set; {100 * found.level:g}% intervals"
        + ("; framed: what the model was trained on" if any((trained_on or {}).values()) else ""),
        fontsize=9,
    )
    if title:
        figure.suptitle(title, fontsize=12, parse_math=False)
    return save_figure(figure, path)


def _frame(axes, row, column):
    from matplotlib.patches import Rectangle

    place = (column - 0.46, row - 0.46)
    axes.add_patch(Rectangle(place, 0.92, 0.92, fill=False, edgecolor=_FRAME, linewidth=1.8))
