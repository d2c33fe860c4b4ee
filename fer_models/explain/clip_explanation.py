"""One picture of where and when a network of clips looks: Grad-CAM and gates by region and time."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_data import arguments
from fer_data.checks import as_array, check_integer
from fer_data.files import save_figure
from fer_models.explain.contact_sheet import (
    checked_drawable_images,
    checked_names,
    prediction_colour,
)
from fer_models.explain.gate_sheet import over_time
from fer_models.explain.gates import attention_gates
from fer_models.explain.grad_cam import grad_cam, visual_inputs
from fer_models.explain.picture_grid import PictureGrid
from fer_models.zoo.model_checks import check_model

# Factor by which motion is enlarged, around grey.
GAIN = 4
METHODS = {"grad_cam": "Grad-CAM", "hires_cam": "HiResCAM"}


@arguments.checked(
    path=arguments.path,
    region_names=arguments.sequence(arguments.text),
    class_names=arguments.sequence(arguments.scalar),
    method=arguments.text,
    alpha=arguments.number(0, 1),
    title=arguments.text,
)
def clip_explanation(
    model: keras.Model,
    inputs: np.ndarray | Sequence[np.ndarray],
    path: str | os.PathLike[str],
    frames: np.ndarray | Sequence[np.ndarray] | None = None,
    region_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    label: str | None = None,
    layer: str | keras.Layer | Sequence[str | keras.Layer] | None = None,
    method: str | None = None,
    class_index: int | None = None,
    columns: int = 8,
    alpha: float = 0.55,
    side: float = 0.85,
    title: str | None = None,
) -> Path:
    """Draw where and when a network of clips looks, for one clip, as one picture.

    Each region has a row of frames with the heat map of the class, and a row for every attention
    gate that depends on this region alone. Gates of space are laid over the region, gates of time
    are plain tiles. A column is a time step. A heat map is divided by its own maximum over space
    and time; the colours of a gate run from its least to its greatest value, both written at its
    left.

    Args:
        model: Built Keras model of clips, with one input or several.
        inputs: The clip as the model takes it: an array `(frames, height, width, channels)`, or a
            list of them, one for each region.
        path: File to write; its ending chooses the format.
        frames: Pictures to show instead of `inputs`: arrays of the same shapes with values in [0,
            255], for a network that takes differences of frames. The differences, four times as
            large and grey where nothing moves, are then shown under the gates. `None` shows the
            inputs.
        region_names: Name of each region, or `None` for the names of the model's inputs.
        class_names: Name of each class, or `None` for their numbers.
        label: Original label, or `None`.
        layer: As for `grad_cam`; `None` for the last attention of each region, where every region
            has one, else for the last convolution.
        method: `"grad_cam"` or `"hires_cam"`. `None` takes `"hires_cam"` if the model flattens its
            features, because such a head weighs each place by itself, and else `"grad_cam"`.
        class_index: Class to explain; `None` for the predicted one.
        columns: Most frames to show, evenly spread from the first to the last.
        alpha: Opacity of maps over pictures, from 0 to 1.
        side: Width of a picture in inches.
        title: Heading, or `None` for one that names class and method.

    Returns:
        The path written, as a `pathlib.Path`.

    Raises:
        ValueError: If shapes, numbers of names, or other arguments do not fit.

    Example:

    ```python
    clip_explanation(model, [left, right, lower], "out/clip.png", class_names=names)
    ```
    """
    check_model(model)
    inputs = [as_array("inputs", each) for each in (inputs if _several(inputs) else [inputs])]
    wanted = len(keras.tree.flatten(visual_inputs(model)))
    if len(inputs) != wanted:
        raise ValueError(
            f"`inputs` must be {wanted} arrays, one for each input of model {model.name!r}. "
            f"Received: {len(inputs)}"
        )
    shown = inputs if frames is None else list(frames if _several(frames) else [frames])
    if method not in (None, *METHODS):
        raise ValueError(
            f"`method` must be None or one of {list(METHODS)}. Received: method={method!r}"
        )
    check_integer("columns", columns, 1)
    if [np.shape(each) for each in shown] != [each.shape for each in inputs]:
        raise ValueError(
            "`frames` must have the shapes of `inputs`. Received: "
            f"{[np.shape(each) for each in shown]} and {[each.shape for each in inputs]}"
        )
    argument = "inputs" if frames is None else "frames"
    pictures = [checked_drawable_images(each, argument) for each in shown]
    moved = pictures if frames is None else [_motion(each) for each in inputs]
    if region_names is None:
        region_names = [tensor.name for tensor in model.inputs]
    names = checked_names("region_names", region_names, len(inputs))

    classes = model.output_shape[-1]
    said = [str(name) for name in (range(classes) if class_names is None else class_names)]
    if len(said) != classes:
        raise ValueError(
            f"`class_names` must name the model's {classes} classes. Received: {class_names!r}"
        )
    whole = [each[None] for each in inputs]
    batch = whole if len(whole) > 1 else whole[0]
    gates = [
        gate
        for gate in attention_gates(model, batch)
        # A layer that takes the frames one by one has gates of images.
        if gate.values.ndim == 5
        and len(gate.inputs) == 1
        and (gate.space() is not None or gate.time() is not None)
    ]
    layer = _last_gates(gates, len(inputs)) if layer is None else layer
    method = method or ("hires_cam" if _flattens(model) else "grad_cam")
    maps = grad_cam(model, batch, class_index=class_index, layer=layer, method=method)
    maps = [each[0] for each in (maps if _several(maps) else [maps])]
    scores = np.asarray(model.predict_on_batch(batch))[0]
    explained = said[int(scores.argmax()) if class_index is None else class_index]

    rows: list[tuple[Any, ...]] = []
    for place, (name, heat) in enumerate(zip(names or (), maps, strict=True)):
        rows.append((f"{name}\n{METHODS[method]}", pictures[place], heat, (0, 1)))
        for gate in (gate for gate in gates if gate.inputs == (place,)):
            values = over_time(gate.values.mean(axis=-1)[0], gate, inputs[place].shape[:3])
            limits = float(values.min()), float(values.max())
            under = None if gate.space() is None else moved[place]
            words = f"{name}, {gate.kind}\n{limits[0]:.2f} to {limits[1]:.2f}"
            rows.append((words, under, values, limits))
    return _drawn(
        rows,
        path,
        columns=columns,
        alpha=alpha,
        side=side,
        label=label,
        prediction=f"{said[int(scores.argmax())]} {scores.max():.0%}",
        title=title or f"What speaks for {explained!r}, and the gates of attention",
    )


def _drawn(rows, path, *, columns, alpha, side, label, prediction, title):
    count = len(rows[0][2])
    places = np.unique(np.linspace(0, count - 1, min(columns, count)).round().astype(int))
    # Beside the label there is room for the prediction from the third column on.
    line = 2 if label is not None and len(places) < 3 else 1
    grid = PictureGrid(
        len(rows),
        len(places),
        rows[0][2].shape[1:3],
        side=side,
        row_names=[row[0] for row in rows],
        above=1 + line,
        title=title,
        bar=True,
    )
    for number, (_, under, heat, limits) in enumerate(rows):
        for column, place in enumerate(places):
            image = None if under is None else under[place]
            grid.show(number, column, image, heat[place], alpha, limits)
    for column, place in enumerate(places):
        grid.above(column, 0, str(place))
    if label is not None:
        grid.above(0, 1, str(label), color="#1b2a3a")
    colour = prediction_colour(None if label is None else str(label), prediction)
    column = 0 if line == 2 else min(len(places) - 1, 2)
    grid.above(column, line, f"predicted: {prediction}", color=colour, fontweight="bold")
    grid.color_bar(("least", "most"))
    return save_figure(grid.figure, path, dpi=110)


def _several(value):
    return isinstance(value, (list, tuple))


def _last_gates(gates, count):
    """Return the path of each region's last gate, or `None` where a region has none."""
    # Later calls of a shared layer bear a number.
    last = {gate.inputs[0]: gate.path.partition("#")[0] for gate in gates}
    return [last[number] for number in range(count)] if len(last) == count else None


def _motion(clip):
    """Return differences of frames as pictures, grey for none, uint8."""
    grey = 128 + GAIN * clip.mean(axis=-1, keepdims=True)
    return checked_drawable_images(np.clip(grey, 0, 255).round().astype(np.uint8))


def _flattens(model):
    return any(
        isinstance(layer, keras.layers.Flatten)
        or (isinstance(layer, keras.Model) and _flattens(layer))
        for layer in model.layers
    )
