"""Training in several processes on JAX: the losses of one, a resumed run, and bad arguments."""

import csv
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers.examples import load_example
from helpers.faces_folder import write_striped_faces
from helpers.shared import ROOT

SCRIPT = ROOT / "examples" / "train_distributed.py"


def command(folder, output, epochs, processes, *more):
    words = [sys.executable, str(SCRIPT), "--processes", str(processes)]
    words += ["--recipe", "emotion_cnn", "--data", "folder", "--path", str(folder / "faces")]
    words += ["--data-dir", str(folder / "prepared"), "--output", str(folder / output)]
    words += ["--size", "32", "--channels", "1", "--batch-size", "6", "--patience", "0"]
    return [*words, "--schedule", "constant", "--epochs", str(epochs), *more]


def train(folder, output, epochs, processes, *more):
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    found = subprocess.run(
        command(folder, output, epochs, processes, *more),
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=900,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def curves(folder, output):
    with open(folder / output / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(row[name]) for name in ("loss", "val_loss")] for row in rows])


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the processes choose JAX themselves"
)
def test_two_processes_train_as_one_and_go_on(tmp_path):
    write_striped_faces(tmp_path / "faces")
    # Stopped after one epoch, in one process, and resumed in two.
    train(tmp_path, "two", 1, 1)
    assert "Resuming after 1 of at most 2 epochs" in train(tmp_path, "two", 2, 2)
    train(tmp_path, "one", 2, 1)
    np.testing.assert_allclose(curves(tmp_path, "two"), curves(tmp_path, "one"), rtol=1e-4)
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    assert record["processes"] == 2
    assert record["finished"]
    assert "accuracy" in (tmp_path / "two" / "report.md").read_text()
    again = subprocess.run(
        command(tmp_path, "two", 2, 2),
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "jax"},
        timeout=300,
    )
    assert again.returncode
    assert "holds this run, finished" in again.stderr
    # Replaced, by a model of one output more than the data has classes.
    classes = len(record["classes"])
    more = ("--restart", "--classes", str(classes + 1))
    assert train(tmp_path, "two", 1, 1, *more).startswith("Training on")
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    assert record["finished"]
    assert len(record["classes"]) == classes + 1
    assert record["processes"] == 1
    assert len(curves(tmp_path, "two")) == 1


def test_a_recipe_is_described_and_nothing_trained(tmp_path, capsys, example, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    words = ["--processes", "2", "--describe", "--output", str(tmp_path / "run")]
    assert example.main(words) == 0
    assert '"name"' in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.fixture
def example(monkeypatch):
    # The script asks for JAX where nobody asked for another backend.
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    return load_example("train_distributed")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--processes", "0"], "--processes must be 1 or more, not 0"),
        (["--process", "0"], "--process and --coordinator go together"),
        (["--coordinator", "a:1"], "--process and --coordinator go together"),
        (["--process", "1", "--coordinator", "a:1"], "--process must be from 0 to 0, not 1"),
        (["--data", "nowhere"], "invalid choice"),
    ],
)
def test_bad_arguments_are_named(example, words, message, capsys, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(SystemExit):
        example.parse(words)
    assert message in capsys.readouterr().err


def test_another_backend_is_refused(example, capsys, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(SystemExit):
        example.parse([])
    assert "unset KERAS_BACKEND, which is tensorflow" in capsys.readouterr().err


@pytest.mark.parametrize(("count", "devices"), [(8, 2), (7, 2), (3, 4), (1, 2)])
def test_every_process_takes_its_rows_of_a_batch(example, count, devices):
    import tensorflow as tf

    images, labels = np.arange(count)[:, None], np.arange(count)
    taken = []
    for process in range(2):
        share = example.share_of(process, 2, devices)
        [(rows, own)] = share(tf.data.Dataset.from_tensors((images, labels)))
        np.testing.assert_array_equal(rows[:, 0], own)
        taken.append(own.numpy())
    used = max(count // devices, 1) * devices
    assert [len(each) for each in taken] == [used // 2, used // 2]
    np.testing.assert_array_equal(np.concatenate(taken), np.arange(used) % count)
