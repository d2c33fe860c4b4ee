"""`fer audit` on faces of bars, and everything that goes wrong."""

import json
import shutil

import keras
import pytest
from helpers.bars import NAMES
from helpers.html_page import Page

import fer_models.auditing
from fer_models.cli import main

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the command is tested on TensorFlow"
)
QUICK = ("--adversarial-faces", 0, "--corruption-faces", 0, "--explained-faces", 0)


def test_page_card_and_numbers(words, tmp_path, capsys):
    assert main(words("audit", *QUICK, "--members", 8, "--non-members", 6)) == 0
    folder = tmp_path / "out"
    printed = capsys.readouterr()
    for name in ("audit.html", "model_card.md", "audit.json", "suspects.csv"):
        assert name in printed.err
        assert (folder / name).stat().st_size
    assert printed.out.startswith("accuracy: 100.0 % (")
    assert "! Accuracy: So few faces were tested" in printed.out
    page = Page((folder / "audit.html").read_text())
    assert "Audit of model.keras" in page.text
    content = json.loads((folder / "audit.json").read_text())
    assert content["membership"]["members"] == content["membership"]["non_members"] == 6
    assert content["about"]["Data"].startswith("folder, by the command line: members from")
    assert content["about"]["Command"].startswith("fer audit ")
    assert content["accuracy"]["examples"] == 15
    assert [each["name"] for each in content["accuracy"]["classes"]] == list(NAMES)


@pytest.mark.slow
def test_run_json_beside_the_model_says_which_faces(bars, tmp_path, capsys):
    shutil.copy(bars / "model.keras", tmp_path / "best.keras")
    settings = {"data": "folder", "path": str(bars / "faces.npz"), "seed": 7, "epochs": 3}
    record = tmp_path / "run.json"
    record.write_text(json.dumps({"settings": settings}))
    given = ["audit", str(tmp_path / "best.keras"), "--output", str(tmp_path / "out")]
    assert main([*given, *map(str, QUICK), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["about"]["Data"].startswith("folder, by run.json: ")
    assert main([*given, "--split-seed", "8"]) == 2
    assert "was trained on other faces" in capsys.readouterr().err
    record.unlink()
    assert main(given) == 2
    assert "which faces was" in capsys.readouterr().err


def test_wrong_numbers(words, tmp_path, capsys):
    for wrong in (["--members", "0"], ["--population", "-1"]):
        assert main([*words("audit"), *wrong]) == 2
        assert f"{wrong[0]} must be" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_interrupted(words, tmp_path, capsys, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(fer_models.auditing, "audit", stop)
    assert main(words("audit")) == 130
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_bundled_weights_with_everything(tmp_path):
    from helpers.fake_datasets import fer_rows, write_fer_csv

    faces = write_fer_csv(tmp_path / "fer2013", fer_rows(per_class=6))
    words = ["audit", "ghostface:fer2013", "--data", "fer2013", "--path", faces,
             "--data-dir", tmp_path / "tfds", "--output", tmp_path / "out",
             "--adversarial-faces", 4, "--corruption-faces", 3, "--explained-faces", 3]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    content = json.loads((tmp_path / "out/audit.json").read_text())
    assert {"adversarial", "corruptions", "explanation"} <= content.keys()
    assert "Licence" in content["about"]
    assert "SHA-256" in (tmp_path / "out/model_card.md").read_text()
