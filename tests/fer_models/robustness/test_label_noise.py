"""Labels made wrong, and found again."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fer_data.labels import EMOTIONS
from fer_models.robustness import (
    confident_joint,
    emotion_transition,
    flip_labels,
    rank_suspects,
    write_suspects,
)


@given(
    labels=hnp.arrays("int64", st.integers(1, 60), elements=st.integers(0, 3)),
    rate=st.floats(0, 1),
    seed=st.integers(0, 9),
    dependent=st.booleans(),
)
def test_the_same_share_of_every_class_is_flipped(labels, rate, seed, dependent):
    transition = emotion_transition("abcd") if dependent else None
    noisy, flipped = flip_labels(labels, rate, 4, transition=transition, seed=seed)
    np.testing.assert_array_equal(noisy != labels, flipped)
    assert noisy.min() >= 0
    assert noisy.max() <= 3
    for label in range(4):
        here = labels == label
        assert flipped[here].sum() == round(rate * here.sum())
        if dependent:
            assert set(noisy[here & flipped]) <= {(label + 1) % 4}


def test_symmetric_noise_spreads_over_the_others():
    noisy, flipped = flip_labels(np.full(6000, 2), 0.5, 7, seed=1)
    counts = np.bincount(noisy[flipped], minlength=7)
    assert counts[2] == 0
    # 500 each, standard deviation 20.4.
    assert np.abs(np.delete(counts, 2) - 500).max() < 90


def test_the_seed_decides():
    labels = np.arange(700) % 7
    first = flip_labels(labels, 0.2, 7, seed=1)[0]
    np.testing.assert_array_equal(first, flip_labels(labels, 0.2, 7, seed=1)[0])
    assert (first != flip_labels(labels, 0.2, 7, seed=2)[0]).any()
    np.testing.assert_array_equal(labels, np.arange(700) % 7)


def test_expressions_become_those_they_are_confused_with():
    matrix = emotion_transition(EMOTIONS)
    becomes = {name: EMOTIONS[row.argmax()] for name, row in zip(EMOTIONS, matrix, strict=True)}
    assert becomes["fear"] == "surprise"
    assert becomes["angry"] == "disgust"
    assert becomes["happy"] == "neutral"
    np.testing.assert_array_equal(matrix.sum(axis=1), 1)
    assert not np.diag(matrix).any()
    # Without neutral, happiness becomes the next one.
    np.testing.assert_array_equal(emotion_transition(["happy", "sad"]), [[0, 1], [1, 0]])


@pytest.mark.parametrize("rounded", [np.float32, lambda matrix: np.round(matrix, 6)])
def test_probabilities_that_sum_to_one_roughly_are_taken(rounded):
    labels = np.arange(700) % 7
    matrix = (1 - np.eye(7)) / 6
    noisy, flipped = flip_labels(labels, 0.5, 7, transition=rounded(matrix))
    assert flipped.sum() == 350
    np.testing.assert_array_equal(noisy, flip_labels(labels, 0.5, 7, transition=matrix)[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0.5]}, "`labels` must be 1 integers"),
        ({"labels": []}, "`labels` must hold one label or more"),
        ({"labels": [0, 3]}, "`labels` must be from 0 to 2"),
        ({"rate": -0.1}, "`rate` must be from 0 to 1"),
        ({"rate": 1.1}, "`rate` must be from 0 to 1"),
        ({"rate": True}, "`rate` must be from 0 to 1"),
        ({"classes": 1}, "`classes` must be an integer >= 2"),
        ({"seed": -1}, "`seed` must be an integer >= 0"),
        ({"transition": np.eye(3)}, "zeros on the diagonal"),
        ({"transition": [[0, 1], [1, 0]]}, "`transition` must be of shape"),
        ({"transition": np.full((3, 3), 0.5)}, "rows sum to one"),
    ],
)
def test_bad_flips(change, message):
    given = {"labels": [0, 1, 2], "rate": 0.5, "classes": 3, **change}
    with pytest.raises(ValueError, match=message):
        flip_labels(**given)


@pytest.mark.parametrize("names", [["a"], ["a", "a"]])
def test_bad_names(names):
    with pytest.raises(ValueError, match="`class_names` must be two or more"):
        emotion_transition(names)


@st.composite
def predictions(draw):
    count, classes = draw(st.integers(1, 12)), draw(st.integers(2, 4))
    weights = draw(hnp.arrays("float64", (count, classes), elements=st.integers(1, 50).map(float)))
    labels = draw(hnp.arrays("int64", count, elements=st.integers(0, classes - 1)))
    return labels, weights / weights.sum(axis=1, keepdims=True)


@given(predictions())
def test_the_joint_is_that_of_the_definition(both):
    labels, probabilities = both
    count, classes = probabilities.shape
    thresholds = {}
    for label in range(classes):
        own = [probabilities[n, label] for n in range(count) if labels[n] == label]
        if own:
            thresholds[label] = np.mean(own)
    expected = np.zeros((classes, classes), int)
    for n in range(count):
        sure = [j for j, least in thresholds.items() if probabilities[n, j] >= least]
        if sure:
            expected[labels[n], max(sure, key=lambda j: probabilities[n, j])] += 1
    counts, confident = confident_joint(labels, probabilities)
    np.testing.assert_array_equal(counts, expected)
    assert (confident >= 0).sum() == expected.sum()


@given(predictions())
def test_suspects_are_ordered_by_margin(both):
    labels, probabilities = both
    suspects = rank_suspects(labels, probabilities)
    assert sorted(each.index for each in suspects) == list(range(len(labels)))
    margins = [each.margin for each in suspects]
    assert margins == sorted(margins)
    _, confident = confident_joint(labels, probabilities)
    for each in suspects:
        row = probabilities[each.index]
        assert each.given == labels[each.index] != each.predicted
        assert row[each.predicted] == max(np.delete(row, each.given))
        assert each.margin == pytest.approx(row[each.given] - row[each.predicted])
        assert each.confident == (confident[each.index] not in (-1, each.given))


@pytest.mark.slow
def test_injected_flips_of_synthetic_faces_are_found():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import cross_val_predict

    from fer_data.synthetic import generate

    faces = list(generate(280, seed=2, size=32, intensity=(1.0, 1.0)))
    points = np.stack([face.landmarks for face in faces])
    eyes = points[:, 36:42].mean(axis=1), points[:, 42:48].mean(axis=1)
    apart = np.linalg.norm(eyes[1] - eyes[0], axis=-1)[:, None, None]
    shapes = ((points - points.mean(axis=1, keepdims=True)) / apart).reshape(len(faces), -1)
    clean = np.array([EMOTIONS.index(face.emotion) for face in faces])
    noisy, flipped = flip_labels(clean, 0.2, 7, seed=3)
    probabilities = cross_val_predict(
        LinearDiscriminantAnalysis("lsqr", shrinkage=0.1),
        shapes,
        noisy,
        cv=4,
        method="predict_proba",
    )
    suspects = rank_suspects(noisy, probabilities)
    count = int(flipped.sum())
    base = flipped.mean()
    precision = np.mean([flipped[each.index] for each in suspects[:count]])
    last = np.mean([flipped[each.index] for each in suspects[-count:]])
    marked = [flipped[each.index] for each in suspects if each.confident]
    assert precision > 2 * base
    assert last < base / 2
    assert np.mean(marked) > 1.5 * base


def test_csv(tmp_path):
    suspects = rank_suspects([0, 1], [[0.9, 0.1], [0.7, 0.3]])
    path = write_suspects(suspects, tmp_path / "new" / "s.csv", ("happy", "sad"), ["a,b", "c"])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "rank": "1",
        "id": "c",
        "given": "sad",
        "predicted": "happy",
        "margin": "-0.4000",
        "confident": "no",
    }
    assert rows[1]["id"] == "a,b"
    with write_suspects(suspects, tmp_path / "t.csv", ("happy", "sad")).open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["1", "0"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new", "t.csv"]


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0], [0.5, 0.5], "`probabilities` must be of shape"),
        ([0], [[1.0]], "`probabilities` must be of shape"),
        ([0], [[0.5, 0.6]], "sum to one"),
        ([0], [[1.5, -0.5]], "from 0 to 1"),
        ([0], [[np.nan, 0.5]], "sum to one"),
        ([0, 1], [[0.5, 0.5]], "`labels` must be 1 integers"),
        ([2], [[0.5, 0.5]], "`labels` must be from 0 to 1"),
    ],
)
def test_bad_predictions(labels, probabilities, message):
    for function in (confident_joint, rank_suspects):
        with pytest.raises(ValueError, match=message):
            function(labels, probabilities)


def test_bad_names_of_suspects(tmp_path):
    suspects = rank_suspects([0, 1], [[0.9, 0.1], [0.7, 0.3]])
    with pytest.raises(ValueError, match="`class_names` must name every class"):
        write_suspects(suspects, tmp_path / "s.csv", ("happy",))
    with pytest.raises(ValueError, match="`ids` must name every example"):
        write_suspects(suspects, tmp_path / "s.csv", ("happy", "sad"), ["a"])
