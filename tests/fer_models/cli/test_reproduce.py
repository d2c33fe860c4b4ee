"""`fer reproduce`: which studies there are, what a command line means, what is printed."""

import json
import os

import pytest

from fer_models.cli import main
from fer_models.studies import STUDIES, label_noise_study, privacy_study, private_features
from fer_models.studies.outcome import Outcome


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What the studies were asked; nothing is trained."""
    found = []

    def told(settings, output, **options):
        found.append((settings, output, options))
        return Outcome({"rows": ["ému"]}, "# A table", tmp_path)

    monkeypatch.setattr(privacy_study, "run_privacy_study", told)
    monkeypatch.setattr(label_noise_study, "run_label_noise_study", told)
    return found


def test_the_list(capsys):
    assert main(["reproduce", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(STUDIES)
    assert all(len(line.split()) > 5 for line in lines)


def test_a_whole_and_a_quick_study(asked, capsys):
    assert main(["reproduce", "privacy-study", "--rows", "1-*", "--seeds", "2"]) == 0
    settings, output, options = asked[0]
    assert (settings.seeds, settings.members, settings.rows) == (2, 2000, ["1-*"])
    assert output == "runs/privacy-study"
    assert options["command"] == "fer reproduce privacy-study --rows '1-*' --seeds 2"
    found = capsys.readouterr()
    assert found.out == "# A table\n"
    assert "Tables and pictures are in" in found.err
    assert main(["reproduce", "privacy-study", "--quick", "--epochs", "1", "--json"]) == 0
    settings = asked[1][0]
    assert (settings.epochs, settings.members, settings.rows) == (1, 100, ("*",))
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == {"rows": ["ému"]}


def test_label_noise(asked):
    words = ["--quick", "--rates", "0.2", "--model", "width=0.5", "stem_strides=1"]
    assert main(["reproduce", "label-noise", *words]) == 0
    settings = asked[0][0]
    assert (settings.rates, settings.epochs, settings.folds) == ((0.2,), 2, 2)
    assert settings.model == {"width": 0.5, "stem_strides": 1}


@pytest.mark.parametrize("data", ["synthetic", "fer2013", "ferplus", "raf_db", "folder"])
def test_private_features_takes_data_sets(data, monkeypatch, tmp_path):
    found = []

    def told(settings, output, **options):
        found.append(settings)
        return Outcome({"rows": []}, "# A table", tmp_path)

    monkeypatch.setattr(private_features, "run_private_features", told)
    # Or the study would choose the backend, for the tests after this one as well.
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "tensorflow"))
    words = ["--data", data, "--path", "faces.npz", "--trunk-weights", "faceres-deep.json"]
    assert main(["reproduce", "private-features", *words]) == 0
    assert (found[0].data, found[0].path) == (data, "faces.npz")


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_takes_names_of_data_sets(name, capsys):
    assert main(["reproduce", name, "--data", "s"]) == 2
    assert "choose from 'synthetic'" in capsys.readouterr().err


def test_the_help_of_a_study_shows_its_defaults(capsys):
    assert main(["reproduce", "privacy-study", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "everything that is written (default: runs/privacy-study)" in said
    assert "how often everything is repeated (default: 5)" in said


def test_stopped(capsys, monkeypatch):
    def stopped(settings, output, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(privacy_study, "run_privacy_study", stopped)
    assert main(["reproduce", "privacy-study"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "NAME must be one of"),
        (["ghostface"], "invalid choice"),
        (["privacy-study", "--rows", "3-none"], "`rows` must be patterns"),
        (["privacy-study", "--data", "nowhere"], "invalid choice"),
        (["privacy-study", "--quick", "--data", "fer2013"], "--quick runs on drawn faces"),
        (["label-noise", "--kinds", "rain"], "invalid choice"),
        (["label-noise", "--model", "width"], "must be NAME=VALUE"),
        (["label-noise", "--folds", "1"], "`folds` must be 0"),
    ],
)
def test_bad_words(words, message, capsys):
    assert main(["reproduce", *words]) == 2
    assert message in capsys.readouterr().err
