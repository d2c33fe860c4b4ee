"""The study of label noise as a user runs it, with a network small enough for a test."""

import csv
import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, write_bars
from helpers.examples import load_example
from helpers.fake_datasets import write_fer_csv

from fer_models import recipes, registry

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
WRITTEN = {
    "settings.json",
    "label_noise.md",
    "label_noise.json",
    "overruled.png",
    "suspects.csv",
    "suspects_flipped.csv",
}


@pytest.fixture(scope="module")
def example():
    return load_example("label_noise")


@pytest.fixture
def quick(monkeypatch):
    def small_network(input_shape, classes, noise_layers=1, noise_stddev=0.1, seed=None):
        image = keras.Input(input_shape)
        x = keras.layers.AveragePooling2D(8)(image / 255)
        x = keras.layers.Flatten()(x)
        return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))

    entry = dataclasses.replace(registry.MODELS["ghostface"], builder=small_network)
    monkeypatch.setitem(registry.MODELS, "ghostface", entry)


def bars(folder, count=14, splits=("train", "validation")):
    return write_bars(folder, splits, count, noise=(0, 90), bright=120)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return bars(tmp_path_factory.mktemp("study") / "bars")


def command(faces, tmp_path, *more, rates=("0.3",)):
    return [
        *("--data", "folder", "--path", str(faces), "--data-dir", str(faces.parent / "tfds")),
        *("--output", str(tmp_path / "out"), "--size", "24", "--channels", "1"),
        *("--epochs", "6", "--batch-size", "8", "--learning-rate", "0.05", "--folds", "2"),
        *("--augmentations", "none", "mixup", "--rates", *rates, "--seeds", "1", *more),
    ]


@pytest.mark.slow
def test_the_study_finds_what_was_flipped(example, faces, tmp_path, quick, capsys):
    assert example.main(command(faces, tmp_path, "--kinds", "symmetric")) == 0
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} >= WRITTEN
    content = json.loads((out / "label_noise.json").read_text())
    assert [row["rate"] for row in content["rows"]] == [0, 0, 0.3, 0.3]
    for run in content["runs"]:
        assert run["flipped"] == round(run["rate"] * 14) * 3
        assert run["best"]["accuracy"] > 0.8
        assert run["best_epoch"] == int(np.argmax(run["validation_accuracy"])) + 1
        if run["rate"]:
            assert run["best"]["corrected"] > 0.7 > 0.3 > run["best"]["learnt_by_heart"]
    ranking = content["ranking"][0]
    assert ranking["precision_at_flipped"] > 0.8 > ranking["base_rate"]
    with (out / "suspects_flipped.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 42
    assert {row["id"].split("/")[0] for row in rows} <= {"train"} | set(NAMES)
    # The file says which class each picture really is.
    first = rows[: ranking["flipped"]]
    assert np.mean([row["given"] not in row["id"] for row in first]) > 0.8
    text = capsys.readouterr().out
    assert "| symmetric 30% | mixup |" in text
    assert "is no" not in text

    # What was labelled right is overruled nowhere, and no sheet shows it.
    assert not (out / "overruled_as_given.png").exists()

    # Given again, nothing is trained; more seeds are.
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/result.json")}
    assert len(before) == 4
    assert (
        example.main([*command(faces, tmp_path, "--kinds", "symmetric"), "--seeds", "1", "2"]) == 0
    )
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(out.glob("*/result.json"))) == 8
    assert json.loads((out / "label_noise.json").read_text())["rows"][0]["seeds"] == 2
    assert not list(out.rglob("*.keras"))

    # Other settings do not mix.
    assert example.main([*command(faces, tmp_path), "--epochs", "3"]) == 2
    assert "other settings (epochs)" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_study_goes_on_within_a_training(example, faces, tmp_path, quick, monkeypatch):
    words = command(faces, tmp_path, "--folds", "0", rates=())
    kill = {"after": 2}
    fit = recipes.Recipe.fit

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == kill["after"]:
                raise KeyboardInterrupt

    def stopping(self, *args, **kwargs):
        return fit(self, *args, **kwargs, callbacks=[Stop()])

    monkeypatch.setattr(recipes.Recipe, "fit", stopping)
    assert example.main(words) == 130
    kill["after"] = None
    assert example.main(words) == 0
    broken = json.loads((tmp_path / "out/symmetric_0_none_1/result.json").read_text())
    shutil.rmtree(tmp_path / "out")
    assert example.main(words) == 0
    whole = json.loads((tmp_path / "out/symmetric_0_none_1/result.json").read_text())
    assert broken == whole
    assert len(whole["validation_accuracy"]) == 6


def test_another_ranking_is_not_taken_for_this_one(example, tmp_path, monkeypatch):
    trained = []

    class Model:
        def load_weights(self, path):
            pass

        def predict(self, pictures, **options):
            return np.full((len(pictures), 3), 1 / 3)

    def fit(recipe, seed, data, validation, classes, folder):
        trained.append((recipe.augmentation, seed, len(data[1])))
        folder.mkdir(parents=True)
        return Model(), []

    monkeypatch.setattr(example, "fit", fit)
    labels = np.arange(12) % 3
    arrays = {"train": (np.zeros((12, 4, 4, 1), "uint8"), labels), "validation": None}

    def rank(*words):
        args = example.parse(["--augmentations", "none", "--folds", "2", "--seeds", "1", *words])
        folder = tmp_path / example.ranking_name(args, 0.3)
        example.out_of_sample(args, recipes.get("ghostface"), arrays, labels, NAMES, folder)
        return trained[-1]

    assert rank() == ("none", 1, 6)
    rank()
    assert len(trained) == 2, "what is there is taken"
    # Labels flipped by another seed, another augmentation, other parts: other models.
    assert rank("--seeds", "2", "1") == ("none", 2, 6)
    assert rank("--augmentations", "none", "mixup") == ("mixup", 1, 6)
    assert rank("--folds", "3") == ("none", 1, 8)


@pytest.mark.slow
def test_fer2013_with_fewer_faces(example, tmp_path, quick):
    rng = np.random.default_rng(1)
    rows = []
    for usage, count in (("Training", 20), ("PublicTest", 4)):
        for label in range(7):
            for _ in range(count):
                rows.append((label, rng.integers(0, 256, (48, 48), dtype="uint8"), usage))
    write_fer_csv(tmp_path / "fer", rows)
    words = [
        *("--data", "fer2013", "--path", str(tmp_path / "fer"), "--train", "70", "--size", "48"),
        *("--data-dir", str(tmp_path / "tfds"), "--output", str(tmp_path / "out"), "--epochs", "1"),
        *("--channels", "1", "--seeds", "1", "--folds", "2", "--rates", "0.2"),
        *("--augmentations", "none", "--kinds", "class_dependent"),
    ]
    assert example.main(words) == 0
    content = json.loads((tmp_path / "out/label_noise.json").read_text())
    assert content["faces"]["train"] == 70
    assert content["scored"] == "validation"
    told = "the best epoch is chosen on the faces that score it"
    assert told in (tmp_path / "out/label_noise.md").read_text()
    assert [run["flipped"] for run in content["runs"]] == [0, 14]
    assert not (tmp_path / "out/only_with.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epochs", "0"], "--epochs must be 1 or more"),
        (["--folds", "1"], "--folds must be 0 or 2"),
        (["--rates", "0"], "--rates must be between 0 and 1"),
        (["--rates", "1.5"], "--rates must be between 0 and 1"),
        (["--seeds", "-1"], "--seeds must not be negative"),
        (["--kinds", "rain"], "invalid choice"),
        (["--augmentations", "all"], "invalid choice"),
        (["--model", "width"], "must be NAME=VALUE"),
    ],
)
def test_bad_words(example, words, message, capsys):
    with pytest.raises(SystemExit):
        example.main(words)
    assert message in capsys.readouterr().err


def test_errors_are_told_in_one_line(example, faces, tmp_path, quick, capsys):
    assert example.main(["--data", "folder", "--path", str(tmp_path / "nothing")]) == 2
    assert "there is nothing there" in capsys.readouterr().err
    assert example.main([*command(faces, tmp_path), "--model", "rain=1"]) == 2
    assert "no arguments of the names ['rain']" in capsys.readouterr().err
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    assert example.main(command(faces, tmp_path)) == 2
    assert "is not empty and holds no study" in capsys.readouterr().err
