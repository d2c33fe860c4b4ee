"""Every bad argument to a layer is refused with a message that names it and what came."""

import keras
import pytest

from fer_layers import (
    CBAM,
    AttentionGate,
    ChannelAttention,
    ChannelSpatialModulator,
    ConvNorm,
    FusedMBConv,
    GaussianNoiseStack,
    GhostBottleneck,
    GhostModule,
    LocalFeatureExtractor,
    PerImageStandardization,
    ShuffleUnit,
    SpatialAttention,
    SqueezeExcite,
    TripletAttention,
)

# layer: arguments that are enough to make it, without the ones in IMAGE_SHAPES
MINIMAL = {
    ConvNorm: {"filters": 4},
    GhostModule: {"filters": 4},
    GhostBottleneck: {"expansion": 8, "filters": 4},
    FusedMBConv: {"expansion": 8, "filters": 4},
    TripletAttention: {},
    ChannelAttention: {"reduction": 2},
    SpatialAttention: {},
    CBAM: {"reduction": 2},
    SqueezeExcite: {"reduction": 2},
    ShuffleUnit: {"filters": 4},
    LocalFeatureExtractor: {"filters": 4},
    ChannelSpatialModulator: {"reduction": 2},
}
POSITIVE = {
    ConvNorm: ["filters", "kernel_size", "strides"],
    GhostModule: ["filters", "kernel_size", "ratio", "depthwise_kernel_size", "strides"],
    GhostBottleneck: ["expansion", "filters", "kernel_size", "strides", "ratio"],
    FusedMBConv: ["expansion", "filters", "kernel_size", "strides"],
    AttentionGate: ["kernel_size"],
    TripletAttention: ["kernel_size"],
    ChannelAttention: ["reduction"],
    SpatialAttention: ["kernel_size"],
    CBAM: ["reduction", "kernel_size"],
    SqueezeExcite: ["reduction"],
    GaussianNoiseStack: ["layers"],
}
SIZES = [(layer, name) for layer, names in POSITIVE.items() for name in names]
KERNELS = [(layer, name) for layer, name in SIZES if "kernel" in name]


def case_id(value):
    return getattr(value, "__name__", None)


@pytest.mark.parametrize(("layer", "name"), SIZES, ids=case_id)
@pytest.mark.parametrize("value", [0, -3, 1.5, "2", None, True])
def test_size_that_is_no_positive_integer(layer, name, value):
    with pytest.raises(ValueError, match=rf"(?s)`{name}`.*Received: {name}={value!r}"):
        layer(**MINIMAL.get(layer, {}) | {name: value})


@pytest.mark.parametrize(("layer", "name"), KERNELS, ids=case_id)
def test_even_kernel(layer, name):
    with pytest.raises(ValueError, match=rf"`{name}`.*odd.*Received: {name}=4"):
        layer(**MINIMAL.get(layer, {}) | {name: 4})


@pytest.mark.parametrize("layer", MINIMAL, ids=case_id)
@pytest.mark.parametrize("value", ["channels_middle", "NHWC", 3])
def test_unknown_data_format(layer, value):
    with pytest.raises(ValueError, match=f"`data_format`.*Received: data_format={value!r}"):
        layer(**MINIMAL[layer], data_format=value)


@pytest.mark.parametrize("layer", MINIMAL, ids=case_id)
@pytest.mark.parametrize("shape", [(8, 8), (2, 8, 8, 8, 8, 8)])
def test_input_of_the_wrong_rank(layer, shape):
    with pytest.raises(ValueError, match=rf"^{layer.__name__} ") as error:
        layer(**MINIMAL[layer])(keras.Input(shape[1:]))
    assert "rank" in str(error.value)
    assert str((None, *shape[1:])) in str(error.value)


@pytest.mark.parametrize("layer", [layer for layer in MINIMAL if layer is not SqueezeExcite])
def test_clip_where_an_image_belongs(layer):
    with pytest.raises(ValueError, match=r"rank 4.*Received"):
        layer(**MINIMAL[layer])(keras.Input((3, 8, 8, 4)))


@pytest.mark.parametrize("layer", MINIMAL, ids=case_id)
@pytest.mark.parametrize(
    ("data_format", "shape"),
    [("channels_last", (8, 8, None)), ("channels_first", (None, 8, 8))],
)
def test_undefined_channels(layer, data_format, shape):
    with pytest.raises(ValueError, match=r"(?s)channel axis.*must be defined.*Received"):
        layer(**MINIMAL[layer], data_format=data_format)(keras.Input(shape))


@pytest.mark.parametrize("layer", [ChannelAttention, CBAM, SqueezeExcite], ids=case_id)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_fewer_channels_than_the_reduction(layer, data_format):
    shape = (8, 8, 15) if data_format == "channels_last" else (15, 8, 8)
    with pytest.raises(ValueError, match=r"`reduction`.*Received: reduction=16 for 15 channels"):
        layer(reduction=16, data_format=data_format)(keras.Input(shape))


def test_as_many_channels_as_the_reduction_is_fine():
    assert CBAM(reduction=16)(keras.Input((8, 8, 16))).shape == (None, 8, 8, 16)


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan"), "0.1", None, True])
def test_noise_outside_its_range(value):
    with pytest.raises(ValueError, match=f"`stddev`.*Received: stddev={value!r}"):
        GaussianNoiseStack(stddev=value)


def test_depthwise_filters_that_are_no_multiple_of_the_channels():
    with pytest.raises(ValueError, match=r"`filters`.*multiple.*filters=6 for 4 channels"):
        ConvNorm(6, depthwise=True)(keras.Input((8, 8, 4)))


def test_unknown_attention():
    with pytest.raises(ValueError, match=r"`attention`.*triplet.*Received: attention='cbam'"):
        GhostBottleneck(8, 4, attention="cbam")


@pytest.mark.parametrize("name", ["activation", "gate_activation"])
def test_unknown_activation(name):
    with pytest.raises(ValueError, match="wobble"):
        SqueezeExcite(**{name: "wobble"})


def test_gate_over_something_else_than_a_pair_of_maps():
    with pytest.raises(ValueError, match=r"AttentionGate.*Received.*\(None, 8, 8, 3\)"):
        AttentionGate()(keras.Input((8, 8, 3)))


def test_standardization_of_something_that_is_no_image():
    with pytest.raises(ValueError, match=r"PerImageStandardization.*rank.*\(None, 8\)"):
        PerImageStandardization()(keras.Input((8,)))


def test_other_channels_after_building():
    layer = CBAM(reduction=2)
    layer(keras.Input((8, 8, 4)))
    with pytest.raises(ValueError, match="axis -1"):
        layer(keras.Input((8, 8, 6)))


@pytest.mark.parametrize("value", [1, None, "yes", [True]])
@pytest.mark.parametrize("layer", [ConvNorm, GhostModule, TripletAttention, CBAM], ids=case_id)
def test_switches_are_true_or_false(layer, value):
    with pytest.raises(ValueError, match=r"`use_norm` must be True or False\. Received: use_norm="):
        layer(**MINIMAL[layer], use_norm=value)


@pytest.mark.parametrize(
    ("layer", "options", "message"),
    [
        (GaussianNoiseStack, {"seed": -1}, "`seed` must be None or an integer"),
        (GaussianNoiseStack, {"layers": 10**400}, "`layers` must be a positive integer"),
        (SqueezeExcite, {"activation": "odd"}, "`activation` must be an activation that Keras"),
        (SqueezeExcite, {"gate_activation": 3}, "`gate_activation` must be the name of"),
        (CBAM, {"data_format": ["channels_last"]}, "`data_format` must be"),
        (
            GhostBottleneck,
            {"expansion": 3, "attention": "squeeze_excite"},
            "`expansion` must be at least 4 .*Received: expansion=3",
        ),
        (GhostBottleneck, {"attention": ["triplet"]}, "`attention` must be None or one of"),
    ],
)
def test_odd_arguments_are_named(layer, options, message):
    with pytest.raises(ValueError, match=message):
        layer(**{**MINIMAL.get(layer, {}), **options})
