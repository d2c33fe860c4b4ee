"""Protocols for clips of people: proportions, disjoint subjects, folds, MEGC 2019, the guard."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data import protocols
from fer_data.protocols import Clips, LeakError


def made(subjects=12, each=10, classes=3, seed=0, unlabelled=0, dataset="casme2"):
    """Return clips of `subjects` people, `each` a person, with random labels."""
    rng = np.random.default_rng(seed)
    count = subjects * each
    labels = rng.integers(0, classes, count)
    labels[:unlabelled] = -1
    people = [f"{dataset}/sub{i % subjects:02d}" for i in range(count)]
    ids = [f"{person}/clip{i}" for i, person in enumerate(people)]
    return Clips(ids, people, labels, [f"hash{i}" for i in range(count)])


def everyone(division):
    return np.sort(np.concatenate(list(division.parts.values())))


@pytest.mark.parametrize(
    ("proportions", "sizes"), [("80-10-10", (96, 12, 12)), ("70-15-15", (84, 18, 18))]
)
def test_random_split_has_its_proportions_in_every_class(proportions, sizes):
    clips = made()
    division = protocols.random_clips(clips, proportions, seed=3, allow_leaks=True)
    assert tuple(len(division.parts[part]) for part in ("train", "validation", "test")) == sizes
    np.testing.assert_array_equal(everyone(division), np.arange(120))
    shares = protocols.PROPORTIONS[proportions]
    for label in range(3):
        total = (clips.labels == label).sum()
        for part, places in division.parts.items():
            assert abs((clips.labels[places] == label).sum() - shares[part] * total) <= 1.5
    again = protocols.random_clips(clips, proportions, seed=3, allow_leaks=True)
    other = protocols.random_clips(clips, proportions, seed=4, allow_leaks=True)
    np.testing.assert_array_equal(again.parts["test"], division.parts["test"])
    assert not np.array_equal(other.parts["test"], division.parts["test"])


def test_random_split_is_refused_unless_it_is_asked_for():
    clips = made()
    with pytest.raises(LeakError, match=r"casme2/sub00 \(train \d+, ") as caught:
        protocols.random_clips(clips)
    assert caught.value.leaks.subjects["casme2/sub00"]["train"] > 0
    division = protocols.random_clips(clips, allow_leaks=True)
    assert "leaks" in division.warning
    assert f"{len(division.leaks.subjects)} subjects" in division.warning


def test_random_split_of_one_clip_a_person_leaks_nothing():
    clips = made(subjects=60, each=1)
    division = protocols.random_clips(clips)
    assert not division.leaks
    assert division.warning == ""


@pytest.mark.parametrize("proportions", ["80-10-10", "70-15-15"])
def test_subject_disjoint(proportions):
    clips = made(subjects=20)
    division = protocols.subject_disjoint(clips, proportions, seed=1)
    np.testing.assert_array_equal(everyone(division), np.arange(200))
    people = [set(clips.subjects[places]) for places in division.parts.values()]
    assert sum(map(len, people)) == 20
    for part, share in protocols.PROPORTIONS[proportions].items():
        assert abs(len(division.parts[part]) / 200 - share) < 0.06
        assert set(clips.labels[division.parts[part]]) == {0, 1, 2}
    assert not division.leaks


def test_leave_one_subject_out():
    clips = made(subjects=5, each=6, unlabelled=3)
    folds = list(protocols.leave_one_subject_out(clips))
    assert [fold.held_out for fold in folds] == [f"casme2/sub{i:02d}" for i in range(5)]
    for fold in folds:
        assert set(clips.subjects[fold.parts["test"]]) == {fold.held_out}
        assert fold.held_out not in clips.subjects[fold.parts["train"]]
        assert fold.unlabelled == 3
        np.testing.assert_array_equal(everyone(fold), np.arange(3, 30))
    tested = np.concatenate([fold.parts["test"] for fold in folds])
    np.testing.assert_array_equal(np.sort(tested), np.arange(3, 30))


def test_leave_one_subject_out_with_validation_people():
    clips = made(subjects=8, each=9)
    for fold in protocols.leave_one_subject_out(clips, validation=0.25, seed=2):
        people = [set(clips.subjects[places]) for places in fold.parts.values()]
        assert list(fold.parts) == ["train", "validation", "test"]
        assert sum(map(len, people)) == len(set.union(*people)) == 8
        assert 0.1 < len(fold.parts["validation"]) / 63 < 0.4


def test_subjects_of_two_data_sets_are_two_people():
    ids = ["a", "b", "c", "d"]
    clips = Clips(ids, ["casme2/sub01", "smic_hs/s1", "casme2/sub01", "samm/006"], [0, 1, 2, 0])
    assert [f.held_out for f in protocols.leave_one_subject_out(clips)] == [
        "casme2/sub01",
        "samm/006",
        "smic_hs/s1",
    ]


def test_identical_clip_of_two_subjects_is_found():
    clips = made(subjects=4, each=6)
    content = clips.content.copy()
    content[1] = content[0]
    clips = Clips(clips.ids, clips.subjects, clips.labels, content)
    first, second = clips.ids[:2].tolist()
    with pytest.raises(LeakError, match=f"{first} = train:{second}|{second} = test:{first}"):
        list(protocols.leave_one_subject_out(clips))
    folds = list(protocols.leave_one_subject_out(clips, allow_leaks=True))
    assert [bool(fold.warning) for fold in folds] == [True, True, False, False]
    assert folds[0].leaks.copies == ((("train", second), ("test", first)),)


@pytest.mark.parametrize("dtype", [str, object])
def test_copies_in_one_part_are_no_leak(dtype):
    texts = list("abcd"), ["s/1", "s/1", "s/2", "s/2"], ["x", "x", "y", "z"]
    ids, people, content = (np.array(each, dtype) for each in texts)
    clips = Clips(ids, people, [0, 1, 0, 1], content)
    assert not protocols.find_leaks({"train": [0, 1], "test": [2, 3]}, clips)
    assert protocols.find_leaks({"train": [0], "test": [1]}, clips).copies


def test_guard_names_subjects_and_counts_the_rest():
    clips = made(subjects=9, each=2)
    parts = {"train": np.arange(9), "test": np.arange(9, 18)}
    with pytest.raises(LeakError, match=r"9 subjects.*sub00 \(train 1, test 1\).*and 4 more"):
        protocols.guard_subjects(parts, clips)
    leaks = protocols.guard_subjects(parts, clips, allow_leaks=True)
    assert len(leaks.subjects) == 9


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=30),
    st.randoms(use_true_random=False),
)
def test_leaks_are_those_that_a_plain_search_finds(rows, random):
    people = [f"s/{person}" for person, _ in rows]
    content = [f"c{c}" for _, c in rows]
    clips = Clips([f"i{i}" for i in range(len(rows))], people, [0] * len(rows), content)
    side = [random.choice(("train", "test")) for _ in rows]
    parts = {p: [i for i, s in enumerate(side) if s == p] for p in ("train", "test")}
    leaks = protocols.find_leaks(parts, clips)
    sides = collections.defaultdict(set)
    for person, part in zip(people, side, strict=True):
        sides[person].add(part)
    assert set(leaks.subjects) == {person for person, found in sides.items() if len(found) == 2}
    pairs = sum(content[i] == content[j] for i in parts["train"] for j in parts["test"])
    assert len(leaks.copies) == pairs


def composite(casme2=(88, 32, 25), smic=(70, 51, 43), samm=(92, 26, 15), extra=0):
    """Return clips with these numbers of each class, and the challenge's numbers of subjects."""
    subjects, labels = [], []
    for name, counts, people in (
        ("casme2", casme2, 24),
        ("smic_hs", smic, 16),
        ("samm", samm, 28),
        ("cas_me3", (extra, 0, 0), 1),
    ):
        of_set = np.repeat([0, 1, 2], counts)
        labels.append(of_set)
        subjects += [f"{name}/p{i % people}" for i in range(len(of_set))]
    ids = [f"{subject}/{i}" for i, subject in enumerate(subjects)]
    return Clips(ids, subjects, np.concatenate(labels))


def test_megc_2019():
    clips = composite(extra=7)
    found = protocols.megc_2019(clips, strict=True)
    assert len(found.clips) == 442
    assert found.differences == ()
    assert "casme2: 145 clips (negative 88, positive 32, surprise 25) of 24" in found.summary()
    np.testing.assert_array_equal(clips.ids[found.places], found.clips.ids)
    folds = list(protocols.leave_one_subject_out(found.clips))
    assert len(folds) == 68
    assert sum(len(fold.parts["test"]) for fold in folds) == 442


def test_megc_2019_says_what_differs():
    clips = composite(casme2=(96, 32, 28), samm=(0, 0, 0))
    found = protocols.megc_2019(clips)
    assert found.differences == (
        "casme2 has 96 negative clips, 88 in MEGC 2019",
        "casme2 has 28 surprise clips, 25 in MEGC 2019",
        "samm is missing: 133 clips in MEGC 2019",
    )
    with pytest.raises(ValueError, match="samm is missing"):
        protocols.megc_2019(clips, strict=True)
    negative = clips.ids[clips.datasets == "casme2"][:3]
    listed = protocols.megc_2019(clips, listed=negative)
    np.testing.assert_array_equal(listed.clips.ids, negative)
    with pytest.raises(ValueError, match=r"2 are not. Received: \['casme2/x', 'casme2/y'\]"):
        protocols.megc_2019(clips, listed=[*negative, "casme2/x", "casme2/y"])


def test_clips_without_labels_are_left_out_of_the_composite():
    clips = Clips(["a", "b"], ["casme2/sub01", "smic_hs/s1"], [-1, 1])
    found = protocols.megc_2019(clips)
    assert found.places.tolist() == [1]
    with pytest.raises(ValueError, match="must hold labelled clips"):
        protocols.megc_2019(Clips(["a"], ["cas_me2/s15"], [0]))
    with pytest.raises(ValueError, match="labels up to 5"):
        protocols.megc_2019(Clips(["a"], ["casme2/sub01"], [5]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], ["s/1", "s/2"], [0]), "non-empty vectors of one length"),
        (([], [], []), "non-empty vectors of one length"),
        ((["a", "a"], ["s/1", "s/2"], [0, 1]), "`ids` must be unique"),
        ((["a"], ["s/1"], [0.5]), "`labels` must be integers"),
        ((["a", "b"], ["s/1", "s/2"], [0, 1], ["x"]), "one length"),
    ],
)
def test_bad_clips(arguments, message):
    with pytest.raises(ValueError, match=message):
        Clips(*arguments)


def test_bad_arguments():
    clips = made(subjects=3, each=2)
    for function in (protocols.random_clips, protocols.subject_disjoint):
        with pytest.raises(ValueError, match="`proportions` must be one of"):
            function(clips, "60-20-20")
    for validation in (-0.1, 1, 2, "some"):
        with pytest.raises(ValueError, match="`validation` must"):
            protocols.leave_one_subject_out(clips, validation=validation)
    with pytest.raises(ValueError, match="must have labels"):
        protocols.random_clips(Clips(["a"], ["s/1"], [-1]))
    with pytest.raises(ValueError, match="at least two groups"):
        list(protocols.leave_one_subject_out(Clips(["a", "b"], ["s/1", "s/1"], [0, 1])))
    with pytest.raises(ValueError, match="places from 0 to 5"):
        protocols.find_leaks({"train": [0], "test": [6]}, clips)
    with pytest.raises(ValueError, match="every place once"):
        protocols.find_leaks({"train": [0], "test": [0]}, clips)
    with pytest.raises(ValueError, match="groups"):
        protocols.subject_disjoint(made(subjects=2, each=9))
