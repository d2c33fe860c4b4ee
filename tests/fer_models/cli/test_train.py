"""`fer train` as a user runs it: its words, what it prints, and what stops it.

`tests/fer_models/training/test_face_training.py` has the training itself.
"""

import argparse
import csv
import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays, write_bars
from helpers.shared import ROOT
from helpers.small_networks import put_small_networks

from fer_data.pipelines import face_arrays
from fer_data.pipelines.labelled_faces import FACES
from fer_models.cli import main, train
from fer_models.cli.main import command_parser
from fer_models.training import distributed, face_settings
from fer_models.training.recipes import fitting

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    path = tmp_path_factory.mktemp("train with spaces") / "faces.npz"
    splits = {name: bar_arrays(seed) for seed, name in enumerate(("train", "validation"))}
    face_arrays.write(path, splits, NAMES, {"data": "folder"})
    return path


@pytest.fixture
def quick(monkeypatch, untraced):
    """A small network, which TensorFlow does not trace."""
    put_small_networks(monkeypatch)


@pytest.fixture
def words(packed, tmp_path):
    def make(*more, output="run", **options):
        options = {
            "data": "folder",
            "path": packed,
            "output": tmp_path / output,
            "size": 24,
            "channels": 1,
            "batch-size": 6,
            "epochs": 3,
            "augmentation": "none",
        } | {name.replace("_", "-"): value for name, value in options.items()}
        given = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        return ["train", *given, *map(str, more)]

    return make


def history(folder):
    with (folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def losses(folder):
    return [[float(row[name]) for name in ("loss", "val_loss")] for row in history(folder)]


def test_the_choices_are_those_of_the_library():
    assert face_settings.face_recipes() == train.RECIPES
    assert tuple(FACES) == train.DATA
    assert sorted(face_settings.LEARNING_RATES) == list(train.OPTIMIZERS)
    assert tuple(face_settings.SCHEDULES) == train.SCHEDULES
    assert face_settings.PRECISIONS == train.PRECISIONS
    assert face_settings.CONVOLUTIONS == train.CONVOLUTIONS
    assert face_settings.bundled_settings() == train.CONFIGURATIONS


def test_every_setting_has_an_option_and_none_a_default_of_its_own():
    given = vars(command_parser("train").parse_args([]))
    fields = set(face_settings.FaceSettings.__dataclass_fields__)
    assert not fields & given.keys()
    options = {action.dest for action in command_parser("train")._actions if action.option_strings}
    assert fields <= options


def settings_of(*given):
    return train.settings_of(command_parser("train").parse_args(given))


def test_words_become_settings(tmp_path):
    found = settings_of(
        *("--model", "width=0.5", "weights=null", "--model", "stem_strides=1"),
        *("--augmentation", '{"flip": 0.5}', "--no-class-weights", "--teacher", "a", "b"),
    )
    assert found.model == {"width": 0.5, "weights": None, "stem_strides": 1}
    assert found.augmentation == {"flip": 0.5}
    assert found.class_weights is False
    assert len(found.teacher) == 2
    assert found.recipe == "ghostface_small"
    over = settings_of("--config", "demo", "--epochs", "2", "--model", "width=1")
    assert (over.epochs, over.size, over.model["width"]) == (2, 48, 1)
    for example in train.EXAMPLE.splitlines():
        *_, output = words = shlex.split(example)[2:]
        assert output.startswith("runs/")
        if "runs/cnn/run.json" not in words:
            assert settings_of(*words)


def test_a_recipe_is_described_and_nothing_trained(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--config", "fer2013", "--describe"]) == 0
    described = capsys.readouterr().out
    assert json.loads(described.split("\n}\n")[0] + "}")["name"] == "ghostface_small"
    assert "It says: " in described
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--model", "depth"], "must be NAME=VALUE, not 'depth'"),
        (["--augmentation", "{flip"], "is no JSON"),
        (["--recipe", "vgg"], "invalid choice: 'vgg'"),
        (["--epochs", "0"], "`epochs` must be an integer >= 1"),
        (["--config", "absent.json"], "or the path of a run.json"),
        (["--path", "no/such/folder", "--data", "folder"], "there is nothing there"),
        (["--process", "0", "--coordinator", "a:1"], "need --processes, how many there are"),
        (["--processes", "2"], "set KERAS_BACKEND=jax"),
    ],
)
def test_bad_words(capsys, tmp_path, monkeypatch, given, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert main(["train", *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith("fer: error: ")
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_of_a_folder(quick, tmp_path, capsys, monkeypatch):
    folder = write_bars(tmp_path / "faces with spaces", ("train", "validation"))
    (folder / "train" / "happy" / "broken.png").write_bytes(b"not a picture")
    monkeypatch.chdir(tmp_path)
    given = ["--data", "folder", "--path", str(folder), "--data-dir", "prepared", "--size", "24"]
    given += ["--epochs", "1", "--augmentation", "none", "--recipe", "resnet18_small"]
    assert main(["train", *given]) == 0
    printed = capsys.readouterr()
    run = tmp_path / "runs" / "resnet18_small"
    # Results alone on standard output.
    assert printed.out == (run / "report.md").read_text() + "\n"
    assert "broken.png" in printed.err
    assert "Training on 15 faces" in printed.err
    assert "  best.keras\n" in printed.err
    # The command says where the run lies.
    record = json.loads((run / "run.json").read_text())
    assert (
        record["command"] == shlex.join(["fer", "train", *given]) + " --output runs/resnet18_small"
    )
    assert main(["train", *given, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["folder"] == str(run)
    assert found["scores"]["best epoch, all"]["examples"] == 15
    assert main(["train", *given, "--no-report"]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "without --no-report" in printed.err
    assert main(["train", *given, "--seed", "9"]) == 2
    assert "seed was 1, now 9" in capsys.readouterr().err


class CtrlC(keras.callbacks.Callback):
    """Stops in the middle of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 1 and batch == 1:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_what_stops_a_training_leaves_whole_epochs(quick, words, tmp_path, capsys, monkeypatch):
    plain = fitting._logs
    with monkeypatch.context() as stopping:
        stopping.setattr(fitting, "_logs", lambda folder: [*plain(folder), CtrlC()])
        assert main(words("--no-report")) == 130
    assert "1 whole epochs are kept: the same command goes on" in capsys.readouterr().err
    save = keras.Model.save

    def full(self, path, *args, **kwargs):
        if len(history(tmp_path / "run")) >= 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return save(self, path, *args, **kwargs)

    with monkeypatch.context() as disk:
        disk.setattr(keras.Model, "save", full)
        assert main(words("--no-report")) == 2
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert "make room" in error
    assert "whole epochs are kept" in error
    assert main(words("--no-report")) == 0
    assert "Resuming after" in capsys.readouterr().err
    assert main(words("--no-report", output="whole")) == 0
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(tmp_path / "whole"), rtol=1e-4)


@pytest.mark.slow
def test_a_real_interrupt_and_a_real_kill_end_as_an_unbroken_run(words, tmp_path):
    given = words("--no-report", recipe="emotion_cnn", patience=0)
    command = [sys.executable, "-m", "fer_models", *given]

    def kept():
        manifests = (tmp_path / "run" / "state").glob("epoch-*/manifest.json")
        return max((int(path.parent.name.removeprefix("epoch-")) for path in manifests), default=0)

    for stop, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        before = kept()
        process = subprocess.Popen(
            [*command, "--epochs", "400", "--schedule", "constant"],
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
            # A test run in the background ignores interrupts, and its children with it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        until = time.monotonic() + 240
        while kept() == before:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(stop)
        assert process.wait(60) == code
    epochs = kept() + 1
    assert epochs >= 3
    last = ["--schedule", "constant", "--epochs", str(epochs)]
    assert main([*given, *last]) == 0
    assert [int(row["epoch"]) for row in history(tmp_path / "run")] == list(range(epochs))
    keras.utils.clear_session()
    assert main([*given, *last, "--output", str(tmp_path / "whole")]) == 0
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(tmp_path / "whole"), rtol=1e-3)


# Where TensorFlow is not installed, its name leads nowhere.
WITHOUT_TENSORFLOW = """
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, *more: None if name.partition(".")[0] == "tensorflow" else found(name, *more)
)
"""


@pytest.mark.slow
def test_without_tensorflow_on_jax(words, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TENSORFLOW)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": path}
    for convolutions in ("library", "products"):
        given = words(
            *("--ema", "0.9", "--no-report", "--convolutions", convolutions),
            output=convolutions,
            recipe="emotion_cnn",
            augmentation="fer2013",
            epochs=1,
        )
        found = subprocess.run(
            [sys.executable, "-m", "fer_models", *given],
            capture_output=True,
            text=True,
            env=environment,
            timeout=900,
        )
        assert found.returncode == 0, found.stderr
        assert not (tmp_path / convolutions / "tensorboard").exists()
    record = json.loads((tmp_path / "products" / "run.json").read_text())
    assert record["backend"] == "jax"
    assert "TensorFlow" not in record["versions"]
    library, products = (losses(tmp_path / name) for name in ("library", "products"))
    np.testing.assert_allclose(products, library, rtol=1e-3)


def test_the_words_of_each_process():
    line = "fer train --processes 2 --data folder --path='my faces' --process=1 --coordinator a:1"
    args = argparse.Namespace(command_line=line)
    assert train._words(args) == ["--data", "folder", "--path", "my faces"]


def test_several_processes(words, tmp_path, capsys, monkeypatch):
    calls = []

    def start_all(*given):
        calls.append(given)
        return 3

    def train_here(settings, folder, processes, **options):
        calls.append((processes, options["command"]))
        # What another process than the first returns.

    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(distributed, "start_all", start_all)
    monkeypatch.setattr(distributed, "train_faces_distributed", train_here)
    assert main(words("--processes", "2")) == 3
    assert calls.pop() == (2, words()[1:])
    more = ("--processes", "2", "--process", "1", "--coordinator", "here:1")
    assert main(words(*more)) == 0
    processes, command = calls.pop()
    assert (processes.count, processes.number) == (2, 1)
    assert command == shlex.join(["fer", *words()])
    assert capsys.readouterr().out == ""


def test_what_compiled_code_says_is_no_result(capfd):
    with distributed.compiled_output_apart():
        os.write(1, b"[Gloo] Rank 0 is connected")
    os.write(1, b"result")
    assert capfd.readouterr() == ("result", "[Gloo] Rank 0 is connected")
