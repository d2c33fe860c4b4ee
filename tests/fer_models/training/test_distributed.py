"""Training in several processes on JAX: the losses of one, a resumed run, and bad arguments."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays

from fer_data.pipelines import face_arrays
from fer_models import FaceSettings
from fer_models.training import distributed
from fer_models.training.distributed import Processes

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the processes choose JAX themselves"
)


def train(folder, output, epochs, *more):
    words = [sys.executable, "-m", "fer_models", "train", "--recipe", "emotion_cnn"]
    words += ["--data", "folder", "--path", str(folder / "faces.npz"), "--size", "24"]
    words += ["--channels", "1", "--batch-size", "6", "--patience", "0", "--augmentation", "none"]
    words += ["--schedule", "constant", "--epochs", str(epochs), "--output", output, *more]
    found = subprocess.run(
        words,
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "jax"},
        cwd=folder,
        timeout=900,
    )
    assert found.returncode == 0, found.stderr
    return found


def losses(folder):
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(row[name]) for name in ("loss", "val_loss")] for row in rows])


@pytest.mark.slow
def test_two_processes_go_on_from_one_and_train_as_one(tmp_path):
    splits = {name: bar_arrays(seed, 6) for seed, name in enumerate(("train", "validation"))}
    face_arrays.write(tmp_path / "faces.npz", splits, NAMES, {"data": "folder"})
    # Stopped after one epoch, in one process, and resumed in two.
    train(tmp_path, "two", 1, "--no-report", "--processes", "1")
    found = train(tmp_path, "two", 2, "--processes", "2")
    assert "Resuming after 1 of at most 2 epochs" in found.stderr
    assert found.stdout == (tmp_path / "two" / "report.md").read_text() + "\n"
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    assert (record["processes"], record["backend"], record["finished"]) == (2, "jax", True)
    assert record["command"].startswith("fer train --recipe emotion_cnn")
    assert "--process" not in record["command"]
    train(tmp_path, "one", 2, "--no-report", "--processes", "1")
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "`processes` must be an integer >= 1"),
        ({"number": 0}, "`process` and `coordinator` go together"),
        ({"coordinator": "a:1"}, "`process` and `coordinator` go together"),
        ({"number": 1, "coordinator": "a:1"}, "`process` must be from 0 to 0"),
        ({"number": -1, "coordinator": "a:1"}, "`process` must be an integer >= 0"),
    ],
)
def test_bad_processes(arguments, message):
    with pytest.raises(ValueError, match=message):
        Processes(**arguments)


def test_who_writes():
    assert Processes().is_first
    assert Processes(2, 0, "a:1").is_first
    assert not Processes(2, 1, "a:1").is_first


def test_what_several_processes_do_not_do(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="set KERAS_BACKEND=jax"):
        distributed.train_faces_distributed(FaceSettings(), tmp_path)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    for setting, value in (("dp_noise_multiplier", 1.0), ("ema", 0.9)):
        settings = FaceSettings(**{setting: value}, augmentation="none")
        with pytest.raises(ValueError, match=f"`{setting}` is for a single process"):
            distributed.train_faces_distributed(settings, tmp_path)
    with pytest.raises(ValueError, match="must say which one of them this is"):
        distributed.train_faces_distributed(FaceSettings(), tmp_path, Processes(2))


@pytest.mark.parametrize(("count", "devices"), [(8, 2), (7, 2), (3, 4), (1, 2)])
def test_every_process_takes_its_rows_of_a_batch(count, devices):
    import tensorflow as tf

    images, labels = np.arange(count)[:, None], np.arange(count)
    taken = []
    for process in range(2):
        share = distributed.share_of(process, 2, devices)
        both = {"classes": labels, "affect": 2 * labels}
        [(rows, found)] = share(tf.data.Dataset.from_tensors((images, both)))
        own = found["classes"]
        np.testing.assert_array_equal(rows[:, 0], own)
        np.testing.assert_array_equal(found["affect"], 2 * own)
        taken.append(own.numpy())
    used = max(count // devices, 1) * devices
    assert [len(each) for each in taken] == [used // 2, used // 2]
    np.testing.assert_array_equal(np.concatenate(taken), np.arange(used) % count)


@pytest.fixture
def started(monkeypatch):
    """Put short programs in the place of the processes; return those that were started."""
    begun, real = [], subprocess.Popen

    def start(words, env, stderr):
        number = int(words[words.index("--process") + 1])
        assert words[:4] == [sys.executable, "-m", "fer_models", "train"]
        assert env["KERAS_BACKEND"] == "jax"
        assert words[-2:] == ["--epochs", "1"]
        begun.append(real([sys.executable, "-S", "-c", programs[number]]))
        return begun[-1]

    programs = ["pass", "pass"]
    monkeypatch.setattr(distributed.subprocess, "Popen", start)
    return programs, begun


WAITS = "import time; time.sleep(60)"


@pytest.mark.slow
def test_one_that_fails_ends_the_others(started):
    programs, begun = started
    assert distributed.start_all(2, ["--epochs", "1"]) == 0
    programs[:] = [WAITS, "raise SystemExit(3)"]
    assert distributed.start_all(2, ["--epochs", "1"]) == 3
    assert all(each.poll() is not None for each in begun)


@pytest.mark.slow
def test_nobody_is_left_when_this_one_is_terminated(started):
    programs, begun = started
    programs[:] = [WAITS, WAITS]
    before = signal.getsignal(signal.SIGTERM)

    def terminate():
        while len(begun) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=terminate).start()
    with pytest.raises(KeyboardInterrupt):
        distributed.start_all(2, ["--epochs", "1"])
    assert all(each.poll() is not None for each in begun)
    assert signal.getsignal(signal.SIGTERM) == before
