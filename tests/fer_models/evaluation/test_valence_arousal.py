"""Scores of valence and arousal, by hand and from a model."""

import json
import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fer_models import with_valence_arousal
from fer_models.evaluation import (
    evaluate,
    evaluate_valence_arousal,
    score_split,
    valence_arousal_report,
)


def test_scores_by_hand():
    truth = [[0.5, 0.0], [-0.5, 0.4], [0.0, float("nan")], [1.0, -0.4]]
    said = [[0.5, 0.0], [0.5, 0.4], [0.0, 0.9], [0.0, -0.4]]
    found = valence_arousal_report(truth, said)
    valence, arousal = found.valence, found.arousal
    assert (valence.examples, arousal.examples) == (4, 3)
    # Both means are 0.25, the covariance is -0.0625, the variances are 0.3125 and 0.0625.
    assert valence.ccc == pytest.approx(-1 / 3)
    assert valence.pearson == pytest.approx(-math.sqrt(0.2))
    assert valence.rmse == pytest.approx(math.sqrt((1 + 1) / 4))
    assert valence.sign_agreement == 0.5
    assert (arousal.ccc, arousal.pearson) == (pytest.approx(1), pytest.approx(1))
    assert (arousal.rmse, arousal.sign_agreement) == (0, 1)
    assert json.loads(json.dumps(found.to_dict()))["valence"]["examples"] == 4
    assert str(found).splitlines()[2] == "| valence | 4 | -0.3333 | 0.7071 | -0.4472 | 50.00% |"


@given(arrays("float64", (2, 7, 2), elements=st.floats(-1, 1, width=32)))
def test_scores_of_numpy(pair):
    truth, said = pair
    found = valence_arousal_report(truth, said)
    for place, scores in enumerate((found.valence, found.arousal)):
        t, p = truth[:, place], said[:, place]
        assert scores.rmse == pytest.approx(np.sqrt(np.mean((t - p) ** 2)))
        constant = np.ptp(t) == 0, np.ptp(p) == 0
        assert (scores.pearson is None) == any(constant) or scores.pearson == 0
        if min(np.std(t), np.std(p)) > 1e-3:
            assert scores.pearson == pytest.approx(np.corrcoef(t, p)[0, 1], abs=1e-6)
            # It is a correlation, made less by other means and scales.
            assert abs(scores.ccc) <= abs(scores.pearson) + 1e-9
        assert scores.ccc is None or -1 - 1e-9 <= scores.ccc <= 1 + 1e-9


def test_constants_have_no_correlation():
    found = valence_arousal_report([[0.1, 0.1]] * 3, [[0.1, 0.3]] * 3)
    assert (found.valence.ccc, found.valence.pearson) == (None, None)
    assert (found.arousal.ccc, found.arousal.pearson) == (0, None)
    assert "| valence | 3 | - | 0.0000 | - | 100.00% |" in found.to_markdown()
    only = valence_arousal_report([[0.1, float("nan")]] * 2, [[0.1, 0.3]] * 2)
    assert only.arousal is None
    assert "arousal" not in only.to_markdown()


def model():
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 1))
    x = keras.layers.Flatten()(image / 255)
    return with_valence_arousal(keras.Model(image, keras.layers.Dense(3, "softmax")(x)))


@pytest.mark.backend
def test_a_model_is_scored_from_arrays_and_batches():
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (10, 4, 4, 1)).astype("float32")
    truth = rng.uniform(-1, 1, (10, 2)).astype("float32")
    labels = np.eye(3, dtype="float32")[np.arange(10) % 3]
    both = model()
    expected = valence_arousal_report(truth, both.predict_on_batch(images)["valence_arousal"])
    found = evaluate_valence_arousal(both, images, truth, batch_size=4, verbose=0)
    assert found.valence.ccc == pytest.approx(expected.valence.ccc, abs=1e-5)
    for told in (truth, {"expression": labels, "valence_arousal": truth}):
        part = {k: v[:6] for k, v in told.items()} if isinstance(told, dict) else told[:6]
        rest = {k: v[6:] for k, v in told.items()} if isinstance(told, dict) else told[6:]
        batches = [(images[:6], part), (images[6:], rest)]
        assert evaluate_valence_arousal(both, batches, verbose=0) == found
    # Its classes are scored as those of any model.
    assert evaluate(both, images, np.arange(10) % 3, verbose=0).examples == 10
    assert score_split(both, [(images, labels)]).probabilities.shape == (10, 3)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"must be of one shape. Received: \(2, 2\) and \(3, 2\)"):
        valence_arousal_report([[0, 0]] * 2, [[0, 0]] * 3)
    with pytest.raises(ValueError, match=r"`targets` must be in \[-1, 1\].*such as -2"):
        valence_arousal_report([[0.0, -2.0]], [[0, 0]])
    with pytest.raises(ValueError, match=r"`predictions` must be in \[-1, 1\]"):
        valence_arousal_report([[0.0, 0.0]], [[0, 1.5]])
    with pytest.raises(ValueError, match=r"`targets` must have a number that is known"):
        valence_arousal_report([[float("nan")] * 2], [[0, 0]])
    both, images = model(), np.zeros((2, 4, 4, 1), "float32")
    plain = keras.Model(both.inputs, both.output["expression"])
    with pytest.raises(ValueError, match=r"`model` must give valence and arousal"):
        evaluate_valence_arousal(plain, images, np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"`targets` must be given with an array"):
        evaluate_valence_arousal(both, images)
    with pytest.raises(ValueError, match=r"`data` and `targets` must be of the same length"):
        evaluate_valence_arousal(both, images, np.zeros((3, 2)))
    for batch in ((images, np.zeros((2, 3))), (images, {"expression": [0, 1]}), images):
        with pytest.raises(ValueError, match=r"`data` must give pairs"):
            evaluate_valence_arousal(both, [batch], verbose=0)
    with pytest.raises(ValueError, match=r"at least one batch"):
        evaluate_valence_arousal(both, [], verbose=0)
