"""Eight browsers at once before the server of `fer webcam`: no error, and flat memory."""

import importlib.util
import json
import subprocess
import sys

import keras
import pytest
from helpers.shared import ROOT

NEEDED = ("fastapi", "uvicorn", "mtcnn", "psutil", "skimage")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
    ),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


def test_eight_clients_are_served_without_an_error_in_constant_memory(tmp_path):
    path = tmp_path / "figures.json"
    words = ["--clients", "8", "--seconds", "10", "--json", str(path)]
    command = [sys.executable, str(ROOT / "benchmarks" / "webcam_load.py"), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "server's exit status: 0" in done.stdout or "server's exit status: -15" in done.stdout
    figures = json.loads(path.read_text())
    assert figures["errors"] == 0
    assert figures["clients"] == 8
    assert figures["answered"] >= 8
    # The portrait before every camera was seen, so the server did its work.
    assert figures["faces_a_frame"] > 0.9
    assert figures["growth"] < 0.1
    memory = figures["memory_mib"]
    assert memory[-1] < 1.1 * memory[len(memory) // 2]
