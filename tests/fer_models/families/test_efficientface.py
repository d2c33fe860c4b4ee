"""What is EfficientFace's own: its cost and its division of the map.

That it agrees with its authors' network is checked where their weights are loaded.
"""

import keras
import numpy as np
import pytest

from fer_models import registry
from fer_models.families.efficientface import efficientface


@pytest.fixture(scope="module")
def authors_model():
    return efficientface(include_preprocessing=False, classifier_activation=None)


def test_costs_what_its_paper_says():
    """That the counter finds these numbers is a test of the registry."""
    pinned = registry.entry("efficientface")
    found = (pinned.parameters, pinned.macs, pinned.papers_flops)
    assert found == (1_275_293, 149_728_880, 154_176_526)


def test_stage_table_at_224(authors_model):
    sizes = {
        "stem": (112, 112, 29),
        "stem_pool": (56, 56, 29),
        "local": (28, 28, 116),
        "modulator": (28, 28, 116),
        "stage3_unit8": (14, 14, 232),
        "stage4_unit4": (7, 7, 464),
        "head": (7, 7, 1024),
    }
    assert {name: authors_model.get_layer(name).output.shape[1:] for name in sizes} == sizes


def test_stem_pool_pads_as_pytorch_does(authors_model):
    x = np.random.default_rng(0).uniform(0, 1, (1, 112, 112, 29)).astype("float32")
    pad, pool = (authors_model.get_layer(name) for name in ("stem_pad", "stem_pool"))
    found = keras.ops.convert_to_numpy(pool(pad(x)))
    around = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), (1, 2))[:, ::2, ::2]
    np.testing.assert_array_equal(found, windows.max((-2, -1)))


@pytest.mark.parametrize(
    ("shape", "stem", "local"),
    [
        ((32, 32, 3), (8, 8), (4, 4)),
        ((33, 40, 1), (9, 10), (5, 5)),
        pytest.param((48, 47, 3), (12, 12), (6, 6), marks=pytest.mark.slow),
    ],
)
def test_local_features_fit_the_global_ones_at_every_size(shape, stem, local):
    model = efficientface(input_shape=shape, include_top=False)
    assert model.get_layer("stem_pool").output.shape[1:3] == stem
    assert model.get_layer("local").output.shape[1:3] == local
    assert model.get_layer("modulator").output.shape[1:3] == local


def test_stem_stride_one_doubles_every_map():
    model = efficientface(input_shape=(48, 48, 1), stem_strides=1, include_top=False)
    assert model.output_shape == (None, 3, 3, 1024)


@pytest.mark.parametrize("value", [0, 3, True, "2"])
def test_bad_stem_strides(value):
    message = f"`stem_strides` must be 1 or 2. Received: stem_strides={value!r}"
    with pytest.raises(ValueError, match=message):
        efficientface(input_shape=(32, 32, 1), stem_strides=value)
