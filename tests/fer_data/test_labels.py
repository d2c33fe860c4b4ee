"""fer_data.labels: the orders, the maps between them, and the FER+ votes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fer_data import labels

ORDERS = [labels.FER2013_CLASSES, labels.RAF_DB_CLASSES, labels.FERPLUS_CLASSES]
VOTES = hnp.arrays(np.int64, st.tuples(st.integers(0, 6), st.just(10)), elements=st.integers(0, 10))


def row(**counts):
    return [[counts.get(name, 0) for name in labels.FERPLUS_VOTE_COLUMNS]]


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


@given(st.permutations(labels.EMOTIONS_WITH_CONTEMPT), st.data())
def test_remapping_one_hot_agrees_with_labels(target, data):
    values = data.draw(hnp.arrays(np.int64, 5, elements=st.integers(0, 6)))
    one_hot = np.eye(7, dtype=np.float32)[values]
    moved = labels.remap_probabilities(one_hot, labels.RAF_DB_CLASSES, target)
    assert moved.shape == (5, 8)
    assert moved.dtype == np.float32
    expected = labels.remap_labels(values, labels.RAF_DB_CLASSES, target)
    np.testing.assert_array_equal(moved.argmax(axis=1), expected)


@given(st.lists(st.sampled_from(labels.EMOTIONS)))
def test_names_and_indices_there_and_back(names):
    assert labels.to_names(labels.to_indices(names)) == names


def test_classes_that_are_no_emotions_keep_their_spelling():
    np.testing.assert_array_equal(labels.to_indices(["b", "a"], classes=("a", "b")), [1, 0])


def test_missing_classes():
    source = ("happy", "contempt")
    np.testing.assert_array_equal(labels.index_map(source, labels.EMOTIONS, missing=-1), [3, -1])
    np.testing.assert_array_equal(labels.remap_labels([0, 0], source, labels.EMOTIONS), [3, 3])
    with pytest.raises(ValueError, match=r"found \['contempt'\]"):
        labels.remap_labels([0, 1], source, labels.EMOTIONS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: labels.canonical("bored"), "Received: name='bored'"),
        (lambda: labels.class_order("affectnet"), "`dataset` must be one of"),
        (lambda: labels.to_indices(["happy", "bored", "x"]), r"unknown: \['bored', 'x'\]"),
        (lambda: labels.to_indices("happy"), "sequence"),
        (lambda: labels.to_names([7]), "from 0 to 6"),
        (lambda: labels.to_names([-1]), "from 0 to 6"),
        (lambda: labels.to_names([0.5]), "integers"),
        (lambda: labels.index_map(("contempt",), labels.EMOTIONS), "lacks"),
        (lambda: labels.index_map(("sad", "sadness"), labels.EMOTIONS), "without repeats"),
        (lambda: labels.index_map("sad", labels.EMOTIONS), "sequence"),
        (lambda: labels.index_map(("sad",), labels.EMOTIONS, missing="drop"), "`missing`"),
        (lambda: labels.remap_probabilities(np.ones((2, 3)), ("a", "b"), ("a", "b")), "2 entries"),
        (lambda: labels.ferplus_majority(np.ones((2, 8))), "shape"),
        (lambda: labels.ferplus_majority(row(anger=-2)), "counts from 0 up"),
        (lambda: labels.ferplus_majority(row(anger=np.nan)), "counts from 0 up"),
        (lambda: labels.ferplus_majority(row(), min_share=1), "`min_share`"),
        (lambda: labels.ferplus_distribution(row(), min_votes=-1), "`min_votes`"),
        (lambda: labels.ferplus_distribution(row(), classes=("bored",)), "lacks"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@given(VOTES, st.booleans(), st.sampled_from([labels.EMOTIONS, labels.EMOTIONS_WITH_CONTEMPT]))
def test_distributions_sum_to_one_or_have_no_label(votes, drop_single, classes):
    p, valid = labels.ferplus_distribution(votes, classes, drop_single=drop_single)
    assert p.shape == (len(votes), len(classes))
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), valid.astype(np.float32), atol=1e-6)


@given(VOTES)
def test_an_absolute_majority_is_the_top_of_the_distribution(votes):
    label = labels.ferplus_majority(votes, drop_single=False)
    p, valid = labels.ferplus_distribution(votes, drop_single=False, min_votes=0)
    stands = label >= 0
    assert valid[stands].all()
    np.testing.assert_array_equal(p[stands].argmax(axis=1), label[stands])


def test_majority_rules():
    def majority(classes=labels.EMOTIONS_WITH_CONTEMPT, **options):
        counts = {
            key: options.pop(key) for key in list(options) if key in labels.FERPLUS_VOTE_COLUMNS
        }
        label = labels.ferplus_majority(row(**counts), classes, **options)[0]
        return classes[label] if label >= 0 else None

    assert majority(happiness=6, neutral=4) == "happy"
    assert majority(happiness=5, neutral=5) is None
    assert majority(happiness=4, neutral=3, sadness=3) is None
    assert majority(happiness=4, neutral=3, sadness=3, min_share=0) == "happy"
    # Single votes go first: 5 of 8 is a majority, 5 of 10 is none.
    assert majority(happiness=5, neutral=3, fear=1, anger=1) == "happy"
    assert majority(happiness=5, neutral=3, fear=1, anger=1, drop_single=False) is None
    assert majority(NF=10) is None
    assert majority(unknown=6, happiness=4) is None
    assert majority(contempt=9, neutral=1) == "contempt"
    assert majority(labels.EMOTIONS, contempt=9, neutral=1) is None
    assert majority(happiness=3, min_votes=4) is None
    assert majority() is None


def test_distribution_rules():
    p, valid = labels.ferplus_distribution(
        np.concatenate(
            [
                row(happiness=6, neutral=2, unknown=2),
                row(happiness=3, NF=7),
                row(happiness=4, contempt=6),
                row(happiness=9, fear=1),
            ]
        ),
        labels.EMOTIONS,
        drop_single=True,
    )
    np.testing.assert_array_equal(valid, [True, False, False, True])
    np.testing.assert_allclose(p[0], [0, 0, 0, 0.75, 0, 0, 0.25])
    np.testing.assert_allclose(p[3], [0, 0, 0, 1, 0, 0, 0])


def test_rows_without_votes_have_no_label():
    votes = np.full((2, 10), -1.0)
    np.testing.assert_array_equal(labels.ferplus_majority(votes), [-1, -1])
    assert not labels.ferplus_distribution(votes)[1].any()
