"""Files beside a manifest with their SHA-256."""

import hashlib
import json

import pytest

from fer_data.compiled import ready_files
from fer_data.faces import compiled_mtcnn, yunet
from fer_data.faces.retinaface import rows


def test_a_file_is_read_if_it_is_what_it_was(tmp_path):
    assert ready_files.entries(tmp_path) == {}
    (tmp_path / "small.tflite").write_bytes(b"network")
    entry = ready_files.described(tmp_path / "small.tflite", source="a:b")
    assert entry == {
        "file": "small.tflite",
        "bytes": 7,
        "sha256": hashlib.sha256(b"network").hexdigest(),
        "source": "a:b",
    }
    (tmp_path / ready_files.MANIFEST).write_text(json.dumps({"small": entry}))
    assert ready_files.read(tmp_path, "small") == b"network"
    (tmp_path / "small.tflite").write_bytes(b"netw0rk")
    with pytest.raises(ValueError, match=r"'small.tflite' is damaged.*Reinstall"):
        ready_files.read(tmp_path, "small")


def test_the_detectors_networks_lie_beside_their_licences():
    folder = compiled_mtcnn.FOLDER
    known = ready_files.entries(folder)
    assert known.keys() == {*compiled_mtcnn.INPUTS, rows.NAME}
    for name, entry in known.items():
        assert len(ready_files.read(folder, name)) == entry["bytes"] < 2_000_000
        assert entry["licence"].startswith("MIT")
    assert hashlib.sha256(yunet.FILE.read_bytes()).hexdigest() == yunet.SHA256
    for licence in ("LICENSE-mtcnn.txt", "LICENSE-retinaface.txt", "LICENSE-yunet.txt"):
        assert "MIT License" in (folder / licence).read_text(encoding="utf-8")
