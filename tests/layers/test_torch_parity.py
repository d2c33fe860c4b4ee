"""The layers against the outputs of their authors' PyTorch modules."""

import numpy as np
import pytest
from helpers.layers import channels_first_problem, first, infer, last, to_numpy
from helpers.torch_names import load, reference

from fer_layers import CBAM, GhostBottleneck, GhostModule, TripletAttention


def gate(ours, theirs):
    return {ours: f"{theirs}.spatial.conv", f"{ours}/norm": f"{theirs}.spatial.bn"}


def conv_norm(ours, theirs, index=0):
    return {
        f"{ours}/conv": f"{theirs}.{index}",
        f"{ours}/norm": f"{theirs}.{index + 1}",
    }


def ghost(ours, theirs):
    return conv_norm(f"{ours}primary", f"{theirs}primary_conv") | conv_norm(
        f"{ours}cheap", f"{theirs}cheap_operation"
    )


# The authors pool along height and convolve (channel, width); ours has (width, channel).
TURNED = ("width_gate",)
TWO_GATES = gate("height_gate", "ChannelGateW") | gate("width_gate", "ChannelGateH")
TWO_MODULES = ghost("expand/", "ghost1.") | ghost("project/", "ghost2.")
CASES = {
    "cbam": (
        CBAM,
        {"reduction": 16},
        gate("spatial/gate", "SpatialGate")
        | {"channel/squeeze": "ChannelGate.mlp.1", "channel/excite": "ChannelGate.mlp.3"},
    ),
    "triplet_attention": (TripletAttention, {}, TWO_GATES | gate("spatial_gate", "SpatialGate")),
    "triplet_attention_no_spatial": (TripletAttention, {"use_spatial": False}, TWO_GATES),
    "ghost_module": (GhostModule, {"filters": 41}, ghost("", "")),
    "ghost_module_ratio3": (
        GhostModule,
        {
            "filters": 40,
            "kernel_size": 3,
            "ratio": 3,
            "depthwise_kernel_size": 5,
            "strides": 2,
            "activation": False,
        },
        ghost("", ""),
    ),
    "ghost_bottleneck_stride1": (
        GhostBottleneck,
        {"expansion": 120, "filters": 40},
        TWO_MODULES,
    ),
    "ghost_bottleneck_stride2_k5": (
        GhostBottleneck,
        {"expansion": 72, "filters": 40, "kernel_size": 5, "strides": 2},
        TWO_MODULES
        | {"depthwise/conv": "conv_dw", "depthwise/norm": "bn_dw"}
        | conv_norm("shortcut_depthwise", "shortcut")
        | conv_norm("shortcut_pointwise", "shortcut", 2),
    ),
}


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("name", CASES)
def test_layer_agrees_with_its_authors_module(name, data_format):
    if data_format == "channels_first" and channels_first_problem():
        pytest.skip(channels_first_problem())
    layer_class, arguments, names = CASES[name]
    weights, inputs, expected = reference(name)
    layer = layer_class(**arguments, data_format=data_format)
    is_first = data_format == "channels_first"
    inputs = first(inputs) if is_first else inputs
    layer.build(inputs.shape)
    load(layer, weights, names, TURNED)
    actual = to_numpy(infer(layer, inputs))
    actual = last(actual) if is_first else actual
    np.testing.assert_allclose(actual, expected, atol=1e-5, rtol=0)
