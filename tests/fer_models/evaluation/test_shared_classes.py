"""Scores on the classes that a model and a data set share."""

import json

import numpy as np
import pytest

from fer_models.evaluation import shared_scores

DATA = ("happy", "sad", "contempt")
MODEL = ("neutral", "sadness", "happiness")
SAID = np.array([[0.5, 0.1, 0.4], [0.0, 0.6, 0.4], [0.2, 0.6, 0.2], [1, 0, 0]])


def test_the_names_decide():
    found = shared_scores([0, 1, 2, 1], SAID, DATA, MODEL, resamples=10)
    assert found.classes == ("sadness", "happiness")
    assert found.left_out == {"contempt": 1}
    assert found.unused == ("neutral",)
    # "neutral" was most probable for the first face, and is no answer here. Of the last face the
    # model says nothing else: its equal shares count as the first class, which is right.
    assert (found.examples, found.accuracy.value) == (3, 1)
    assert found.report.confusion.tolist() == [[2, 0], [0, 1]]
    assert found.report.loss == pytest.approx(-np.log([0.8, 0.6, 0.5]).mean())
    # Exact binomial: 0.025 ** (1 / 3).
    assert found.accuracy.low == pytest.approx(0.2924, abs=1e-4)
    assert json.loads(json.dumps(found.to_dict()))["left_out"] == {"contempt": 1}


def test_the_same_classes_in_another_order():
    order = ("b", "c", "a")
    found = shared_scores([0, 1, 2], np.eye(3)[[1, 2, 0]], ("c", "a", "b"), order, resamples=10)
    assert (found.accuracy.value, found.left_out, found.unused) == (1, {}, ())
    assert found.classes == order


def test_a_class_without_an_example_left_nothing_out():
    found = shared_scores([0, 1, 1, 1], SAID, DATA, MODEL, resamples=10)
    assert found.left_out == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data_names": ("cat", "dog", "sad")}, "must share two classes or more"),
        ({"labels": [2, 2, 2, 2]}, "must hold an example of a class that the model has"),
        ({"labels": [0, 1, 2, 3]}, "`labels`"),
        ({"labels": [0, 1]}, "`labels`"),
        ({"probabilities": SAID * 2}, "sum to one"),
        ({"model_names": ("a", "b")}, "`model_names`"),
        ({"data_names": ("happy", "happiness", "sad")}, "without repeats"),
        ({"resamples": 1}, "`resamples`"),
    ],
)
def test_bad_arguments(change, message):
    good = {"labels": [0, 1, 2, 1], "probabilities": SAID}
    good |= {"data_names": DATA, "model_names": MODEL}
    with pytest.raises(ValueError, match=message):
        shared_scores(**good | change)
