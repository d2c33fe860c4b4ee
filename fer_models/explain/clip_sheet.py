"""Contact sheet of a clip: a row for each region, a column for each time step."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data import arguments
from fer_data.checks import check_integer
from fer_data.files import save_figure
from fer_models.explain.contact_sheet import (
    checked_drawable_images,
    checked_heat_maps,
    checked_names,
    prediction_colour,
)
from fer_models.explain.picture_grid import PictureGrid


@arguments.checked(
    path=arguments.path,
    region_names=arguments.sequence(arguments.plain),
    label=arguments.plain,
    alpha=arguments.number(0, 1),
    prediction=arguments.plain,
    title=arguments.text,
)
def clip_sheet(
    clip: np.ndarray | Sequence[np.ndarray],
    path: str | os.PathLike[str],
    heat_maps: np.ndarray | Sequence[np.ndarray] | None = None,
    region_names: Sequence[str] | None = None,
    label: str | None = None,
    prediction: str | None = None,
    times: Sequence[Any] | None = None,
    columns: int = 12,
    alpha: float = 0.5,
    title: str | None = None,
) -> Path:
    """Draw the regions of one clip over time, with their heat maps.

    Args:
        clip: Array `(frames, height, width, channels)`, or a list of them of one shape, one for
            each region, with 1 channel (grey) or 3 (colour), values in [0, 255].
        path: File to write; its ending chooses the format.
        heat_maps: The result of `grad_cam` for this clip: an array `(frames, height, width)` from 0
            to 1, or one for each region; laid over the frames in the viridis colour map. `None`
            shows the frames alone.
        region_names: Name of each region, or `None`.
        label: Original label, or `None`.
        prediction: Predicted label, or `None`; green if it is the original one, red otherwise. May
            carry more after a space, such as `"surprise 81%"`.
        times: Text above each frame, such as its seconds; `None` writes its number.
        columns: Most frames to show, evenly spread from the first to the last.
        alpha: Opacity of the heat maps, from 0 to 1.
        title: Heading, or `None`.

    Returns:
        The path written, as a `pathlib.Path`.

    Raises:
        ValueError: If there is no frame, shapes or lengths do not fit, or a value is out of range.

    Example:

    ```python
    maps = grad_cam(model, [left, right, lower])  # of a batch of clips
    clip_sheet(
        [left[0], right[0], lower[0]],
        "out/clip.png",
        [each[0] for each in maps],
        region_names=("left", "right", "lower"),
    )
    ```
    """
    if not isinstance(clip, (list, tuple)):
        clip = [np.asarray(clip)]
        heat_maps = None if heat_maps is None else [np.asarray(heat_maps)]
    if not clip:
        raise ValueError("`clip` must hold one region or more. Received: none")
    regions = [checked_drawable_images(region, "clip") for region in clip]
    if len({region.shape[:3] for region in regions}) > 1:
        raise ValueError(
            "`clip` must hold regions of one shape. "
            f"Received: {[region.shape for region in regions]}"
        )
    count, frames = len(regions), len(regions[0])
    if heat_maps is not None:
        if len(heat_maps) != count:
            raise ValueError(
                f"`heat_maps` must have {count} entries, one for each region. "
                f"Received: {len(heat_maps)}"
            )
        heat_maps = [
            checked_heat_maps(each, region)  # type: ignore[misc]
            for each, region in zip(heat_maps, regions, strict=True)
        ]
    names = checked_names("region_names", region_names, count)
    times = checked_names("times", times, frames) or [str(number) for number in range(frames)]
    check_integer("columns", columns, 1)
    shown = np.unique(np.linspace(0, frames - 1, min(columns, frames)).round().astype(int))
    label = None if label is None else str(label)
    prediction = None if prediction is None else str(prediction)
    grid = PictureGrid(
        count,
        len(shown),
        regions[0].shape[1:3],
        row_names=names,
        above=lines_above(label, prediction, len(shown)),
        title=title,
        bar=heat_maps is not None,
    )
    for row, region in enumerate(regions):
        for column, frame in enumerate(shown):
            heat = None if heat_maps is None else heat_maps[row][frame]
            grid.show(row, column, region[frame], heat, alpha)
    write_above(grid, [times[frame] for frame in shown], label, prediction)
    if heat_maps is not None:
        grid.color_bar(("0", "1"))
    return save_figure(grid.figure, path)


def lines_above(label: str | None, prediction: str | None, columns: int) -> int:
    """Return how many lines `write_above` needs."""
    if label is None and prediction is None:
        return 1
    return 1 + _prediction_line(label, prediction, columns)


def write_above(
    grid: PictureGrid, times: Sequence[str], label: str | None, prediction: str | None
) -> None:
    """Write the time of each column above it, and over them the label and the prediction."""
    for column, time in enumerate(times):
        grid.above(column, 0, time)
    if label is not None:
        grid.above(0, 1, label, color="#1b2a3a")
    if prediction is not None:
        line = _prediction_line(label, prediction, len(times))
        column = 1 if label is not None and line == 1 else 0
        colour = prediction_colour(label, prediction)
        grid.above(column, line, prediction, color=colour, fontweight="bold")


def _prediction_line(label, prediction, columns):
    # In a single column the prediction finds no room beside the label.
    return 2 if columns == 1 and label is not None and prediction is not None else 1
