"""`fer robustness` on faces of bars."""

import json

import keras
import pytest

import fer_models.robustness
from fer_models.cli import main

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the command is tested on TensorFlow"
)


@pytest.mark.slow
def test_tables_and_picture(words, tmp_path, capsys):
    few = ("--attacked", 12, "--corrupted", 9, "--queries", 5, "--apgd-steps", 5)
    # Bars are 60 levels brighter than what surrounds them.
    assert main(words("robustness", *few, "--epsilons", 1, 60)) == 0
    output = tmp_path / "out"
    content = json.loads((output / "robustness.json").read_text())
    assert content["split"] == "test"
    rows = content["adversarial"]["accuracies"]
    assert rows["all"]["1.0"]["accuracy"] == 1
    assert rows["all"]["60.0"]["accuracy"] == 0
    assert content["adversarial"]["examples"] == 12
    assert content["corruptions"]["examples"] == 9
    assert not content["corruptions"]["own_landmarks"]
    printed = capsys.readouterr()
    assert printed.out == (output / "robustness.md").read_text().rstrip() + "\n"
    assert "| PGD | 100.0 %" in printed.out
    assert printed.err == f"Wrote {output}\n"
    assert (output / "corruptions.png").exists()


@pytest.mark.slow
def test_one_report_alone_as_json(words, capsys):
    assert main(words("robustness", "--attacked", 0, "--corrupted", 3, "--json")) == 0
    content = json.loads(capsys.readouterr().out)
    assert "adversarial" not in content
    assert content["corruptions"]["examples"] == 3


def test_interrupted(words, tmp_path, capsys, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(fer_models.robustness, "corruption_accuracy", stop)
    assert main(words("robustness", "--attacked", 0)) == 130
    assert capsys.readouterr() == ("", "\nfer: stopped\n")
    assert not (tmp_path / "out").exists()


def test_bad_numbers(words, capsys):
    assert main(words("robustness", "--attacked", -1)) == 2
    assert "--attacked must not be negative" in capsys.readouterr().err
