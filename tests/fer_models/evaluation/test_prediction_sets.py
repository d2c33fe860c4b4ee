"""Sets of classes hold the true one as often as was stated, whatever the classifier is worth."""

import json

import numpy as np
import pytest

from fer_models.evaluation import SetRule, cross_fitted_sets, fit_sets, score_sets
from fer_models.evaluation.prediction_sets import set_table
from fer_models.training.set_fitting import sets_of
from fer_models.zoo.set_rule import METHODS, set_scores

NAMES = ("happy", "neutral", "sad")


def faces(count, seed, sharpen=1.0):
    """Return labels and probabilities of a classifier that is right about its doubts at 1."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet(np.full(3, 0.6), count)
    labels = (true.cumsum(axis=1) > rng.uniform(size=(count, 1))).argmax(axis=1)
    said = true**sharpen
    return labels, said / said.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sharpen", [1.0, 4.0])
@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_new_faces_are_covered_as_stated(method, sharpen, coverage):
    reached = []
    for seed in range(20):
        rule = fit_sets(*faces(300, seed, sharpen), coverage, method)
        labels, said = faces(2000, 1000 + seed, sharpen)
        reached.append(rule(said)[np.arange(2000), labels].mean())
    # The mean over draws of both; at most 1 / 301 too much, but for the likeliest class.
    assert np.mean(reached) >= coverage - 0.01
    if method == "threshold":
        assert np.mean(reached) <= coverage + 0.02


def test_scores_of_classes_by_hand():
    said = [[0.2, 0.5, 0.3]]
    assert set_scores(said)[0] == pytest.approx([0.8, 0.5, 0.7])
    assert set_scores(said, "adaptive")[0] == pytest.approx([1.0, 0.5, 0.8])
    assert SetRule(0.9, 0.75)(said).tolist() == [[False, True, True]]
    assert SetRule(0.9, 0.8, "adaptive")(said).tolist() == [[False, True, True]]
    # No answer is empty.
    assert SetRule(0.1, 0.0)(said).tolist() == [[False, True, False]]


def test_the_limit_is_the_conformal_quantile():
    labels, said = faces(99, 0)
    rule = fit_sets(labels, said, 0.9)
    scores = np.sort(1 - said[np.arange(99), labels])
    # ceil(100 * 0.9) = 90: the 90th of the scores.
    assert rule == SetRule(0.9, scores[89], "threshold", 99)


def test_cross_fitting_uses_the_other_half():
    labels, said = faces(400, 3)
    inside = cross_fitted_sets(labels, said, 0.9)
    even, odd = slice(0, None, 2), slice(1, None, 2)
    assert (inside[even] == fit_sets(labels[odd], said[odd], 0.9)(said[even])).all()
    assert (inside[odd] == fit_sets(labels[even], said[even], 0.9)(said[odd])).all()


def test_scores_of_sets_by_hand():
    inside = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1]], bool)
    found = score_sets([0, 2, 1, 1], inside, NAMES)
    assert found.coverage.value == 0.5
    assert (found.mean_size, found.single, found.examples) == (7 / 4, 0.5, 4)
    assert found.single_accuracy.value == 0.5
    assert {n: i.value for n, i in found.class_coverage.items()} == {
        "happy": 1, "neutral": 0.5, "sad": 0,
    }  # fmt: skip
    assert score_sets([0], inside[3:], NAMES).single_accuracy is None


def test_the_table_of_a_card_and_the_rule_that_comes_out_of_it():
    labels, said = faces(400, 4)
    table = json.loads(json.dumps(set_table(labels, said, NAMES, (0.8, 0.9)), allow_nan=False))
    rule = SetRule.of_card({"prediction_sets": table}, 0.9)
    assert rule == fit_sets(labels, said, 0.9)
    assert SetRule.of_card({}, 0.9) is None
    with pytest.raises(ValueError, match=r"must be one of \[0.8, 0.9\]"):
        SetRule.of_card({"prediction_sets": table}, 0.99)


def test_copies_stay_out_and_few_faces_get_fewer_rules():
    labels, said = faces(40, 5)
    copies = np.arange(40) < 10
    fitted = sets_of(labels, said, copies, NAMES, "fer weights sets mine")
    assert fitted["examples"] == 30
    assert fitted["faces"] == "validation, without copies of training faces"
    assert [rule["coverage"] for rule in fitted["rules"]] == [0.8, 0.9]
    assert fitted["rules"][0]["limit"] == fit_sets(labels[10:], said[10:], 0.8).limit
    assert sets_of(labels[:6], said[:6], None, NAMES, "fer") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coverage": 1.0}, "`coverage` must be between 0 and 1"),
        ({"coverage": 0.99}, "must be of 99 examples or more"),
        ({"labels": [0] * 8, "probabilities": np.eye(3)[[0] * 8]}, "must be of 9 examples or more"),
        ({"method": "best"}, "`method` must be one of"),
        ({"labels": [0, 1]}, "one entry an example"),
        ({"probabilities": np.full((50, 3), 0.5)}, "sum to one"),
    ],
)
def test_mistakes_in_fitting(change, message):
    labels, said = faces(50, 0)
    with pytest.raises(ValueError, match=message):
        fit_sets(**{"labels": labels, "probabilities": said, **change})


@pytest.mark.parametrize(
    ("inside", "names", "message"),
    [
        (np.ones((2, 3)), None, "`inside` must be an array of True and False"),
        (np.ones((0, 3), bool), None, "`inside` must not be empty"),
        (np.ones((2, 3), bool), ("happy",), "`class_names` must be 3 texts"),
        (np.ones((3, 3), bool), None, "one entry an example"),
    ],
)
def test_mistakes_in_scoring(inside, names, message):
    with pytest.raises(ValueError, match=message):
        score_sets([0, 1], inside, names)
