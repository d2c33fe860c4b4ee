"""Files are written whole or not at all."""

import json
import os

import pytest

from fer_data import files


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    files.write_text(path, json.dumps([1]))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_text(path, json.dumps([2]))
    assert json.loads(path.read_text()) == [1]
    # Nor does a half file lie beside it.
    assert list(tmp_path.iterdir()) == [path]
