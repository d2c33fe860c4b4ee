"""Picture of how far a model's confidence can be believed."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.files import save_figure
from fer_models.evaluation.calibration import confidence_bins
from fer_models.evaluation.probability_checks import (
    checked_labels_or_distributions,
    checked_probabilities,
)

_ACCURACY, _GAP, _LINE = "#2a6f97", "#d1495b", "#1b2a3a"


@arguments.checked(path=arguments.path, title=arguments.text)
def plot_reliability(
    labels: ArrayLike,
    probabilities: ArrayLike,
    path: str | os.PathLike[str],
    bins: int = 15,
    title: str | None = None,
) -> Path:
    """Draw accuracy against confidence, and under it how many examples stand at each confidence.

    Confidence is the probability of the predicted class. A calibrated model's bars end on the
    diagonal. The shaded gap runs from a bar's end to the mean confidence of its examples; the mean
    of the gaps, weighted by the examples, is the expected calibration error, which the picture
    states. A bin of few examples says little: look at the counts under it.

    Args:
        labels: Integers `(examples,)`, or one-hot or soft labels `(examples, classes)` whose rows
            sum to one, of which the largest is the true class.
        probabilities: Array `(examples, classes)` from 0 to 1, rows summing to one.
        path: File to write; its ending chooses the format.
        bins: Number of bins of equal width from 0 to 1, 1 or more.
        title: Heading; `None` gives accuracy and mean confidence.

    Returns:
        The path written, as a `pathlib.Path`.

    Raises:
        ValueError: If `labels` or `probabilities` break a rule above, `bins` is below 1, or the
            ending of `path` is unknown.

    Example:

    ```python
    plot_reliability(labels, model.predict(images), "out/reliability.png")
    ```

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, figure 1.
    """
    # Imported here, and as an object without pyplot: no window system, no global state.
    from matplotlib.colors import to_rgba
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    probabilities = checked_probabilities(probabilities)
    truth, _ = checked_labels_or_distributions(labels, *probabilities.shape)
    found = confidence_bins(truth, probabilities, bins)
    filled = found.counts > 0
    counts, accuracy, confidence = (
        values[filled] for values in (found.counts, found.accuracy, found.confidence)
    )
    total = counts.sum()
    left = np.flatnonzero(filled) / bins
    shape = {"width": 1 / bins, "align": "edge"}

    figure = Figure(figsize=(5.2, 5.8), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
    axes.bar(left, accuracy, color=_ACCURACY, edgecolor="white", label="accuracy", **shape)
    axes.bar(
        left,
        confidence - accuracy,
        bottom=accuracy,
        color=to_rgba(_GAP, 0.25),
        edgecolor=_GAP,
        hatch="////",
        linewidth=0.8,
        label="gap to mean confidence",
        **shape,
    )
    # The white rim shows the line on dark bars too.
    axes.plot(
        [0, 1],
        [0, 1],
        color=_LINE,
        linewidth=1.4,
        label="calibrated",
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )
    axes.set_ylim(0, 1)
    axes.set_ylabel("accuracy")
    axes.legend(framealpha=0.9, edgecolor="none", fontsize=9, loc="upper left")
    axes.text(
        0.97,
        0.04,
        f"ECE {found.error:.3f}",
        transform=axes.transAxes,
        ha="right",
        va="bottom",
        fontsize=11,
        fontweight="bold",
        color=_LINE,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.9},
    )
    below.bar(left, counts, color="#8d99a6", edgecolor="white", **shape)
    below.set_ylabel(f"{total:,}\nexamples")
    below.set_xlabel("confidence (probability of the predicted class)")
    below.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    below.yaxis.set_major_formatter("{x:,.0f}")
    below.set_xlim(0, 1)
    for each in (axes, below):
        each.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        each.grid(color="#e3e7eb", linewidth=0.8)
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    heading = (
        f"accuracy {accuracy @ counts / total:.1%}, mean confidence "
        f"{confidence @ counts / total:.1%}"
    )
    axes.set_title(title or heading, fontsize=11, parse_math=False)
    return save_figure(figure, path)
