"""The gates of attention layers: the places, times and channels that a model amplifies."""

import dataclasses
import inspect
from typing import Any

import keras
import numpy as np

from fer_data.checks import check_integer
from fer_models.evaluation.layer_calls import CallPaths, intercept_calls, trace_calls
from fer_models.explain.grad_cam import checked_inputs, visual_inputs
from fer_models.explain.layers import input_dependence


@dataclasses.dataclass(frozen=True, eq=False)
class Gate:
    """The gate of one call of an attention layer, channels last.

    Attributes:
        path: Path of the layer in the model; later calls of a shared layer have `#2`, `#3`.
        kind: Class name of the layer.
        values: float32 array `(batch, height, width, channels)` for images, `(batch, frames,
            height, width, channels)` for clips. An axis along which the gate is the same has
            size 1.
        input_shape: Shape of the layer's input, channels last, without the batch axis.
        inputs: Numbers of the model's inputs that it depends on, such as the region of a face.
    """

    path: str
    kind: str
    values: np.ndarray = dataclasses.field(repr=False)
    input_shape: tuple
    inputs: tuple = (0,)

    def space(self) -> np.ndarray | None:
        """Return the mean over channels as maps, or `None` where the gate does not vary in space.

        `(batch, height, width)`, for clips `(batch, frames, height, width)` with one frame where
        the gate is the same at all times.
        """
        return None if max(self.values.shape[-3:-1]) == 1 else self.values.mean(axis=-1)

    def time(self) -> np.ndarray | None:
        """Return the mean of each frame, `(batch, frames)`; `None` where that does not vary."""
        if self.values.ndim == 4 or self.values.shape[1] == 1:
            return None
        return self.values.mean(axis=(2, 3, 4))

    def channels(self) -> np.ndarray | None:
        """Return the mean of each channel, `(batch, channels)`; `None` where it does not vary."""
        if self.values.shape[-1] == 1:
            return None
        return self.values.mean(axis=tuple(range(1, self.values.ndim - 1)))


def attention_gates(model: keras.Model, images: Any, batch_size: int = 32) -> list[Gate]:
    """Return the gates of every attention layer of a model for given inputs.

    An attention layer has a method `attention(inputs)` that returns the factors of its input, in a
    shape that broadcasts to the input: `TripletAttention`, the two parts of `CBAM`,
    `SqueezeExcite`, `ChannelSpatialModulator`, `SpatialAttention3D` and `TemporalAttention` of
    `fer_layers` have it, and so may your own. They are also found in nested models and in layers
    made of layers. A shared layer is found once for each call.

    Args:
        model: Built Keras model of images or clips.
        images: Array, or a list or dictionary of arrays for several inputs, as the model takes
            them.
        batch_size: Examples at a time.

    Returns:
        A list of `Gate` in the order of computation; empty if the model has no such layer.

    Raises:
        ValueError: If the images do not fit the model, `batch_size` is below 1, or the result of
            an `attention` method does not broadcast to the layer's input.

    Example:

    ```python
    for gate in attention_gates(model, images):
        print(gate.path, gate.kind, gate.values.mean())
    ```

    Reference:
        Woo et al., "CBAM", ECCV 2018; Misra et al., "Rotate to Attend", WACV 2021.
    """
    specs = visual_inputs(model)
    arrays = checked_inputs(images, specs, model)
    check_integer("batch_size", batch_size, 1)
    parts = []
    for start in range(0, len(arrays[0]), batch_size):
        batch = [array[start : start + batch_size] for array in arrays]
        parts.append(_of_batch(model, keras.tree.pack_sequence_as(specs, batch)))
    if not parts:
        raise ValueError("`images` must hold at least one example. Received: none")
    owners = _owners(model, specs)
    return [
        dataclasses.replace(
            same[0],
            values=np.concatenate([gate.values for gate in same]),
            inputs=owners[same[0].path],
        )
        for same in zip(*parts, strict=True)
    ]


def _owners(model, specs):
    """Return the numbers of the inputs that each attention layer's calls depend on, by path."""
    calls = trace_calls(model, specs)
    found, times = {}, {}
    for call, inputs in zip(calls, input_dependence(model, calls, specs), strict=True):
        if _is_attention(call.layer):
            times[call.path] = times.get(call.path, 0) + 1
            found[_numbered(call.path, times[call.path])] = tuple(sorted(inputs))
    return found


def _numbered(path, time):
    return path if time == 1 else f"{path}#{time}"


def _of_batch(model, batch):
    gates = []
    times = {}
    paths = CallPaths()
    asking = False

    def watch(layer, proceed, args, kwargs):
        nonlocal asking
        with paths.enter(layer) as path:
            if not asking and _is_attention(layer):
                # Its own sublayers run again for this and are ignored.
                asking = True
                try:
                    times[path] = times.get(path, 0) + 1
                    inputs = args[0] if args else next(iter(kwargs.values()))
                    gates.append(_gate(layer, _numbered(path, times[path]), inputs))
                finally:
                    asking = False
            return proceed(*args, **kwargs)

    batch = keras.tree.map_structure(keras.ops.convert_to_tensor, batch)
    # The scope keeps the statistics of batch norm as they are on every backend.
    with intercept_calls(watch), keras.StatelessScope():
        model(batch, training=False)
    return gates


def _is_attention(layer):
    found = getattr(layer, "attention", None)
    # A layer by that name is a part of this one, and may itself be a gate.
    return callable(found) and not isinstance(found, keras.Layer)


def _gate(layer, path, inputs):
    inputs = keras.ops.cast(inputs, layer.compute_dtype)
    takes_training = "training" in inspect.signature(layer.attention).parameters
    options = {"training": False} if takes_training else {}
    values = keras.ops.cast(layer.attention(inputs, **options), "float32")
    values = keras.ops.convert_to_numpy(keras.ops.stop_gradient(values))
    shape = tuple(inputs.shape)
    fits = values.ndim == len(shape) and all(
        ours in (1, theirs) for ours, theirs in zip(values.shape, shape, strict=True)
    )
    if not fits or len(shape) not in (4, 5):
        raise ValueError(
            f"`attention` of layer {path!r} must return a gate that broadcasts to its input of "
            f"shape {shape}, an image or a clip. Received: shape={values.shape}"
        )
    if getattr(layer, "data_format", None) == "channels_first":
        values, shape = np.moveaxis(values, 1, -1), (shape[0], *shape[2:], shape[1])
    # A gate that is the same for all examples has one row.
    values = np.broadcast_to(values, (shape[0], *values.shape[1:]))
    return Gate(path, type(layer).__name__, values, shape[1:])
