"""Pictures of a report and of a training run."""

import csv
import os
from pathlib import Path

import keras
import numpy as np

from fer_data import arguments
from fer_data.checks import as_numbers, check_path
from fer_data.files import save_figure
from fer_models.evaluation.classification import Report
from fer_models.evaluation.group_scores import GroupScores
from fer_models.evaluation.pooled import PooledScores

_TRAIN, _VALIDATION = "#2a6f97", "#d1495b"


@arguments.checked(
    report=arguments.having("class_names", "confusion", rule="a `Report` with a confusion matrix"),
    path=arguments.path,
    title=arguments.text,
)
def plot_confusion(
    report: Report | PooledScores | GroupScores,
    path: str | os.PathLike[str],
    title: str | None = None,
) -> Path:
    """Draw the confusion matrix of a report: colour by share of the true class, counts inside.

    Args:
        report: A `Report`, or another result of this package with a confusion matrix.
        path: File to write; its ending chooses the format.
        title: Heading; `None` gives accuracy and macro F1, or the group and its accuracy.

    Returns:
        The path written, as a `pathlib.Path`.

    Raises:
        ValueError: If the ending of `path` is unknown.

    Example:

    ```python
    plot_confusion(report, "out/confusion.png")
    ```
    """
    # Imported here, and as an object without pyplot: no window system, no global state.
    from matplotlib.figure import Figure

    names = report.class_names
    count = len(names)
    totals = report.confusion.sum(axis=1, keepdims=True)
    shares = report.confusion / np.maximum(totals, 1)
    side = max(4.2, 0.85 * count + 1.8)
    figure = Figure(figsize=(side + 0.5, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    # A name may hold dollar signs, which are no formula.
    axes.set_xticks(
        range(count), names, rotation=40, ha="right", rotation_mode="anchor", parse_math=False
    )
    labels = [f"{name} ({total:,})" for name, total in zip(names, totals[:, 0], strict=True)]
    axes.set_yticks(range(count), labels, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (examples)")
    axes.set_title(title or _heading(report), fontsize=11, parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    for row, column in np.ndindex(count, count):
        number = report.confusion[row, column]
        share = shares[row, column]
        axes.text(
            column,
            row,
            f"{share:.0%}\n{number:,}" if number else "0",
            ha="center",
            va="center",
            fontsize=8,
            fontweight="bold" if row == column else "normal",
            color="white" if share > 0.55 else "#1b2a3a" if number else "#9aa5b1",
        )
    return save_figure(figure, path)


def _heading(report: Report | PooledScores | GroupScores) -> str:
    if isinstance(report, GroupScores):
        share = report.accuracy
        return f"{report.name}: accuracy {share.value:.2%} ({share.low:.2%} to {share.high:.2%})"
    return f"accuracy {report.accuracy:.2%}, macro F1 {report.macro_f1:.3f}"


@arguments.checked(path=arguments.path, title=arguments.text)
def plot_curves(
    history: keras.callbacks.History | dict[str, list[float]] | str | Path,
    path: str | os.PathLike[str],
    title: str | None = None,
) -> Path:
    """Draw loss and accuracy over the epochs, training and validation, the best epoch marked.

    The best epoch is the one of highest validation accuracy; without one, of lowest validation
    loss; without validation none is marked. Accuracy is the first metric with "acc" in its name.

    Args:
        history: `History` of `fit`, its `history` dictionary, or the path of a file written by
            `keras.callbacks.CSVLogger`.
        path: File to write; its ending chooses the format.
        title: Heading, or `None`.

    Returns:
        The path written, as a `pathlib.Path`.

    Raises:
        ValueError: If there is no epoch, no loss, or curves of different lengths; or if the
            ending of `path` is unknown.

    Example:

    ```python
    history = model.fit(train, validation_data=validation, epochs=10)
    plot_curves(history, "out/curves.png")
    ```
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    epochs, curves = _read_history(history)
    accuracy = next((name for name in curves if "acc" in name and "val_" not in name), None)
    panels = ["loss", *([accuracy] if accuracy else [])]
    best = _best_epoch(curves, accuracy)
    figure = Figure(figsize=(5.2 * len(panels), 3.8), layout="constrained")
    for axes, metric in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        for name, label, colour in (
            (metric, "training", _TRAIN),
            (f"val_{metric}", "validation", _VALIDATION),
        ):
            if name in curves:
                mark = "o" if len(epochs) < 15 else None
                axes.plot(
                    epochs, curves[name], color=colour, label=label, marker=mark, markersize=3.5
                )
        if best is not None and f"val_{metric}" in curves:
            value = curves[f"val_{metric}"][best]
            text = f"{value:.1%}" if metric == accuracy else f"{value:.3f}"
            axes.axvline(epochs[best], color="#8d99a6", linewidth=1, linestyle=":", zorder=0)
            axes.plot(
                epochs[best],
                value,
                marker="o",
                markersize=8,
                markerfacecolor="none",
                markeredgecolor=_VALIDATION,
                markeredgewidth=1.8,
                linestyle="none",
                label=f"best epoch, {epochs[best]}: {text}",
            )
        if metric == accuracy:
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel("epoch")
        axes.set_title("loss" if metric == "loss" else "accuracy", fontsize=11)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color="#e3e7eb", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(framealpha=0.9, edgecolor="none", fontsize=9, loc="best")
    if title:
        figure.suptitle(title, fontsize=12, parse_math=False)
    return save_figure(figure, path)


def _best_epoch(curves, accuracy):
    # An all-nan curve, of a run that diverged, has no best epoch.
    for name, pick in ((f"val_{accuracy}", np.nanargmax), ("val_loss", np.nanargmin)):
        if name in curves and not np.isnan(curves[name]).all():
            return int(pick(curves[name]))
    return None


def _read_history(history):
    """Return the numbers of the epochs, from 1, and the curves as arrays."""
    history = getattr(history, "history", history)
    if isinstance(history, (str, Path)):
        history = _read_csv(history)
    if not isinstance(history, dict) or "loss" not in history:
        keys = sorted(history) if isinstance(history, dict) else history
        raise ValueError(f"`history` must hold the curve 'loss'. Received: {keys}")
    history = dict(history)
    # CSVLogger counts from 0.
    numbers = history.pop("epoch", None)
    curves = {name: as_numbers(f"history[{name!r}]", values) for name, values in history.items()}
    length = len(curves["loss"])
    if not length:
        raise ValueError("`history` must hold at least one epoch. Received: none")
    other = {name: len(curve) for name, curve in curves.items() if len(curve) != length}
    if other:
        raise ValueError(
            f"`history` must hold curves of one length, {length} as the loss. Received: {other}"
        )
    epochs = np.arange(length) if numbers is None else np.asarray(numbers, dtype="float64")
    return epochs.astype(int) + 1, curves


def _read_csv(path):
    check_path("history", path)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError(f"`history` must hold at least one epoch. Received: the file {path}")
    try:
        return {
            name: [float("nan") if row[name] in ("", "NA") else float(row[name]) for row in rows]
            for name in rows[0]
        }
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`history` must be a file as keras.callbacks.CSVLogger writes it. Received: {path}, "
            f"where {error}"
        ) from error
