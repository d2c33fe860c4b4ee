"""A recipe under MirroredStrategy on two virtual processors gives the losses of one."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers.shared import ROOT


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="MirroredStrategy is TensorFlow's"
)
def test_two_replicas_train_as_one_also_in_mixed_precision():
    # Virtual devices are made before TensorFlow is used: in a process of its own.
    found = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "helpers" / "mirrored.py")],
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)},
        timeout=900,
    )
    assert found.returncode == 0, found.stderr
    runs = json.loads(found.stdout.splitlines()[-1])
    assert [run["replicas"] for run in runs.values()] == [1, 2, 2]
    assert runs["mixed"]["dtype"] == "bfloat16"
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(runs["two"][name], runs["one"][name], rtol=1e-4)
        # bfloat16 keeps eight bits.
        np.testing.assert_allclose(runs["mixed"][name], runs["one"][name], rtol=0.03)
    losses = runs["two"]["loss"]
    assert losses[0] != losses[1]
