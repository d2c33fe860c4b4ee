"""Training on all devices of one process, in this process: it needs the JAX backend."""

import json

import keras
import pytest
from helpers.bars import NAMES, bar_arrays
from helpers.small_networks import put_small_networks

from fer_data.pipelines import face_arrays
from fer_models import FaceSettings
from fer_models.training import distributed, training_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.backend,
    pytest.mark.skipif(
        keras.backend.backend() != "jax", reason="several processes train on the JAX backend"
    ),
]


def test_one_process_trains_goes_on_and_begins_anew(tmp_path, monkeypatch, capsys):
    put_small_networks(monkeypatch)
    monkeypatch.setattr(training_report, "write", lambda *_, **__: "brief")
    splits = {name: bar_arrays(seed, 4) for seed, name in enumerate(("train", "validation"))}
    face_arrays.write(tmp_path / "faces.npz", splits, NAMES, {"data": "folder"})

    def train(restart=False, **changes):
        settings = FaceSettings(
            data="folder",
            path=tmp_path / "faces.npz",
            size=24,
            channels=1,
            batch_size=6,
            augmentation="none",
            schedule="constant",
            patience=0,
            **changes,
        )
        return distributed.train_faces_distributed(settings, tmp_path / "run", restart=restart)

    assert train(epochs=1).report == "brief"
    assert keras.distribution.distribution() is None
    assert train(epochs=2).report == "brief"
    assert "Resuming after 1 of at most 2 epochs" in capsys.readouterr().out
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["processes"], record["backend"], record["finished"]) == (1, "jax", True)
    # Finished: only the report is written again.
    assert train(epochs=2).report == "brief"
    assert "only the report is written again" in capsys.readouterr().out
    # Replaced, by a model of one output more than the data has classes.
    assert train(epochs=1, restart=True, classes=4).report == "brief"
    assert "Training on 12 faces" in capsys.readouterr().out
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (len(record["classes"]), record["settings"]["epochs"]) == (4, 1)
