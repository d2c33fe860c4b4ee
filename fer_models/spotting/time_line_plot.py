"""A time line as a picture: the motion above, the network's probabilities below."""

import itertools
import os
from pathlib import Path

import numpy as np

from fer_data import arguments
from fer_data.files import save_figure
from fer_models.spotting.time_line import TimeLine

# If there are more windows than this, maxima and means of neighbours are drawn: pixels are few.
MOST_POINTS = 1500
# Most labels, for the intervals that move most: more labels would hide each other.
MOST_LABELS = 12
# Most entries in a row of the legend: more would run out of the picture.
MOST_COLUMNS = 7
COLOURS = ("#5b7fd6", "#e8a33d", "#d1559b", "#4aa88f", "#8a6fc9", "#c96f53", "#7d8b99")
_HATCHES = {"no face": "///", "not decoded": "xxx"}
_DARK, _GREY, _LIGHT, _GAP, _FAINT = "#1b2a3a", "#5b6875", "#d9dee4", "#eceff2", "#a9b3bd"


@arguments.checked(
    line=arguments.instance(TimeLine, "a `TimeLine`"), path=arguments.path, title=arguments.text
)
def plot_time_line(line: TimeLine, path: str | os.PathLike[str], title: str | None = None) -> Path:
    """Draw a time line.

    Above: the motion of every window, at the window's middle; the threshold of the rule as a dashed
    line; a grey ground where the head moves too much for the rule. A coloured band with the
    network's class marks each micro-expression that the rule finds. Below: the network's
    probabilities, pale where the rule finds nothing, since they have no meaning there. Hatched: no
    face, or frames that could not be decoded. Dotted: a cut.

    Args:
        line: `TimeLine` with one window or more.
        path: File to write; its ending chooses the format.
        title: Heading, or `None`.

    Returns:
        The path written, as a `pathlib.Path`.

    Raises:
        ValueError: If there is no window, or matplotlib cannot write files with this ending.

    Example:

    ```python
    plot_time_line(spotter.video("interview.mp4"), "interview.png")
    ```
    """
    from matplotlib.figure import Figure

    if not len(line):
        raise ValueError("`line` must hold one window or more. Received: none")
    columns, limits, intervals = line.columns(), line.thresholds(), line.intervals()
    middle = (columns["start"] + columns["end"]) / 2
    figure = Figure(figsize=(12, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(line.class_names))]
    _motion(above, columns, middle, limits, line)
    _probabilities(below, columns, middle, line.gaps, intervals, colours)
    below.set_xlim(columns["start"][0], max(columns["end"][-1], columns["start"][0] + 1e-3))
    _bands(above, below, intervals, dict(zip(line.class_names, colours, strict=True)))
    for axes in (above, below):
        _empty(axes, line.gaps)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_LIGHT)
        axes.tick_params(colors=_GREY, labelsize=9, length=3)
    below.xaxis.set_major_formatter(lambda seconds, place: clock(seconds))
    _legend(figure, line.class_names, colours, {gap.reason for gap in line.gaps})
    if title:
        figure.suptitle(title, fontsize=12, color=_DARK, x=0.01, ha="left", parse_math=False)
    return save_figure(figure, path)


def clock(seconds: float) -> str:
    """Return seconds as `minutes:seconds`, with tenths where they are not whole.

    >>> clock(75.0), clock(4.25), clock(59.99)
    ('1:15', '0:04.2', '1:00')
    """
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    return f"{minutes}:{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")


def _motion(axes, columns, middle, limits, line):
    motion, spoilt = columns["motion"], columns["head"] > line.rule.head
    # Scaled by the motion that counts: the head's own may be ten times as large, and is cut off.
    top = 1.5 * max(motion[~spoilt].max(initial=0.5), limits[~spoilt].max(initial=0.5))
    for part in _stretches(middle, line.gaps):
        x, (most, limit, bad) = _thinned(middle[part], motion[part], limits[part], spoilt[part])
        ground = _ground(columns["start"][part], columns["end"][part], spoilt[part])
        axes.broken_barh(ground, (0, top), color=_LIGHT, alpha=0.6, linewidth=0)
        axes.plot(x, most, color=_FAINT, linewidth=1.2)
        counts = np.where(bad > 0, np.nan, most)
        axes.plot(x, counts, color=_DARK, linewidth=1.5, marker="." if len(x) < 60 else None)
        axes.plot(x, limit, color=_GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_ylim(0, top)
    axes.set_ylabel("motion away and back\n(px of a 128 px face)", color=_GREY, fontsize=9)


def _probabilities(axes, columns, middle, gaps, intervals, colours):
    values = columns["probabilities"]
    inside = [(each.start, each.end) for each in intervals]
    for part in _stretches(middle, gaps):
        x, rows = _thinned(middle[part], *values[part].T, mean=True)
        tops = np.cumsum(rows, axis=0)
        bottoms = np.concatenate([np.zeros((1, len(x))), tops[:-1]])
        for low, high, colour in zip(bottoms, tops, colours, strict=True):
            axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
            for start, end in inside:
                if end < x[0] or start > x[-1]:
                    continue
                fine = np.unique(np.concatenate([np.linspace(start, end, 32), x]))
                fine = fine[(fine >= max(start, x[0])) & (fine <= min(end, x[-1]))]
                edges = np.interp(fine, x, low), np.interp(fine, x, high)
                axes.fill_between(fine, *edges, color=colour, alpha=0.9, linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_ylabel("the network's\nprobabilities", color=_GREY, fontsize=9)
    axes.set_xlabel("time", color=_GREY, fontsize=9)


def _ground(starts, ends, spoilt):
    """Return start and length of the times in which the head moves too much: windows, joined."""
    found = []
    for start, end in zip(starts[spoilt], ends[spoilt], strict=True):
        if found and start <= found[-1][1]:
            found[-1][1] = max(found[-1][1], end)
        else:
            found.append([start, end])
    return [(start, end - start) for start, end in found]


def _bands(labelled, other, intervals, colours):
    for each in intervals:
        labelled.axvspan(
            each.start, each.end, color=colours[each.window.label], alpha=0.25, linewidth=0
        )
        other.axvspan(each.start, each.end, facecolor="none", edgecolor=_DARK, linewidth=0.6)
    top, (left, right) = labelled.get_ylim()[1], labelled.get_xlim()
    named = sorted(intervals, key=lambda each: -each.window.motion)[:MOST_LABELS]
    for place, each in enumerate(sorted(named, key=lambda each: each.apex)):
        middle = (each.window.start + each.window.end) / 2
        # Near an edge the text goes inwards.
        share = (middle - left) / (right - left)
        side = 0 if share < 0.06 else 2 if share > 0.94 else 1
        labelled.plot(middle, each.window.motion, "o", color=_DARK, markersize=4.5)
        labelled.annotate(
            f"{each.window.label} {each.window.confidence:.0%}\n{each.window.region}, "
            f"{clock(each.apex)}",
            (middle, each.window.motion),
            # Two heights in turn, so that neighbours do not overlap.
            (middle, top * (0.99 if place % 2 else 0.86)),
            ha=("left", "center", "right")[side],
            va="top",
            fontsize=8,
            color=_DARK,
            parse_math=False,
            bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1},
            arrowprops={
                **{"arrowstyle": "-", "color": _GREY, "linewidth": 0.6, "shrinkA": 0},
                "relpos": (side / 2, 0),
            },
        )


def _empty(axes, gaps):
    for gap in gaps:
        if gap.reason == "cut":
            axes.axvline((gap.start + gap.end) / 2, color=_GREY, linewidth=1, linestyle=":")
        else:
            end = max(gap.end, gap.start + 1e-3)
            axes.axvspan(
                gap.start,
                end,
                facecolor=_GAP,
                edgecolor=_LIGHT,
                hatch=_HATCHES[gap.reason],
                linewidth=0,
            )


def _legend(figure, names, colours, reasons):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks = [
        *(Patch(color=colour, label=name) for name, colour in zip(names, colours, strict=True)),
        Line2D([], [], color=_DARK, linewidth=1.4, label="motion"),
        Line2D([], [], color=_GREY, linewidth=1, linestyle=(0, (4, 3)), label="threshold"),
        Patch(color=_LIGHT, label="the head moves"),
    ]
    hatched = [reason for reason in ("no face", "not decoded") if reason in reasons]
    for reason in hatched:
        marks.append(Patch(facecolor=_GAP, edgecolor=_GREY, hatch=_HATCHES[reason], label=reason))
    if "cut" in reasons:
        marks.append(Line2D([], [], color=_GREY, linewidth=1, linestyle=":", label="cut"))
    legend = figure.legend(
        handles=marks,
        loc="outside lower center",
        ncols=min(len(marks), MOST_COLUMNS),
        frameon=False,
        fontsize=9,
        labelcolor=_DARK,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _stretches(middle, gaps):
    """Yield the windows between two gaps as slices: lines must not bridge a gap."""
    places = np.unique(np.searchsorted(middle, [gap.start for gap in gaps]))
    edges = [0, *places[(places > 0) & (places < len(middle))].tolist(), len(middle)]
    for start, stop in itertools.pairwise(edges):
        yield slice(start, stop)


def _thinned(middle, *values, mean=False):
    """Return times and values at `MOST_POINTS` points at most: maxima of neighbours, or means."""
    size = -(-len(middle) // MOST_POINTS)
    starts = np.arange(0, len(middle), size)
    counts = np.diff([*starts, len(middle)])
    rows = [
        np.add.reduceat(each, starts) / counts if mean else np.maximum.reduceat(each, starts)
        for each in values
    ]
    return np.add.reduceat(middle, starts) / counts, np.stack(rows)
