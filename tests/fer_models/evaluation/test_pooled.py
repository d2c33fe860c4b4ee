"""UF1 and UAR, pooled over folds."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score

from fer_models.evaluation import plot_confusion, pooled_scores

NAMES = ("negative", "positive", "surprise")
# As in leave-one-subject-out: each fold has its own, few classes.
FOLDS = [
    ([0, 0, 0], [0, 0, 1]),
    ([1, 1], [1, 0]),
    ([2], [2]),
    ([0, 2], [0, 1]),
]


def counted(folds, classes):
    """Return UF1, UAR and mean precision as MEGC 2019 writes them, by counting fold by fold."""
    hits, false, missed = np.zeros((3, classes))
    for labels, predictions in folds:
        for label, predicted in zip(labels, predictions, strict=True):
            if label == predicted:
                hits[label] += 1
            else:
                false[predicted] += 1
                missed[label] += 1
    there = hits + missed > 0
    f1 = 2 * hits[there] / (2 * hits + false + missed)[there]
    recall = hits[there] / (hits + missed)[there]
    precision = hits[there] / np.maximum(hits + false, 1)[there]
    return f1.mean(), recall.mean(), precision.mean()


def test_scores_against_a_count_by_hand():
    scores = pooled_scores(FOLDS, NAMES)
    # True 0 0 0 1 1 2 0 2, predicted 0 0 1 1 0 2 0 1.
    assert scores.confusion.tolist() == [[3, 1, 0], [1, 1, 0], [0, 1, 1]]
    assert scores.uf1 == pytest.approx((6 / 8 + 2 / 5 + 2 / 3) / 3)
    assert scores.uar == pytest.approx((3 / 4 + 1 / 2 + 1 / 2) / 3)
    assert scores.precision == pytest.approx((3 / 4 + 1 / 3 + 1) / 3)
    assert scores.weighted_f1 == pytest.approx((4 * 6 / 8 + 2 * 2 / 5 + 2 * 2 / 3) / 8)
    assert scores.weighted_precision == pytest.approx((4 * 3 / 4 + 2 * 1 / 3 + 2 * 1) / 8)
    assert scores.accuracy == pytest.approx(5 / 8)
    assert scores.error_rate == pytest.approx(3 / 8)
    assert (scores.examples, scores.folds, scores.absent) == (8, 4, ())
    assert [each.support for each in scores.classes] == [4, 2, 2]


def test_pooling_is_not_the_mean_of_the_folds():
    own = [pooled_scores([fold], NAMES).uf1 for fold in FOLDS]
    assert pooled_scores(FOLDS, NAMES).uf1 != pytest.approx(np.mean(own), abs=0.01)


@settings(max_examples=40)
@given(st.integers(2, 5), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_agrees_with_scikit_learn_and_a_count(classes, folds, seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, folds)
    pairs = [tuple(rng.integers(0, classes, (2, size))) for size in sizes]
    # scikit-learn counts a class that is only ever predicted; UF1 has no such class.
    pairs[0] = tuple(np.concatenate([values, np.arange(classes)]) for values in pairs[0])
    scores = pooled_scores(pairs, range(classes))
    labels, predictions = (np.concatenate(values) for values in zip(*pairs, strict=True))
    assert scores.uf1 == pytest.approx(f1_score(labels, predictions, average="macro"))
    assert scores.uar == pytest.approx(balanced_accuracy_score(labels, predictions))
    assert scores.precision == pytest.approx(
        precision_score(labels, predictions, average="macro", zero_division=0)
    )
    assert scores.weighted_f1 == pytest.approx(f1_score(labels, predictions, average="weighted"))
    assert (scores.uf1, scores.uar, scores.precision) == pytest.approx(counted(pairs, classes))
    # In which fold an example stands does not matter.
    assert pooled_scores([(labels, predictions)], range(classes)).uf1 == scores.uf1


def test_a_class_without_examples_enters_no_mean():
    scores = pooled_scores([([0, 0, 1], [0, 2, 1])], NAMES)
    assert scores.absent == ("surprise",)
    assert scores.uf1 == pytest.approx((2 / 3 + 1) / 2)
    assert scores.classes[2].recall is None
    assert scores.confusion[0].tolist() == [1, 0, 1]


def test_dictionary_is_ready_for_json_and_the_matrix_can_be_drawn(tmp_path):
    scores = pooled_scores(FOLDS, NAMES)
    content = json.loads(json.dumps(scores.to_dict()))
    assert content["uf1"] == scores.uf1
    assert content["error_rate"] == pytest.approx(0.375)
    assert content["confusion"] == scores.confusion.tolist()
    assert content["classes"][1]["name"] == "positive"
    assert plot_confusion(scores, tmp_path / "confusion.png").stat().st_size > 2000


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([], "at least one example. Received: 0 folds"),
        ([([], [])], "at least one example. Received: 1 folds"),
        ([[0, 1, 2]], r"pairs \(labels, predictions\)"),
        ([([0, 1], [0])], "of one length"),
        ([([[0]], [[0]])], "of one length"),
        ([([0.5], [0])], "`labels` must be integers"),
        ([([0], [0.0])], "`predictions` must be integers"),
        ([([0], [3])], "`predictions` must be from 0 to 2. Received: 3"),
        ([([-1], [0])], "`labels` must be from 0 to 2. Received: -1"),
    ],
)
def test_bad_folds(folds, message):
    with pytest.raises(ValueError, match=message):
        pooled_scores(folds, NAMES)
