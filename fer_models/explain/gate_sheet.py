"""Pictures of attention gates: over the images or frames, and channel by channel."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fer_data import arguments
from fer_data.checks import as_array, check_integer
from fer_data.files import save_figure
from fer_models.explain.clip_sheet import lines_above, write_above
from fer_models.explain.contact_sheet import (
    checked_drawable_images,
    checked_names,
    prediction_colour,
)
from fer_models.explain.gates import Gate
from fer_models.explain.grad_cam import enlarge
from fer_models.explain.picture_grid import PictureGrid


@arguments.checked(
    gates=arguments.sequence(arguments.instance(Gate, "a `Gate`")),
    path=arguments.path,
    labels=arguments.sequence(arguments.plain),
    predictions=arguments.sequence(arguments.plain),
    alpha=arguments.number(0, 1),
    title=arguments.text,
)
def gate_sheet(
    images: np.ndarray | Sequence[np.ndarray],
    gates: Sequence[Gate],
    path: str | os.PathLike[str],
    labels: Sequence[str] | None = None,
    predictions: Sequence[str] | None = None,
    example: int = 0,
    columns: int = 12,
    alpha: float = 0.6,
    title: str | None = None,
) -> Path:
    """Draw where (and when) attention layers amplify their input.

    Each gate that varies in space or time has a row, with its mean over the channels laid over the
    picture in viridis. The colours of a row run from its smallest to its largest value over all
    that is shown, both written at its left: gates often differ by little.

    Args:
        images: The images as given to `attention_gates`, channels last, 1 or 3 channels in
            [0, 255]: a column for each. Or clips, or a list of clips with one for each input: a
            column for each time step of one clip.
        gates: The result of `attention_gates` for them. With clips, only the gates of whole clips
            are drawn, not those of layers in a `keras.layers.TimeDistributed`.
        path: File to write; its ending chooses the format.
        labels: Original label of each image or clip, or `None`.
        predictions: Predicted label of each, or `None`.
        example: Which clip to draw.
        columns: Most images (the first ones) or frames (evenly spread) to show.
        alpha: Opacity of the gates, from 0 to 1.
        title: Heading, or `None`.

    Returns:
        The path written, as a `pathlib.Path`.

    Raises:
        ValueError: If no gate varies in space or time, or shapes or lengths do not fit.

    Example:

    ```python
    gate_sheet(images, attention_gates(model, images), "out/gates.png")
    ```
    """
    several = images if isinstance(images, (list, tuple)) else [images]
    inputs = [as_array("images", each) for each in several]
    if not inputs or any(each.ndim not in (4, 5) for each in inputs):
        raise ValueError(
            "`images` must be images (examples, height, width, channels), clips, or a list of "
            f"clips. Received: shapes {[each.shape for each in inputs]}"
        )
    clips = inputs[0].ndim == 5
    count = len(inputs[0])
    if clips:
        # A layer that takes the frames one by one has gates of images, which have no place here.
        gates = [gate for gate in gates if gate.values.ndim == 5]
    if any(len(gate.values) != count for gate in gates):
        raise ValueError(
            f"`gates` must be of the same {count} examples as `images`. Received: gates of "
            f"{sorted({len(gate.values) for gate in gates})}"
        )
    labels = checked_names("labels", labels, count)
    predictions = checked_names("predictions", predictions, count)
    check_integer("columns", columns, 1)
    if clips and (isinstance(example, bool) or example not in range(count)):
        raise ValueError(
            f"`example` must be an integer from 0 to {count - 1}. Received: example={example!r}"
        )
    varying = [gate for gate in gates if gate.space() is not None or gate.time() is not None]
    if not varying:
        raise ValueError(
            "`gates` must hold one that varies in space or time; `plot_channel_gates` draws the "
            f"others. Received: {[gate.path for gate in gates]}"
        )
    if clips:
        pictures = [checked_drawable_images(each[example]) for each in inputs]
        frames = len(pictures[0])
        shown = np.unique(np.linspace(0, frames - 1, min(columns, frames)).round().astype(int))
    else:
        pictures = [checked_drawable_images(each) for each in inputs]
        shown = np.arange(min(columns, count))
    rows = []
    for gate in varying:
        under = pictures[gate.inputs[0]] if len(gate.inputs) == 1 else None
        maps = gate.values.mean(axis=-1)
        maps = over_time(maps[example], gate, pictures[0].shape[:3]) if clips else maps
        rows.append((gate, under, maps[shown]))
    names = [
        f"{_short(gate.path)}\n{gate.kind}\n{maps.min():.3f} to {maps.max():.3f}"
        for gate, _, maps in rows
    ]
    if clips:
        label = None if labels is None else labels[example]
        prediction = None if predictions is None else predictions[example]
        above = lines_above(label, prediction, len(shown))
    else:
        above = sum(head is not None for head in (predictions, labels))
    grid = PictureGrid(
        1 + len(rows) if not clips else len(rows),
        len(shown),
        pictures[0].shape[1:3],
        row_names=names if clips else ["", *names],
        above=above,
        title=title,
        bar=True,
    )
    if clips:
        write_above(grid, [str(frame) for frame in shown], label, prediction)
    else:
        for column, index in enumerate(shown):
            grid.show(0, column, pictures[0][index])
            _names_above(grid, column, index, labels, predictions)
    for row, (_, under, maps) in enumerate(rows, 0 if clips else 1):
        for column, index in enumerate(shown):
            image = None if under is None else under[index]
            grid.show(row, column, image, maps[column], alpha, (maps.min(), maps.max()))
    grid.color_bar(("least", "most"))
    return save_figure(grid.figure, path)


@arguments.checked(
    gates=arguments.sequence(arguments.instance(Gate, "a `Gate`")),
    path=arguments.path,
    title=arguments.text,
)
def plot_channel_gates(
    gates: Sequence[Gate], path: str | os.PathLike[str], title: str | None = None
) -> Path:
    """Draw the gates of channels, with a strip for each layer and a line for each example.

    Args:
        gates: The result of `attention_gates`.
        path: File to write; its ending chooses the format.
        title: Heading, or `None`.

    Returns:
        The path written, as a `pathlib.Path`.

    Raises:
        ValueError: If no gate varies over the channels.

    Example:

    ```python
    plot_channel_gates(attention_gates(model, images), "out/channels.png")
    ```
    """
    from matplotlib.figure import Figure

    found = [(gate, gate.channels()) for gate in gates]
    strips = [(gate, values) for gate, values in found if values is not None]
    if not strips:
        raise ValueError(
            "`gates` must hold one that varies over the channels. "
            f"Received: {[gate.path for gate in gates]}"
        )
    figure = Figure(figsize=(7.2, 0.35 + 0.75 * len(strips)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(strips), 1))
    for axes, (gate, values) in zip(panels, strips, strict=True):
        shown = axes.imshow(values, cmap="viridis", aspect="auto", interpolation="nearest")
        heading = f"{gate.path} ({gate.kind}): {values.shape[1]} channels"
        axes.set_title(heading, fontsize=8, loc="left", pad=3, parse_math=False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(shown, ax=axes, pad=0.01, fraction=0.03, format="%.2f")
        bar.set_ticks([values.min(), values.max()] if np.ptp(values) > 0 else [values.min()])
        bar.ax.tick_params(labelsize=7, length=0)
        bar.outline.set_visible(False)
    if title:
        figure.suptitle(title, fontsize=11, parse_math=False)
    return save_figure(figure, path)


def over_time(maps: np.ndarray, gate: Gate, shape: Sequence[int]) -> np.ndarray:
    """Return the maps of one clip's gate at the size of its frames."""
    maps = np.broadcast_to(maps, (gate.input_shape[0], *maps.shape[1:]))
    return enlarge(np.ascontiguousarray(maps)[None], shape)[0]


def _names_above(grid, column, index, labels, predictions):
    line = 0
    label = None if labels is None else labels[index]
    if predictions is not None:
        colour = prediction_colour(label, predictions[index])
        grid.above(column, line, predictions[index], color=colour, fontweight="bold")
        line += 1
    if label is not None:
        grid.above(column, line, label, color="#1b2a3a")


def _short(path):
    return path if len(path) <= 28 else f"...{path[-25:]}"
