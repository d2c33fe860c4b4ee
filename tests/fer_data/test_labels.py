"""fer_data.labels: the orders and the maps between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fer_data import labels

ORDERS = [labels.FER2013_CLASSES, labels.RAF_DB_CLASSES, labels.FERPLUS_CLASSES]


def test_orders_are_those_of_the_files():
    # FER2013's 0 to 6 and RAF-DB's 1 to 7, as their owners number them.
    fer2013 = "angry disgust fear happy sad surprise neutral"
    raf_db = "surprise fear disgust happy sad angry neutral"
    assert " ".join(labels.EMOTIONS) == fer2013
    assert " ".join(labels.RAF_DB_CLASSES) == raf_db
    votes = [labels.canonical(name) for name in labels.FERPLUS_VOTE_COLUMNS[:8]]
    assert tuple(votes) == labels.FERPLUS_CLASSES
    for order in ORDERS:
        assert set(order) <= set(labels.EMOTIONS_WITH_CONTEMPT)
    assert labels.class_order("raf_db") == labels.RAF_DB_CLASSES


@pytest.mark.parametrize(("alias", "name"), list(labels.ALIASES.items()))
def test_aliases(alias, name):
    assert labels.canonical(f" {alias.upper()} ") == name
    assert labels.is_emotion(alias)


@given(st.permutations(labels.EMOTIONS), st.permutations(labels.EMOTIONS), st.data())
def test_remapping_there_and_back(source, target, data):
    values = data.draw(hnp.arrays(np.int64, st.integers(0, 9), elements=st.integers(0, 6)))
    moved = labels.remap_labels(values, source, target)
    assert [target[i] for i in moved] == [source[i] for i in values]
    np.testing.assert_array_equal(labels.remap_labels(moved, target, source), values)


@given(st.lists(st.sampled_from(labels.EMOTIONS)))
def test_indices_name_their_classes(names):
    assert [labels.EMOTIONS[index] for index in labels.to_indices(names)] == names


def test_classes_that_are_no_emotions_keep_their_spelling():
    np.testing.assert_array_equal(labels.to_indices(["b", "a"], classes=("a", "b")), [1, 0])
    assert labels.to_indices(name for name in ("happiness", "angry")).tolist() == [3, 0]


def test_missing_classes():
    source = ("happy", "contempt")
    np.testing.assert_array_equal(labels.index_map(source, labels.EMOTIONS, missing=-1), [3, -1])
    np.testing.assert_array_equal(labels.remap_labels([0, 0], source, labels.EMOTIONS), [3, 3])
    moved = labels.remap_labels([0, 1], source, labels.EMOTIONS, missing=-1)
    np.testing.assert_array_equal(moved, [3, -1])
    with pytest.raises(ValueError, match=r"found \['contempt'\]"):
        labels.remap_labels([0, 1], source, labels.EMOTIONS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: labels.canonical("bored"), "Received: name='bored'"),
        (lambda: labels.class_order("affectnet"), "`dataset` must be one of"),
        (lambda: labels.to_indices(["happy", "bored", "x"]), r"unknown: \['bored', 'x'\]"),
        (lambda: labels.to_indices("happy"), "sequence"),
        (lambda: labels.to_indices(iter(["x", 2])), r"unknown: \['2', 'x'\]"),
        (lambda: labels.index_map(("contempt",), labels.EMOTIONS), "lacks"),
        (lambda: labels.index_map((), labels.EMOTIONS), "without repeats"),
        (lambda: labels.remap_labels([0, 2], ("a", "b"), ("b", "a")), "from 0 to 1.*from 0 to 2"),
        (lambda: labels.remap_labels([0.5], ("a", "b"), ("b", "a")), "an array of integers"),
        (lambda: labels.index_map(("sad", "sadness"), labels.EMOTIONS), "without repeats"),
        (lambda: labels.index_map("sad", labels.EMOTIONS), "sequence"),
        (lambda: labels.index_map(("sad",), labels.EMOTIONS, missing="drop"), "`missing`"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
