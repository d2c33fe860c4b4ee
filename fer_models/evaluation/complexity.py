"""Parameters and multiply-accumulates of a model, per layer and in all."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras

from fer_data import arguments
from fer_models.evaluation.layer_calls import model_inputs, trace_calls

_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
_RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)
# Their products of activations with activations have no weights to be known by.
_ATTENTION = (
    keras.layers.Attention,
    keras.layers.AdditiveAttention,
    keras.layers.MultiHeadAttention,
    keras.layers.GroupQueryAttention,
)


@dataclasses.dataclass(frozen=True)
class LayerComplexity:
    """One call of one layer, for one example.

    Attributes:
        path: Names from the model down to the layer.
        kind: Class name of the layer.
        output_shape: Shape of its output without the batch axis.
        macs: Multiply-accumulates of its convolution or matrix product.
        bias: One per output element of a convolution with a bias, else zero.
        batch_norm: Elements it batch-normalises.
        trainable: Trainable parameters, on the first call of the layer; zero on later ones.
        non_trainable: The others, likewise.
    """

    path: str
    kind: str
    output_shape: tuple
    macs: int
    bias: int
    batch_norm: int
    trainable: int
    non_trainable: int

    @property
    def papers_flops(self) -> int:
        """The "FLOPs" of the expression recognition papers, see `complexity`."""
        return self.macs + self.bias + 2 * self.batch_norm


@dataclasses.dataclass(frozen=True)
class Complexity:
    """The cost of a model for one example: see `complexity`.

    Attributes:
        name: Name of the model.
        input_shape: Shape of one example; a list of shapes for a model of several inputs.
        macs: Multiply-accumulates of convolutions and dense layers, and of nothing else.
        papers_flops: The "FLOPs" of the expression recognition papers.
        trainable: Number of trainable parameters.
        non_trainable: Number of the others, such as moving averages and frozen weights.
        layers: `LayerComplexity` of every call that costs something, in the order of computation.
        uncounted: Paths of layers with products that neither count covers, such as recurrent
            layers and the scores of attention: where it is not empty, both figures are too low.
    """

    name: str
    input_shape: tuple | list
    macs: int
    papers_flops: int
    trainable: int
    non_trainable: int
    layers: tuple[LayerComplexity, ...]
    uncounted: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings, lists and dictionaries, ready for JSON."""
        content = dataclasses.asdict(self)
        content["layers"] = [
            {**row, "output_shape": _plain(row["output_shape"]), "papers_flops": layer.papers_flops}
            for row, layer in zip(content["layers"], self.layers, strict=True)
        ]
        content["input_shape"] = _plain(self.input_shape)
        content["uncounted"] = list(self.uncounted)
        return content

    def __str__(self) -> str:
        header = ("layer", "kind", "output", "parameters", "multiply-accumulates", "papers' FLOPs")
        rows = [
            (
                layer.path or self.name,
                layer.kind,
                _times(layer.output_shape),
                f"{layer.trainable + layer.non_trainable:,}",
                f"{layer.macs:,}",
                f"{layer.papers_flops:,}",
            )
            for layer in self.layers
        ]
        total = (
            "total",
            "",
            "",
            f"{self.trainable + self.non_trainable:,}",
            f"{self.macs:,}",
            f"{self.papers_flops:,}",
        )
        widths = [max(len(row[i]) for row in (header, total, *rows)) for i in range(len(header))]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        lines = [
            f"{self.name}, one example of {_times(self.input_shape)}",
            _line(header, widths),
            rule,
            *(_line(row, widths) for row in rows),
            rule,
            _line(total, widths),
            f"parameters: {self.trainable:,} trainable, {self.non_trainable:,} not",
            f"multiply-accumulates of convolutions and dense layers alone: {self.macs:,}",
            "papers' FLOPs (those, one per output of a convolution with bias, two per "
            f"batch-normalised element): {self.papers_flops:,}",
        ]
        if self.uncounted:
            lines.append(f"not counted: {', '.join(self.uncounted)}")
        return "\n".join(lines)


@arguments.checked(
    input_shape=arguments.either(
        arguments.sequence(arguments.integer(1), 1),
        arguments.sequence(arguments.sequence(arguments.integer(1), 1), 1),
        arguments.mapping(arguments.sequence(arguments.integer(1), 1)),
        rule="a shape such as (48, 48, 1), or a list or a dictionary of shapes",
    )
)
def complexity(
    model: keras.Model,
    input_shape: Sequence[int] | Sequence[Sequence[int]] | dict[str, Sequence[int]] | None = None,
) -> Complexity:
    """Count parameters and multiply-accumulates of a model for one example.

    Two counts are in use, and both are given:

    1. `macs`: multiply-accumulates of convolutions and dense layers alone.
    2. `papers_flops`: what papers on expression recognition print as "FLOPs", e.g. 154.18 M for
       EfficientFace at 224x224x3: the multiply-accumulates, one more per output element of a
       convolution with a bias, and two per batch-normalised element. The bias of a dense layer,
       pooling, activations, gating and other normalisations count nothing.

    The model runs once on shapes alone and every layer call is recorded, so nested models, layers
    made of layers and layers called several times are counted as they are computed. Positions in
    the padding count like all others. A transposed convolution counts every product of an input
    element with the kernel.

    A layer whose computation differs from what its sublayers show can define
    `count_operations(input_shape) -> {"macs": ..., "bias": ..., "batch_norm": ...}`. It counts for
    one example, with `bias` and `batch_norm` in elements; missing keys are zero, and `input_shape`
    has the batch axis. The sublayers are then not counted again.

    While this runs, no other thread may build layers of this model; other threads may run other
    models.

    Args:
        model: Any built Keras model.
        input_shape: Shape of one example without the batch axis, for models that leave their size
            open; a list or dictionary of shapes for several inputs. `None` takes the model's own.

    Returns:
        A `Complexity`; `print` shows it as a table.

    Raises:
        ValueError: If `model` is no built Keras model, or a size is undefined or contradicts it.

    Example:

    ```python
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, padding="same")])
    cost = complexity(model)
    cost.macs  # 8 * 8 * 4 * 3 * 3 * 3 = 6912
    cost.papers_flops  # 8 * 8 * 4 more for the bias: 7168
    ```

    Reference:
        Tang and Kok, "GhostFace: Model Pengecaman Ekspresi Muka Ringan dan Teguh" (2022) and
        Zhao et al., "Robust Lightweight Facial Expression Recognition Network with Label
        Distribution Training" (2021), whose figures follow the second count.
    """
    inputs = model_inputs(model, input_shape)
    batch = keras.tree.flatten(inputs)[0].shape[0]
    calls = trace_calls(model, inputs, is_whole=_is_counted_whole)
    weights_seen = set()
    layers, uncounted = [], []
    for call in calls:
        counts = _count(call.layer, call.input_shape, call.output_shape, call.path, uncounted)
        own = [w for w in call.layer.weights if id(w) not in weights_seen]
        weights_seen.update(id(w) for w in own)
        if counts is None and _has_products(call.layer, own):
            uncounted.append(call.path)
        counts = {"macs": 0, "bias": 0, "batch_norm": 0, **(counts or {})}
        trainable = {id(w) for w in call.layer.trainable_weights}
        row = LayerComplexity(
            path=call.path,
            kind=type(call.layer).__name__,
            output_shape=_without_batch(call.output_shape),
            trainable=sum(_size(w) for w in own if id(w) in trainable),
            non_trainable=sum(_size(w) for w in own if id(w) not in trainable),
            **{key: _per_example(value, batch, call.path) for key, value in counts.items()},
        )
        if row.papers_flops or row.trainable or row.non_trainable:
            layers.append(row)
    shapes = [tuple(tensor.shape[1:]) for tensor in keras.tree.flatten(inputs)]
    return Complexity(
        name=model.name,
        input_shape=shapes[0] if len(shapes) == 1 else shapes,
        macs=sum(layer.macs for layer in layers),
        papers_flops=sum(layer.papers_flops for layer in layers),
        trainable=sum(_size(w) for w in model.trainable_weights),
        non_trainable=sum(_size(w) for w in model.non_trainable_weights),
        layers=tuple(layers),
        uncounted=tuple(dict.fromkeys(uncounted)),
    )


def _is_counted_whole(layer):
    return hasattr(layer, "count_operations") or isinstance(
        layer, (*_RECURRENT, keras.layers.TimeDistributed)
    )


def _count(layer, input_shape, output_shape, path, uncounted):
    """Return the operations of one layer call, or `None` where the layer's kind is not covered.

    The paths of uncounted layers that a wrapper hides are appended to `uncounted`.
    """
    if hasattr(layer, "count_operations"):
        counts = layer.count_operations(input_shape)
        return {key: value * input_shape[0] for key, value in counts.items()}
    if isinstance(layer, keras.layers.TimeDistributed):
        return _count_time_distributed(layer, input_shape, output_shape, path, uncounted)
    if isinstance(layer, keras.layers.BatchNormalization):
        return {"batch_norm": _elements(output_shape, path)}
    if isinstance(layer, keras.layers.Dense):
        return {"macs": _elements(output_shape, path) * input_shape[-1]}
    if isinstance(layer, keras.layers.EinsumDense):
        return {"macs": _elements(output_shape, path) * _contracted(layer, input_shape)}
    macs = _convolution_macs(layer, input_shape, output_shape, path)
    if macs is None:
        return None
    return {"macs": macs, "bias": _elements(output_shape, path) if layer.use_bias else 0}


def _convolution_macs(layer, input_shape, output_shape, path):
    # Before the plain ones: Keras derives its transposed convolutions from the same base, and a
    # later version may derive them from the plain class.
    kinds = (*_TRANSPOSED, *_DEPTHWISE, *_SEPARABLE, *_CONVOLUTIONS)
    if not isinstance(layer, kinds):
        return None
    kernel = math.prod(layer.kernel_size)
    channels = input_shape[1 if layer.data_format == "channels_first" else -1]
    outputs = _elements(output_shape, path)
    if isinstance(layer, _TRANSPOSED):
        return _elements(input_shape, path) * kernel * layer.filters
    if isinstance(layer, _DEPTHWISE):
        return outputs * kernel
    if isinstance(layer, _SEPARABLE):
        positions = outputs // layer.filters
        middle = channels * layer.depth_multiplier
        return positions * middle * (kernel + layer.filters)
    return outputs * kernel * (channels // layer.groups)


def _count_time_distributed(layer, input_shape, output_shape, path, uncounted):
    # The wrapper calls `layer.layer.call` for every step, past `__call__`, so it is traced here.
    steps = input_shape[1]
    inner = layer.layer
    step_input = (input_shape[0], *input_shape[2:])
    step_output = (output_shape[0], *output_shape[2:])
    counts = _count(inner, step_input, step_output, path, uncounted)
    if counts is not None:
        return {key: steps * value for key, value in counts.items()}
    totals = {"macs": 0, "bias": 0, "batch_norm": 0}
    weights_seen = set()
    specs = keras.KerasTensor(step_input, dtype=inner.compute_dtype)
    for call in trace_calls(inner, specs, is_whole=_is_counted_whole):
        inside = f"{path}/{inner.name}/{call.path}" if call.path else path
        counts = _count(call.layer, call.input_shape, call.output_shape, inside, uncounted)
        own = [w for w in call.layer.weights if id(w) not in weights_seen]
        weights_seen.update(id(w) for w in own)
        if counts is None and _has_products(call.layer, own):
            uncounted.append(inside)
        for key, value in (counts or {}).items():
            totals[key] += steps * value
    return totals


def _contracted(layer, input_shape):
    """Return how many products make one output element of an `EinsumDense`."""
    operands, output = layer.equation.replace(" ", "").split("->")
    inputs, kernel = operands.split(",")
    sizes = dict(zip(kernel, layer.kernel.shape, strict=True))
    leading, _, trailing = inputs.partition("...")
    sizes.update(zip(leading, input_shape, strict=False))
    # Counted from the end, since the ellipsis stands for any number of axes.
    sizes.update(zip(reversed(trailing), reversed(input_shape), strict=False))
    return math.prod(size for label, size in sizes.items() if label not in output)


def _has_products(layer, own_weights):
    if isinstance(layer, keras.layers.Embedding):
        return False
    if isinstance(layer, (*_RECURRENT, *_ATTENTION)):
        return True
    return any(len(weight.shape) > 1 for weight in own_weights)


def _elements(shape, path):
    if any(size is None for size in shape):
        raise ValueError(
            f"The size of layer {path!r} is undefined: {shape}. Give every dimension in "
            "`input_shape`."
        )
    return math.prod(shape)


def _per_example(value, batch, path):
    share, rest = divmod(value, batch)
    if rest:
        raise ValueError(
            f"The operations of layer {path!r}, {value}, do not divide by the model's fixed batch "
            f"size {batch}: build the model with an open batch size."
        )
    return share


def _without_batch(shape):
    if shape is None:
        return ()
    if isinstance(shape, dict):
        shape = tuple(shape.values())
    if any(isinstance(part, (tuple, list, dict)) for part in shape):
        return tuple(_without_batch(part) for part in shape)
    return tuple(shape[1:])


def _size(weight):
    return math.prod(weight.shape)


def _plain(shape):
    if isinstance(shape, (tuple, list)):
        return [_plain(size) for size in shape]
    return shape


def _times(shape):
    if any(isinstance(size, (tuple, list)) for size in shape):
        return " and ".join(_times(part) for part in shape)
    return "x".join(str(size) for size in shape)


def _line(cells, widths):
    left = [cell.ljust(width) for cell, width in zip(cells[:3], widths[:3], strict=True)]
    right = [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:], strict=True)]
    return "  ".join(left + right).rstrip()
