"""Splits and the guard against copies across them."""

import csv
import io
import zipfile

import cv2
import numpy as np
import pytest
from helpers.shared import shared_path
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data import protocols

THREE = {"train": 0.7, "validation": 0.1, "test": 0.2}


def faces(count, seed=0, size=48):
    """Smooth random pictures, all different."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (count, 6, 6), "uint8")
    return np.stack([cv2.resize(r, (size, size), interpolation=cv2.INTER_CUBIC) for r in rough])


@given(seed=st.integers(0, 9), classes=st.integers(2, 7), count=st.integers(100, 300))
@settings(max_examples=15, deadline=None)
def test_stratified_parts_are_disjoint_whole_and_proportional(seed, classes, count):
    labels = np.random.default_rng(seed).permutation(np.arange(count) % classes)
    parts = protocols.stratified(labels, THREE, seed)
    assert list(parts) == list(THREE)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(count))
    for name, indices in parts.items():
        shares = np.bincount(labels[indices], minlength=classes) / len(indices)
        assert abs(len(indices) - THREE[name] * count) <= 2
        np.testing.assert_allclose(shares, 1 / classes, atol=1.5 / len(indices) + 0.02)


def test_a_part_without_room_for_every_class():
    labels = [0] * 50 + [1] * 50
    assert len(protocols.stratified(labels, {"train": 0.98, "test": 0.02})["test"]) == 2
    with pytest.raises(ValueError, match=r"at least 2 examples, one for each class.*'test': 0\.01"):
        protocols.stratified(labels, {"train": 0.99, "test": 0.01})


def test_same_seed_same_split():
    labels = np.arange(100) % 4
    first, second = (protocols.stratified(labels, THREE, 3) for _ in range(2))
    other = protocols.stratified(labels, THREE, 4)
    assert all(np.array_equal(first[name], second[name]) for name in THREE)
    assert not np.array_equal(first["test"], other["test"])


@given(seed=st.integers(0, 9), subjects=st.integers(20, 40))
@settings(max_examples=15, deadline=None)
def test_group_disjoint_parts_share_no_group(seed, subjects):
    rng = np.random.default_rng(seed)
    labels, groups = rng.integers(0, 3, 400), rng.integers(0, subjects, 400)
    parts = protocols.group_disjoint(labels, groups, THREE, seed)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(400))
    seen = [set(groups[indices]) for indices in parts.values()]
    assert sum(map(len, seen)) == len(set.union(*seen))
    for name, indices in parts.items():
        assert abs(len(indices) / 400 - THREE[name]) < 0.1


@pytest.mark.parametrize("rare", [1, 2, 4, 15])
def test_a_rare_class_leaves_the_parts_of_groups_their_fractions(rare, recwarn):
    labels, groups = [1] * rare + [0] * (120 - rare), np.arange(120) % 20
    fractions = {"train": 0.8, "validation": 0.1, "test": 0.1}
    parts = protocols.group_disjoint(labels, groups, fractions)
    assert {name: len(indices) for name, indices in parts.items()} == {
        "train": 96,
        "validation": 12,
        "test": 12,
    }
    assert not recwarn.list


def test_leave_one_group_out_is_each_group_once():
    groups = np.array(["s1", "s2", "s1", "s3"])
    folds = list(protocols.leave_one_group_out(groups))
    assert [name for name, _, _ in folds] == ["s1", "s2", "s3"]
    for name, train, test in folds:
        assert set(groups[test]) == {name}
        assert name not in groups[train]
        assert len(train) + len(test) == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: protocols.stratified([0, 1] * 9, {"train": 0.8, "test": 0.1}), "`fractions` must"),
        (lambda: protocols.stratified([0, 1] * 9, {"train": 1.0}), "`fractions` must"),
        (lambda: protocols.stratified([0, 1] * 9, {"a": 1.5, "b": -0.5}), "`fractions` must"),
        (lambda: protocols.stratified([], THREE), "`labels` must be a non-empty vector"),
        (
            lambda: protocols.stratified([0, 0, 0, 1], THREE),
            "Every class needs at least 3 examples",
        ),
        (lambda: protocols.group_disjoint([0, 1], [0], THREE), "must have one length"),
        (lambda: protocols.group_disjoint([0, 1] * 4, [0, 1] * 4, THREE), "The groups must be"),
        (lambda: protocols.group_disjoint([0] * 9, range(9), THREE, folds=2), "the 3 parts"),
        (lambda: list(protocols.leave_one_group_out([1, 1])), "at least two groups"),
        (lambda: protocols.duplicates_across({"train": faces(2)}), "two parts or more"),
        (
            lambda: protocols.duplicates_across({"a": faces(2), "b": faces(2)}, distance=65),
            "distance",
        ),
        (
            lambda: protocols.duplicates_across({"a": faces(2), "b": faces(2)}, correlation=2),
            "correlation",
        ),
        (
            lambda: protocols.duplicates_across({"a": faces(2), "b": faces(2) / 255}),
            "uint8 pictures",
        ),
        (lambda: protocols.duplicates_across({"a": faces(2)[0], "b": faces(2)}), "uint8 pictures"),
        (
            lambda: protocols.duplicates_across({"a": (faces(2), ["x"]), "b": faces(2)}),
            "as many ids",
        ),
        (lambda: protocols.guard({"a": faces(2), "b": faces(2)}, refuse="some"), "`refuse` must"),
        (
            lambda: protocols.guard({"a": faces(2), "b": faces(2)}, near=False),
            '`refuse` must be "exact" where near copies are not looked for',
        ),
        (lambda: protocols.guard(protocols.DuplicateReport((), near=False)), "`refuse` must be"),
        (
            lambda: protocols.guard(protocols.DuplicateReport(()), distance=3),
            "Options must be given to `duplicates_across`.* distance",
        ),
        (lambda: protocols.stratified([0, 1] * 30, THREE, seed=2**40), "`seed` must"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_exact_copies_are_found_with_their_names():
    images = faces(12)
    report = protocols.duplicates_across(
        {
            "train": (images[:8], [f"a{i}" for i in range(8)]),
            "test": (images[6:], [f"b{i}" for i in range(6, 12)]),
        },
        near=False,
    )
    assert [(p.kind, p.ids) for p in report.pairs] == [
        ("exact", ("a6", "b6")),
        ("exact", ("a7", "b7")),
    ]
    assert report.counts() == {("exact", "train", "test"): 2}
    assert report.ids("test") == ["b6", "b7"]
    assert "2 exact pairs" in report.summary()


def changes(image):
    rng = np.random.default_rng(0)
    noisy = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype("uint8")
    darker = (image * 0.7).astype("uint8")
    _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return {
        "noise": noisy,
        "light": darker,
        "jpeg": cv2.imdecode(code, cv2.IMREAD_GRAYSCALE),
        "size": cv2.resize(image, (96, 96)),
    }


@pytest.mark.parametrize("change", ["noise", "light", "jpeg", "size"])
def test_near_copies_are_found_and_others_are_not(change):
    images = faces(40)
    altered = [changes(images[i])[change] for i in range(10)]
    report = protocols.duplicates_across({"train": images, "test": [*altered, *faces(30, seed=9)]})
    assert {p.kind for p in report.pairs} == {"near"}
    assert sorted(p.ids for p in report.pairs) == [(i, i) for i in range(10)]
    assert all(p.distance <= 8 and p.correlation >= 0.95 for p in report.pairs)


def test_colour_grey_and_channel_axis_are_compared_by_content():
    images = faces(3)
    colour = np.repeat(images[..., None], 3, axis=-1)
    report = protocols.duplicates_across({"grey": images[..., None], "colour": colour})
    assert [p.ids for p in report.pairs] == [(0, 0), (1, 1), (2, 2)]
    assert {p.kind for p in report.pairs} == {"near"}
    report = protocols.duplicates_across({"grey": images, "axis": images[..., None]}, near=False)
    assert report.counts() == {("exact", "grey", "axis"): 3}


def test_flat_pictures_are_no_near_copies():
    flat = np.full((2, 8, 8), 10, "uint8")
    report = protocols.duplicates_across({"a": flat, "b": flat + 5})
    assert not report
    assert report.summary() == "no copies across the parts"


def test_hamming_distance_counts_bits():
    hashes = protocols.difference_hash(np.stack([np.arange(9, dtype="uint8")[None].repeat(8, 0)]))
    assert hashes.tolist() == [2**64 - 1]


@pytest.mark.parametrize("counts", [(50, 7, 3), (100, 4, 40), (88, 30, 7)])
def test_classes_that_are_too_rare_to_divide_are_named(counts):
    labels = np.repeat(np.arange(3), counts)
    wrong = r"Every class needs more examples .* Received: \d of class [012], of which [01] would"
    with pytest.raises(ValueError, match=wrong):
        protocols.stratified(labels, {"train": 0.8, "validation": 0.1, "test": 0.1})


def test_guard_raises_with_counts_and_names():
    images = faces(10)
    parts = {"train": images[:6], "validation": images[6:8], "test": images[5:6]}
    with pytest.raises(
        protocols.DuplicateError, match=r"1 exact pairs.*\n.*train:5 = test:0"
    ) as info:
        protocols.guard(parts)
    assert len(info.value.report) == 1
    clean = {"train": images[:5], "test": images[5:]}
    assert not protocols.guard(clean)
    assert not protocols.guard(protocols.duplicates_across(clean))


def test_guard_can_let_near_copies_pass():
    images = faces(4)
    parts = {"train": images, "test": [changes(images[0])["jpeg"]]}
    with pytest.raises(protocols.DuplicateError, match="1 near pairs"):
        protocols.guard(parts)
    assert not protocols.guard(parts, refuse="exact")
    assert len(protocols.guard(parts, refuse="exact", near=True)) == 1
    assert len(protocols.guard(protocols.duplicates_across(parts), refuse="exact")) == 1


@pytest.mark.slow
def test_guard_finds_fer2013_s_copies():
    """The archive lists its pixel-identical copies; the guard must find just these, and more."""
    path = shared_path("data/fer2013/fer2013_trainval.zip")
    parts = {"train": ([], []), "valid": ([], [])}
    with zipfile.ZipFile(path) as archive:
        rows = csv.DictReader(io.TextIOWrapper(archive.open("cross_split_duplicates.csv")))
        listed = {row["image"] for row in rows if row["split"] == "valid"}
        for name in archive.namelist():
            if name.endswith(".png"):
                pixels = np.frombuffer(archive.read(name), np.uint8)
                images, ids = parts[name.split("/")[0]]
                images.append(cv2.imdecode(pixels, cv2.IMREAD_GRAYSCALE))
                ids.append(name.split("/")[-1])
    report = protocols.duplicates_across(parts)
    assert set(report.ids("valid", ("exact",))) == listed
    assert len(listed) == 279
    assert len(report.ids("valid")) == 430


def test_groups_may_be_objects_as_in_a_table():
    people = np.array(["b", "a", "b"], dtype=object)
    found = [(name, test.tolist()) for name, _, test in protocols.leave_one_group_out(people)]
    assert found == [("a", [1]), ("b", [0, 2])]
