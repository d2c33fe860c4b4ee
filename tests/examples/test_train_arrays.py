"""Training on faces in one file: packed, trained, taught, reported, and without TensorFlow."""

import csv
import dataclasses
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers.examples import load_example
from helpers.faces_folder import write_striped_faces
from helpers.fake_datasets import fer_rows, write_fer_csv, write_ferplus_csv
from helpers.shared import ROOT

from fer_data.pipelines import face_arrays
from fer_models import registry

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the processes choose JAX themselves"
)
# Where TensorFlow is not installed, its name leads nowhere.
WITHOUT_TENSORFLOW = """
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, *more: None if name.partition(".")[0] == "tensorflow" else found(name, *more)
)
"""


@pytest.fixture(scope="module")
def example():
    return load_example("train")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    faces = write_striped_faces(folder / "faces", count=8)
    words = ["--data", "folder", "--path", str(faces), "--data-dir", str(folder / "prepared")]
    assert load_example("pack_faces").main([*words, "--output", str(folder / "faces.npz")]) == 0
    return folder / "faces.npz"


@pytest.fixture
def command(packed, tmp_path):
    def make(*more, output="run", epochs=2):
        words = ["--data", "folder", "--path", str(packed), "--size", "32", "--channels", "1"]
        words += ["--batch-size", "8", "--epochs", str(epochs), "--augmentation", "fer2013"]
        return [*words, "--patience", "0", "--output", str(tmp_path / output), *more]

    return make


@pytest.fixture
def quick(monkeypatch, untraced):
    def small_network(input_shape, classes, noise_layers=1, noise_stddev=0.1, seed=None):
        image = keras.Input(input_shape)
        x = keras.layers.Conv2D(4, 5, strides=4)(image / 255)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Flatten()(x)
        return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))

    entry = dataclasses.replace(registry.MODELS["ghostface"], builder=small_network)
    monkeypatch.setitem(registry.MODELS, "ghostface", entry)


def history(run):
    with (run / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_packing_keeps_everything(packed, capsys):
    splits, names, about = face_arrays.read(packed)
    assert names == ("angry", "happy", "sad")
    assert about == {"data": "folder", "options": {}}
    assert {name: faces["image"].shape for name, faces in splits.items()} == {
        "train": (24, 32, 32, 3),
        "validation": (24, 32, 32, 3),
    }
    bright = [faces["image"].mean(axis=(2, 3)).argmax(1) // 8 for faces in splits.values()]
    np.testing.assert_array_equal(bright[0], splits["train"]["label"])
    wrong = ["--path", str(packed.parent / "absent"), "--output", str(packed.parent / "no.npz")]
    assert load_example("pack_faces").main(wrong) == 2
    assert not (packed.parent / "no.npz").exists()
    assert "absent" in capsys.readouterr().err


def test_a_run_without_its_report_gets_it_later(quick, example, command, packed, tmp_path, capsys):
    run = tmp_path / "run"
    assert example.main(command("--no-report", "--passes", "2", "--ema", "0.9")) == 0
    assert "the same command without --no-report" in capsys.readouterr().out
    assert {path.name for path in run.iterdir()} == {
        *("run.json", "history.csv", "best.keras", "last.keras", "state", "tensorboard"),
    }
    record = json.loads((run / "run.json").read_text())
    assert record["faces"] == {"train": 24, "validation": 24}
    assert record["versions"].keys() >= {"TensorFlow", "Keras", "NumPy", "fer-keras"}
    assert len(history(run)) == 2
    # Two passes over three batches an epoch.
    steps = keras.models.load_model(run / "last.keras").optimizer.iterations
    assert int(steps) == 12
    # On another machine, where the file lies elsewhere.
    moved = tmp_path / "moved.npz"
    shutil.copy(packed, moved)
    elsewhere = ("--path", str(moved), "--convolutions", "products")
    assert example.main(command("--passes", "2", "--ema", "0.9", *elsewhere)) == 0
    assert "only the report is written again" in capsys.readouterr().out
    assert "24 train, 24 validation" in (run / "report.md").read_text()


@pytest.mark.slow
def test_two_teachers_teach_with_their_mean(quick, example, command, tmp_path, capsys):
    for seed in ("1", "2"):
        assert example.main(command("--seed", seed, "--no-report", output=seed)) == 0
    teachers = [str(tmp_path / seed / "last.keras") for seed in ("1", "2")]
    taught = command("--teacher", *teachers, "--no-report", output="taught")
    assert example.main(taught) == 0
    record = json.loads((tmp_path / "taught" / "run.json").read_text())
    assert record["settings"]["teacher"] == teachers
    assert len(set(record["teacher_sha256"])) == 2
    assert "val_distillation_loss" in history(tmp_path / "taught")[0]
    again = ["--config", str(tmp_path / "taught" / "run.json"), "--output", str(tmp_path / "b")]
    assert example.main([*again, "--no-report"]) == 0
    for a, b in zip(history(tmp_path / "taught"), history(tmp_path / "b"), strict=True):
        assert a == b


def test_runs_of_before_go_on(quick, example, command, tmp_path, capsys):
    path = tmp_path / "run" / "run.json"
    constant = ("--schedule", "constant", "--no-report")
    assert example.main(command(*constant, epochs=1)) == 0
    record = json.loads(path.read_text())
    for name in ("passes", "convolutions"):
        del record["settings"][name]
    del record["packed_sha256"]
    path.write_text(json.dumps(record))
    assert example.main(command(*constant, epochs=2)) == 0
    assert len(history(tmp_path / "run")) == 2
    old = {"settings": {"teacher": "a.keras"}, "teacher_sha256": "ab"}
    new = example.brought_up_to_date(old)
    assert (new["settings"]["teacher"], new["teacher_sha256"]) == (["a.keras"], ["ab"])


def test_another_file_under_the_same_name_is_noticed(
    quick, example, command, packed, tmp_path, capsys
):
    mine = tmp_path / "mine.npz"
    shutil.copy(packed, mine)
    words = ("--path", str(mine), "--schedule", "constant", "--no-report")
    assert example.main(command(*words, epochs=1)) == 0
    splits, names, about = face_arrays.read(packed)
    splits["train"]["image"] = 255 - splits["train"]["image"]
    face_arrays.write(mine, splits, names, about)
    assert example.main(command(*words, epochs=2)) == 2
    assert "another file under the name" in capsys.readouterr().err


@pytest.mark.slow
def test_votes_and_copies_go_along(quick, example, tmp_path):
    rows = fer_rows(per_class=10, splits=("train", "validation"))
    # A copy of a training face.
    rows[-1] = (6, rows[69][1], rows[-1][2])
    write_fer_csv(tmp_path, rows)
    votes = np.random.default_rng(0).integers(0, 4, (len(rows), 10))
    write_ferplus_csv(tmp_path, [usage for *_, usage in rows], votes)
    prepared = ["--data-dir", str(tmp_path / "prepared"), "--output", str(tmp_path / "f.npz")]
    assert load_example("pack_faces").main(["--path", str(tmp_path), *prepared]) == 0
    words = ["--data", "fer2013", "--path", str(tmp_path / "f.npz"), "--size", "40"]
    words += ["--channels", "3", "--epochs", "1", "--output", str(tmp_path / "run")]
    assert example.main([*words, "--vote-share", "0.5"]) == 0
    report = (tmp_path / "run" / "report.md").read_text()
    assert "last epoch, without copies of training faces" in report
    divided = [*words, "--validation-fraction", "0.1", "--restart"]
    assert example.main(divided) == 2


def test_mistakes(quick, example, command, packed, tmp_path, capsys):
    assert example.main(command("--convolutions", "products")) == 2
    assert "is for JAX: set KERAS_BACKEND=jax" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        example.main(command("--passes", "2", "--dp-noise-multiplier", "1"))
    assert "--passes and --dp-noise-multiplier cannot go" in capsys.readouterr().err
    assert example.main(command("--labels", "soft")) == 2
    assert "learns from votes" in capsys.readouterr().err
    splits, names, _ = face_arrays.read(packed)
    face_arrays.write(tmp_path / "half.npz", {"train": splits["train"]}, names)
    assert example.main([*command(), "--path", str(tmp_path / "half.npz")]) == 2
    assert "no validation split" in capsys.readouterr().err
    assert example.main([*command(), "--data", "fer2013"]) == 2
    assert "--data must be folder, of which" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        example.main([*command(), "--data", "synthetic"])
    assert "not synthetic" in capsys.readouterr().err
    assert example.main(command("--validation-from", "test")) == 2
    assert "is divided already: --validation-from test" in capsys.readouterr().err
    (tmp_path / "cut.npz").write_bytes(packed.read_bytes()[:900])
    assert example.main([*command(), "--path", str(tmp_path / "cut.npz")]) == 2
    assert "must be a file that" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_without_tensorflow_on_jax(packed, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TENSORFLOW)
    assert importlib.metadata.version("fer-keras")
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }

    def train(output, *more):
        words = [sys.executable, str(ROOT / "examples" / "train.py"), "--data", "folder"]
        words += ["--path", str(packed), "--size", "32", "--channels", "1", "--batch-size", "8"]
        words += ["--epochs", "1", "--augmentation", "fer2013", "--ema", "0.9", "--no-report"]
        words += ["--model", "width=0.25", "stem_strides=1", "noise_layers=0"]
        words += ["--output", str(tmp_path / output), *more]
        found = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=900)
        assert found.returncode == 0, found.stderr
        return history(tmp_path / output)[0]

    library, products = train("library"), train("products", "--convolutions", "products")
    assert not (tmp_path / "library" / "tensorboard").exists()
    assert json.loads((tmp_path / "library" / "run.json").read_text())["backend"] == "jax"
    for name in ("loss", "val_loss"):
        assert float(products[name]) == pytest.approx(float(library[name]), rel=1e-3)
