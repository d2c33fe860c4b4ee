"""Export from the command line, on a small folder and a small network."""

import json

import keras
import numpy as np
import pytest
from helpers.bars import bar_model, write_bars
from helpers.examples import load_example

from fer_models.export import load

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="models are exported on TensorFlow"
)


@pytest.fixture(scope="module")
def example():
    return load_example("export")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of faces with a bright bar whose height is the class, and a model that sees it."""
    folder = tmp_path_factory.mktemp("export")
    write_bars(folder / "faces", ("train", "validation"))
    bar_model(0.1).save(folder / "bars.keras")
    return folder


def words(place, format, *more):
    return [
        *(str(place / "bars.keras"), format, "--data", "folder", "--path", str(place / "faces")),
        *("--data-dir", str(place / "tfds"), "--output", str(place / format), *more),
    ]


def test_file_and_report(example, place, capsys):
    assert example.main(words(place, "litert-int8", "--representative", "9")) == 0
    content = json.loads((place / "litert-int8/export.json").read_text())
    assert content["representative"] == 9
    assert content["split"] == "validation"
    accuracy = content["accuracy"]
    assert (accuracy["keras"], accuracy["exported"], accuracy["faces"]) == (1, 1, 15)
    assert accuracy["lost_points"] == accuracy["margin_points"] == 0
    assert content["report"]["format"] == "litert-int8"
    text = (place / "litert-int8/export.md").read_text()
    assert text in capsys.readouterr().out
    assert "| 100.00 % | 100.00 % | 0.00 ± 0.00 |" in text
    assert load(place / "litert-int8/bars.tflite")(np.zeros((2, 24, 24, 1))).shape == (2, 3)


def test_what_is_there_stays(example, place, capsys):
    few = ("--faces", "4")
    assert example.main(words(place, "litert", *few)) == 0
    content = json.loads((place / "litert/export.json").read_text())
    assert content["accuracy"]["faces"] == content["report"]["comparison"]["examples"] == 4
    assert example.main(words(place, "litert", *few)) == 2
    assert "give --overwrite" in capsys.readouterr().err
    assert example.main(words(place, "litert", *few, "--overwrite")) == 0


def test_accuracy_lost_is_the_exit_status(example, place, capsys, monkeypatch):
    # All wrong but for the first class.
    monkeypatch.setattr(example, "load", lambda path: lambda x: np.eye(3)[np.zeros(len(x), int)])
    assert example.main([*words(place, "litert"), "--output", str(place / "lost")]) == 1
    assert "66.67 points lost, more than --limit 0.5" in capsys.readouterr().out
    accuracy = json.loads((place / "lost/export.json").read_text())["accuracy"]
    assert accuracy["exported"] == pytest.approx(1 / 3)
    # Ten of fifteen lost: the half width of a share's interval, with n - 1.
    assert accuracy["margin_points"] == pytest.approx(196 * (2 / 9 / 14) ** 0.5)


def test_mistakes(example, place, capsys):
    for wrong, message in (
        (["--split", "dev"], "--split must be one of"),
        (["--path", str(place / "nowhere")], "nowhere"),
    ):
        assert example.main([*words(place, "onnx"), *wrong]) == 2
        assert message in capsys.readouterr().err
    for wrong in (["--faces", "-1"], ["--representative", "5"]):
        with pytest.raises(SystemExit):
            example.main([*words(place, "onnx"), *wrong])
    assert not (place / "onnx").exists()


def test_interrupted(example, place, capsys, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(example, "export", stop)
    assert example.main([*words(place, "litert"), "--output", str(place / "stopped")]) == 130
    assert "Stopped" in capsys.readouterr().err
