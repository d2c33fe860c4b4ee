"""`fer evaluate` on faces of bars."""

import json
import shutil

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, write_bars

from fer_models.cli import main

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the command is tested on TensorFlow"
)


def test_tables_pictures_and_copies(words, tmp_path, capsys):
    assert main(words("evaluate", "--flip")) == 0
    output = tmp_path / "out"
    printed = capsys.readouterr()
    assert printed.out == (output / "evaluation.md").read_text().rstrip() + "\n"
    assert "## Without copies of training faces" in printed.out
    assert "The mean with the mirrored face." in printed.out
    assert printed.err == f"Wrote {output}\n"
    content = json.loads((output / "evaluation.json").read_text())
    assert content["split"] == "test"
    assert content["mirrored"]
    scores = content["scores"]
    assert scores["all"]["accuracy"] == 1
    assert (scores["all"]["examples"], scores["all"]["absent"]) == (15, [])
    rest = scores["without copies of training faces"]
    assert (rest["examples"], rest["absent"]) == (10, ["angry"])
    for name in ("confusion.png", "reliability.png"):
        assert (output / name).read_bytes().startswith(b"\x89PNG")


def test_some_faces_as_json(words, capsys):
    more = ("--faces", "4", "--split", "train", "--data-dir", "visages_émus", "--json")
    assert main(words("evaluate", *more)) == 0
    printed = capsys.readouterr().out
    assert printed.isascii()
    content = json.loads(printed)
    assert "visages_émus" in content["command"]
    assert content["scores"]["all"]["examples"] == 4
    assert content["command"].startswith("fer evaluate ")


def test_faces_that_are_divided_anew_are_not_measured(bars, tmp_path, capsys):
    shutil.copy(bars / "model.keras", tmp_path / "best.keras")
    settings = {"data": "folder", "path": str(bars / "faces.npz")}
    given = ["evaluate", str(tmp_path / "best.keras"), "--output", str(tmp_path / "out")]
    for train, status, message in ((14, 2, "must be divided as at the training"), (15, 0, "")):
        record = {"settings": settings, "faces": {"train": train, "validation": 9}}
        (tmp_path / "run.json").write_text(json.dumps(record))
        assert main(given) == status
        assert message in capsys.readouterr().err


def test_a_folder_of_other_classes_in_another_order(bars, tmp_path, capsys):
    """The labels follow the names, not the numbers, and what the data set says is no result."""
    folder = write_bars(tmp_path / "faces", ("train",))
    shutil.rmtree(folder / "train/angry")
    (folder / "train/sad").rename(folder / "train/Sadness")
    more = ("--data-dir", tmp_path / "tfds", "--output", tmp_path / "out", "--json")
    groups = tmp_path / "groups.csv"
    rows = [f"{name}/{i}.png,{'ab'[i % 2]}" for name in ("happy", "Sadness") for i in range(4)]
    groups.write_text("\n".join(["file,side", *rows, "train/gone.png,a"]))
    more += ("--groups", groups)
    given = ("evaluate", bars / "model.keras", "--data", "folder", "--path", folder, *more)
    assert main([str(word) for word in given]) == 0
    printed = capsys.readouterr()
    scores = json.loads(printed.out)["scores"]["all"]
    assert {n: g["examples"] for n, g in scores["groups"]["groups"].items()} == {"a": 4, "b": 4}
    assert scores["groups"]["ungrouped"] == 2
    assert "8 of 10 train faces have a group; 1 rows of" in printed.err
    assert (scores["accuracy"], scores["examples"], scores["absent"]) == (1, 10, ["angry"])
    assert [each["name"] for each in scores["classes"]] == list(NAMES)
    assert "all of its faces are taken" in printed.err
    assert "image_folder: 10 pictures read" in printed.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "dev"], "`split` must be one of ['test', 'train']"),
        (["--faces", "-1"], "--faces must be 0 or more"),
        (["--path", "nowhere.npz"], "nowhere.npz"),
        (["--data", "raf_db"], "`data` must be 'folder'"),
        (["--config", "nothing/run.json"], "nothing/run.json"),
        (["--groups", "nothing.csv"], "There is no file of groups at 'nothing.csv'"),
        (["--group-column", "sex"], "prepared without groups of 'sex' (with none)"),
    ],
)
def test_mistakes_are_named_in_one_line(words, tmp_path, capsys, options, message):
    assert main([*words("evaluate"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nothing", "must be bundled weights"),
        ("nothing.keras", "There is no model at"),
        ("ghostface:nothing", "ghostface:nothing"),
        ("weights.h5", "weights.h5"),
        ("model.keras", "(--data ONE OTHER), or of two models, scores the"),
        ("clips.keras", "MODEL must take single faces"),
    ],
)
def test_models_that_cannot_be_measured(bars, tmp_path, capsys, model, message):
    from fer_data.pipelines import face_arrays

    splits = {"test": {"image": np.zeros((2, 1, 1, 1), "uint8"), "label": np.arange(2)}}
    face_arrays.write(tmp_path / "faces.npz", splits, ("cat", "dog"), {})
    if model == "clips.keras":
        inputs = keras.Input((3, 4, 4, 1))
        outputs = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
        keras.Model(inputs, outputs).save(tmp_path / model)
        model = str(tmp_path / model)
    elif model == "model.keras":
        model = str(bars / model)
    given = ["evaluate", model, "--data", "folder", "--path", str(tmp_path / "faces.npz")]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
