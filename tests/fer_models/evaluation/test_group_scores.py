"""Scores by group against counts by hand, and that intervals of gaps keep their promise."""

import json

import keras
import numpy as np
import pytest

from fer_models.evaluation import classification_report, evaluate, score_split
from fer_models.evaluation.group_scores import group_names, largest_gap, score_groups
from fer_models.evaluation.intervals import binomial_interval

NAMES = ("happy", "neutral", "sad")
# Group a is right in 3 of 4, group b in 1 of 3; one example is of no group.
LABELS = np.array([0, 0, 1, 1, 0, 1, 1, 2])
SAID = np.array([0, 0, 1, 0, 1, 1, 0, 2])
GROUPS = ["a", "a", "a", "a", "b", "b ", "b", None]
PROBABILITIES = 0.7 * np.eye(3)[SAID] + 0.1


def test_scores_of_each_group_against_a_count_by_hand():
    report = classification_report(LABELS, PROBABILITIES, NAMES, GROUPS).groups
    assert list(report.groups) == ["a", "b"]
    first, second = report.groups.values()
    assert (first.examples, second.examples, report.ungrouped) == (4, 3, 1)
    assert first.accuracy == binomial_interval(3, 4)
    assert first.confusion.tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert first.recalls == {"happy": binomial_interval(2, 2), "neutral": binomial_interval(1, 2)}
    assert first.absent == ("sad",)
    assert first.confidence == pytest.approx(0.8)
    assert first.excess.value == pytest.approx(0.05)
    assert first.excess.low == pytest.approx(0.8 - first.accuracy.high)
    assert second.calibration_error == pytest.approx(0.8 - 1 / 3)
    assert (report.gap.best, report.gap.worst) == ("a", "b")
    assert report.gap.points.value == pytest.approx(3 / 4 - 1 / 3)
    each = binomial_interval(3, 4, 0.975), binomial_interval(1, 3, 0.975)
    assert report.gap.points.low == pytest.approx(each[0].low - each[1].high)
    assert report.gap.points.high == pytest.approx(each[0].high - each[1].low)
    assert report.recall_gaps["happy"].points.value == 1
    assert report.recall_gaps["neutral"].points.value == pytest.approx(0)
    assert "sad" not in report.recall_gaps


def test_the_gap_that_chance_makes_is_not_taken_for_one():
    """The intervals of all pairs hold together in 95 % of draws at least, the largest gap too."""
    draws = np.random.default_rng(0).binomial(40, 0.7, (60, 5))
    missed = [
        0
        not in largest_gap(
            {name: (int(n), 40) for name, n in zip("abcde", row, strict=True)}, 0.95
        ).points
        for row in draws
    ]
    assert sum(missed) <= 3
    assert largest_gap({"a": (3, 4)}, 0.95) is None
    alike = largest_gap({"a": (3, 4), "b": (6, 8)}, 0.95)
    assert (alike.best, alike.worst, alike.points.value) == ("a", "b", 0)


def test_all_that_pandas_has_for_an_empty_cell_is_no_group():
    pandas = pytest.importorskip("pandas")
    empty = [None, pandas.NA, pandas.NaT, float("nan"), ""]
    assert group_names([*empty, "a"], 6).tolist() == [*[""] * 5, "a"]
    column = pandas.Series([*GROUPS[:7], pandas.NA], dtype="string")
    report = classification_report(LABELS, PROBABILITIES, NAMES, column).groups
    assert (list(report.groups), report.ungrouped) == (["a", "b"], 1)


def test_a_report_with_groups_as_text_and_json():
    report = classification_report(LABELS, PROBABILITIES, NAMES, [f"{g}|x" for g in GROUPS])
    text = report.to_markdown()
    assert "| a\\|x | 4 | 75.00% |" in text
    assert "Largest gap: None|x above b|x" in text
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert content["groups"]["groups"]["a|x"]["confusion"][0] == [2, 0, 0]
    alone = classification_report(LABELS, PROBABILITIES, NAMES)
    assert alone.groups is None
    assert "groups" not in alone.to_dict()
    assert "group" not in alone.to_markdown()


@pytest.mark.parametrize(("level", "text"), [(0.95, "95%"), (0.975, "97.5%")])
def test_the_level_of_the_intervals_is_not_rounded(level, text):
    found = score_groups(LABELS, PROBABILITIES, GROUPS, NAMES, confidence=level)
    assert f"| {text} interval |" in found.to_markdown()


def test_groups_follow_the_batches_and_the_copies():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Softmax()])
    logits = np.log(PROBABILITIES).astype("float32")
    report = evaluate(model, logits, LABELS, NAMES, batch_size=3, verbose=0, groups=GROUPS)
    alone = classification_report(LABELS, PROBABILITIES, NAMES, GROUPS)
    assert report.groups.gap == alone.groups.gap
    copies = np.array([False] * 4 + [True] * 3 + [False])
    batches = [(logits, np.eye(3)[LABELS])]
    whole, rest = score_split(model, batches, NAMES, copies, GROUPS).reports.values()
    assert list(whole.groups.groups) == ["a", "b"]
    assert list(rest.groups.groups) == ["a"]
    assert rest.groups.gap is None
    _, rest = score_split(model, batches, NAMES, np.arange(8) < 7, GROUPS).reports.values()
    assert rest.groups is None


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["a"], "one entry an example, 8. Received: 1"),
        ("abababab", "must be a sequence"),
        ([None, "", " ", float("nan")] * 2, "Received: no group at all"),
    ],
)
def test_groups_that_fit_nothing(groups, message):
    with pytest.raises(ValueError, match=message):
        classification_report(LABELS, PROBABILITIES, NAMES, groups)


def test_answers_that_do_not_sum_to_one():
    with pytest.raises(ValueError, match="`probabilities` must be from 0 to 1 and sum to one"):
        score_groups(LABELS, PROBABILITIES / 2, GROUPS, NAMES)
