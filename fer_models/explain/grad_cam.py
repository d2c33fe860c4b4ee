"""Grad-CAM: maps of the places (and times) in an image or clip that a class score comes from."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from fer_data import arguments
from fer_data.checks import as_array, check_integer, checked_finite
from fer_models.evaluation.layer_calls import model_inputs, trace_calls
from fer_models.evaluation.logits import class_count, last_activation
from fer_models.explain.gradients import FeatureGradients
from fer_models.explain.layers import data_format, find_layers, input_dependence, input_format

METHODS = ("grad_cam", "hires_cam")


@arguments.checked(method=arguments.text, layer=arguments.plain)
def grad_cam(
    model: keras.Model,
    images: Any,
    class_index: int | Sequence[int] | np.ndarray | None = None,
    layer: str | keras.Layer | Sequence[str | keras.Layer] | None = None,
    batch_size: int = 32,
    method: str = "grad_cam",
) -> Any:
    """Return heat maps of how much each place of an image or clip adds to a class score.

    Each map of a layer is weighted by the mean gradient of the class score with respect to that
    map. The weighted maps are summed and cut off below zero; the result is enlarged to the input
    (linearly along each axis) and divided by its maximum. For many calls keep one `GradCAM`, which
    compiles once.

    A model of several inputs, such as the three regions of a face in a clip, gets a map for each
    input, from a layer on the path of that input. Each map is divided by its own maximum over space
    and time: the time steps of a region can be compared, two regions cannot.

    One weight for a whole map suits heads that pool, as those of our image models. Before a
    `Flatten`, a map may raise the score in one place and lower it in another, so the mean gradient
    tells little. `method="hires_cam"` multiplies gradient and map place by place; for a head that
    is linear above the layer, the products add up to the score itself.

    Args:
        model: Built Keras model of one or several inputs, each an image or a clip, and one output
            `(batch, classes)`. The score is the input of the softmax or sigmoid if the model ends
            in one (as the `activation` of its last layer or as a layer of its own), else the output
            as it is.
        images: Array `(batch, height, width, channels)` of images or `(batch, frames, height,
            width, channels)` of clips, or channels first if the model takes that, in the model's
            range. For several inputs a list of arrays in the model's order, or a dictionary for a
            model that takes one. For a model whose one input is in a list, the array itself will
            do.
        class_index: Class to explain: an integer, or one for each example. `None` takes each
            example's predicted class.
        layer: Name, path such as `"block_2/ghost/conv"`, or object of the layer to look at; for
            several inputs a list of these may give each its own. By default the last convolution
            that depends on that input alone and whose output has several positions and channels;
            where later layers keep that output's shape (batch norm, activation, residual sum), the
            last of these.
        batch_size: Examples at a time.
        method: `"grad_cam"`, or `"hires_cam"`, see above.

    Returns:
        A float32 array from 0 to 1, `(batch, height, width)` for images and
        `(batch, frames, height, width)` for clips; for several inputs a list of them, or a
        dictionary. A map is all zeros if no place raises the score.

    Raises:
        ValueError: If the model has no convolution, no `keras.Input`s (as a subclassed model) or
            inputs of another kind, the layer is unknown, a class is out of range, the method is
            unknown, or the images do not fit the model.

    Example:

    ```python
    heat = grad_cam(model, images)  # (batch, height, width)
    left, right, lower = grad_cam(clip_model, [left, right, lower])  # each (batch, frames, 64, 64)
    ```

    Reference:
        Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
        Localization", ICCV 2017, equations 1 and 2; Draelos and Carin, "Use HiResCAM instead of
        Grad-CAM for faithful explanations of convolutional neural networks", 2020, for
        `"hires_cam"`.
    """
    return GradCAM(model, layer, method)(images, class_index, batch_size)


@arguments.checked_class(method=arguments.text, layer=arguments.plain)
class GradCAM:
    """Grad-CAM of one model and layer, compiled once for each shape of images.

    Any layer can be looked at, also one inside a nested model or a layer made of layers: its
    output is intercepted while the model runs. The model stays as it is. Weights are read when it
    is called, so it can be kept while the model trains.

    Args:
        model: As in `grad_cam`.
        layer: As in `grad_cam`.
        method: As in `grad_cam`.

    Attributes:
        layer: The layer looked at; for several inputs a tuple of layers.
        path: Its path in the model; likewise.
        classes: Number of classes.

    Raises:
        ValueError: As in `grad_cam`.

    Example:

    ```python
    explain = GradCAM(model)
    heat = explain(images, class_index=3)
    ```
    """

    def __init__(
        self,
        model: keras.Model,
        layer: str | keras.Layer | Sequence[str | keras.Layer] | None = None,
        method: str = "grad_cam",
    ) -> None:
        if method not in METHODS:
            raise ValueError(
                f"`method` must be one of {list(METHODS)}. Received: method={method!r}"
            )
        self.model = model
        self.method = method
        self._specs = visual_inputs(model)
        flat = keras.tree.flatten(self._specs)
        calls = trace_calls(model, self._specs)
        self.classes = class_count(calls, model)
        owners = input_dependence(model, calls, self._specs)
        ranks = [len(spec.shape) for spec in flat]
        chosen = find_layers(calls, owners, ranks, layer, model)
        layers, paths = zip(*((calls[i].layer, calls[i].path) for i in chosen), strict=True)
        single = len(chosen) == 1
        self.layer, self.path = (layers[0], paths[0]) if single else (layers, paths)
        self._formats = [data_format(calls, index) for index in chosen]
        self._input_formats = [
            input_format(
                [call for call, inputs in zip(calls, owners, strict=True) if number in inputs],
                tuple(spec.shape),
            )
            for number, spec in enumerate(flat)
        ]
        targets = [
            (calls[index].path, sum(call.path == calls[index].path for call in calls[: index + 1]))
            for index in chosen
        ]
        self._gradients = FeatureGradients(model, targets, last_activation(calls))
        self._places = [self._gradients.targets[target] for target in targets]

    def __call__(
        self,
        images: Any,
        class_index: int | Sequence[int] | np.ndarray | None = None,
        batch_size: int = 32,
    ) -> Any:
        """Return the heat maps of images: arguments and result as in `grad_cam`."""
        arrays = checked_inputs(images, self._specs, self.model)
        check_integer("batch_size", batch_size, 1)
        count = len(arrays[0])
        wanted = checked_classes(class_index, count, self.classes)
        sizes = [
            array.shape[2:] if form == "channels_first" else array.shape[1:-1]
            for array, form in zip(arrays, self._input_formats, strict=True)
        ]
        heats = [[np.zeros((0, *size), "float32")] for size in sizes]
        for start in range(0, count, batch_size):
            part = slice(start, start + batch_size)
            batch = keras.tree.pack_sequence_as(self._specs, [array[part] for array in arrays])
            features, gradients = self._gradients(batch, wanted[part])
            for number, place in enumerate(self._places):
                heats[number].append(
                    self._heat(
                        features[place], gradients[place], self._formats[number], sizes[number]
                    )
                )
        maps = [np.concatenate(each) for each in heats]
        if _is_alone(images, self._specs):
            return maps[0]
        return keras.tree.pack_sequence_as(self._specs, maps)

    def _heat(self, features, gradients, form, size):
        features, gradients = (
            keras.ops.convert_to_numpy(keras.ops.cast(x, "float32")) for x in (features, gradients)
        )
        if form == "channels_first":
            features, gradients = (np.moveaxis(x, 1, -1) for x in (features, gradients))
        if self.method == "grad_cam":
            positions = tuple(range(1, features.ndim - 1))
            gradients = gradients.mean(axis=positions, keepdims=True)
        heat = enlarge(np.maximum((features * gradients).sum(axis=-1), 0), size)
        peak = heat.max(axis=tuple(range(1, heat.ndim)), keepdims=True)
        return np.divide(heat, peak, out=np.zeros_like(heat), where=peak > 0)


def enlarge(maps: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize maps `(batch, height, width)` or `(batch, frames, height, width)` linearly.

    Args:
        maps: Array.
        size: New sizes of all axes but the first.

    Returns:
        A float32 array.
    """

    def resize(flat, new):
        resized = keras.ops.image.resize(
            flat[..., None].astype("float32"),
            tuple(int(side) for side in new),
            interpolation="bilinear",
            data_format="channels_last",
        )
        return keras.ops.convert_to_numpy(resized)[..., 0]

    if maps.ndim == 3:
        return resize(maps, size)
    count, frames = maps.shape[:2]
    # Linear along each axis in turn is linear in all: first space, then time.
    space = resize(maps.reshape(-1, *maps.shape[2:]), size[1:]).reshape(count, frames, -1)
    return resize(space, (size[0], space.shape[2])).reshape(count, *size)


def visual_inputs(model: keras.Model) -> Any:
    """Return the symbolic inputs of a model of images or clips, or raise `ValueError`.

    Open sizes become 128 pixels and 16 frames: any that leave several positions after the usual
    strides.
    """
    shape = None
    if isinstance(model, keras.Model) and model.built:
        # A subclassed model has the attribute too, but leaves it empty.
        if not getattr(model, "inputs", None):
            raise ValueError(
                "Argument `model` must have `keras.Input`s; wrap it in a functional model, "
                "keras.Model(x, model(x)) with x = keras.Input(shape). "
                f"Received: model={model.name!r} of class {type(model).__name__}"
            )
        for tensor in model.inputs:
            if len(tensor.shape) not in (4, 5):
                raise ValueError(
                    "Argument `model` must take images, (batch, height, width, channels), or "
                    "clips, (batch, frames, height, width, channels). "
                    f"Received: input of shape {tuple(tensor.shape)} in model={model.name!r}"
                )
        structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        shape = keras.tree.map_structure(lambda tensor: _known(tensor.shape[1:]), structure)
    return model_inputs(model, shape)


def _known(shape):
    if len(shape) == 3 or shape[0] is not None:
        return tuple(128 if size is None else size for size in shape)
    return (16, *(128 if size is None else size for size in shape[1:]))


def checked_inputs(images: Any, specs: Any, model: keras.Model) -> list[np.ndarray]:
    """Return the arrays of a model's inputs as a list, or raise `ValueError`.

    Args:
        images: The user's argument.
        specs: The structure of the model's inputs, by `visual_inputs`.
        model: The model, whose own shapes may have open sizes.
    """
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if _is_alone(images, specs):
        images = [images]
    if isinstance(specs, dict):
        if not isinstance(images, dict) or set(images) != set(specs):
            got = sorted(images) if isinstance(images, dict) else type(images).__name__
            raise ValueError(
                f"`images` must be a dictionary of the model's inputs {sorted(specs)}. "
                f"Received: {got}"
            )
        images = keras.tree.flatten({name: as_array("images", images[name]) for name in images})
    elif isinstance(specs, (list, tuple)):
        if not isinstance(images, (list, tuple)) or len(images) != len(shapes):
            got = f"{len(images)} of them" if isinstance(images, (list, tuple)) else "no list"
            raise ValueError(
                f"`images` must be a list of {len(shapes)} arrays, one for each input of the "
                f"model. Received: {got}"
            )
    else:
        images = [images]
    arrays = [
        each if isinstance(each, np.ndarray) else as_array("images", _as_numpy(each))
        for each in images
    ]
    for array, own in zip(arrays, shapes, strict=True):
        fits = array.ndim == len(own) and all(
            theirs is None or theirs == ours
            for theirs, ours in zip(own[1:], array.shape[1:], strict=True)
        )
        if not fits:
            raise ValueError(
                f"`images` must be a batch of shape {own}. Received: shape={array.shape}"
            )
        if array.dtype.kind not in "buif":
            raise ValueError(f"`images` must be numbers. Received: dtype={array.dtype}")
        checked_finite("images", array)
    counts = {len(array) for array in arrays}
    if len(counts) > 1:
        raise ValueError(
            f"`images` must hold as many examples for each input. Received: {sorted(counts)}"
        )
    return [array.astype(keras.config.floatx()) for array in arrays]


def _is_alone(images, specs):
    """Return whether `images` is an array where the model has a list of one input."""
    listed = isinstance(specs, (list, tuple)) and len(specs) == 1
    return listed and not isinstance(images, (list, tuple))


def _as_numpy(images):
    return keras.ops.convert_to_numpy(images) if keras.ops.is_tensor(images) else images


def checked_classes(
    class_index: int | Sequence[int] | np.ndarray | None, count: int, classes: int
) -> np.ndarray:
    """Return one class per example as int32; -1 stands for the predicted one."""
    if class_index is None:
        return np.full(count, -1, "int32")
    wanted = as_array("class_index", class_index)
    if wanted.dtype.kind not in "iu" or wanted.shape not in ((), (count,)):
        raise ValueError(
            f"`class_index` must be an integer or {count} of them, one for each image. "
            f"Received: class_index={class_index!r}"
        )
    if ((wanted < 0) | (wanted >= classes)).any():
        raise ValueError(
            f"`class_index` must be from 0 to {classes - 1}. Received: class_index={class_index!r}"
        )
    return np.broadcast_to(wanted, (count,)).astype("int32")
