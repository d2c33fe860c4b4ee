"""The names and layouts of our layers' weights in the authors' PyTorch modules."""

import dataclasses

import keras
import numpy as np

from fer_layers import (
    CBAM,
    ChannelSpatialModulator,
    ConvNorm,
    GhostBottleneck,
    GhostModule,
    LocalFeatureExtractor,
    ShuffleUnit,
    SqueezeExcite,
    TripletAttention,
)
from fer_models.families.efficientface import STAGES

# The order of our axes in the authors' arrays.
VECTOR, DENSE, CONVOLUTION, DEPTHWISE = (0,), (1, 0), (2, 3, 1, 0), (2, 3, 0, 1)
# The authors pool along height and convolve (channel, width); ours has (width, channel).
TURNED = (3, 2, 1, 0)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter of the authors' module and the weight of ours that it stands for.

    Attributes:
        key: The authors' name.
        weight: Our `keras.Variable`.
        shape: Shape of the authors' array.
        view: The same with our axes, in the authors' order.
        axes: The order in which to take the axes of `view`.
    """

    key: str
    weight: keras.Variable
    shape: tuple
    view: tuple
    axes: tuple

    def convert(self, array: np.ndarray) -> np.ndarray:
        """Return an array of the authors' shape in ours."""
        return array.reshape(self.view).transpose(self.axes)


def parameters(target: keras.Layer) -> list[Parameter]:
    """Return the `Parameter`s of a supported layer or model, in any order.

    Raises:
        ValueError: If `target` is not supported, not built, or has weights that the authors'
            module lacks.
    """
    walk = _walk(target)
    if walk is None:
        raise ValueError(
            f"`target` must be one of {', '.join(SUPPORTED)}. "
            f"Received: target={target!r} of type {type(target).__name__}"
        )
    if not target.built:
        raise ValueError(
            "`target` must be built, since only then it has weights: call it on an input or call "
            f"its `build(input_shape)` first. Received: target={target!r}"
        )
    found = list(walk(target, ""))
    known = {id(parameter.weight) for parameter in found}
    unknown = [weight.path for weight in target.weights if id(weight) not in known]
    if unknown:
        raise ValueError(
            f"`target` must have no weights but those of its authors' module. Received: "
            f"target={target!r} with {', '.join(unknown)}"
        )
    return found


def _walk(target):
    for kind, walk in WALKS.items():
        if isinstance(target, kind):
            return walk
    if not isinstance(target, keras.Model):
        return None
    layers = {layer.name: layer for layer in target.layers}
    parts = {"stem": ConvNorm, "local": LocalFeatureExtractor, "head": ConvNorm}
    parts |= {"modulator": ChannelSpatialModulator}
    parts |= {name: ShuffleUnit for name, _ in _units()}
    is_ours = all(isinstance(layers.get(name), kind) for name, kind in parts.items())
    return _efficientface if is_ours else None


def _units():
    for stage, _, units in STAGES:
        for index in range(units):
            yield f"{stage}_unit{index + 1}", f"{stage}.{index}"


def _array(key, weight, axes, shape=None):
    view = tuple(weight.shape[axes.index(axis)] for axis in range(len(axes)))
    return Parameter(key, weight, shape or view, view, axes)


def _bias(layer, key):
    if layer.bias is not None:
        yield _array(f"{key}.bias", layer.bias, VECTOR)


def _dense(layer, key):
    yield _array(f"{key}.weight", layer.kernel, DENSE)
    yield from _bias(layer, key)


def _dense_as_convolution(layer, key):
    inputs, outputs = layer.kernel.shape
    yield _array(f"{key}.weight", layer.kernel, DENSE, (outputs, inputs, 1, 1))
    yield from _bias(layer, key)


def _convolution(layer, key):
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        rows, columns, channels, multiplier = layer.kernel.shape
        # PyTorch stacks the multiplier's filters of a channel along its outputs.
        shape = (channels * multiplier, 1, rows, columns)
        yield _array(f"{key}.weight", layer.kernel, DEPTHWISE, shape)
    else:
        yield _array(f"{key}.weight", layer.kernel, CONVOLUTION)
    yield from _bias(layer, key)


def _norm(layer, key):
    yield _array(f"{key}.weight", layer.gamma, VECTOR)
    yield _array(f"{key}.bias", layer.beta, VECTOR)
    yield _array(f"{key}.running_mean", layer.moving_mean, VECTOR)
    yield _array(f"{key}.running_var", layer.moving_variance, VECTOR)


def _conv_norm(layer, convolution, norm):
    yield from _convolution(layer.conv, convolution)
    yield from _norm(layer.norm, norm)


def _in_sequence(layer, key, place=0):
    return _conv_norm(layer, f"{key}.{place}", f"{key}.{place + 1}")


def _gate(layer, key, axes=CONVOLUTION):
    yield _array(f"{key}.spatial.conv.weight", layer.kernel, axes)
    yield from _norm(layer.norm, f"{key}.spatial.bn")


def _triplet_attention(layer, root):
    yield from _gate(layer.height_gate, f"{root}ChannelGateW")
    yield from _gate(layer.width_gate, f"{root}ChannelGateH", TURNED)
    if layer.spatial_gate is not None:
        yield from _gate(layer.spatial_gate, f"{root}SpatialGate")


def _cbam(layer, root):
    yield from _dense(layer.channel.squeeze, f"{root}ChannelGate.mlp.1")
    yield from _dense(layer.channel.excite, f"{root}ChannelGate.mlp.3")
    yield from _gate(layer.spatial.gate, f"{root}SpatialGate")


def _ghost_module(layer, root):
    yield from _in_sequence(layer.primary, f"{root}primary_conv")
    if layer.cheap is not None:
        yield from _in_sequence(layer.cheap, f"{root}cheap_operation")


def _ghost_bottleneck(layer, root):
    steps = {step.name: step for step in (*layer.main, *layer.shortcut)}
    yield from _ghost_module(steps["expand"], f"{root}ghost1.")
    if "depthwise" in steps:
        yield from _conv_norm(steps["depthwise"], f"{root}conv_dw", f"{root}bn_dw")
    # Here only GhostFace has triplet attention inside, and its authors published no modules.
    if isinstance(steps.get("attention"), SqueezeExcite):
        yield from _dense_as_convolution(steps["attention"].squeeze, f"{root}se.conv_reduce")
        yield from _dense_as_convolution(steps["attention"].excite, f"{root}se.conv_expand")
    yield from _ghost_module(steps["project"], f"{root}ghost2.")
    if layer.shortcut:
        yield from _in_sequence(steps["shortcut_depthwise"], f"{root}shortcut")
        yield from _in_sequence(steps["shortcut_pointwise"], f"{root}shortcut", 2)


def _modulator(layer, root):
    channel, spatial = f"{root}channel_att.gate_c.gate_c_", f"{root}spatial_att.gate_s.gate_s_"
    ((dense, norm),) = layer.channel_hidden
    yield from _dense(dense, f"{channel}fc_0")
    yield from _norm(norm, f"{channel}bn_1")
    yield from _dense(layer.channel_gate, f"{channel}fc_final")
    names = ("reduce0", "di_0", "di_1")
    for name, (convolution, norm) in zip(names, layer.spatial_hidden, strict=True):
        yield from _convolution(convolution, f"{spatial}conv_{name}")
        yield from _norm(norm, f"{spatial}bn_{name}")
    yield from _convolution(layer.spatial_gate, f"{spatial}conv_final")


def _shuffle_unit(layer, root):
    for step, place in zip(layer.main, (0, 3, 5), strict=True):
        yield from _in_sequence(step, f"{root}.branch2", place)
    for index, step in enumerate(layer.shortcut):
        yield from _in_sequence(step, f"{root}.branch1", 2 * index)


def _efficientface(model, root):
    layers = {layer.name: layer for layer in model.layers}
    yield from _in_sequence(layers["stem"], f"{root}conv1")
    for ours, theirs in _units():
        yield from _shuffle_unit(layers[ours], f"{root}{theirs}")
    for number, path in enumerate(layers["local"].paths, 1):
        for step, layer in enumerate(path, 1):
            name = f"{number}_{step}"
            yield from _conv_norm(layer, f"{root}local.conv{name}", f"{root}local.bn{name}")
    yield from _modulator(layers["modulator"], f"{root}modulator.")
    yield from _in_sequence(layers["head"], f"{root}conv5")
    if "logits" in layers:
        yield from _dense(layers["logits"], f"{root}fc")


WALKS = {
    TripletAttention: _triplet_attention,
    CBAM: _cbam,
    GhostModule: _ghost_module,
    GhostBottleneck: _ghost_bottleneck,
    ChannelSpatialModulator: _modulator,
}
SUPPORTED = (*(kind.__name__ for kind in WALKS), "a model of efficientface()")
