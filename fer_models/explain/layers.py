"""The choice of the layer to explain: the last convolution of each input, or a layer by name."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from fer_models.evaluation.layer_calls import CallPaths, LayerCall, intercept_calls

_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.Conv3D,
    keras.layers.Conv3DTranspose,
)


def input_dependence(
    model: keras.Model, calls: Sequence[LayerCall], specs: Any
) -> list[frozenset[int]]:
    """Return for each layer call the set of the model's inputs that its output depends on.

    The model runs once on random numbers, and once more for each input with that input changed
    alone; outputs that change depend on it. This works for any model.

    Args:
        model: Built Keras model.
        calls: Its calls, by `trace_calls`.
        specs: Its inputs, by `model_inputs`.

    Returns:
        A list of frozensets of input numbers, one for each call.
    """
    flat = keras.tree.flatten(specs)
    if len(flat) == 1:
        return [frozenset([0])] * len(calls)
    generator = np.random.default_rng(0)

    def draw(spec):
        dtype = keras.backend.standardize_dtype(spec.dtype)
        return generator.uniform(0, 255, spec.shape).astype(dtype)

    base = [draw(spec) for spec in flat]
    before = _outputs(model, keras.tree.pack_sequence_as(specs, base))
    found = [set() for _ in calls]
    for number, spec in enumerate(flat):
        changed = [*base[:number], draw(spec), *base[number + 1 :]]
        after = _outputs(model, keras.tree.pack_sequence_as(specs, changed))
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            # A sum of another order may differ in its last digits.
            if not np.allclose(old, new, rtol=1e-4, atol=1e-5 * np.abs(old).max(initial=0)):
                found[index].add(number)
    return [frozenset(numbers) for numbers in found]


def _outputs(model, inputs):
    seen = []
    paths = CallPaths()

    def record(layer, proceed, args, kwargs):
        with paths.enter(layer):
            outputs = proceed(*args, **kwargs)
            first = keras.tree.flatten(outputs)[0]
            seen.append(keras.ops.convert_to_numpy(keras.ops.cast(first, "float32")))
            return outputs

    inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    with intercept_calls(record), keras.StatelessScope():
        model(inputs, training=False)
    return seen


def find_layers(
    calls: Sequence[LayerCall],
    owners: Sequence[frozenset[int]],
    ranks: Sequence[int],
    wanted: Any,
    model: keras.Model,
) -> list[int]:
    """Return for each input of a model the call to look at.

    Args:
        calls: The model's calls, by `trace_calls`.
        owners: Their inputs, by `input_dependence`.
        ranks: Rank of each input: 4 for images, 5 for clips.
        wanted: `None` for the last convolution, a name, path or layer, or a list of these with
            one for each input.
        model: The model, for messages.

    Returns:
        A list of indices into `calls`, one for each input.

    Raises:
        ValueError: If there is no such layer or convolution.
    """
    if not isinstance(wanted, (list, tuple)):
        wanted = [wanted] * len(ranks)
    elif len(wanted) != len(ranks):
        raise ValueError(
            f"`layer` must be one layer, or one for each of the {len(ranks)} inputs of model "
            f"{model.name!r}. Received: layer={wanted!r}"
        )
    return [
        _find(calls, owners, number, rank, each, model)
        for number, (rank, each) in enumerate(zip(ranks, wanted, strict=True))
    ]


def _find(calls, owners, number, rank, wanted, model):
    own = [index for index, inputs in enumerate(owners) if inputs == {number}]
    maps = [index for index in own if _is_map(calls[index], rank)]
    if wanted is None:
        return _last_convolution(calls, maps, rank, model)
    # After inputs have been joined, a layer depends on all of them.
    candidates = [index for index, inputs in enumerate(owners) if number in inputs]
    if isinstance(wanted, keras.Layer):
        found = [index for index in candidates if calls[index].layer is wanted]
    else:
        found = [i for i in candidates if wanted in (calls[i].path, calls[i].layer.name)]
    paths = list(dict.fromkeys(calls[index].path for index in found))
    if not paths:
        known = list(dict.fromkeys(calls[index].path for index in maps))
        raise ValueError(
            f"`layer` must be a layer of model {model.name!r}; those with maps end with "
            f"{', '.join(repr(path) for path in known[-8:])}. Received: layer={wanted!r}"
        )
    if len(paths) > 1:
        raise ValueError(
            f"`layer` must be the path of one layer, {' or '.join(map(repr, paths))}. "
            f"Received: layer={wanted!r}"
        )
    # Of a layer that several inputs share, the call for this input.
    chosen = ([index for index in found if index in own] or found)[-1]
    shape = calls[chosen].output_shape
    if not isinstance(shape, tuple) or len(shape) != rank or not isinstance(shape[0], int):
        raise ValueError(
            f"`layer` must have an output of rank {rank}. Received: layer={paths[0]!r} with output "
            f"shape {shape}"
        )
    return chosen


def _last_convolution(calls, maps, rank, model):
    # One channel is the gate of an attention layer, one position that of squeeze-and-excite.
    spots = [place for place, index in enumerate(maps) if _is_convolution(calls[index].layer)]
    if not spots:
        raise ValueError(
            "Argument `model` must hold a convolution whose output has several positions and "
            f"channels; name a `layer` otherwise. Received: model={model.name!r}"
        )
    last = maps[spots[-1]]
    for index in maps[spots[-1] :]:
        if calls[index].output_shape == calls[last].output_shape and calls[index].path:
            last = index
    return last


def _is_convolution(layer):
    if isinstance(layer, keras.layers.TimeDistributed):
        layer = layer.layer
    return isinstance(layer, _CONVOLUTIONS)


def _is_map(call, rank):
    shape = call.output_shape
    if not isinstance(shape, tuple) or len(shape) != rank:
        return False
    if not all(isinstance(size, int) for size in shape):
        return False
    if rank == 4:
        return min(shape[1:]) > 1
    # Of a clip a single time step may be left.
    layer = call.layer.layer if _is_distributed(call.layer) else call.layer
    first = getattr(layer, "data_format", None) == "channels_first"
    channels, height, width = (1, 3, 4) if first else (4, 2, 3)
    return min(shape[channels], shape[height], shape[width]) > 1


def _is_distributed(layer):
    return isinstance(layer, keras.layers.TimeDistributed)


def data_format(calls: Sequence[LayerCall], index: int) -> str:
    """Return the data format of a call, by its layer or the last one before it that has one."""
    for call in reversed(calls[: index + 1]):
        if _own_format(call):
            return _own_format(call)
    return keras.config.image_data_format()


def input_format(calls: Sequence[LayerCall], shape: Sequence[int]) -> str:
    """Return the data format of an input, by the first layer that has one.

    Height and width of an input that is permuted on its way to that layer stand elsewhere in its
    shape: then the input has the other format.

    Args:
        calls: The calls that depend on the input.
        shape: Its shape with the batch axis.
    """
    for call in calls:
        form = _own_format(call)
        if form:
            seen = call.input_shape
            if isinstance(seen, tuple) and len(seen) == len(shape):
                other = "channels_last" if form == "channels_first" else "channels_first"
                places = _without_channels(seen, form)
                kept = _without_channels(shape, form) == places
                if not kept and _without_channels(shape, other) == places:
                    return other
            return form
    return keras.config.image_data_format()


def _own_format(call):
    layer = call.layer.layer if _is_distributed(call.layer) else call.layer
    # A `Flatten` that was given none has that of Keras, whatever it flattens.
    if isinstance(layer, keras.layers.Flatten):
        return None
    return getattr(layer, "data_format", None)


def _without_channels(shape, form):
    return tuple(shape[2:] if form == "channels_first" else shape[1:-1])
