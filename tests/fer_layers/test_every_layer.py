"""Every layer of the package against what the package promises of each."""

import inspect

import keras
import pytest
from helpers.layers import check_channels_first, check_layer

import fer_layers

# name: (layer, arguments, input shape, what to expect of it)
CASES = {
    "conv_norm": (
        fer_layers.ConvNorm,
        {"filters": 6, "kernel_size": 3},
        (4, 6, 5, 4),
        {
            "expected_output_shape": (4, 6, 5, 6),
            "expected_trainable": 3,
            "expected_non_trainable": 2,
            "expected_parameters": 9 * 4 * 6 + 4 * 6,
        },
    ),
    "conv_norm_depthwise_stride2": (
        fer_layers.ConvNorm,
        {
            "filters": 8,
            "kernel_size": 5,
            "strides": 2,
            "depthwise": True,
            "activation": False,
        },
        (4, 7, 6, 4),
        {
            "expected_output_shape": (4, 4, 3, 8),
            "expected_trainable": 3,
            "expected_non_trainable": 2,
            "expected_parameters": 25 * 8 + 4 * 8,
        },
    ),
    "ghost_module": (
        fer_layers.GhostModule,
        {"filters": 7, "kernel_size": 3, "ratio": 3, "strides": 2},
        (4, 8, 7, 4),
        {
            "expected_output_shape": (4, 4, 4, 7),
            "expected_trainable": 6,
            "expected_non_trainable": 4,
            "expected_parameters": 9 * 4 * 3 + 9 * 6 + 4 * (3 + 6),
        },
    ),
    "ghost_module_ratio1": (
        fer_layers.GhostModule,
        {"filters": 5, "ratio": 1},
        (4, 6, 5, 4),
        {
            "expected_output_shape": (4, 6, 5, 5),
            "expected_trainable": 3,
            "expected_non_trainable": 2,
            "expected_parameters": 4 * 5 + 4 * 5,
        },
    ),
    "ghost_bottleneck": (
        fer_layers.GhostBottleneck,
        {"expansion": 8, "filters": 4},
        (4, 6, 5, 4),
        {
            "expected_output_shape": (4, 6, 5, 4),
            "expected_trainable": 12,
            "expected_non_trainable": 8,
            "expected_parameters": (4 * 4 + 9 * 4 + 4 * 8) + (8 * 2 + 9 * 2 + 4 * 4),
        },
    ),
    "ghost_bottleneck_triplet_stride2": (
        fer_layers.GhostBottleneck,
        {
            "expansion": 8,
            "filters": 6,
            "kernel_size": 5,
            "strides": 2,
            "attention": "triplet",
        },
        (4, 8, 6, 4),
        {
            "expected_output_shape": (4, 4, 3, 6),
            "expected_trainable": 12 + 3 + 9 + 6,
            "expected_non_trainable": 8 + 2 + 6 + 4,
            "expected_parameters": (4 * 4 + 9 * 4 + 4 * 8)
            + (25 * 8 + 4 * 8)
            + 3 * (98 + 4)
            + (8 * 3 + 9 * 3 + 4 * 6)
            + (25 * 4 + 4 * 4)
            + (4 * 6 + 4 * 6),
            # The 1x1 convolution and its batch norm follow without anything between.
            "idle": ("shortcut_depthwise/norm/beta",),
        },
    ),
    "ghost_bottleneck_squeeze_excite": (
        fer_layers.GhostBottleneck,
        {"expansion": 32, "filters": 4, "attention": "squeeze_excite"},
        (4, 6, 5, 4),
        {
            "expected_output_shape": (4, 6, 5, 4),
            "expected_trainable": 12 + 4,
            "expected_non_trainable": 8,
            "expected_parameters": (4 * 16 + 9 * 16 + 4 * 32)
            + (32 * 8 + 8 + 8 * 32 + 32)
            + (32 * 2 + 9 * 2 + 4 * 4),
        },
    ),
    "fused_mbconv": (
        fer_layers.FusedMBConv,
        {"expansion": 8, "filters": 4},
        (4, 6, 5, 4),
        {
            "expected_output_shape": (4, 6, 5, 4),
            "expected_trainable": 6,
            "expected_non_trainable": 4,
            "expected_parameters": 9 * 4 * 8 + 4 * 8 + 8 * 4 + 4 * 4,
        },
    ),
    "fused_mbconv_stride2": (
        fer_layers.FusedMBConv,
        {"expansion": 8, "filters": 6, "strides": 2},
        (4, 8, 7, 4),
        {
            "expected_output_shape": (4, 4, 4, 6),
            "expected_trainable": 6,
            "expected_non_trainable": 4,
            "expected_parameters": 9 * 4 * 8 + 4 * 8 + 8 * 6 + 4 * 6,
        },
    ),
    "attention_gate": (
        fer_layers.AttentionGate,
        {"kernel_size": 5},
        (4, 6, 11, 2),
        {
            "expected_output_shape": (4, 6, 11),
            "expected_trainable": 3,
            "expected_non_trainable": 2,
            "expected_parameters": 50 + 4,
        },
    ),
    "triplet_attention": (
        fer_layers.TripletAttention,
        {},
        (4, 6, 5, 9),
        {
            "expected_output_shape": (4, 6, 5, 9),
            "expected_trainable": 9,
            "expected_non_trainable": 6,
            "expected_parameters": 3 * (98 + 4),
        },
    ),
    "triplet_attention_no_spatial": (
        fer_layers.TripletAttention,
        {"kernel_size": 3, "use_spatial": False},
        (4, 6, 5, 9),
        {
            "expected_output_shape": (4, 6, 5, 9),
            "expected_trainable": 6,
            "expected_non_trainable": 4,
            "expected_parameters": 2 * (18 + 4),
        },
    ),
    "channel_attention": (
        fer_layers.ChannelAttention,
        {"reduction": 2},
        (4, 6, 5, 8),
        {
            "expected_output_shape": (4, 6, 5, 8),
            "expected_trainable": 4,
            "expected_non_trainable": 0,
            "expected_parameters": 8 * 4 + 4 + 4 * 8 + 8,
        },
    ),
    "spatial_attention": (
        fer_layers.SpatialAttention,
        {"kernel_size": 3},
        (4, 6, 5, 8),
        {
            "expected_output_shape": (4, 6, 5, 8),
            "expected_trainable": 3,
            "expected_non_trainable": 2,
            "expected_parameters": 18 + 4,
        },
    ),
    "cbam": (
        fer_layers.CBAM,
        {"reduction": 3, "kernel_size": 5},
        (4, 6, 5, 8),
        {
            "expected_output_shape": (4, 6, 5, 8),
            "expected_trainable": 7,
            "expected_non_trainable": 2,
            "expected_parameters": 8 * 2 + 2 + 2 * 8 + 8 + 50 + 4,
        },
    ),
    "squeeze_excite": (
        fer_layers.SqueezeExcite,
        {"reduction": 2},
        (4, 6, 5, 8),
        {
            "expected_output_shape": (4, 6, 5, 8),
            "expected_trainable": 4,
            "expected_non_trainable": 0,
            "expected_parameters": 8 * 4 + 4 + 4 * 8 + 8,
        },
    ),
    "squeeze_excite_clip": (
        fer_layers.SqueezeExcite,
        {"reduction": 2, "activation": "silu", "gate_activation": "hard_sigmoid"},
        (4, 3, 6, 5, 8),
        {
            "expected_output_shape": (4, 3, 6, 5, 8),
            "expected_trainable": 4,
            "expected_non_trainable": 0,
            "expected_parameters": 8 * 4 + 4 + 4 * 8 + 8,
        },
    ),
    "shuffle_unit": (
        fer_layers.ShuffleUnit,
        {"filters": 8},
        (4, 6, 5, 8),
        {
            "expected_output_shape": (4, 6, 5, 8),
            "expected_trainable": 9,
            "expected_non_trainable": 6,
            "expected_parameters": (4 * 4 + 9 * 4 + 4 * 4) + 3 * 4 * 4,
            # A 1x1 convolution and its batch norm follow without anything between.
            "idle": ("depthwise/norm/beta",),
        },
    ),
    "shuffle_unit_stride2": (
        fer_layers.ShuffleUnit,
        {"filters": 12, "strides": 2, "kernel_size": 5},
        (4, 7, 6, 4),
        {
            "expected_output_shape": (4, 4, 3, 12),
            "expected_trainable": 15,
            "expected_non_trainable": 10,
            "expected_parameters": (4 * 6 + 25 * 6 + 6 * 6 + 3 * 4 * 6)
            + (25 * 4 + 4 * 4)
            + (4 * 6 + 4 * 6),
            "idle": ("depthwise/norm/beta",),
        },
    ),
    "local_feature_extractor": (
        fer_layers.LocalFeatureExtractor,
        {"filters": 8},
        (4, 9, 10, 4),
        {
            "expected_output_shape": (4, 5, 5, 8),
            "expected_trainable": 4 * 6,
            "expected_non_trainable": 4 * 4,
            "expected_parameters": 4 * 2 * (9 * 8 + 4 * 8),
        },
    ),
    "channel_spatial_modulator": (
        fer_layers.ChannelSpatialModulator,
        {"reduction": 2, "dilation_rate": 2},
        (4, 6, 5, 8),
        {
            "expected_output_shape": (4, 6, 5, 8),
            "expected_trainable": 6 + 14,
            "expected_non_trainable": 2 + 6,
            "expected_parameters": (8 * 4 + 4 + 4 * 4 + 4 * 8 + 8)
            + (8 * 4 + 4 + 4 * 4)
            + 2 * (9 * 4 * 4 + 4 + 4 * 4)
            + (4 + 1),
            # The authors' biases, which the batch norm after them takes out.
            "idle": (
                "channel_reduce/bias",
                "spatial_reduce/bias",
                "spatial_dilated_1/bias",
                "spatial_dilated_2/bias",
            ),
        },
    ),
    "gaussian_noise_stack": (
        fer_layers.GaussianNoiseStack,
        {"layers": 2, "stddev": 0.1, "seed": 3},
        (4, 6, 5, 2),
        {
            "expected_output_shape": (4, 6, 5, 2),
            "expected_trainable": 0,
            "expected_non_trainable": 0,
            "expected_parameters": 0,
            "expected_seeds": 2,
        },
    ),
    "per_image_standardization": (
        fer_layers.PerImageStandardization,
        {},
        (4, 6, 5, 3),
        {
            "expected_output_shape": (4, 6, 5, 3),
            "expected_trainable": 0,
            "expected_non_trainable": 0,
            "expected_parameters": 0,
            "input_range": (0.0, 255.0),
        },
    ),
}


# Those whose cases stand in files of their own.
ELSEWHERE = {fer_layers.SpatialAttention3D, fer_layers.TemporalAttention}


ONE_A_CLASS = {layer_class: name for name, (layer_class, *_) in CASES.items()}.values()


def params(names):
    """Return the cases' names for pytest: one a class for every backend, and the others."""
    return [
        pytest.param(name, marks=[pytest.mark.backend] if name in ONE_A_CLASS else [])
        for name in names
    ]


TWO_FORMATS = [
    name for name, case in CASES.items() if "data_format" in inspect.signature(case[0]).parameters
]


def exported_layers():
    members = [getattr(fer_layers, name) for name in fer_layers.__all__]
    return {m for m in members if inspect.isclass(m) and issubclass(m, keras.layers.Layer)}


def test_every_exported_layer_has_a_case():
    assert exported_layers() == {layer_class for layer_class, *_ in CASES.values()} | ELSEWHERE


@pytest.mark.parametrize("layer_class", sorted(exported_layers(), key=lambda c: c.__name__))
def test_public_docstring_has_its_sections(layer_class):
    lines = inspect.getdoc(layer_class).splitlines()
    assert lines[0].endswith(".")
    assert {"Args:", "Input shape:", "Output shape:", "Raises:", "Example:"} <= set(lines)


@pytest.mark.parametrize("name", params(CASES))
def test_layer_keeps_the_promises(name):
    layer_class, arguments, input_shape, expected = CASES[name]
    check_layer(layer_class, arguments, input_shape, **expected)


@pytest.mark.parametrize("name", params(TWO_FORMATS))
def test_layer_gives_the_same_channels_first(name):
    layer_class, arguments, input_shape, _ = CASES[name]
    check_channels_first(layer_class, arguments, input_shape, train=False)


# Layers of layers, with statistics of batches, which training alone uses.
COMPOSED = (
    "ghost_bottleneck_squeeze_excite",
    "triplet_attention_no_spatial",
    "cbam",
    "local_feature_extractor",
    "channel_spatial_modulator",
)


@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.parametrize("name", COMPOSED)
def test_layer_trains_channels_first(name):
    layer_class, arguments, input_shape, expected = CASES[name]
    check_channels_first(layer_class, arguments, input_shape, idle=expected.get("idle", ()))
