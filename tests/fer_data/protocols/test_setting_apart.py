"""Pictures set apart: shares of every class, copies on one side, and shares that cannot be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_data.protocols.setting_apart import (
    check_shares,
    check_undivided,
    set_apart,
    set_people_apart,
)


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=60),
    st.floats(0, 0.5),
    st.floats(0, 0.49),
    st.integers(0, 9),
)
def test_every_class_gives_its_share(labels, validation, test, seed):
    pictures = [f"{place:03d}" for place in range(len(labels))]
    shares = {"validation": validation, "test": test}
    found = np.array(set_apart(pictures, labels, shares, seed), dtype=object)
    for label in set(labels):
        own = found[np.array(labels) == label].tolist()
        for split, share in shares.items():
            # The last share of a class takes what rounding has left of it.
            assert abs(own.count(split) - share * len(own)) <= 1
        # Something is left to train on.
        assert own.count(None) >= 1
    order = np.random.default_rng(seed).permutation(len(labels))
    again = set_apart([pictures[i] for i in order], [labels[i] for i in order], shares, seed)
    assert again == found[order].tolist()


def test_copies_stay_together_and_count_once():
    found = set_apart(list("aaaabbcd"), [0, 0, 0, 1, 0, 0, 0, 0], {"validation": 0.5}, seed=2)
    assert len(set(found[:4])) == 1
    assert found[4] == found[5]
    assert (
        len({*"aaaabbcd"} - {x for x, split in zip("aaaabbcd", found, strict=True) if split}) == 2
    )


@given(st.permutations(range(12)), st.integers(0, 9))
def test_copies_under_two_labels_depend_on_no_order(order, seed):
    # A packed file holds the faces in another order than the folder that it was made of.
    pictures, labels = [*"abcdefghab", "c", "d"], [0] * 5 + [1] * 5 + [2, 2]
    found = set_apart(pictures, labels, {"validation": 0.5}, seed)
    again = set_apart(
        [pictures[i] for i in order], [labels[i] for i in order], {"validation": 0.5}, seed
    )
    assert again == [found[i] for i in order]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((1, 0), r"`validation_fraction` must lie in \[0, 1\). Received: validation_fraction=1"),
        ((0, -0.1), "`test_fraction` must lie in"),
        ((0.5, 0.5), "must leave pictures to train on. Received: 0.5 and 0.5"),
        ((0.1, 0, "both"), "`validation_from` must be one of"),
        ((0, 0, "test"), "needs a `validation_fraction` above 0"),
        ((0.5, 0.1, "test"), "no `test_fraction`"),
    ],
)
def test_bad_shares(given, message):
    with pytest.raises(ValueError, match=message):
        check_shares(*given)


@given(st.integers(2, 30), st.integers(1, 60), st.sampled_from([0.1, 0.25, 0.5]), st.integers(0, 9))
def test_whole_people_near_the_share(people, more, share, seed):
    rng = np.random.default_rng(seed)
    subjects = [*range(people), *rng.integers(0, people, more).tolist()]
    labels = [0, 0, 0, *rng.integers(0, 5, people + more - 3).tolist()]
    found = set_people_apart(list(map(str, subjects)), labels, {"validation": share}, seed)
    splits = {who: {found[i] for i, each in enumerate(subjects) if each == who} for who in subjects}
    assert all(len(each) == 1 for each in splits.values())
    assert {None, "validation"} == set(found)


def test_too_few_people():
    with pytest.raises(ValueError, match="`validation_fraction` needs pictures"):
        set_people_apart(["a"] * 4, [0, 1] * 2, {"validation": 0.1, "test": 0}, seed=1)
    shares = {"validation": 0.1, "test": 0.1}
    with pytest.raises(ValueError, match=r"need pictures of 3 people .* Received: 2 people"):
        set_people_apart(list("aabb"), [0, 1] * 2, shares, seed=1)


def test_what_is_there_is_not_set_apart():
    check_undivided(("train", "test"), {"validation": 0.1, "test": 0})
    with pytest.raises(ValueError, match="`test_fraction` must be 0 where the data set has a test"):
        check_undivided(("train", "test"), {"validation": 0.1, "test": 0.1})
    with pytest.raises(ValueError, match="needs a data set with a test split"):
        check_undivided(("train",), {"validation": 0.5}, "test")
