"""The training command on the JAX backend: it trains, stops, goes on and ends where it should."""

import csv
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers.faces_folder import write_striped_faces
from helpers.shared import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="the processes choose JAX themselves"
    ),
]


def train(faces, output, epochs, backend="jax"):
    words = [sys.executable, str(ROOT / "examples" / "train.py"), "--recipe", "emotion_cnn"]
    words += ["--data", "folder", "--path", str(faces), "--output", str(output)]
    words += ["--data-dir", str(faces.parent / "prepared"), "--size", "32", "--channels", "1"]
    words += ["--batch-size", "6", "--schedule", "constant", "--epochs", str(epochs)]
    words += ["--patience", "0"]
    environment = os.environ | {"KERAS_BACKEND": backend}
    found = subprocess.run(
        words, capture_output=True, text=True, env=environment, cwd=faces.parent, timeout=600
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def losses(output):
    with open(output / "history.csv", newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_training_on_jax_resumes_to_what_an_unbroken_run_gives(tmp_path):
    faces = write_striped_faces(tmp_path / "faces")
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    train(faces, broken, 1)
    assert "Resuming after 1 of at most 3 epochs" in train(faces, broken, 3)
    train(faces, whole, 3)
    assert json.loads((broken / "run.json").read_text())["backend"] == "jax"
    assert len(losses(broken)) == 3
    np.testing.assert_allclose(losses(broken), losses(whole), rtol=1e-4)
