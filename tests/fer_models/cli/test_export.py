"""`fer export` on faces of bars."""

import json

import keras
import numpy as np
import pytest

import fer_models.export
from fer_models.cli import main
from fer_models.export import load

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="models are exported on TensorFlow"
)


def test_file_and_report(words, tmp_path, capsys):
    assert main(words("export", "litert-int8", "--representative", 9)) == 0
    output = tmp_path / "out"
    content = json.loads((output / "model.tflite.json").read_text())
    assert content["representative"] == 9
    assert content["split"] == "test"
    accuracy = content["accuracy"]
    assert (accuracy["keras"], accuracy["exported"], accuracy["faces"]) == (1, 1, 15)
    assert accuracy["lost_points"] == 0
    assert content["report"]["format"] == "litert-int8"
    printed = capsys.readouterr()
    assert printed.out == (output / "model.tflite.md").read_text()
    assert "| 100.00% | 100.00% | 0.00 ± 11.53 |" in printed.out
    assert printed.err == f"Wrote {output / 'model.tflite'}\n"
    assert load(output / "model.tflite")(np.zeros((2, 24, 24, 1))).shape == (2, 3)


def test_what_is_there_stays(words, capsys):
    few = ("litert", "--faces", 4)
    assert main(words("export", *few)) == 0
    assert main(words("export", *few)) == 2
    assert "give --overwrite" in capsys.readouterr().err
    assert main(words("export", *few, "--overwrite", "--json")) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["accuracy"]["faces"] == content["report"]["comparison"]["examples"] == 4


def test_accuracy_lost_is_the_exit_status(words, tmp_path, capsys, monkeypatch):
    # All wrong but for the first class.
    wrong = lambda path: lambda x: np.eye(3)[np.zeros(len(x), int)]  # noqa: E731
    monkeypatch.setattr(fer_models.export, "load", wrong)
    assert main(words("export", "litert")) == 1
    said = "fer: 66.67 points of accuracy lost, more than --limit 0.5\n"
    assert capsys.readouterr().err.endswith(said)
    accuracy = json.loads((tmp_path / "out/model.tflite.json").read_text())["accuracy"]
    assert accuracy["exported"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "dev"], "`split` must be one of"),
        (["--faces", "-1"], "--faces must be 0 or more"),
        (["--representative", "5"], "--representative is for litert-int8 alone"),
    ],
)
def test_mistakes(words, tmp_path, capsys, options, message):
    assert main([*words("export", "onnx"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
