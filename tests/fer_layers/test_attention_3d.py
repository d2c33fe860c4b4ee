"""Attention for clips by its equations: where in every frame, and which frames."""

import keras
import numpy as np
import pytest
from helpers.layers import (
    check_channels_first,
    check_layer,
    first,
    last,
    randomize,
    sample,
    to_numpy,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate

from fer_layers import SpatialAttention3D, TemporalAttention
from fer_models.evaluation import complexity

SHAPE = (4, 3, 6, 5, 8)
# class, arguments, parameters, shape of the gate for SHAPE
CASES = [
    pytest.param(SpatialAttention3D, {"kernel_size": 3}, 9 * 2 + 1, (4, 3, 6, 5, 1), id="spatial"),
    pytest.param(TemporalAttention, {"kernel_size": 5}, 5 * 2 + 1, (4, 3, 1, 1, 1), id="temporal"),
]
each_layer = pytest.mark.parametrize(("layer_class", "arguments", "parameters", "gate"), CASES)


def built(layer_class, shape, seed=1, **arguments):
    layer = layer_class(**arguments)
    layer.build(shape)
    randomize(layer, seed)
    return layer


def convolved(pair, kernel):
    """Return the sum over a pair of maps of their zero-padded correlations, by SciPy."""
    maps = [correlate(x, kernel[..., i, 0], mode="constant") for i, x in enumerate(pair)]
    return sum(maps)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.backend
@each_layer
def test_layer_keeps_the_promises(layer_class, arguments, parameters, gate):
    check_layer(
        layer_class,
        arguments,
        SHAPE,
        expected_output_shape=SHAPE,
        expected_trainable=2,
        expected_non_trainable=0,
        expected_parameters=parameters,
    )


@pytest.mark.backend
@each_layer
def test_layer_gives_the_same_channels_first(layer_class, arguments, parameters, gate):
    check_channels_first(layer_class, arguments, SHAPE)


@pytest.mark.backend
@settings(max_examples=4, deadline=None)
@given(kernel=st.sampled_from([1, 3, 7]), frames=st.integers(1, 4), side=st.integers(1, 9))
def test_spatial_gate_by_its_equation(kernel, frames, side):
    x = sample((2, frames, side, side + 1, 3), seed=side)
    layer = built(SpatialAttention3D, x.shape, kernel_size=kernel)
    weights, bias = layer.get_weights()
    expected = np.array(
        [
            [convolved((frame.max(-1), frame.mean(-1)), weights[0]) for frame in clip]
            for clip in x.astype("float64")
        ]
    )
    expected = sigmoid(expected + bias)[..., None]
    np.testing.assert_allclose(to_numpy(layer.attention(x)), expected, atol=2e-6)
    np.testing.assert_allclose(to_numpy(layer(x)), x * expected, atol=2e-6)


@pytest.mark.backend
@settings(max_examples=4, deadline=None)
@given(kernel=st.sampled_from([1, 3, 5]), frames=st.integers(1, 9))
def test_temporal_gate_by_its_equation(kernel, frames):
    x = sample((2, frames, 4, 3, 5), seed=frames)
    layer = built(TemporalAttention, x.shape, kernel_size=kernel)
    weights, bias = layer.get_weights()
    axes = (1, 2, 3)
    expected = [
        convolved((clip.max(axes), clip.mean(axes)), weights) for clip in x.astype("float64")
    ]
    expected = sigmoid(np.array(expected) + bias)[:, :, None, None, None]
    np.testing.assert_allclose(to_numpy(layer.attention(x)), expected, atol=2e-6)
    np.testing.assert_allclose(to_numpy(layer(x)), x * expected, atol=2e-6)


def test_spatial_attention_sees_each_frame_by_itself():
    x = sample((2, 5, 6, 6, 3))
    layer = built(SpatialAttention3D, x.shape, kernel_size=3)
    whole = to_numpy(layer.attention(x))
    order = [3, 0, 4, 1, 2]
    np.testing.assert_allclose(to_numpy(layer.attention(x[:, order])), whole[:, order], atol=1e-6)


def test_temporal_attention_does_not_ask_where():
    x = sample((2, 5, 6, 6, 3))
    layer = built(TemporalAttention, x.shape)
    shuffled = np.random.default_rng(0).permuted(x.reshape(2, 5, -1), axis=2).reshape(x.shape)
    gate = to_numpy(layer.attention(x))
    np.testing.assert_allclose(to_numpy(layer.attention(shuffled)), gate, atol=1e-6)
    # An onset far in the past changes no frame that the kernel does not reach.
    x[:, 0] += 1
    moved = to_numpy(layer.attention(x))
    assert np.abs(moved - gate)[:, :2].max() > 1e-3
    np.testing.assert_allclose(moved[:, 2:], gate[:, 2:], atol=1e-6)


@each_layer
def test_maps_are_gates_of_the_promised_shape(layer_class, arguments, parameters, gate):
    x = sample(SHAPE)
    layer = built(layer_class, SHAPE, **arguments)
    found = to_numpy(layer.attention(x, training=True))
    assert found.shape == gate
    assert ((found > 0) & (found < 1)).all()
    np.testing.assert_array_equal(found, to_numpy(layer.attention(x, training=False)))
    np.testing.assert_array_equal(to_numpy(layer(x)), to_numpy(x * found))


@each_layer
def test_maps_channels_first(layer_class, arguments, parameters, gate):
    # Nothing is skipped here: the gates convolve channels_last pairs, which every backend can.
    x = sample(SHAPE)
    layer = built(layer_class, SHAPE, **arguments)
    twin = layer_class(**arguments, data_format="channels_first")
    twin.build(first(x).shape)
    twin.set_weights(layer.get_weights())
    for mine, theirs in ((twin.attention, layer.attention), (twin, layer)):
        np.testing.assert_allclose(last(to_numpy(mine(first(x)))), to_numpy(theirs(x)), atol=1e-6)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@each_layer
def test_operations_are_counted_exactly(layer_class, arguments, parameters, gate, data_format):
    shape = SHAPE[1:] if data_format == "channels_last" else (8, 3, 6, 5)
    clip = keras.Input(shape)
    model = keras.Model(clip, layer_class(**arguments, data_format=data_format)(clip))
    cost = complexity(model)
    outputs = int(np.prod(gate[1:]))
    taps = parameters - 1
    assert (cost.macs, cost.papers_flops) == (outputs * taps, outputs * taps + outputs)
    assert cost.trainable == parameters
    assert not cost.uncounted


LAYERS = pytest.mark.parametrize("layer_class", [SpatialAttention3D, TemporalAttention])


@pytest.mark.parametrize("value", [0, -3, 4, 1.5, "3", None, True])
@LAYERS
def test_kernel_that_is_no_odd_number(layer_class, value):
    with pytest.raises(ValueError, match=rf"`kernel_size`.*odd.*Received: kernel_size={value!r}"):
        layer_class(kernel_size=value)


@LAYERS
def test_unknown_data_format(layer_class):
    with pytest.raises(ValueError, match=r"`data_format`.*Received: data_format='NDHWC'"):
        layer_class(data_format="NDHWC")


@pytest.mark.parametrize("shape", [(8,), (6, 5, 8), (2, 3, 6, 5, 8)])
@LAYERS
def test_input_that_is_no_clip(layer_class, shape):
    with pytest.raises(ValueError, match=rf"^{layer_class.__name__} expects.*rank 5.*Received"):
        layer_class()(keras.Input(shape))


@LAYERS
def test_undefined_channels(layer_class):
    with pytest.raises(ValueError, match=r"(?s)channel axis.*must be defined.*Received"):
        layer_class()(keras.Input((3, 6, 5, None)))


@LAYERS
def test_other_channels_after_building(layer_class):
    layer = layer_class()
    layer(keras.Input((3, 6, 5, 8)))
    with pytest.raises(ValueError, match="axis -1"):
        layer(keras.Input((3, 6, 5, 4)))
