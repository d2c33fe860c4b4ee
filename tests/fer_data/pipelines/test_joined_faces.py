"""Several data sets as one, on bars."""

import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays

from fer_data.pipelines import face_arrays
from fer_data.pipelines.joined_faces import join_faces, load_joined_faces, placed, set_names
from fer_data.pipelines.labelled_faces import LabelledFaces

SIZE = {"size": (24, 24), "channels": 1}


def faces(names, seed=0, splits=("train", "validation"), colour=False):
    arrays = {name: bar_arrays(seed + place) for place, name in enumerate(splits)}
    if colour:
        for each in arrays.values():
            each["image"] = np.repeat(each["image"], 3, axis=-1)
    counts = {name: len(each["label"]) for name, each in arrays.items()}
    return LabelledFaces(arrays, counts, names, f"of {seed}", {})


@pytest.fixture
def sets():
    return {
        "grey": faces(NAMES),
        "colour": faces(("contempt", "Happiness", "anger"), 10, colour=True),
    }


def test_the_shared_classes(sets):
    found = join_faces(sets, **SIZE)
    assert found.class_names == ("angry", "happy")
    assert found.sets == {name: {"train": 10, "validation": 10} for name in sets}
    assert found.left_out == {"grey": {"sad": 10}, "colour": {"contempt": 10}}
    assert found.counts == {"train": 20, "validation": 20}
    assert found.column("train", "label").tolist() == [0] * 5 + [1] * 10 + [0] * 5
    assert found.column("train", "image").shape == (20, 24, 24, 1)
    # The pictures are those of their set: the third bar of the second set is its "anger".
    image = found.column("train", "image")[-1, ..., 0]
    assert image[16:].mean() > image[:16].mean() + 40
    assert found.set_of("validation").tolist() == ["grey"] * 10 + ["colour"] * 10


def test_all_classes(sets):
    found = join_faces(
        sets, classes="all", weights=[2, 1], about={"grey": {"data": "folder"}}, **SIZE
    )
    assert found.class_names == ("angry", "happy", "sad", "contempt")
    assert found.left_out == {"grey": {}, "colour": {}}
    assert np.bincount(found.column("train", "label")).tolist() == [10, 10, 5, 5]
    record = found.record()
    assert record["grey"]["data"] == "folder"
    assert [each["weight"] for each in record.values()] == [2, 1]
    assert record["colour"]["faces"] == {"train": 15, "validation": 15}


def test_faces_of_the_model_s_size(sets):
    found = join_faces(sets, size=(12, 10), channels=3)
    assert found.column("train", "image").shape == (20, 12, 10, 3)


def test_copies_across_the_sets_are_marked(sets):
    sets["again"] = faces(NAMES, 0, ("train", "validation", "test"))
    sets["again"].splits["validation"]["image"][:3] = sets["grey"].splits["train"]["image"][:3]
    found = join_faces(sets, **SIZE)
    # Only splits that all sets have.
    assert set(found.counts) == {"train", "validation"}
    assert found.lacking == {"test": ("grey", "colour")}
    assert "copy_in_train" not in found.features("train")
    marked = found.column("validation", "copy_in_train")
    assert marked.tolist() == [False] * 20 + [True] * 3 + [False] * 7


def test_what_cannot_be_joined(sets):
    with pytest.raises(ValueError, match="two data sets or more"):
        join_faces({"grey": sets["grey"]}, **SIZE)
    with pytest.raises(ValueError, match="must have two shared classes or more"):
        join_faces(sets | {"other": faces(("sad", "happy", "cat"))}, **SIZE)
    with pytest.raises(ValueError, match="must each have a split 'train'"):
        join_faces(sets | {"other": faces(NAMES, splits=("test",))}, **SIZE)
    for weights in ([1], [1, 0]):
        with pytest.raises(ValueError, match="`weights` must be a number above 0 for each"):
            join_faces(sets, weights=weights, **SIZE)
    few = sets["colour"].splits["validation"]
    few["label"][:] = 0
    with pytest.raises(ValueError, match=r"must have a face of one of the classes .* 'validation'"):
        join_faces(sets, **SIZE)


def test_loading_divides_what_is_not_divided(tmp_path):
    whole = {"train": bar_arrays(0, count=10)}
    face_arrays.write(tmp_path / "whole.npz", whole, NAMES, {"data": "folder"})
    parts = {"train": bar_arrays(1), "validation": bar_arrays(2)}
    face_arrays.write(tmp_path / "parts.npz", parts, NAMES, {"data": "fer2013"})
    paths = [tmp_path / "whole.npz", tmp_path / "parts.npz"]
    data = ["folder", "fer2013"]
    found = load_joined_faces(data, paths, validation_fraction=0.2, **SIZE)
    assert found.sets == {
        "folder": {"train": 24, "validation": 6},
        "fer2013": {"train": 15, "validation": 15},
    }
    record = found.record()
    assert [each["validation_fraction"] for each in record.values()] == [0.2, None]
    assert record["folder"]["path"] == str(paths[0])
    with pytest.raises(ValueError, match=r"folder has no validation.*\(--validation-fraction\)"):
        load_joined_faces(data, paths, **SIZE)


def test_paths_and_names():
    assert placed(["synthetic", "folder"], "mine") == (None, "mine")
    assert placed(["synthetic", "folder"], [None, "mine"]) == (None, "mine")
    assert placed(["synthetic"], None) == (None,)
    for path in (None, ["a"], ["a", "b", "c"], ["a", None], 3.5):
        with pytest.raises(ValueError, match="`path` must"):
            placed(["folder", "fer2013"], path)
    with pytest.raises(ValueError, match=r"for each of \['folder'\]"):
        placed(["synthetic", "folder"], ["a", "mine"])
    with pytest.raises(ValueError, match="`data` must be one of"):
        placed(["faces"], "a")
    assert set_names(["folder", "folder"], ["a/x", "b/x"]) == ("folder 1", "folder 2")
