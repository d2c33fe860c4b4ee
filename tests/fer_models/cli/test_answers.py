"""`fer answers` on faces of bars."""

import json

import keras
import numpy as np
import pytest
from helpers import hub as stand_in

from fer_models import with_valence_arousal
from fer_models.cli import main
from fer_models.training.teacher_answers import read_answers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the command is tested on TensorFlow"
)


@pytest.fixture
def words(bars, tmp_path):
    def make(*more, models=("model.keras",), path="faces.npz"):
        named = [bars / model for model in models]
        data = ("--data", "folder", "--path", bars / path, "--output", tmp_path / "answers.npz")
        return [str(word) for word in ("answers", *named, *data, *more)]

    return make


def test_a_file_of_answers(words, tmp_path, capsys, untraced):
    twice = ("model.keras", "model.keras")
    assert main(words(models=twice)) == 0
    printed = capsys.readouterr()
    assert printed.out == "15 faces (train), 2 model(s): 100.00% of the answers are the label.\n"
    assert printed.err == f"Wrote {tmp_path / 'answers.npz'}\n"
    found = read_answers(tmp_path / "answers.npz")
    np.testing.assert_array_equal(found.probabilities.argmax(1), np.repeat(np.arange(3), 5))
    assert found.about["ancestry"] == []
    (command,) = found.about["commands"]
    assert command.startswith("fer answers runs/bars")
    assert command.endswith("--data folder --path folder_faces.npz --output answers.npz")
    assert main(words("--split", "test", "--json")) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["faces"], content["split"], content["models"]) == (15, "test", 1)


def test_the_help_says_that_the_faces_are_packed_and_have_no_default(capsys):
    assert main(["answers", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "(default: as in run.json beside the model; without it give --data)" in said
    assert "--path PATH packed faces" in said


def test_models_of_valence_and_arousal_answer_with_their_classes(words, bars, tmp_path, capsys):
    plain = keras.models.load_model(bars / "model.keras", compile=False)
    with_valence_arousal(plain, plain.layers[-2].name).save(tmp_path / "both.keras")
    both = str(tmp_path / "both.keras")
    assert main(words("--json", models=("model.keras", both))) == 0
    assert json.loads(capsys.readouterr().out)["answers_that_are_the_label"] == 1


def test_the_commit_of_a_model_of_the_hub_is_recorded(bars, tmp_path, capsys, monkeypatch):
    pytest.importorskip("huggingface_hub")
    output = tmp_path / "answers.npz"
    with stand_in.serving(monkeypatch, tmp_path) as hub:
        keras.models.load_model(bars / "model.keras", compile=False).save("hf://me/bars")
        name = f"hf://me/bars@{hub.commit('me/bars')}"
        words = ["answers", "hf://me/bars", "--data", "folder", "--path", str(bars / "faces.npz")]
        capsys.readouterr()
        assert main([*words, "--output", str(output)]) == 0
    # `huggingface_hub` shows what it downloads as well.
    assert f"\nThe ancestry of {name} is not known" in capsys.readouterr().err
    about = read_answers(output).about
    command = f"fer answers {name} --data folder --path folder_faces.npz --output answers.npz"
    assert about == {"commands": [command], "ancestry": []}


@pytest.mark.parametrize(
    ("more", "changes", "message"),
    [
        (["--output", "answers.csv"], {}, "--output must end in .npz"),
        ([], {"path": "folder"}, "--path must be a file of packed faces"),
        (["--split", "dev"], {}, "`split` must be one of"),
        (["--batch-size", "0"], {}, "`batch_size` must be an integer >= 1"),
        ([], {"models": ("absent.keras",)}, "There is no model at"),
    ],
)
def test_mistakes_are_named_in_one_line(words, tmp_path, capsys, more, changes, message):
    assert main(words(*more, **changes)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "answers.npz").exists()


def test_which_faces_must_be_known(bars, capsys):
    assert main(["answers", str(bars / "model.keras")]) == 2
    assert "which faces was" in capsys.readouterr().err
