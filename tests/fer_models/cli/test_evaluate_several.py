"""`fer evaluate` of several models, or on several data sets."""

import json
import shutil

import keras
import pytest
from helpers.bars import NAMES, bar_arrays, bar_model

from fer_data.pipelines import face_arrays
from fer_models.cli import main
from fer_models.zoo import class_names

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the command is tested on TensorFlow"
)


@pytest.fixture
def other(tmp_path):
    """A packed set of other classes, all of whose faces are new to the models."""
    path = tmp_path / "other.npz"
    names = ("sadness", "happiness", "contempt")
    face_arrays.write(path, {"train": bar_arrays(7)}, names, {"data": "raf_db"})
    return path


@pytest.fixture
def said(bars, other, tmp_path, capsys):
    def run(*words):
        data = ("--data", "folder", "raf_db", "--path", bars / "faces.npz", other)
        status = main([str(w) for w in ("evaluate", *words, *data, "--output", tmp_path / "out")])
        return status, capsys.readouterr()

    return run


def test_a_matrix(bars, said, tmp_path):
    shutil.copy(bars / "model.keras", tmp_path / "again.keras")
    status, printed = said(bars / "model.keras", tmp_path / "again.keras", "--flip")
    assert status == 0
    output = tmp_path / "out"
    assert {path.name for path in output.iterdir()} == {
        "cross_data.md",
        "cross_data.json",
        "cross_data.png",
    }
    assert printed.out == (output / "cross_data.md").read_text().rstrip() + "\n"
    for words in (
        "The mean with the mirrored face.",
        "| folder | test | 15 | 15 | 5 |",
        "| raf_db | train | 15 | 15 | unknown |",
        "## Calibration error",
        "contempt (5 faces)",
        "| unknown |",
    ):
        assert words in printed.out
    assert "all of its faces are taken" in printed.err
    content = json.loads((output / "cross_data.json").read_text())
    row = content["scores"][str(bars / "model.keras")]
    assert row["folder"]["accuracy"]["value"] == 1
    assert row["raf_db"]["left_out"] == {"contempt": 5}
    assert row == content["scores"][str(tmp_path / "again.keras")]


def test_a_matrix_as_json(bars, said):
    status, printed = said(bars / "model.keras", "--data-dir", "visages_émus", "--json")
    assert status == 0
    assert printed.out.isascii()
    assert "visages_émus" in json.loads(printed.out)["command"]


@pytest.mark.slow
def test_options_before_the_model(bars, other, tmp_path, capsys):
    """An option that takes several words takes the model's too, and gives it back."""
    common = ["--output", tmp_path / "out", "--json", "--faces", "6"]
    model, packed = bars / "model.keras", bars / "faces.npz"
    one = ["evaluate", *common, "--data", "folder", "--path", packed, model]
    assert main([str(word) for word in one]) == 0
    assert json.loads(capsys.readouterr().out)["scores"]["all"]["examples"] == 6
    swapped = ["evaluate", *common, "--path", packed, "--data", "folder", model]
    assert main([str(word) for word in swapped]) == 0
    assert json.loads(capsys.readouterr().out)["scores"]["all"]["examples"] == 6
    both = ["evaluate", *common, "--data", "folder", "raf_db", "--path", packed, other, model]
    assert main([str(word) for word in both]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["raf_db"]["faces"] == 6


@pytest.mark.slow
def test_the_division_of_the_training(bars, other, tmp_path, capsys):
    """A set that a model was trained on is divided as then, and says so."""
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(bars / "model.keras", run / "best.keras")
    whole = tmp_path / "whole.npz"
    face_arrays.write(whole, {"train": bar_arrays(0, count=10)}, NAMES, {"data": "folder"})
    sets = {
        "folder": {"data": "folder", "path": str(whole), "validation_fraction": 0.2},
        "raf_db": {"data": "raf_db", "path": str(other), "validation_fraction": 0.2},
    }
    settings = {"data": ["folder", "raf_db"], "path": [str(whole), str(other)], "seed": 3}
    (run / "run.json").write_text(json.dumps({"settings": settings, "sets": sets}))
    # Without --data: the sets of the training.
    output = ["--output", str(tmp_path / "out"), "--json"]
    assert main(["evaluate", str(run / "best.keras"), *output]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["models"][str(run / "best.keras")]["trained_on"] == ["folder", "raf_db"]
    assert content["data"]["folder"]["split"] == "validation"
    assert content["data"]["folder"]["faces"] == 6
    assert content["data"]["raf_db"]["split"] == "validation"
    # One of them: with its own division too.
    one = ["evaluate", str(run / "best.keras"), "--data", "folder", "--path", str(whole)]
    assert main([*one, *output]) == 0
    assert json.loads(capsys.readouterr().out)["scores"]["all"]["examples"] == 6
    # Another folder is taken whole, and the user is told.
    words = ["--data", "folder", "raf_db", "--path", str(bars / "faces.npz"), str(other)]
    assert main(["evaluate", str(run / "best.keras"), *words, *output]) == 0
    printed = capsys.readouterr()
    content = json.loads(printed.out)
    assert content["data"]["folder"]["split"] == "test"
    assert "has seen them" in content["warnings"][0]
    assert f"**{content['warnings'][0]}**" in (tmp_path / "out" / "cross_data.md").read_text()
    assert f"was trained on the folder {whole}; a folder that --path names" in printed.err
    # Two models, and no face that is new to both.
    second = tmp_path / "second"
    shutil.copytree(run, second)
    record = {"settings": settings | {"seed": 4}, "sets": sets}
    (second / "run.json").write_text(json.dumps(record))
    words = ["--data", "folder", "--path", str(whole)]
    models = [str(run / "best.keras"), str(second / "best.keras")]
    assert main(["evaluate", *models, *words, *output]) == 2
    assert "were trained on other divisions of folder" in capsys.readouterr().err


def test_two_seeds_share_the_owners_test_faces(bars, tmp_path, capsys):
    models = []
    for seed in (1, 2):
        run = tmp_path / f"a|b{seed}"
        run.mkdir()
        models.append(shutil.copy(bars / "model.keras", run / "best.keras"))
        settings = {"data": "fer2013", "path": None, "validation_fraction": 0.4, "seed": seed}
        (run / "run.json").write_text(json.dumps({"settings": settings}))
    packed = tmp_path / "owners.npz"
    splits = {"train": bar_arrays(0), "test": bar_arrays(1)}
    face_arrays.write(packed, splits, NAMES, {"data": "fer2013"})
    words = ["evaluate", *models, "--data", "fer2013", "--path", packed]
    words = [str(word) for word in (*words, "--output", tmp_path / "out")]
    assert main(words) == 0
    assert "a\\|b1/best.keras | fer2013 |" in capsys.readouterr().out
    assert main([*words, "--split", "validation"]) == 2
    assert "so its validation faces are not new to both" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--groups", "a.csv"], "--groups is for one model and one data set"),
        (["--test-fraction", "0.1"], "--test-fraction is for one model and one data set"),
        (["--train", "3"], "--train is the number of synthetic faces"),
        (["--split", "dev"], "`split` must be one of"),
        (["unnamed.keras"], "unnamed.keras does not say which classes its outputs are"),
        (["model.keras"], "each MODEL must be named once"),
        (["ghostface:nothing"], "ghostface:nothing"),
    ],
)
def test_mistakes(bars, said, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    shutil.copy(bars / "model.keras", tmp_path / "model.keras")
    bar_model().save(tmp_path / "unnamed.keras")
    status, printed = said("model.keras", *words)
    assert status == 2
    assert message in printed.err
    assert printed.err.count("\n") == 1 or words == ["--split", "dev"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "MODEL is missing"),
        (["--data", "folder", "--path", "faces"], "MODEL is missing"),
        (["m.keras", "--data", "fer2014"], "--data must be of synthetic,"),
        (["m.keras", "--data", "folder", "cats"], "'cats' is none of them"),
        (["m.keras", "n.keras"], "several models need --data"),
        (["m.keras", "--data", "folder", "--path", "a", "b"], "--path must be one path"),
        (["m.keras", "--data", "folder", "raf_db", "--path", "a"], "`path` must name a folder"),
    ],
)
def test_words_that_cannot_be_understood(capsys, words, message):
    assert main(["evaluate", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_model_of_names_of_its_own(bars, said, tmp_path):
    shutil.copy(bars / "model.keras", tmp_path / "pets.keras")
    class_names.write(tmp_path / "pets.keras", ("cat", "dog", "cow"))
    status, printed = said(tmp_path / "pets.keras")
    assert status == 2
    assert "must share two classes or more" in printed.err
    assert "pets.keras on folder" in printed.err
