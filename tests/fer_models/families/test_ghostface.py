"""What is GhostFace's own: noise, width, stem, and the table of stages."""

import math

import keras
import numpy as np
import pytest

import fer_models
from fer_models import registry


def build(**kwargs):
    return fer_models.ghostface(**{"input_shape": (32, 32, 1)} | kwargs)


def test_noise_layers():
    noise = build(noise_layers=2, noise_stddev=0.2).get_layer("noise")
    assert (noise.layers, noise.stddev) == (2, 0.2)


def test_noise_acts_in_training_alone():
    model = build(noise_layers=1, noise_stddev=1.0, seed=3)
    images = keras.ops.convert_to_tensor(np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 1)))
    assert model.get_layer("noise").layers == 1
    noise = keras.Model(model.inputs, model.get_layer("noise").output)
    clean = keras.Model(model.inputs, model.get_layer("standardization").output)
    before = keras.ops.convert_to_numpy(clean(images))
    np.testing.assert_array_equal(noise(images, training=False), before)
    assert 0.8 < np.std(keras.ops.convert_to_numpy(noise(images, training=True)) - before) < 1.2


def test_stage_table_at_224():
    model = fer_models.ghostface()
    sizes = {
        "stem": (112, 112, 16),
        "fused_mbconv": (56, 56, 24),
        "bottleneck_1": (28, 28, 40),
        "bottleneck_3": (14, 14, 80),
        "bottleneck_7": (14, 14, 128),
        "bottleneck_8": (7, 7, 192),
        "bottleneck_12": (7, 7, 192),
        "head": (7, 7, 960),
    }
    assert {name: model.get_layer(name).output.shape[1:] for name in sizes} == sizes


def test_width_scales_channels_to_multiples_of_eight():
    narrow = build(width=0.5)
    assert narrow.get_layer("head").output.shape[-1] == 480
    assert narrow.get_layer("stem").output.shape[-1] == 8
    trainable = sum(math.prod(weight.shape) for weight in narrow.trainable_weights)
    assert trainable < registry.entry("ghostface").parameters / 3


def test_stem_stride_one_doubles_every_map():
    model = build(stem_strides=1, noise_layers=0)
    assert model.get_layer("head").output.shape[1:3] == (2, 2)
    assert not [layer for layer in model.layers if layer.name == "noise"]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"noise_layers": 3}, "`noise_layers` must be 0, 1 or 2. Received: noise_layers=3"),
        ({"noise_layers": True}, "`noise_layers`"),
        ({"noise_stddev": -0.1}, "`stddev` must be a number from 0 to 1"),
        ({"noise_stddev": 1.5}, "stddev=1.5"),
        ({"width": 0}, "`width` must be a number above 0 and below 100. Received: width=0"),
        ({"width": float("nan")}, "width=nan"),
        ({"noise_layers": 0, "noise_stddev": 9}, "stddev=9"),
        ({"width": "wide"}, "`width`"),
        ({"stem_strides": 3}, "`stem_strides` must be 1 or 2"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)
