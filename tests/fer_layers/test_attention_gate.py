"""The vectorised convolution of the gates against the plain one."""

import keras
import numpy as np
import pytest
from helpers.layers import (
    channels_first_problem,
    first,
    in_open_graph,
    last,
    randomize,
    sample,
    to_numpy,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from fer_layers import AttentionGate, SpatialAttention, TripletAttention


def plain(gate, x):
    """Return the gate by the definition: one convolution, batch norm, sigmoid."""
    y = ops.conv(x, ops.convert_to_tensor(gate.kernel), padding="same", data_format="channels_last")
    return to_numpy(ops.sigmoid(gate.norm(y)[..., 0]))


def check_blocks(kernel_size, rows, columns):
    gate = AttentionGate(kernel_size)
    gate.build((2, rows, columns, 2))
    randomize(gate)
    x = sample((2, rows, columns, 2), seed=rows + columns)
    np.testing.assert_allclose(to_numpy(gate(x)), plain(gate, x), atol=2e-6)


@settings(max_examples=15, deadline=None)
@given(
    kernel_size=st.sampled_from([1, 3, 7, 17, 19]),
    rows=st.integers(1, 9),
    columns=st.integers(1, 27),
)
def test_blocks_give_the_plain_convolution(kernel_size, rows, columns):
    check_blocks(kernel_size, rows, columns)


@pytest.mark.backend
@pytest.mark.parametrize("size", [(7, 6, 11), (19, 3, 2)])
def test_blocks_give_the_plain_convolution_on_every_backend(size):
    check_blocks(*size)


@pytest.mark.backend
@pytest.mark.parametrize(("use_norm", "columns"), [(True, 11), (False, 16)])
def test_the_gate_stands_where_its_axis_was_pooled(use_norm, columns):
    gate = AttentionGate(7, use_norm)
    gate.build((2, 5, columns, 2))
    randomize(gate)
    x = sample((2, 5, columns, 2))
    expected = to_numpy(gate(x))
    for axis in (1, 2, 3):
        found = to_numpy(gate(x[..., 0], x[..., 1], axis=axis))
        np.testing.assert_allclose(found, np.expand_dims(expected, axis), atol=1e-6)
        maps = keras.Input((5, columns))
        shape = list(found.shape)
        assert gate(maps, maps, axis=axis).shape == (None, *shape[1:])


def test_two_maps_build_the_gate_and_one_is_refused():
    x = sample((2, 5, 11, 2))
    assert AttentionGate(3)(x[..., 0], x[..., 1]).shape == (2, 5, 11)
    with pytest.raises(ValueError, match=r"two of \(batch, rows, columns\).*Received"):
        AttentionGate(3)(x[..., 0])
    with pytest.raises(ValueError, match="AttentionGate expects"):
        AttentionGate(3)(keras.Input((5, 11)))


def test_undefined_columns_give_the_same():
    x = sample((2, 5, 11, 2))
    gate = AttentionGate(7)
    gate.build(x.shape)
    randomize(gate)
    np.testing.assert_allclose(in_open_graph(gate, x), to_numpy(gate(x)), atol=2e-6)


class PlainGate(AttentionGate):
    def _convolve(self, largest, mean):
        pair = ops.stack([largest, mean], axis=-1)
        return ops.conv(pair, self.kernel, padding="same", data_format="channels_last")


@pytest.mark.backend
def test_gradients_are_those_of_the_plain_convolution():
    x, target = sample((2, 5, 11, 2)), sample((2, 5, 11), 0.0, 1.0, seed=2)
    trained = []
    for gate in (AttentionGate(3), PlainGate(3)):
        inputs = keras.Input(x.shape[1:])
        model = keras.Model(inputs, gate(inputs))
        randomize(gate)
        model.compile(keras.optimizers.SGD(1.0), "mse")
        model.fit(x, target, verbose=0)
        trained.append(gate.get_weights())
    for ours, expected in zip(*trained, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_stored_kernel_is_the_papers():
    gate = AttentionGate(7)
    gate.build((None, None, None, 2))
    assert tuple(gate.kernel.shape) == (7, 7, 2, 1)


@pytest.mark.backend
@pytest.mark.parametrize("use_spatial", [True, False])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_triplet_attention_by_its_definition(use_spatial, data_format):
    if data_format == "channels_first" and channels_first_problem():
        pytest.skip(channels_first_problem())
    x = sample((2, 6, 5, 9))
    is_first = data_format == "channels_first"
    given_x = first(x) if is_first else x
    layer = TripletAttention(use_spatial=use_spatial, data_format=data_format)
    layer.build(given_x.shape)
    randomize(layer)

    def gate(sublayer, axis):
        pooled = np.stack([x.max(axis), x.mean(axis)], -1)
        return np.expand_dims(plain(sublayer, pooled), axis)

    gates = [gate(layer.width_gate, 1), gate(layer.height_gate, 2)]
    if use_spatial:
        gates.append(gate(layer.spatial_gate, 3))
    actual = to_numpy(layer(given_x))
    actual = last(actual) if is_first else actual
    np.testing.assert_allclose(actual, sum(x * g for g in gates) / len(gates), atol=1e-5)


def test_triplet_attention_hands_out_its_gate():
    x = sample((2, 6, 5, 9))
    layer = TripletAttention()
    y = to_numpy(layer(x))
    gate = to_numpy(layer.attention(x))
    assert gate.min() > 0
    assert gate.max() < 1
    np.testing.assert_allclose(x * gate, y, atol=1e-6)


def test_spatial_attention_gates_all_channels_alike():
    x = sample((2, 6, 5, 9))
    layer = SpatialAttention(3)
    y = to_numpy(layer(x))
    gate = to_numpy(layer.attention(x))
    assert gate.shape == (2, 6, 5, 1)
    np.testing.assert_allclose(x * gate, y, atol=1e-6)
