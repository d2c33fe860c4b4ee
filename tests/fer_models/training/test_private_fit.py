"""DP-SGD with Poisson sampling against sums by hand; it needs the JAX backend."""

import keras
import numpy as np
import pytest

from fer_models.training.private_fit import fit_private, private_mean
from fer_models.training.private_training import PrivateTraining

pytest.importorskip("jax_privacy")
pytestmark = pytest.mark.backend
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="it computes on JAX")
EXAMPLES, CLASSES = 24, 3


def head(*layers, size=5):
    dense = keras.layers.Dense(CLASSES, "softmax", kernel_initializer="zeros")
    return keras.Sequential([keras.Input((size,)), *layers, dense])


def examples(size=5):
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(EXAMPLES, size)).astype("float32")
    return inputs, generator.integers(0, CLASSES, EXAMPLES)


def gradients(inputs, labels):
    """Return the gradient of each example at weights of zero: kernel, then bias."""
    error = np.full((len(labels), CLASSES), 1 / CLASSES) - np.eye(CLASSES)[labels]
    return inputs[:, :, None] * error[:, None], error


def everybody(**options):
    """Return settings of one step that draws every example: probability 1."""
    return PrivateTraining(
        **{"epsilon": None, "batch_size": EXAMPLES, "steps": 1, "group": 7, "seed": 1, **options}
    )


@on_jax
def test_a_step_without_privacy_is_that_of_the_mean_gradient():
    inputs, labels = examples()
    model = head()
    absent = np.arange(EXAMPLES) < 4
    fit_private(
        model, inputs, labels, everybody(), optimizer=keras.optimizers.SGD(0.5), absent=absent
    )
    kernel, bias = (each[4:].sum(0) / EXAMPLES for each in gradients(inputs, labels))
    found = model.get_weights()
    np.testing.assert_allclose(found[0], -0.5 * kernel, atol=1e-6)
    np.testing.assert_allclose(found[1], -0.5 * bias, atol=1e-6)


@on_jax
@pytest.mark.slow
def test_clipping_and_noise():
    inputs, labels = examples(size=400)
    # A guarantee that asks for little noise.
    training = everybody(epsilon=30.0, delta=1e-3, l2_norm_clip=0.1)
    model = head(size=400)
    found = fit_private(model, inputs, labels, training, optimizer=keras.optimizers.SGD(1.0))
    kernel, bias = gradients(inputs, labels)
    norms = np.sqrt((kernel**2).sum((1, 2)) + (bias**2).sum(1))
    assert norms.min() > 0.1
    clipped = (kernel * (0.1 / norms)[:, None, None]).sum(0)
    noise = -model.get_weights()[0] * EXAMPLES - clipped
    deviation = 0.1 * found["noise_multiplier"]
    assert noise.std() == pytest.approx(deviation, rel=0.1)
    assert abs(noise.mean()) < 4 * deviation / np.sqrt(noise.size)


@on_jax
@pytest.mark.slow
def test_each_step_draws_anew_and_a_seed_repeats_it():
    inputs, labels = examples()
    options = {"epsilon": None, "batch_size": 6, "steps": 1, "group": 4}

    def weights(**changed):
        model = head()
        training = PrivateTraining(**{**options, **changed})
        fit_private(model, inputs, labels, training, optimizer=keras.optimizers.SGD(1.0))
        return model.get_weights()[0]

    first = weights(seed=3)
    np.testing.assert_array_equal(first, weights(seed=3))
    assert np.abs(first - weights(seed=4)).max() > 1e-3
    assert np.abs(weights() - weights()).max() > 1e-3


@on_jax
@pytest.mark.slow
def test_dropout_and_averaged_weights():
    inputs, labels = examples()
    keras.utils.set_random_seed(0)
    model = head(keras.layers.Dropout(0.5), keras.layers.Dense(4, "relu"))
    optimizer = keras.optimizers.Adam(0.01, use_ema=True)
    before = model.get_weights()
    training = PrivateTraining(epsilon=5.0, delta=1e-3, batch_size=8, steps=3, seed=1)
    found = fit_private(model, inputs, labels, training, optimizer=optimizer)
    assert found["epsilon"] <= 5.0
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.isfinite(new).all()
        assert np.abs(new - old).max() > 1e-4


def test_the_mean_is_cut_and_noisy():
    inputs, _ = examples()
    plain = private_mean(inputs, 0.0, norm=100.0)
    np.testing.assert_allclose(plain, inputs.mean(0), atol=1e-6)
    cut = inputs / np.maximum(np.linalg.norm(inputs, axis=1, keepdims=True), 1)
    np.testing.assert_allclose(private_mean(inputs, 0.0), cut.mean(0), atol=1e-6)
    noisy = private_mean(np.zeros((4, 5000)), 3.0, norm=2.0, seed=0)
    assert noisy.std() == pytest.approx(3.0 * 2.0 / 4, rel=0.05)
    assert np.abs(private_mean(inputs, 1.0) - private_mean(inputs, 1.0)).max() > 1e-3


@on_jax
def test_what_it_refuses():
    inputs, labels = examples()
    mixing = head(keras.layers.BatchNormalization())
    with pytest.raises(ValueError, match="batch norm frozen"):
        fit_private(mixing, inputs, labels, everybody())
    mixing.layers[0].trainable = False
    fit_private(mixing, inputs, labels, everybody())
    moving = head(keras.layers.SpectralNormalization(keras.layers.Dense(4), name="spectral"))
    with pytest.raises(ValueError, match=r"no state that training changes.*spectral"):
        fit_private(moving, inputs, labels, everybody())
    with pytest.raises(ValueError, match="`labels` must be from 0 to 2"):
        fit_private(head(), inputs, labels + 1, everybody())
    with pytest.raises(ValueError, match="`inputs` must be of shape"):
        fit_private(head(), inputs[:, :4], labels, everybody())
    with pytest.raises(ValueError, match="`training` must be a `PrivateTraining`"):
        fit_private(head(), inputs, labels, 3)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="it is of the other backends")
def test_other_backends_are_refused():
    with pytest.raises(NotImplementedError, match="KERAS_BACKEND=jax"):
        fit_private(head(), *examples(), everybody())
