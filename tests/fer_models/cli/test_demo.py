"""`fer demo`: the settings that `make demo` trains with, and what it prints."""

import json
from pathlib import Path

import keras
import pytest

from fer_models.cli import demo, main
from fer_models.training import face_training
from fer_models.training.face_settings import FaceSettings

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="faces are drawn and read with TensorFlow"
)


@pytest.fixture
def asked(monkeypatch):
    """What would be trained, by the command's calls; nothing is."""
    calls = []

    def train(settings, folder, **options):
        calls.append((settings, folder, options))
        print("Epoch 1")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text('{"scores": {}}')
        return face_training.TrainedFaces(folder, "# The report")

    monkeypatch.setattr(face_training, "train_faces", train)
    return calls


def test_the_demo_is_the_bundled_settings(asked, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    [(settings, folder, options)] = asked
    assert settings == FaceSettings.from_record("demo")
    assert (settings.data, settings.recipe) == ("synthetic", "ghostface_small")
    assert folder == Path("runs/demo")
    assert options["data_dir"] == Path("runs/data")
    assert options["command"] == "fer demo"
    printed = capsys.readouterr()
    assert printed.out == "# The report\n"
    assert "Epoch 1" in printed.err
    assert "grad_cam.png" in printed.err


def test_a_quick_demo_has_a_folder_of_its_own(asked, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--quick", "--json", "--restart"]) == 0
    [(settings, folder, options)] = asked
    assert (settings.train, settings.epochs) == (demo.QUICK["train"], demo.QUICK["epochs"])
    assert folder == Path("runs/quick")
    assert options["restart"]
    assert json.loads(capsys.readouterr().out)["folder"].endswith("runs/quick")
