"""Class weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from fer_data.labels import EMOTIONS
from fer_data.protocols.weighting import class_weights

counts_of = st.lists(st.integers(1, 400), min_size=1, max_size=8)


def labels_of(counts):
    return np.repeat(np.arange(len(counts)), counts)


@given(counts_of)
def test_balanced_weights_are_scikit_learn_s(counts):
    labels = labels_of(counts)
    want = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    got = class_weights(labels, len(counts))
    assert list(got) == list(range(len(counts)))
    assert all(type(weight) is float for weight in got.values())
    np.testing.assert_allclose(list(got.values()), want)


@given(counts_of, st.floats(0, 1), st.none() | st.floats(0, 0.9999))
def test_mean_weight_of_an_example_is_one_and_rare_weighs_more(counts, power, beta):
    options = {"effective_beta": beta} if beta is not None else {"power": power}
    weights = np.array(list(class_weights(labels_of(counts), len(counts), **options).values()))
    assert np.isclose((weights * counts).sum() / sum(counts), 1)
    order = np.argsort(counts)
    assert (np.diff(weights[order]) <= 1e-9).all()


def test_power_and_largest():
    labels = labels_of([90, 10])
    assert class_weights(labels, 2, power=0) == {0: 1.0, 1: 1.0}
    assert class_weights(labels, 2, largest=2.0)[1] == 2.0
    half = class_weights(labels, 2, power=0.5)
    assert np.isclose(half[1] / half[0], 3)


def test_classes_may_be_names():
    assert len(class_weights(np.arange(7), EMOTIONS)) == 7


@pytest.mark.parametrize(
    ("labels", "classes", "options", "message"),
    [
        ([0, 1, 1], 3, {}, r"Every class needs an example.*\[2\]"),
        ([0, 1, 3], 3, {}, r"`labels` must be in \[0, 3\)"),
        ([0, -1], 2, {}, r"`labels` must be in \[0, 2\)"),
        ([], 2, {}, "`labels` must be a non-empty vector"),
        ([0.0, 1.0], 2, {}, "`labels` must be a non-empty vector of integers"),
        ([[0, 1]], 2, {}, "`labels` must be a non-empty vector"),
        ([0, 1], 0, {}, "`classes` must be at least 1"),
        ([0, 1], 2, {"power": 1.5}, r"`power` must be in \[0, 1\]"),
        ([0, 1], 2, {"largest": 0}, "`largest` must be a positive number"),
        ([0, 1], 2, {"effective_beta": 1.0}, r"`effective_beta` must be in \[0, 1\)"),
        ([0, 1], 2, {"effective_beta": 0.9, "power": 0.5}, "exclude each other"),
    ],
)
def test_bad_arguments(labels, classes, options, message):
    with pytest.raises(ValueError, match=message):
        class_weights(labels, classes, **options)
