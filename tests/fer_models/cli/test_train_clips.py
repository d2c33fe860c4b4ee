"""`fer train-clips`, with clips in memory, and once from the files of three data sets."""

import json

import keras
import pytest
from helpers.fake_micro_expressions import FAKE, write_casme2, write_samm, write_smic
from helpers.few_clips import clip_data, put_small_clip_networks

from fer_models.cli import main, train_clips
from fer_models.cli.main import command_parser
from fer_models.training import clip_data as loading
from fer_models.training import clip_settings, clip_training, cross_validation
from fer_models.zoo import registry

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the command is tested on TensorFlow"
)
TINY = ["--frames", "3", "--size", "4", "--channels", "3", "--epochs", "1", "--batch-size", "4"]


def test_the_choices_are_the_library_s():
    assert set(train_clips.DATA) == set(clip_settings.DATA)
    assert train_clips.PROTOCOLS == cross_validation.PROTOCOLS
    assert tuple(registry.CLIP_MODELS) == train_clips.MODELS
    assert train_clips.SELECT == clip_settings.SELECT
    assert train_clips.REGIONS == clip_settings.CUTS


def test_what_is_not_given_is_the_settings_own():
    args = command_parser("train-clips").parse_args([])
    assert train_clips.settings_of(args) == clip_settings.ClipSettings()
    words = ["--model-options", "head=avg", "filters=4", "--raw", "--no-class-weights"]
    args = command_parser("train-clips").parse_args([*words, "--epochs", "2"])
    settings = train_clips.settings_of(args)
    assert settings.model_options == {"head": "avg", "filters": 4, "dense_units": 32}
    assert (settings.motion, settings.class_weights, settings.epochs) == (False, False, 2)


def test_a_training(tmp_path, capsys, monkeypatch, untraced):
    put_small_clip_networks(monkeypatch)
    monkeypatch.setattr(clip_training, "load_clips", lambda *args, **options: clip_data())
    words = ["train-clips", *TINY, "--subjects", "3", "--output", str(tmp_path / "out")]
    assert main(words) == 0
    found = capsys.readouterr()
    assert "all folds pooled" in found.out
    assert "`fer train-clips --frames 3" in found.out
    assert "predictions are in" in found.err
    assert main([*words, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["protocol"] == "leave one subject out"
    assert len(content["folds"]) == 3
    assert main([*words, "--seed", "2"]) == 2
    assert "seed was 1, now 2" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    def stopped(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(clip_training, "load_clips", stopped)
    assert main(["train-clips", *TINY, "--output", str(tmp_path / "out")]) == 130
    assert "the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "nowhere"], "invalid choice"),
        (["--data", "casme2"], "`path` must name 1 folders"),
        (["--model-options", "head"], "must be NAME=VALUE"),
        (["--grid"], "fer reproduce ha3dnet-table-1"),
        (["--ablation"], "fer reproduce ha3dnet-table-2"),
    ],
)
def test_bad_words(words, message, capsys):
    assert main(["train-clips", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_composite_of_three_data_sets_from_their_owners_files(
    tmp_path, untraced, monkeypatch, capsys
):
    put_small_clip_networks(monkeypatch, plain=False)
    prepare = loading.datasets.prepare
    monkeypatch.setattr(
        loading.datasets, "prepare", lambda *args, **own: prepare(*args, **own, **FAKE)
    )
    folders = [write_casme2(tmp_path / "a"), write_smic(tmp_path / "b"), write_samm(tmp_path / "c")]
    words = ["train-clips", "--data", "composite", "--path", *map(str, folders)]
    words += ["--data-dir", str(tmp_path / "data"), "--output", str(tmp_path / "out"), "--json"]
    words += ["--frames", "5", "--size", "8", "--epochs", "1", "--no-class-weights"]
    words += ["--no-augmentation"]
    assert main(words) == 0
    found = capsys.readouterr()
    content = json.loads(found.out)
    assert content["protocol"] == "MEGC 2019 composite"
    assert set(content["datasets"]) == {"casme2", "smic_hs", "samm"}
    assert len(content["folds"]) == content["data"]["subjects"]
    assert any("in MEGC 2019" in line for line in content["data"]["differences"])
    assert "Not as in MEGC 2019" in (tmp_path / "out" / "report.md").read_text()
    assert "Not as in MEGC 2019" in found.err
