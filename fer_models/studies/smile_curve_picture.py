"""The psychometric curves of one weights file as a picture."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_data.files import save_figure

COLOURS = ("#2a6f97", "#d1495b", "#66a182")


def plot_smile_curves(found: Mapping[str, Any], path: str | os.PathLike[str], title: str) -> Path:
    """Draw the probability of happy against the amount of smile: all faces, and by each factor.

    Args:
        found: What `fer_models.studies.smile_curve.smile_curves` gives.
        path: File to write; its ending chooses the format.
        title: Heading.

    Returns:
        The path.
    """
    # As an object without pyplot: no window system, no global state.
    from matplotlib.figure import Figure

    panels = {"all faces": {"all": found["all"]}, **found["by"]}
    columns = (len(panels) + 1) // 2
    figure = Figure(figsize=(3.1 * columns, 5.6), layout="constrained")
    every = figure.subplots(2, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    for axes, (name, curves) in zip(every, panels.items(), strict=False):
        for colour, (value, curve) in zip(COLOURS, curves.items(), strict=False):
            middle, low, high = zip(*curve["happy"], strict=True)
            axes.fill_between(found["levels"], low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(found["levels"], middle, color=colour, label=value, linewidth=1.8)
        axes.axhline(0.5, color="#9aa5b1", linewidth=0.8, linestyle=":")
        axes.set_title(name, fontsize=10)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.spines[["top", "right"]].set_visible(False)
        if len(curves) > 1:
            axes.legend(frameon=False, fontsize=8)
    figure.suptitle(f"{title}: probability of happy, {found['people']} drawn people", fontsize=11)
    figure.supxlabel("smile (strength of action unit 12)", fontsize=9)
    return save_figure(figure, path, dpi=110)
