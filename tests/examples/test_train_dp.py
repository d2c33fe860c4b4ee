"""`examples/train.py` with differential privacy: its flags, what it refuses, what it records."""

import dataclasses
import json
import types

import cv2
import keras
import numpy as np
import pytest
from helpers.examples import load_example

from fer_models import registry
from fer_models.training.accountant import epsilon

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
PRIVATE = ["--dp-noise-multiplier", "2", "--dp-clip", "0.5"]


@pytest.fixture(scope="module")
def example():
    return load_example("train")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for split in ("train", "validation"):
        for name in ("angry", "happy"):
            (folder / split / name).mkdir(parents=True)
            for number in range(6):
                picture = rng.integers(0, 256, (16, 16, 3)).astype("uint8")
                cv2.imwrite(str(folder / split / name / f"{number}.png"), picture)
    return folder


@pytest.fixture
def command(faces, tmp_path, monkeypatch):
    def network(input_shape, classes, width=1, noise_layers=1, noise_stddev=0.1, seed=None):
        image = keras.Input(input_shape)
        x = keras.layers.Conv2D(4, 3, activation="relu", name="last")(image / 255)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))

    entry = dataclasses.replace(registry.entry("ghostface"), builder=network)
    monkeypatch.setitem(registry.MODELS, "ghostface", entry)
    words = ["--data", "folder", "--path", str(faces), "--data-dir", str(tmp_path / "data")]
    words += ["--output", str(tmp_path / "run"), "--size", "16", "--batch-size", "5"]
    return [*words, "--epochs", "2", "--augmentation", "none"]


@pytest.mark.slow
def test_a_private_run_says_what_it_guarantees(example, command, tmp_path, capsys):
    assert example.main([*command, *PRIVATE]) == 0
    printed = capsys.readouterr().out
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    options = {"examples": 12, "batch_size": 5, "epochs": 2}
    expected = epsilon(2.0, **options)
    assert record["privacy"] == {
        "noise_multiplier": 2.0,
        "l2_norm_clip": 0.5,
        "delta": 1e-5,
        "epochs": 2,
        "epsilon": pytest.approx(expected),
        "epsilon_if_poisson_sampled": pytest.approx(epsilon(2.0, **options, sampling="poisson")),
    }
    assert record["recipe"]["dp"]["noise_multiplier"] == 2
    assert f"DP-SGD: epsilon {expected:.2f} at delta 1e-05" in printed
    assert "1 batch norm layers are frozen as they begin" in printed
    text = (tmp_path / "run" / "report.md").read_text()
    assert f"after 2 epochs epsilon is {expected:.2f}" in text
    # The network alone is kept.
    saved = keras.models.load_model(tmp_path / "run" / "last.keras")
    assert not any("dp_trainer" in v.path for v in saved.variables)
    # Prolonged, it promises less.
    assert example.main([*command, *PRIVATE, "--epochs", "3"]) == 0
    longer = json.loads((tmp_path / "run" / "run.json").read_text())["privacy"]
    assert longer["epochs"] == 3
    assert longer["epsilon"] > expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dp-clip", "1"], "--dp-clip and --dp-delta need --dp-noise-multiplier"),
        (["--dp-delta", "1e-6"], "--dp-clip and --dp-delta need --dp-noise-multiplier"),
    ],
)
def test_bad_words(example, capsys, words, message):
    with pytest.raises(SystemExit):
        example.main(words)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dp-noise-multiplier", "-1"], "`noise_multiplier` must be 0 or more"),
        ([*PRIVATE, "--augmentation", "mixup"], "without MixUp"),
        ([*PRIVATE, "--class-weights"], "`class_weights` of a Recipe must be False with `dp`"),
        ([*PRIVATE, "--dp-delta", "0.5"], "`delta` must be below 1 / `examples`"),
    ],
)
def test_bad_settings_leave_nothing_behind(example, command, tmp_path, capsys, words, message):
    assert example.main([*command, *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_without_dp_accounting(example, command, tmp_path, capsys, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    assert example.main([*command, *PRIVATE]) == 2
    assert 'pip install "fer-keras[privacy]"' in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_records_from_before_the_flags_are_the_same_run(example, tmp_path):
    args = example.parse(["--output", str(tmp_path)])
    settings = {k: v for k, v in example.settings_of(args).items() if not k.startswith("dp_")}
    record = {"settings": settings, "finished": False}
    (tmp_path / "run.json").write_text(json.dumps(record))
    recipe = types.SimpleNamespace(epochs_done=lambda output: 1)
    assert example.open_run(args, recipe, tmp_path, "again") == record
    other = example.parse(["--output", str(tmp_path), *PRIVATE])
    with pytest.raises(ValueError, match="dp_noise_multiplier, dp_clip"):
        example.open_run(other, recipe, tmp_path, "again")


def test_no_privacy_is_promised_without_noise_or_dp(example):
    import train_report

    assert example.guarantee(example.recipes.get("emotion_cnn"), 100, 1) is None
    assert train_report.private(None) == []
    args = example.parse(["--recipe", "emotion_cnn", "--dp-noise-multiplier", "0"])
    found = example.guarantee(example.recipe_of(args), 100, 1)
    assert found["epsilon"] is None
    assert "nothing is guaranteed" in "\n".join(train_report.private(found))
