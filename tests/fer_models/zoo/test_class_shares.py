"""Answers for pictures in which the classes have other shares than in a network's own data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_models.evaluation import estimate_class_shares, shift_class_shares
from fer_models.zoo.class_shares import named_shares, shares_of_card

KNOWN = np.array([0.5, 0.3, 0.2])
NAMES = ("happy", "sad", "neutral")


def answers(shares, examples, seed=0):
    """Return labels, and Bayes' own answers of KNOWN's shares to what was measured of each."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, examples, p=shares)
    measured = rng.normal(labels, 0.8)
    likelihood = np.exp(-((measured[:, None] - np.arange(3)) ** 2) / (2 * 0.8**2))
    joint = likelihood * KNOWN
    return labels, joint / joint.sum(axis=1, keepdims=True), likelihood


def test_shifted_answers_are_those_of_bayes_rule():
    wanted = np.array([0.1, 0.1, 0.8])
    labels, found, likelihood = answers(wanted, 4000)
    shifted = shift_class_shares(found, KNOWN, wanted)
    joint = likelihood * wanted
    np.testing.assert_allclose(shifted, joint / joint.sum(axis=1, keepdims=True), atol=1e-5)
    before, after = (np.mean(each.argmax(1) == labels) for each in (found, shifted))
    assert after > before + 0.1
    estimated = estimate_class_shares(found, KNOWN)
    np.testing.assert_allclose(estimated, np.bincount(labels) / 4000, atol=0.05)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda each: sum(each) > 0.1))
def test_there_and_back(row):
    row = np.array([row]) / sum(row)
    wanted = np.array([0.2, 0.2, 0.6])
    there = shift_class_shares(row, KNOWN, wanted)
    np.testing.assert_allclose(there.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(shift_class_shares(there, wanted, KNOWN), row, atol=1e-5)
    np.testing.assert_allclose(shift_class_shares(row, KNOWN, KNOWN), row, atol=1e-6)


def test_a_row_without_a_wanted_class_gets_the_wanted_shares():
    shifted = shift_class_shares([[0.0, 0.0, 1.0]], KNOWN, [0.25, 0.75, 0.0])
    np.testing.assert_allclose(shifted, [[0.25, 0.75, 0.0]])


def test_shares_by_name_and_of_a_card():
    np.testing.assert_allclose(named_shares("even", NAMES), [1 / 3] * 3)
    np.testing.assert_allclose(named_shares({"sad": 0.5}, NAMES), [0.25, 0.5, 0.25])
    np.testing.assert_allclose(named_shares({"sad": 1}, NAMES), [0, 1, 0])
    card = {"classes": [{"support": 30}, {"support": 10}]}
    np.testing.assert_allclose(shares_of_card(card), [0.75, 0.25])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: named_shares("odd", NAMES), 'must be "even" or shares by names'),
        (lambda: named_shares({"angry": 0.5}, NAMES), "must be"),
        (lambda: named_shares({}, NAMES), "must be"),
        (lambda: named_shares({"sad": 1.5}, NAMES), r"class_shares\['sad'\]` must be a number"),
        (lambda: named_shares({"sad": 0.7, "happy": 0.7}, NAMES), "in sum at most 1"),
        (lambda: named_shares(dict.fromkeys(NAMES, 0.2), NAMES), "in sum 1"),
        (lambda: shift_class_shares([[0.5, 0.6, 0.2]], KNOWN, KNOWN), "sum to one"),
        (lambda: shift_class_shares([[1.0]], KNOWN, KNOWN), "`known` must be 1 shares above 0"),
        (lambda: shift_class_shares([[1, 0, 0]], [0.5, 0.5, 0], KNOWN), "above 0"),
        (lambda: shift_class_shares([[1, 0, 0]], KNOWN, [0.5, 0.2, 0.2]), "`wanted` must be"),
        (lambda: estimate_class_shares(np.zeros((0, 3)), KNOWN), "must not be empty"),
    ],
)
def test_bad_shares(call, message):
    with pytest.raises(ValueError, match=message):
        call()
