"""GaussianNoiseStack and PerImageStandardization by what they do to numbers."""

import keras
import numpy as np
import pytest
from helpers.layers import sample, to_numpy

from fer_layers import GaussianNoiseStack, PerImageStandardization

pytestmark = pytest.mark.backend


@pytest.mark.parametrize(("layers", "stddev"), [(1, 0.1), (2, 0.1), (3, 0.5)])
def test_noise_has_its_standard_deviation_in_training(layers, stddev):
    x = np.full((8, 32, 32, 3), 5.0, "float32")
    noise = to_numpy(GaussianNoiseStack(layers, stddev, seed=1)(x, training=True)) - x
    assert noise.std() == pytest.approx(stddev * layers**0.5, rel=0.03)
    assert abs(noise.mean()) < 0.01


def test_noise_is_off_in_inference():
    x = sample((2, 6, 5, 3))
    np.testing.assert_array_equal(to_numpy(GaussianNoiseStack(2)(x, training=False)), x)


def test_same_seed_gives_the_same_noise_and_each_call_new_noise():
    x = sample((2, 6, 5, 3))
    one, two = GaussianNoiseStack(2, seed=7), GaussianNoiseStack(2, seed=7)
    first_call = to_numpy(one(x, training=True))
    np.testing.assert_array_equal(first_call, to_numpy(two(x, training=True)))
    assert (first_call != to_numpy(one(x, training=True))).any()


def test_a_seed_of_numpy_is_taken_like_any_other():
    x = sample((2, 6, 5, 3))
    one, two = GaussianNoiseStack(2, seed=np.int64(7)), GaussianNoiseStack(2, seed=7)
    np.testing.assert_array_equal(to_numpy(one(x, training=True)), to_numpy(two(x, training=True)))


def test_the_summary_of_a_model_opens_the_stack():
    # Keras takes an attribute `layers` for the layers of a nested model.
    lines = []
    model = keras.Sequential([keras.Input((6, 5, 3)), GaussianNoiseStack(2, name="noise")])
    model.summary(expand_nested=True, print_fn=lines.append)
    assert "noise" in "\n".join(lines)
    assert GaussianNoiseStack(2).get_config()["layers"] == 2


def test_layers_of_the_stack_draw_independently():
    x = np.zeros((4, 32, 32, 3), "float32")
    stack = GaussianNoiseStack(2, 0.1, seed=7)
    one, two = (to_numpy(noise(x, training=True)).ravel() for noise in stack.noises)
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.05


def test_zero_noise_changes_nothing():
    x = sample((2, 6, 5, 3))
    np.testing.assert_array_equal(to_numpy(GaussianNoiseStack(stddev=0)(x, training=True)), x)


@pytest.mark.parametrize("shape", [(3, 6, 5, 3), (3, 6, 5, 1), (3, 4, 6, 5, 3), (3, 6, 5)])
def test_every_image_gets_mean_0_and_deviation_1(shape):
    x = sample(shape, 0, 255) * np.arange(1, 4).reshape(-1, *[1] * (len(shape) - 1))
    y = to_numpy(PerImageStandardization()(x))
    axes = tuple(range(1, len(shape)))
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(axes), 1, atol=1e-4)


def test_standardization_is_that_of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    x = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), "uint8")
    expected = tf.image.per_image_standardization(x).numpy()
    np.testing.assert_allclose(to_numpy(PerImageStandardization()(x)), expected, atol=1e-5)


def test_uniform_image_gives_zeros():
    x = np.full((2, 6, 5, 3), 200, "uint8")
    np.testing.assert_allclose(to_numpy(PerImageStandardization()(x)), 0, atol=1e-4)


@pytest.mark.parametrize(("deviation", "in_shares"), [(6, 1), (2, 0.376)])
def test_the_range_matters_for_low_contrast_alone(deviation, in_shares):
    """The limit is 1 / 48: 5.3 grey levels of a face in [0, 1], a 48th of one in [0, 255]."""
    x = 128 + deviation * np.tile(np.array([[-1, 1], [1, -1]]), (24, 24))[None, ..., None]
    for image, expected in ((x, 1), (x / 255, in_shares)):
        found = to_numpy(PerImageStandardization()(image.astype("float32"))).std()
        assert found == pytest.approx(expected, abs=1e-3)


def test_half_precision_keeps_the_pixels_exact():
    """Pixels that bfloat16 cannot tell apart (253, 254, 255) must not be rounded first."""
    x = np.random.default_rng(0).integers(250, 256, (2, 16, 16, 3)).astype("float32")
    exact = to_numpy(PerImageStandardization()(x))
    half = PerImageStandardization(dtype="mixed_bfloat16")(x)
    assert keras.backend.standardize_dtype(half.dtype) == "bfloat16"
    np.testing.assert_allclose(to_numpy(half), exact, rtol=1e-2, atol=1e-2)
