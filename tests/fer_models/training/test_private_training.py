"""The guarantee of Poisson sampling: the noise of an epsilon, and the epsilon of that noise."""

import json
import sys

import dp_accounting
import dp_accounting.pld
import numpy as np
import pytest

from fer_models.training.private_training import PrivateTraining

pytest.importorskip("jax_privacy")


def spent(noise, *, examples, training):
    """Return epsilon by dp-accounting, without the truncation of batches."""
    step = dp_accounting.PoissonSampledDpEvent(
        training.batch_size / examples, dp_accounting.GaussianDpEvent(noise)
    )
    counter = dp_accounting.pld.PLDAccountant(value_discretization_interval=1e-3)
    counter.compose(dp_accounting.SelfComposedDpEvent(step, training.steps))
    return counter.get_epsilon(training.delta)


@pytest.mark.slow
def test_the_noise_is_that_of_the_epsilon():
    training = PrivateTraining(epsilon=3.0, delta=1e-4, batch_size=100, steps=20)
    found = training.guarantee(2000)
    assert 2.95 < found["epsilon"] <= 3.0
    other = spent(found["noise_multiplier"], examples=2000, training=training)
    assert found["epsilon"] == pytest.approx(other, abs=1e-3)
    # Shuffled, one step of the epoch sees the face, and nothing hides which.
    assert found["epsilon_if_shuffled"] > 1.5 * found["epsilon"]
    assert found["sampling_probability"] == 0.05


@pytest.mark.slow
def test_truncated_batches_are_accounted():
    options = {"epsilon": 2.0, "delta": 1e-4, "batch_size": 100, "steps": 10, "group": 10}
    roomy = PrivateTraining(**options)
    assert roomy.places(2000) == 160  # 100 + 6 deviations of 9.7, by tens
    tight = PrivateTraining(**options, largest_batch=100)
    assert tight.places(2000) == 100
    assert tight.guarantee(2000)["epsilon"] <= 2.0
    assert tight.noise_multiplier(2000) != pytest.approx(roomy.noise_multiplier(2000), rel=1e-6)


@pytest.mark.slow
def test_earlier_releases_are_counted():
    options = {"epsilon": 2.0, "delta": 1e-4, "batch_size": 100, "steps": 10}
    alone = PrivateTraining(**options).guarantee(2000)
    found = PrivateTraining(**options, earlier=(4.0,)).guarantee(2000)
    assert found["epsilon"] <= 2.0
    assert found["noise_multiplier"] > alone["noise_multiplier"] + 0.01


def test_without_privacy_nothing_is_promised():
    found = PrivateTraining(epsilon=None, batch_size=10, steps=3).guarantee(50)
    assert found["noise_multiplier"] == 0
    assert found["epsilon"] is found["epsilon_if_shuffled"] is found["l2_norm_clip"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"epsilon": 0}, "`epsilon` must be above 0"),
        ({"epsilon": float("nan")}, "`epsilon` must be"),
        ({"epsilon": 1.0, "delta": 1}, "`delta` must be between 0 and 1"),
        ({"epsilon": 1.0, "delta": "x"}, "`delta` must be between 0 and 1.*delta='x'"),
        ({"epsilon": 1.0, "steps": 0}, "`steps` must be an integer >= 1"),
        ({"epsilon": 1.0, "l2_norm_clip": 0}, "`l2_norm_clip` must be above 0"),
        ({"epsilon": 1.0, "largest_batch": 5}, "`largest_batch` must be an integer >= 1024"),
        ({"epsilon": 1.0, "earlier": 3.0}, "`earlier` must be a sequence"),
        ({"epsilon": 1.0, "earlier": (0,)}, "`earlier"),
        ({"epsilon": 1.0, "seed": -1}, "`seed` must be"),
    ],
)
def test_odd_settings_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        PrivateTraining(**options)


def test_what_does_not_fit_the_examples_is_named():
    with pytest.raises(ValueError, match="`batch_size` must be at most the number of examples, 50"):
        PrivateTraining(epsilon=1.0).noise_multiplier(50)
    with pytest.raises(ValueError, match="`delta` must be below 1 / examples"):
        PrivateTraining(epsilon=1.0, batch_size=10, delta=0.1).noise_multiplier(50)


def test_an_epsilon_that_cannot_be_kept_is_named():
    options = {"delta": 1e-4, "batch_size": 100, "steps": 10}
    with pytest.raises(ValueError, match=r"`earlier` spend alone, 3.*epsilon=0.5, earlier=.1.0,."):
        PrivateTraining(epsilon=0.5, earlier=(1.0,), **options).noise_multiplier(2000)
    with pytest.raises(ValueError, match=r"`epsilon` must be larger.*epsilon=1e-09, steps=10"):
        PrivateTraining(epsilon=1e-9, **options | {"delta": 1e-12}).noise_multiplier(2000)


def test_numbers_of_numpy_are_plain_in_the_guarantee():
    training = PrivateTraining(epsilon=None, batch_size=np.int64(10), steps=np.int64(3))
    found = json.loads(json.dumps(training.guarantee(np.int64(50))))
    assert [found[name] for name in ("examples", "batch_size", "steps")] == [50, 10, 3]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(ImportError, match=r"fer-keras\[dp\]"):
        PrivateTraining(epsilon=1.5, batch_size=11, steps=3).noise_multiplier(70)
