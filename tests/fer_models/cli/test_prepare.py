"""`fer prepare`: where to ask for a data set, what became of its files, and one file of them."""

import json
import subprocess
import sys

import keras
import pytest
from helpers.bars import write_bars

from fer_data.datasets import BUILDERS
from fer_data.datasets.owners import OWNERS, owners
from fer_data.pipelines import face_arrays
from fer_models.cli import main, prepare, tensorflow_alone

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="data are prepared with TensorFlow"
)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = write_bars(tmp_path_factory.mktemp("prepare") / "faces", ("train", "validation"))
    (folder / "train" / "happy" / "broken.png").write_bytes(b"not a picture")
    return folder


def test_every_data_set_has_owners_and_a_place_among_the_choices():
    assert tuple(BUILDERS) == prepare.DATA == tuple(OWNERS)
    assert set(prepare.SHORT.values()) <= set(BUILDERS)
    with pytest.raises(ValueError, match="`name` must be one of"):
        owners("emotionet")


def test_without_a_path_it_says_where_to_ask(capsys):
    assert main(["prepare", "raf_db"]) == 0
    said = capsys.readouterr().out
    assert "page: http" in said
    assert "EmoLabel" in said
    assert "research, not commercial" in said
    assert main(["prepare"]) == 0
    said = capsys.readouterr().out
    for name in BUILDERS:
        assert f"{name}\n" in said
    assert main(["prepare", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["smic_hs"]["by"] == "University of Oulu"


def test_a_folder_is_checked_prepared_and_packed(faces, tmp_path, capsys):
    given = ["prepare", "folder", "--path", str(faces), "--data-dir", str(tmp_path / "prepared")]
    assert main(given) == 0
    printed = capsys.readouterr()
    assert printed.out.count("image_folder: 31 pictures read, 30 used") == 1
    assert "dropped, corrupt: 1" in printed.out
    assert "broken.png" in printed.out
    assert "Prepared in " in printed.err
    assert "Preparing image_folder in " in printed.err
    assert "Subsequent calls" not in printed.out + printed.err
    # It is there already; the report is said again.
    at_once = ["prepare", "folder", str(faces), "--data-dir", str(tmp_path / "prepared")]
    assert main(at_once) == 0
    assert "Preparing" not in capsys.readouterr().err
    assert main([*at_once, "--path", str(faces)]) == 2
    assert "FOLDER or --path, not both" in capsys.readouterr().err
    pack = ["--pack", str(tmp_path / "faces.npz"), "--size", "12", "16", "--json"]
    assert main([*given, *pack]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["splits"] == {"train": 15, "validation": 15}
    assert [each["file"] for each in found["report"]["dropped"]["corrupt"]]
    assert found["packed"] == str(tmp_path / "faces.npz")
    splits, names, about = face_arrays.read(tmp_path / "faces.npz")
    assert splits["train"]["image"].shape[1:3] == (12, 16)
    assert names == ("angry", "happy", "sad")
    assert about == {"data": "folder", "options": {"size": [12, 16]}}


def test_options_of_the_data_set(faces, tmp_path, capsys):
    given = ["prepare", "folder", "--path", str(faces), "--data-dir", str(tmp_path / "prepared")]
    assert main([*given, "--option", "on_bad=raise"]) == 2
    assert "broken.png" in capsys.readouterr().err
    divided = [*given, "--test-fraction", "0.4", "--seed", "3", "--json"]
    assert main(divided) == 0
    report = json.loads(capsys.readouterr().out)["report"]
    assert report["options"]["seed"] == 3
    assert sum(report["used"]["test"].values()) == 6


def test_drawn_faces_need_no_path(tmp_path, capsys):
    given = ["prepare", "synthetic", "--data-dir", str(tmp_path), "--option", "size=24"]
    assert main([*given, "train=7", "validation=7", "test=7", "identities=3"]) == 0
    assert capsys.readouterr().out == "synthetic_faces: 7 train, 7 validation, 7 test\n"


def test_only_the_command_itself_loads_tensorflow_alone(monkeypatch):
    calls = []
    monkeypatch.setattr(tensorflow_alone, "load", lambda: calls.append("alone"))
    words = ["prepare", "raf_db", "--path", "no/such/folder"]
    assert main(words) == 2
    assert not calls
    monkeypatch.setattr(sys, "argv", ["fer", *words])
    assert main() == 2
    assert calls == ["alone"]


NOTEBOOK = """
import sys
from fer_models.cli import main
assert not {"keras", "tensorflow"} & set(sys.modules)
assert main(["prepare", "folder", "--path", sys.argv[1], "--data-dir", sys.argv[2]]) == 0
from tensorflow.keras import layers
import keras
assert layers.Dense is keras.layers.Dense
"""


@pytest.mark.slow
def test_a_notebook_that_prepared_data_has_all_of_tensorflow(faces, tmp_path):
    subprocess.run([sys.executable, "-c", NOTEBOOK, faces, tmp_path], check=True, timeout=120)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["emotionet"], "invalid choice: 'emotionet'"),
        (["raf_db", "--pack", "f.npz"], "--pack needs --path"),
        (["synthetic", "--pack", "f.npz"], "--pack is for the faces of a data set that has"),
        (["--pack", "f.npz"], "--pack is for the faces"),
        (["raf_db", "--path", "here", "--size", "4", "4"], "--size is that of the faces in"),
        (["raf_db", "--path", "no/such/folder"], "there is nothing there"),
    ],
)
def test_mistakes(capsys, given, message):
    assert main(["prepare", *given]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_clips_are_not_packed(tmp_path):
    with pytest.raises(ValueError, match="--pack is for data sets of single faces"):
        prepare._pack(None, "casme2", None, {})
