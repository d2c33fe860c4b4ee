"""A training on several data sets at once."""

import csv
import json

import keras
import pytest
from helpers.bars import NAMES, bar_arrays
from helpers.small_networks import put_small_networks

from fer_data.pipelines import face_arrays
from fer_models import FaceSettings, load_model, train_faces
from fer_models.cli import main
from fer_models.training.face_training import FaceTraining
from fer_models.training.packing import pack_weights
from fer_models.training.trained_on import is_same_set, sets_of, trained_on

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="training on faces is tested on TensorFlow"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    splits = {name: bar_arrays(seed) for seed, name in enumerate(("train", "validation", "test"))}
    face_arrays.write(folder / "a.npz", splits, NAMES, {"data": "folder"})
    names = ("contempt", "happiness", "anger")
    whole = {"train": bar_arrays(5, count=10)}
    face_arrays.write(folder / "b.npz", whole, names, {"data": "fer2013"})
    return [folder / "a.npz", folder / "b.npz"]


@pytest.fixture
def settings(files):
    def make(**changes):
        common = {
            "data": ("folder", "fer2013"),
            "path": files,
            "data_weights": (2, 1),
            "validation_fraction": 0.2,
            "size": 24,
            "channels": 1,
            "batch_size": 4,
            "augmentation": "basic",
            "epochs": 2,
            "patience": 0,
        }
        return FaceSettings(**common | changes)

    return make


@pytest.fixture
def quick(monkeypatch, untraced):
    put_small_networks(monkeypatch)


def rows(run):
    with (run / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_training_and_what_it_writes(quick, settings, files, tmp_path, capsys):
    run = tmp_path / "run"
    found = train_faces(settings(), run)
    said = capsys.readouterr().out
    assert (
        "folder: 10 training faces, 17 of them in a pass; left out, in all splits: 10 sad." in said
    )
    assert "No test faces are used, which fer2013 lacks. The report scores the valid" in said
    assert "fer2013: 16 training faces, 9 of them in a pass" in said
    assert found.to_dict()["scores"].keys() == {
        f"{epoch} epoch, {name}"
        for epoch in ("best", "last")
        for name in ("all", "without copies of training faces", *settings().data)
    }
    assert "| fer2013 | 16 train, 4 validation | 1 | 10 contempt |" in found.report
    record = json.loads((run / "run.json").read_text())
    assert record["classes"] == ["angry", "happy"]
    assert record["faces"] == {"train": 26, "validation": 14}
    assert record["settings"]["data_weights"] == [2, 1]
    assert record["sets"]["fer2013"]["validation_fraction"] == 0.2
    assert record["sets"]["folder"]["validation_fraction"] is None
    assert len(record["inputs"]["file of packed faces"]) == 2
    assert load_model(run / "best.keras")[1] == ("angry", "happy")
    # The record is enough.
    assert FaceSettings.from_record(run / "run.json") == settings()
    again = tmp_path / "again"
    train_faces(FaceSettings.from_record(run / "run.json"), again, report=False)
    assert rows(again) == rows(run)
    # What it was trained on, for those who measure it.
    model = run / "best.keras"
    assert [each["data"] for each in sets_of(model)] == ["folder", "fer2013"]
    assert is_same_set(sets_of(model)[0], "folder", files[0])
    assert not is_same_set(sets_of(model)[0], "folder", files[1])
    assert is_same_set(sets_of(model)[1], "fer2013", "elsewhere")
    known, source = trained_on(model, data="fer2013")
    assert (known["validation_fraction"], known["seed"], source) == (0.2, 1, "run.json")
    assert known["path"] == str(files[1])
    with pytest.raises(ValueError, match="on several data sets, folder, fer2013: name one"):
        trained_on(model)
    with pytest.raises(ValueError, match="`run` must be of one data set"):
        pack_weights(run, "both", output=tmp_path / "weights")


@pytest.mark.slow
@pytest.mark.parametrize("augmentation", ["basic", "randaug"])
def test_it_goes_on_where_it_stopped(quick, settings, tmp_path, augmentation):
    given = {"augmentation": augmentation, "schedule": "constant"}
    train_faces(settings(**given), tmp_path / "whole", report=False)
    train_faces(settings(**given, epochs=1), tmp_path / "parts", report=False)
    train_faces(settings(**given), tmp_path / "parts", report=False)
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    with pytest.raises(ValueError, match=r"data_weights was \[2, 1\], now \[1, 1\]"):
        train_faces(settings(**given, data_weights=(1, 1)), tmp_path / "parts")


@pytest.mark.slow
def test_all_classes_and_class_weights(quick, settings, tmp_path):
    given = {"joined_classes": "all", "class_weights": True, "passes": 2, "epochs": 1}
    training = FaceTraining(settings(**given), tmp_path / "run")
    training.load()
    assert training.class_names == ("angry", "happy", "sad", "contempt")
    training.open()
    history = training.fit()
    assert len(history.epoch) == 1


@pytest.mark.slow
def test_the_command(quick, files, tmp_path, capsys):
    words = ["train", "--data", "folder", "fer2013", "--path", *files, "--data-weights", "2", "1"]
    words += ["--validation-fraction", "0.2", "--size", "24", "--channels", "1", "--epochs", "1"]
    words += ["--output", tmp_path / "run", "--no-report", "--joined-classes", "all"]
    assert main([str(word) for word in words]) == 0
    settings = json.loads((tmp_path / "run/run.json").read_text())["settings"]
    assert settings["data"] == ["folder", "fer2013"]
    assert settings["path"] == [str(path) for path in files]
    assert (settings["data_weights"], settings["joined_classes"]) == ([2, 1], "all")
    capsys.readouterr()
    assert main([str(word) for word in words[:7]]) == 2
    assert "no validation split" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": ("folder", "cats")}, "`data` must be one of"),
        ({"data": ()}, "`data` must name a data set"),
        ({"data": None}, "`data`"),
        ({"path": ["a"]}, "`path` must name a folder, archive or packed file for each of"),
        ({"data_weights": (1,)}, "`data_weights` must be a number above 0 for each"),
        ({"data_weights": (0, 1)}, "`data_weights` must be a number above 0 for each"),
        ({"data_weights": ("a", 1)}, "`data_weights`"),
        ({"joined_classes": "both"}, "`joined_classes` must be one of"),
        ({"labels": "soft"}, "`labels` is for one data set"),
        ({"answers": "a.npz"}, "`answers` is for one data set"),
        ({"vote_share": 0.5}, "`vote_share` is for one data set"),
        ({"dp_noise_multiplier": 1.0}, "`dp_noise_multiplier` is for one data set"),
        ({"validation_from": "test"}, "`validation_from` is for one data set"),
        ({"data_options": {"pictures": "original"}}, "`data_options` is for one data set"),
        ({"train": 9}, "`train` is the number of synthetic faces"),
        ({"data": "folder", "path": "a"}, "`data_weights` is for several data sets"),
        ({"data": "folder", "data_weights": None}, "`path` must be one path"),
    ],
)
def test_settings_that_do_not_go_together(settings, changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_one_set_in_a_list_is_one_set(files):
    found = FaceSettings(data=["folder"], path=[files[0]])
    assert (found.data, found.path, found.several) == ("folder", str(files[0]), False)
