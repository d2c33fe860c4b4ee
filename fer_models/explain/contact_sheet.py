"""Contact sheet: images with their heat maps and labels."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import as_array, as_numbers, check_integer
from fer_data.files import save_figure

_RIGHT, _WRONG, _PLAIN = "#1b7f4b", "#c8102e", "#1b2a3a"
_INCH = 1.5


@arguments.checked(
    path=arguments.path,
    labels=arguments.sequence(arguments.plain),
    predictions=arguments.sequence(arguments.plain),
    alpha=arguments.number(0, 1),
    title=arguments.text,
)
def contact_sheet(
    images: ArrayLike,
    path: str | os.PathLike[str],
    heat_maps: ArrayLike | None = None,
    labels: Sequence[str] | None = None,
    predictions: Sequence[str] | None = None,
    columns: int = 6,
    alpha: float = 0.5,
    title: str | None = None,
) -> Path:
    """Draw images in rows, each with its original and its predicted label above it.

    A prediction that equals the original label is green, another one red.

    Args:
        images: Array `(examples, height, width, channels)` with 1 channel (grey) or 3 (colour),
            values in [0, 255].
        path: File to write; its ending chooses the format.
        heat_maps: Array `(examples, height, width)` from 0 to 1, laid over the images in the
            viridis colour map; `None` shows the images alone.
        labels: Original label of each image, as a name, or `None`.
        predictions: Predicted label of each image, as a name; may carry more after a space, such
            as `"happy 93%"`, which does not enter the comparison if `labels` holds the bare name.
        columns: Images in a row, 1 or more.
        alpha: Opacity of the heat maps, from 0 to 1.
        title: Heading, or `None`.

    Returns:
        The path written, as a `pathlib.Path`.

    Raises:
        ValueError: If there is no image, shapes or lengths do not fit, or a value is out of range.

    Example:

    ```python
    heat = grad_cam(model, images)
    contact_sheet(images, "out/grad_cam.png", heat, labels=true_names, predictions=found_names)
    ```

    Reference:
        Tang and Kok, "GhostFace: Model Pengecaman Ekspresi Muka Ringan dan Teguh", 2022: viridis,
        original and predicted label above each image.
    """
    # Imported here, and without pyplot, which needs a window system and has global state.
    from matplotlib.figure import Figure

    images = checked_drawable_images(images)
    count = len(images)
    heat_maps = checked_heat_maps(heat_maps, images)
    labels = checked_names("labels", labels, count)
    predictions = checked_names("predictions", predictions, count)
    check_integer("columns", columns, 1)

    columns = min(columns, count)
    rows = -(-count // columns)
    lines = sum(names is not None for names in (labels, predictions))
    height, width = images.shape[1:3]
    tall = _INCH * height / width
    above, gap = 0.17 * lines + 0.06, 0.08
    legend = 0.45 if heat_maps is not None else 0
    heading = 0.35 if title else 0
    figure_width = columns * (_INCH + gap) + gap + legend
    figure_height = rows * (tall + above + gap) + gap + heading
    figure = Figure(figsize=(figure_width, figure_height))

    def place(left, top, wide, high):
        # From inches, top down, to matplotlib's fractions, bottom up.
        bottom = figure_height - top - high
        return (
            left / figure_width,
            bottom / figure_height,
            wide / figure_width,
            high / figure_height,
        )

    shown = None
    for index in range(count):
        row, column = divmod(index, columns)
        left = gap + column * (_INCH + gap)
        top = heading + gap + row * (tall + above + gap) + above
        axes = figure.add_axes(place(left, top, _INCH, tall))
        axes.set_axis_off()
        axes.imshow(images[index], vmin=0, vmax=255, cmap="gray", aspect="auto")
        if heat_maps is not None:
            shown = axes.imshow(
                heat_maps[index], vmin=0, vmax=1, cmap="viridis", alpha=alpha, aspect="auto"
            )
        _write_labels(
            axes,
            None if labels is None else labels[index],
            None if predictions is None else predictions[index],
        )
    if shown is not None:
        top = heading + gap + above
        axes = figure.add_axes(place(figure_width - legend + 0.04, top, 0.09, tall))
        bar = figure.colorbar(shown, cax=axes, ticks=[0, 1])
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7, length=0)
    if title:
        y = 1 - 0.2 / figure_height
        figure.text(0.5, y, title, ha="center", va="center", fontsize=11, parse_math=False)
    return save_figure(figure, path)


def _write_labels(axes, label, prediction):
    common = {"transform": axes.transAxes, "ha": "center", "va": "bottom", "clip_on": False}
    # A name may hold dollar signs, which are no formula.
    common["parse_math"] = False
    one_line = 0.17 / (axes.get_position().height * axes.figure.get_figheight())
    if prediction is not None:
        colour = prediction_colour(label, prediction)
        axes.text(0.5, 1.01, prediction, color=colour, fontsize=8.5, fontweight="bold", **common)
    if label is not None:
        height = 1.01 + (one_line if prediction is not None else 0)
        axes.text(0.5, height, label, color=_PLAIN, fontsize=8.5, **common)


def prediction_colour(label: str | None, prediction: str | None) -> str:
    """Return the colour of a prediction: green if it is right, red if wrong, else dark."""
    if label is None or prediction is None:
        return _PLAIN
    return _RIGHT if prediction == label or prediction.startswith(f"{label} ") else _WRONG


def checked_drawable_images(images: ArrayLike, name: str = "images") -> np.ndarray:
    """Return images as bytes, grey ones without the channel axis, or raise `ValueError`.

    Args:
        images: Images, or the frames of one clip.
        name: The user's argument, for messages.
    """
    images = as_array(name, images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise ValueError(
            f"`{name}` must be of shape (count, height, width, channels) with a count of 1 or more "
            f"and 1 or 3 channels. Received: shape={images.shape}"
        )
    if not np.isfinite(images).all() or images.min() < 0 or images.max() > 255:
        raise ValueError(
            f"`{name}` must be in [0, 255]. Received: values from {images.min()} to {images.max()}"
        )
    # Rounded to bytes, since matplotlib takes floats to be in [0, 1].
    images = np.round(images).astype("uint8")
    return images[..., 0] if images.shape[-1] == 1 else images


def checked_heat_maps(heat_maps: ArrayLike | None, images: np.ndarray) -> np.ndarray | None:
    """Return heat maps as float32, or raise `ValueError` where they do not fit the images."""
    if heat_maps is None:
        return None
    heat_maps = as_numbers("heat_maps", heat_maps, "float32")
    if heat_maps.shape != images.shape[:3]:
        raise ValueError(
            f"`heat_maps` must be of shape {images.shape[:3]}, one for each image. "
            f"Received: shape={heat_maps.shape}"
        )
    if not np.isfinite(heat_maps).all() or heat_maps.min() < 0 or heat_maps.max() > 1:
        raise ValueError(
            f"`heat_maps` must be from 0 to 1. Received: values from {heat_maps.min()} to "
            f"{heat_maps.max()}"
        )
    return heat_maps


def checked_names(argument: str, names: Iterable[Any] | None, count: int) -> list[str] | None:
    """Return names as strings, `count` of them, or raise `ValueError`."""
    if names is None:
        return None
    names = [str(name) for name in names]
    if len(names) != count:
        raise ValueError(f"`{argument}` must have {count} entries. Received: {len(names)}")
    return names
