"""Concordance as a loss and as a metric, beside its definition in NumPy."""

import itertools

import keras
import numpy as np
import pytest
from helpers.layers import to_numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops

from fer_models.training.concordance import EPSILON, ConcordanceCorrelation, ConcordanceLoss

pytestmark = pytest.mark.backend
# Of one shape: JAX compiles each new one.
PAIRS = arrays("float32", (2, 9, 2), elements=st.floats(-1, 1, width=16))
WEIGHTS = arrays("float32", (9, 1), elements=st.sampled_from([0.0, 0.5, 1.0, 3.0]))


def concordance(truth, said, weights=None):
    """Return Lin's coefficient of each column, and whether the column has targets."""
    found, known = [], []
    for t, p, w in zip(truth.T, said.T, _weights(truth, weights).T, strict=True):
        w = np.where(np.isnan(t), 0, w).astype("float64")
        known.append(w.sum() > 0)
        if not known[-1]:
            found.append(0.0)
            continue
        t, p, w = np.nan_to_num(t).astype("float64"), p.astype("float64"), w / w.sum()
        mean_t, mean_p = (w * t).sum(), (w * p).sum()
        covariance = (w * (t - mean_t) * (p - mean_p)).sum()
        variances = (w * (t - mean_t) ** 2).sum() + (w * (p - mean_p) ** 2).sum()
        found.append(2 * covariance / (variances + (mean_t - mean_p) ** 2 + EPSILON))
    return np.array(found), np.array(known)


def _weights(truth, weights):
    return np.broadcast_to(np.ones(1) if weights is None else weights, truth.shape)


def loss(truth, said, weights=None):
    return float(to_numpy(ConcordanceLoss()(truth, said, weights)))


def metric(*batches, column=None):
    found = ConcordanceCorrelation(column)
    for batch in batches:
        found.update_state(*batch)
    return float(to_numpy(found.result()))


@given(PAIRS, WEIGHTS)
def test_loss_is_one_minus_the_definition(pair, weights):
    truth, said = pair
    for given_weights in (None, weights):
        expected, known = concordance(truth, said, given_weights)
        expected = np.where(known, 1 - expected, 0).mean()
        assert loss(truth, said, given_weights) == pytest.approx(expected, abs=2e-3)


@given(PAIRS, WEIGHTS, st.integers(1, 8))
def test_metric_of_batches_is_that_of_all_of_them(pair, weights, cut):
    truth, said = pair
    # Targets that vary; the docstring says what is lost where they do not.
    truth[0], truth[-1], weights[[0, -1]] = -0.5, 0.5, 1
    expected, _ = concordance(truth, said, weights)
    # Two halves of one shape each time, the rest without weight.
    first = np.where(np.arange(9)[:, None] < cut, weights, 0)
    batches = [(truth, said, first), (truth, said, weights - first)]
    assert metric(*batches) == pytest.approx(expected.mean(), abs=1e-4)
    for column in (0, 1):
        assert metric(*batches, column=column) == pytest.approx(expected[column], abs=1e-4)


def test_batches_of_any_size_give_one_result():
    rng = np.random.default_rng(0)
    truth, said = rng.uniform(-1, 1, (2, 1000, 2)).astype("float32")
    said = (0.5 * truth + 0.3 * said).astype("float32")
    expected = concordance(truth, said)[0].mean()
    cuts = [0, 1, 33, 500, 1000]
    parts = [(truth[a:b], said[a:b]) for a, b in itertools.pairwise(cuts)]
    assert metric(*parts) == pytest.approx(expected, abs=1e-5)
    # A mean over the batches would be another number.
    assert abs(np.mean([metric(part) for part in parts]) - expected) > 0.05


def test_what_it_rewards_and_punishes():
    truth = np.linspace(-0.8, 0.8, 9, dtype="float32")[:, None]
    assert metric((truth, truth)) == pytest.approx(1, abs=1e-5)
    assert metric((truth, -truth)) == pytest.approx(-1, abs=1e-5)
    # A correlation would be 1 for both.
    assert metric((truth, 0.5 * truth)) == pytest.approx(0.8, abs=1e-5)
    shifted = 2 * np.var(truth) / (2 * np.var(truth) + 0.25)
    assert metric((truth, truth + 0.5)) == pytest.approx(shifted, abs=1e-5)
    assert loss(truth, truth) == pytest.approx(0, abs=1e-5)
    assert loss(truth, -truth) == pytest.approx(2, abs=1e-5)


def gradient_of_loss(truth, said):
    variable = keras.Variable(said)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = ConcordanceLoss()(truth, variable)
        return to_numpy(tape.gradient(value, variable.value))
    if keras.backend.backend() == "jax":
        import jax

        return to_numpy(jax.grad(lambda p: ConcordanceLoss()(truth, p))(variable.value))
    value = ConcordanceLoss()(truth, variable)
    value.backward()
    return to_numpy(variable.value.grad)


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        (np.zeros((4, 2)), np.zeros((4, 2))),
        (np.full((4, 2), 0.5), np.full((4, 2), -0.5)),
        (np.full((4, 2), np.nan), np.full((4, 2), 0.3)),
        (np.array([[0.1, np.nan]] + [[np.nan, np.nan]] * 3), np.full((4, 2), 0.3)),
    ],
)
def test_constant_and_unknown_targets_give_finite_numbers(truth, said):
    truth, said = truth.astype("float32"), said.astype("float32")
    known = (~np.isnan(truth)).any(axis=0)
    assert loss(truth, said) == pytest.approx(known.mean())
    assert metric((truth, said)) == pytest.approx(0)
    assert np.isfinite(gradient_of_loss(truth, said)).all()


def test_what_is_unknown_moves_nothing():
    truth = np.array([[0.5, -0.5], [-0.5, np.nan], [0.1, 0.2], [0.3, 0.4]], "float32")
    said = np.array([[0.2, -0.1], [-0.3, 0.9], [0.3, 0.0], [-0.2, 0.1]], "float32")
    found = gradient_of_loss(truth, said)
    assert np.isfinite(found).all()
    assert found[1, 1] == 0
    assert (found[:, 0] != 0).all()
    other = said.copy()
    other[1, 1] = -0.7
    assert loss(truth, other) == loss(truth, said)
    assert metric((truth, other)) == metric((truth, said))


def test_weights_may_be_of_faces_or_of_columns():
    rng = np.random.default_rng(1)
    truth, said = rng.uniform(-1, 1, (2, 6, 2)).astype("float32")
    weights = np.array([1, 0, 2, 1, 0, 3], "float32")
    expected = loss(truth, said, weights[:, None])
    assert loss(truth, said, weights) == pytest.approx(expected)
    assert loss(truth, said, np.stack([weights, weights], 1)) == pytest.approx(expected)
    # A face that counts twice is two faces.
    counts = weights.astype(int)
    assert loss(np.repeat(truth, counts, 0), np.repeat(said, counts, 0)) == pytest.approx(
        expected, abs=1e-5
    )


def test_one_column_may_be_a_vector():
    truth, said = np.linspace(-1, 1, 5, dtype="float32"), np.zeros(5, "float32") + 0.1
    assert loss(truth, said) == pytest.approx(loss(truth[:, None], said[:, None]))
    assert metric((truth, said)) == pytest.approx(0, abs=1e-6)


def test_half_precision_is_computed_in_float32():
    truth = np.linspace(-1, 1, 9, dtype="float32")[:, None]
    found = ConcordanceLoss()(truth, ops.cast(truth, "float16"))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert float(to_numpy(found)) == pytest.approx(0, abs=1e-3)


def test_a_metric_forgets_when_it_is_reset():
    found = ConcordanceCorrelation()
    assert float(to_numpy(found.result())) == 0
    truth = np.linspace(-1, 1, 5, dtype="float32")[:, None]
    found.update_state(truth, -truth)
    found.reset_state()
    found.update_state(truth, truth)
    assert float(to_numpy(found.result())) == pytest.approx(1, abs=1e-5)


def test_both_can_be_written_and_read():
    for each in (
        ConcordanceLoss(1e-3, reduction="sum", name="other"),
        ConcordanceCorrelation(1, 1e-3, name="other"),
    ):
        copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(each))
        assert type(copy) is type(each)
        assert copy.get_config() == each.get_config()
        assert each.get_config()["epsilon"] == 1e-3


def test_what_is_refused():
    ones = np.ones((3, 2), "float32")
    for make in (ConcordanceLoss, ConcordanceCorrelation):
        for epsilon in (0, -1, float("nan"), "small"):
            with pytest.raises(ValueError, match=r"`epsilon` must be .* Received: epsilon="):
                make(epsilon=epsilon)
    for column in (-1, 1.5, True, "valence"):
        with pytest.raises(ValueError, match=r"`column` must be an integer"):
            ConcordanceCorrelation(column)
    for other in (ones[:, :1], ones[:, 0], ones[:2], ones[None]):
        with pytest.raises(ValueError, match=r"of one shape.*Received: y_true of shape \(3, 2\)"):
            ConcordanceLoss()(ones, other)
        with pytest.raises(ValueError, match=r"of one shape"):
            ConcordanceCorrelation().update_state(ones, other)
    with pytest.raises(ValueError, match=r"`y_pred` must have.*Received: column=2"):
        ConcordanceCorrelation(2).update_state(ones, ones)
