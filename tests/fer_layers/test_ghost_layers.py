"""What is particular to the ghost layers, ConvNorm and FusedMBConv."""

import itertools

import keras
import numpy as np
import pytest
from helpers.layers import randomize, sample, to_numpy

from fer_layers import ConvNorm, FusedMBConv, GhostBottleneck, GhostModule


@pytest.mark.backend
def test_ghost_module_puts_intrinsic_maps_first():
    x = sample((2, 6, 5, 4))
    layer = GhostModule(7, ratio=3)
    layer.build(x.shape)
    randomize(layer)
    intrinsic = to_numpy(layer.primary(x))
    ghosts = to_numpy(layer.cheap(intrinsic))
    assert intrinsic.shape[-1] == 3
    expected = np.concatenate([intrinsic, ghosts], -1)[..., :7]
    np.testing.assert_allclose(to_numpy(layer(x)), expected, atol=1e-6)


@pytest.mark.parametrize("filters", [1, 2, 5, 8, 9])
@pytest.mark.parametrize("ratio", [1, 2, 3, 5, 9])
def test_ghost_module_gives_any_number_of_maps(filters, ratio):
    assert GhostModule(filters, ratio=ratio)(keras.Input((6, 5, 4))).shape == (None, 6, 5, filters)


def test_ghost_module_without_activation_passes_negative_values():
    x = sample((2, 6, 5, 4))
    assert to_numpy(GhostModule(6, activation=False)(x)).min() < 0
    assert to_numpy(GhostModule(6)(x)).min() == 0


@pytest.mark.parametrize(
    ("kernel_size", "strides", "size"),
    [
        *(pytest.param(3, strides, 7, marks=pytest.mark.backend) for strides in (1, 2)),
        *itertools.product((1, 5), (1, 2, 3), (1, 7, 8)),
    ],
)
def test_convolution_pads_both_sides_alike(kernel_size, strides, size):
    """A mirrored picture and kernel give the mirrored result; one-sided padding would not."""
    x = sample((1, size, size, 2))
    layer = ConvNorm(3, kernel_size, strides)
    output = to_numpy(layer(x))
    assert output.shape[1] == (size + 2 * (kernel_size // 2) - kernel_size) // strides + 1
    if (size - 1) % strides == 0:
        kernel = layer.conv.kernel
        kernel.assign(keras.ops.flip(keras.ops.convert_to_tensor(kernel), (0, 1)))
        mirrored = to_numpy(layer(x[:, ::-1, ::-1].copy()))
        np.testing.assert_allclose(mirrored, output[:, ::-1, ::-1], atol=1e-5)


@pytest.mark.backend
def test_fused_mbconv_adds_the_input_where_the_shape_stays():
    x = sample((2, 6, 5, 4))
    layer = FusedMBConv(8, 4)
    layer.build(x.shape)
    randomize(layer)
    expected = x + to_numpy(layer.project(layer.expand(x)))
    np.testing.assert_allclose(to_numpy(layer(x)), expected, atol=1e-6)
    wider = FusedMBConv(8, 6)
    wider.build(x.shape)
    randomize(wider)
    expected = to_numpy(wider.project(wider.expand(x)))
    np.testing.assert_allclose(to_numpy(wider(x)), expected, atol=1e-6)


def test_bottleneck_shortcut_is_the_input_only_where_the_shape_stays():
    for filters, strides, weights in [(4, 1, 20), (6, 1, 30), (4, 2, 35)]:
        layer = GhostBottleneck(8, filters, strides=strides)
        layer.build((None, 8, 8, 4))
        assert len(layer.weights) == weights
