"""What is GhostFace's own: noise, width, stem, and the table of stages."""

import math

import keras
import numpy as np
import pytest
from helpers.layers import infer

import fer_models
from fer_layers import GaussianNoiseStack
from fer_models import registry
from fer_models.families.ghostface import NOISE_PLACES


def build(**kwargs):
    return fer_models.ghostface(**{"input_shape": (32, 32, 1)} | kwargs)


def noise_of(model):
    """Return the noise layers by the names of the layers that they stand after."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.GaussianNoise):
            (before,) = [node.operation.name for node in layer._inbound_nodes[0].parent_nodes]
            found[before] = layer
    return found


@pytest.mark.parametrize(
    ("kwargs", "after"),
    [
        ({}, ["fused_mbconv"]),
        ({"noise_layers": 0}, []),
        ({"noise_layers": 1}, ["fused_mbconv"]),
        ({"noise_layers": 2}, ["fused_mbconv", "avg_pool"]),
        ({"noise_at": ("classifier", "input")}, ["standardization", "avg_pool"]),
        ({"noise_at": ["body", "head"], "noise_layers": 2}, ["bottleneck_12", "head"]),
        ({"noise_at": ("input",), "include_preprocessing": False}, ["image"]),
        ({"noise_at": ()}, []),
        (
            {"noise_at": NOISE_PLACES},
            ["standardization", "fused_mbconv", "bottleneck_12", "head", "avg_pool"],
        ),
        ({"noise_at": ("head",), "include_top": False, "pooling": "avg"}, ["head"]),
    ],
)
def test_noise_stands_where_it_is_wanted(kwargs, after):
    noise = noise_of(build(width=0.125, noise_stddev=0.2, **kwargs))
    assert list(noise) == after
    assert all(layer.stddev == 0.2 for layer in noise.values())


def test_noise_acts_in_training_alone():
    model = build(noise_layers=2, noise_stddev=1.0, seed=3, width=0.25)
    images = keras.ops.convert_to_tensor(np.random.default_rng(0).uniform(0, 255, (9, 32, 32, 1)))
    drawn = []
    for before, layer in noise_of(model).items():
        clean = model.get_layer(before).output
        maps = keras.ops.convert_to_numpy(keras.Model(model.input, clean)(images))
        noise = keras.Model(clean, layer.output)
        np.testing.assert_array_equal(noise(maps, training=False), maps)
        drawn.append(keras.ops.convert_to_numpy(noise(maps, training=True)) - maps)
        assert 0.9 < drawn[-1].std() < 1.1
    one, two = (noise.ravel()[:2000] for noise in drawn)
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.1


@pytest.mark.slow
def test_one_seed_gives_the_same_noise_again():
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 1))
    first, again, other = (
        keras.ops.convert_to_numpy(
            keras.Model(model.input, model.get_layer("noise_input").output)(images, training=True)
        )
        for model in (
            build(width=0.125, noise_at=("input",), seed=seed, noise_stddev=1) for seed in (5, 5, 6)
        )
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_two_layers_at_one_place_would_be_one():
    """The reason that `noise_at` refuses them for, in numbers."""
    ones = np.ones((1, 200, 200, 1), "float32")
    two = keras.Sequential([keras.layers.GaussianNoise(0.1, seed=seed) for seed in (1, 2)])
    spread = np.std(keras.ops.convert_to_numpy(two(ones, training=True)))
    assert spread == pytest.approx(0.1 * math.sqrt(2), rel=0.02)


@pytest.mark.slow
def test_weights_of_a_network_with_noise_elsewhere_fit(tmp_path):
    """Noise has no weights: where it stood in training plays no part afterwards."""
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 1)).astype("float32")
    saved = build(width=0.125, noise_at=("input", "body", "classifier"))
    saved.save_weights(tmp_path / "trained.weights.h5")
    model = build(width=0.125, weights=tmp_path / "trained.weights.h5")
    assert [weight.path for weight in model.weights] == [weight.path for weight in saved.weights]
    np.testing.assert_allclose(infer(model, images), infer(saved, images), atol=1e-6)


@pytest.mark.slow
def test_files_with_a_stack_of_noise_on_the_image_still_load(tmp_path):
    """As the network was saved before its noise went to feature maps."""
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 1)).astype("float32")
    trunk = build(width=0.125, noise_layers=0)
    image = keras.Input((32, 32, 1), name="image")
    x = GaussianNoiseStack(2, 0.1, seed=3, name="noise")(trunk.layers[1](image))
    for layer in trunk.layers[2:]:
        x = layer(x)
    saved = keras.Model(image, x, name="ghostface")
    saved.save(tmp_path / "old.keras")
    saved.save_weights(tmp_path / "old.weights.h5")
    whole = keras.saving.load_model(tmp_path / "old.keras")
    assert whole.get_layer("noise").get_config()["layers"] == 2
    expected = infer(trunk, images)
    for model in (
        whole,
        build(width=0.125, weights=tmp_path / "old.weights.h5"),
        build(width=0.125, weights=tmp_path / "old.keras", noise_layers=2),
    ):
        np.testing.assert_allclose(infer(model, images), expected, atol=1e-6)


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
    assert not noise_of(model)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"noise_layers": 3}, r"`noise_layers` must be 0, 1 or 2; .*Received: noise_layers=3"),
        ({"noise_layers": True}, "`noise_layers`"),
        ({"noise_layers": "two"}, "Received: noise_layers='two'"),
        (
            {"noise_at": "input"},
            r"must be None or a sequence of places, such as \('early_stage',\)",
        ),
        ({"noise_at": 1}, "must be None or a sequence of places"),
        ({"noise_at": ("stem",)}, r"must name places of \('input', .*Received: noise_at=\('stem',"),
        ({"noise_at": [["input"]]}, "must name places of"),
        (
            {"noise_at": ("input", "input")},
            r"must name each place once: two layers .*sqrt\(2\) times the deviation",
        ),
        (
            {"noise_at": ("input", "body"), "noise_layers": 1},
            r"`noise_layers` must be 2, the number of places in `noise_at`, or None.*=1, noise_at=",
        ),
        ({"noise_at": ("input",), "noise_layers": True}, "`noise_layers` must be 1"),
        (
            {"noise_at": ("classifier",), "include_top": False},
            "must not name 'classifier' with include_top=False",
        ),
        (
            {"noise_layers": 2, "include_top": False},
            r"noise_layers=2 puts a layer there too.*Received: noise_layers=2, noise_at=None",
        ),
        ({"noise_stddev": -0.1}, r"`noise_stddev` must be a number in \[0, 1\]"),
        ({"noise_stddev": 1.5}, "noise_stddev=1.5"),
        ({"noise_stddev": float("nan")}, "noise_stddev=nan"),
        ({"width": 0}, "`width` must be a number above 0 and below 100. Received: width=0"),
        ({"width": float("nan")}, "width=nan"),
        ({"noise_layers": 0, "noise_stddev": 9}, "noise_stddev=9"),
        ({"width": "wide"}, "`width`"),
        ({"stem_strides": 3}, "`stem_strides` must be 1 or 2"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)
