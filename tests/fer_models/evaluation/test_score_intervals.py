"""The bootstrap intervals of macro F1 and calibration error."""

import numpy as np
import pytest

from fer_models.evaluation import calibration_error, classification_report, score_intervals


def drawn(count, excess, seed=0, classes=3):
    """Answers whose confidence is above their accuracy by `excess`."""
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.5, 0.95, count)
    said = rng.integers(classes, size=count)
    right = rng.random(count) < sure - excess
    labels = np.where(right, said, (said + 1) % classes)
    probabilities = np.repeat((1 - sure)[:, None] / (classes - 1), classes, axis=1)
    probabilities[np.arange(count), said] = sure
    return labels, probabilities


def test_the_figures_are_those_of_the_report():
    labels, probabilities = drawn(400, 0.2)
    f1, error = score_intervals(labels, probabilities, resamples=200)
    report = classification_report(labels, probabilities)
    assert f1.value == pytest.approx(report.macro_f1)
    assert error.value == pytest.approx(calibration_error(labels, probabilities))
    assert f1.value in f1
    assert 0.02 < f1.high - f1.low < 0.15
    again = score_intervals(labels, probabilities, resamples=200)
    assert again == (f1, error)
    assert score_intervals(labels, probabilities, resamples=200, seed=1)[0] != f1
    wide = score_intervals(labels, probabilities, confidence=0.99, resamples=200)[0]
    assert wide.low < f1.low < f1.high < wide.high


def test_more_examples_make_it_narrower():
    widths = []
    for count in (100, 1600):
        f1, _ = score_intervals(*drawn(count, 0.2), resamples=200)
        widths.append(f1.high - f1.low)
    # With 16 times the examples a quarter of the width.
    assert 2.5 < widths[0] / widths[1] < 6


def test_the_calibration_error_is_covered():
    """What few examples add to the error is taken off."""
    hits = 0
    for seed in range(40):
        _, error = score_intervals(*drawn(300, 0.1, seed), resamples=100)
        hits += 0.1 in error
    assert hits >= 32


def test_a_class_without_examples():
    f1, error = score_intervals(np.array([0, 0, 0]), np.full((3, 3), 1 / 3), resamples=5)
    assert (f1.value, f1.low, f1.high) == (1, 1, 1)
    assert error.value == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.array([0, 9])}, "`labels`"),
        ({"probabilities": np.array([[2, 0], [0, 1]])}, "`probabilities`"),
        ({"probabilities": np.eye(2) / 2}, "`probabilities` must be .* sum to one"),
        ({"resamples": 1}, "`resamples`"),
        ({"confidence": 1.5}, "`confidence`"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_bad_arguments(change, message):
    good = {"labels": np.array([0, 1]), "probabilities": np.eye(2)}
    with pytest.raises(ValueError, match=message):
        score_intervals(**good | change)
