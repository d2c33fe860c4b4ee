"""The faces of an audit, drawn from splits in which some faces stand twice."""

import numpy as np
import pytest

from fer_data.pipelines.labelled_faces import LabelledFaces
from fer_models.auditing import audit_sets
from fer_models.privacy import content_hashes

NAMES = ("angry", "happy", "sad")
SHAPE = {"size": (6, 6), "channels": 1}
COPIES = 5


def labelled(**counts):
    """Return faces of noise by split, numbered by class in turn."""
    rng = np.random.default_rng(0)
    splits = {
        name: {
            "image": rng.integers(0, 256, (count, 6, 6, 1), dtype="uint8"),
            "label": np.arange(count) % 3,
        }
        for name, count in counts.items()
    }
    return LabelledFaces(splits, counts, NAMES, "faces.npz", {})


@pytest.fixture
def faces():
    """Of the test faces some are copies of training faces, and two the same."""
    found = labelled(train=60, test=40, validation=30)
    test, train = found.splits["test"]["image"], found.splits["train"]["image"]
    test[:COPIES] = train[:COPIES]
    test[10] = test[11]
    return found


def hashes(pair):
    return set(content_hashes(pair[0]))


def test_no_training_face_is_outside_and_the_seed_decides(faces):
    first, how = audit_sets(faces, **SHAPE, members=50, non_members=30, population=20)
    again, _ = audit_sets(faces, **SHAPE, members=50, non_members=30, population=20)
    assert {name: len(labels) for name, (_, labels) in first.items()} == {
        "members": 30,
        "non_members": 30,
        "population": 20,
        "test": 40 - COPIES - 1,
    }
    trained = set(content_hashes(faces.splits["train"]["image"]))
    assert hashes(first["members"]) <= trained
    for name in ("non_members", "population", "test"):
        assert not hashes(first[name]) & trained
    assert not hashes(first["non_members"]) & hashes(first["population"])
    for name, (images, labels) in first.items():
        np.testing.assert_array_equal(images, again[name][0])
        np.testing.assert_array_equal(labels, again[name][1])
    places = {"test": [f"{place}" for place in range(40)]}
    grouped, _ = audit_sets(
        faces, **SHAPE, members=50, non_members=30, population=20, groups=places
    )
    for image, place in zip(grouped["test"][0], grouped["groups"], strict=True):
        np.testing.assert_array_equal(image, faces.splits["test"]["image"][int(place)])
    other, _ = audit_sets(faces, **SHAPE, non_members=30, seed=1)
    assert not np.array_equal(first["non_members"][0], other["non_members"][0])
    assert "members from the 60 training faces" in how
    assert f"of which {COPIES} that are copies of training faces and 1 copies of each other" in how
    assert "test and validation faces" in how
    assert how.endswith("test faces from the test split")


def test_labels_come_along_in_the_models_order(faces):
    sets, _ = audit_sets(faces, **SHAPE, class_names=("sad", "happy", "angry", "more"), test=10)
    where = {key: n for n, key in enumerate(content_hashes(faces.splits["test"]["image"]))}
    images, labels = sets["test"]
    assert len(labels) == 10
    for key, label in zip(content_hashes(images), labels, strict=True):
        assert label == 2 - where[key] % 3


def test_without_test_faces_or_population():
    sets, how = audit_sets(labelled(train=9, validation=9), **SHAPE, population=0)
    assert set(sets) == {"members", "non_members", "test"}
    assert how.endswith("on which a best epoch may have been chosen")


def test_nothing_to_compare_with(faces):
    with pytest.raises(ValueError, match="a test or a validation split"):
        audit_sets(labelled(train=9), **SHAPE)
    faces.splits["test"]["image"][:] = faces.splits["train"]["image"][:1]
    with pytest.raises(ValueError, match="The test split must have faces"):
        audit_sets(faces, **SHAPE)
