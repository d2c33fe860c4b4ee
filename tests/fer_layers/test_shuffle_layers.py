"""The parts of EfficientFace: shuffling, patches, modulation, and what they refuse."""

import numpy as np
import pytest
from helpers.layers import (
    first,
    infer,
    last,
    randomize,
    sample,
    to_numpy,
)
from hypothesis import given
from hypothesis import strategies as st

from fer_layers.shuffle import (
    ChannelSpatialModulator,
    LocalFeatureExtractor,
    ShuffleUnit,
    first_patch,
    interleave,
)

FORMATS = ["channels_last", "channels_first"]


@pytest.mark.backend
def test_modulator_gates_by_its_attention():
    x = sample((2, 6, 7, 8))
    layer = ChannelSpatialModulator(reduction=4)
    layer.build(x.shape)
    randomize(layer)
    gate = to_numpy(infer(layer.attention, x))
    assert gate.shape == x.shape
    assert 0 < gate.min() < gate.max() < 1
    np.testing.assert_allclose(to_numpy(infer(layer, x)), x * gate, atol=1e-6)


@pytest.mark.backend
@pytest.mark.parametrize("data_format", FORMATS)
def test_shuffle_takes_the_channels_of_two_maps_in_turn(data_format):
    maps = np.arange(24.0).reshape(1, 2, 3, 4).astype("float32")
    pair = (maps, maps + 100)
    if data_format == "channels_first":
        pair = tuple(first(half) for half in pair)
    shuffled = to_numpy(interleave(*pair, data_format))
    shuffled = shuffled if data_format == "channels_last" else last(shuffled)
    np.testing.assert_array_equal(shuffled[..., 0::2], maps)
    np.testing.assert_array_equal(shuffled[..., 1::2], maps + 100)


@pytest.mark.backend
def test_unit_of_stride_1_leaves_every_other_channel_as_the_first_half_was():
    x = sample((2, 5, 4, 8))
    layer = ShuffleUnit(8)
    layer.build(x.shape)
    found = to_numpy(infer(layer, x))
    np.testing.assert_array_equal(found[..., 0::2], x[..., :4])
    assert (found[..., 1::2] >= 0).all()


@given(st.integers(3, 2000))
def test_patches_divide_the_map_nearly_in_halves_and_give_half_of_it(size):
    top = first_patch(size)
    bottom = size - top
    assert top % 2 == 0
    assert bottom > 0
    assert abs(top - bottom) <= 2
    assert top // 2 + -(-bottom // 2) == -(-size // 2)


@pytest.mark.parametrize(
    ("size", "top"), [(3, 2), (8, 4), (9, 4), (10, 6), (11, 6), (12, 6), (56, 28), (57, 28)]
)
def test_first_patch(size, top):
    assert first_patch(size) == top


@given(st.integers(3, 400), st.integers(3, 400), st.sampled_from(FORMATS))
def test_local_features_are_as_large_as_those_of_a_unit_of_stride_2(height, width, data_format):
    is_last = data_format == "channels_last"
    shape = (None, height, width, 2) if is_last else (None, 2, height, width)
    local = LocalFeatureExtractor(4, data_format=data_format).compute_output_shape(shape)
    unit = ShuffleUnit(4, 2, data_format=data_format).compute_output_shape(shape)
    assert local == unit


@pytest.mark.parametrize(
    ("height", "width"),
    [(8, 8), pytest.param(9, 10, marks=pytest.mark.backend), (3, 7)],
)
def test_each_local_patch_sees_itself_alone(height, width):
    layer = LocalFeatureExtractor(4)
    x = sample((1, height, width, 2))
    layer.build(x.shape)
    randomize(layer)
    before = to_numpy(infer(layer, x))
    rows, columns = first_patch(height), first_patch(width)
    for top in (True, False):
        for left in (True, False):
            changed = x.copy()
            changed[:, slice(0, rows) if top else slice(rows, None), :][
                :, :, slice(0, columns) if left else slice(columns, None)
            ] += 1.0
            differs = (to_numpy(infer(layer, changed)) != before).any(axis=(0, 3))
            expected = np.zeros_like(differs)
            expected[
                slice(0, rows // 2) if top else slice(rows // 2, None),
                slice(0, columns // 2) if left else slice(columns // 2, None),
            ] = True
            assert not (differs & ~expected).any()
            assert differs.any()


@pytest.mark.backend
def test_local_patches_have_weights_of_their_own():
    x = np.tile(sample((1, 4, 4, 2)), (1, 2, 2, 1))
    layer = LocalFeatureExtractor(4)
    layer.build(x.shape)
    randomize(layer)
    found = to_numpy(infer(layer, x))
    quarters = [found[:, i : i + 2, j : j + 2] for i in (0, 2) for j in (0, 2)]
    for index, quarter in enumerate(quarters):
        assert not any(np.allclose(quarter, other) for other in quarters[index + 1 :])


@pytest.mark.parametrize("value", [0, -2, 1.5, "2", None, True])
@pytest.mark.parametrize(
    ("layer", "arguments", "name"),
    [
        (ShuffleUnit, {}, "filters"),
        (ShuffleUnit, {"filters": 4}, "strides"),
        (ShuffleUnit, {"filters": 4}, "kernel_size"),
        (LocalFeatureExtractor, {}, "filters"),
        (LocalFeatureExtractor, {"filters": 4}, "kernel_size"),
        (ChannelSpatialModulator, {}, "reduction"),
        (ChannelSpatialModulator, {}, "dilation_rate"),
    ],
)
def test_size_that_is_no_positive_integer(layer, arguments, name, value):
    with pytest.raises(ValueError, match=rf"(?s)`{name}`.*Received: {name}={value!r}"):
        layer(**arguments | {name: value})


def test_odd_filters():
    with pytest.raises(ValueError, match=r"`filters` must be even.*Received: filters=5"):
        ShuffleUnit(5)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (ShuffleUnit(8), (8, 8, 4), r"`filters`.*stride 1.*filters=8 for 4 channels"),
        (ShuffleUnit(8), (8, 8), r"ShuffleUnit .*rank 4"),
        (LocalFeatureExtractor(8), (8, 8, 3), r"`filters`.*multiple.*filters=8 for 3 channels"),
        (LocalFeatureExtractor(8), (8, 2, 4), r"at least 3.*Received.*\(None, 8, 2, 4\)"),
        (LocalFeatureExtractor(8), (1, None, 4), r"at least 3.*Received.*\(None, 1, None, 4\)"),
        (LocalFeatureExtractor(8), (8, 8, None), r"(?s)channel axis.*must be defined"),
        (ChannelSpatialModulator(), (8, 8, 15), r"`reduction`.*reduction=16 for 15 channels"),
        (ChannelSpatialModulator(), (2, 8, 8, 16), r"ChannelSpatialModulator .*rank 4"),
    ],
)
def test_input_that_does_not_fit(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer.build((None, *shape))
