"""The lower bound of epsilon: against a formula, and for scores of a known separation."""

import math
import sys

import numpy as np
import pytest

from fer_models.privacy import epsilon_lower_bound

pytest.importorskip("jax_privacy")


def test_all_right_guesses_against_the_formula():
    """Of n right guesses, sigmoid(epsilon) ** n is the chance; delta adds next to nothing."""
    found = epsilon_lower_bound(
        np.ones(40), np.zeros(60), delta=1e-12, confidence=0.95, shares=(0.4,)
    )
    chance = 0.05 ** (1 / 40)
    assert found.epsilon == pytest.approx(math.log(chance / (1 - chance)), abs=1e-3)
    assert (found.right, found.guesses, found.inside, found.outside) == (40, 40, 40, 60)


def test_chance_is_no_leak():
    scores = np.random.default_rng(0).normal(size=(2, 500))
    found = epsilon_lower_bound(*scores)
    assert found.epsilon < 0.2
    assert found.gaussian < 0.5


@pytest.mark.slow
def test_the_bound_lies_below_the_truth_and_grows_with_the_leak():
    """Scores of a Gaussian mechanism of mu 1 (epsilon 4.4 at 1e-5) and mu 2 (epsilon 9.9)."""
    inside, outside = np.random.default_rng(1).normal(size=(2, 400))
    one, two = (epsilon_lower_bound(inside + mu, outside, delta=1e-5) for mu in (1, 2))
    assert 0.2 < one.epsilon < two.epsilon < 9.9
    assert one.epsilon <= one.gaussian < 4.4
    assert two.epsilon <= two.gaussian < 9.9
    assert epsilon_lower_bound(inside + 2, outside, confidence=0.999).epsilon < two.epsilon


def test_odd_arguments_are_named():
    with pytest.raises(ValueError, match="`delta`"):
        epsilon_lower_bound([1.0], [0.0], delta=0)
    with pytest.raises(ValueError, match="`inside` must hold one score or more"):
        epsilon_lower_bound([], [0.0])
    with pytest.raises(ValueError, match="`outside` must hold one score or more"):
        epsilon_lower_bound([0.0], np.zeros(0))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax_privacy.auditing", None)
    with pytest.raises(ImportError, match=r"fer-keras\[dp\]"):
        epsilon_lower_bound([1.0], [0.0])
