"""The hash by which a study knows its faces again."""

import dataclasses

import pytest
from helpers.bars import NAMES, bar_arrays

from fer_data.pipelines.labelled_faces import LabelledFaces
from fer_models.studies.faces_digest import compared_faces, faces_digest
from fer_models.training.runs import Run


@pytest.fixture
def faces():
    splits = {"train": bar_arrays(0), "test": bar_arrays(1)}
    counts = {name: len(part["label"]) for name, part in splits.items()}
    return LabelledFaces(splits, counts, NAMES, "faces.npz", packed={})


def changed(faces, **test):
    splits = {**faces.splits, "test": {**faces.splits["test"], **test}}
    return dataclasses.replace(faces, splits=splits)


def test_order_and_place_do_not_matter(faces):
    turned = {name: values[::-1] for name, values in faces.splits["test"].items()}
    moved = dataclasses.replace(changed(faces, **turned), source="elsewhere.npz")
    assert faces_digest(moved) == faces_digest(faces)


def test_pixels_labels_splits_and_names_do(faces):
    image, label = (faces.splits["test"][name].copy() for name in ("image", "label"))
    image[0, 0, 0] += 1
    label[0] = 2
    others = [
        changed(faces, image=image),
        changed(faces, label=label),
        dataclasses.replace(faces, splits={"train": faces.splits["train"]}),
        dataclasses.replace(faces, class_names=NAMES[::-1]),
        faces.joined(("train", "test"), "train"),
    ]
    assert len({faces_digest(each) for each in (faces, *others)}) == 6


def test_a_finished_study_looks_at_faces_of_another_name_that_are_here(faces, tmp_path):
    def compared(path, finished=True):
        return compared_faces(tmp_path / "out", path, lambda: faces, finished=finished)

    known = {"faces": faces_digest(faces)}
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.mkdir()
    other.mkdir()
    assert compared(mine) == known  # there is no record yet
    Run(tmp_path / "out", {"path": str(mine)}).begin()
    assert compared(mine, finished=False) == known
    assert compared(mine) == {}
    assert compared(tmp_path / "gone") == {}
    assert compared(other) == known
