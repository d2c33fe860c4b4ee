"""The examples that measure a model: export_to_phone.py and audit_a_model.py."""

import keras
import pytest
from helpers.bars import NAMES, bar_arrays, bar_model
from helpers.examples import load_example

from fer_data.pipelines import face_arrays

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="examples are tested on TensorFlow"
)


def test_export_to_phone(tmp_path, capsys):
    splits = {name: bar_arrays(seed) for seed, name in enumerate(("train", "validation"))}
    face_arrays.write(tmp_path / "faces.npz", splits, NAMES, {"data": "folder"})
    bar_model(0.1).save(tmp_path / "bars.keras")
    words = [str(tmp_path / "bars.keras"), str(tmp_path / "faces.npz")]
    load_example("export_to_phone").main([*words, "--output", str(tmp_path / "phone")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        str(tmp_path / f"phone/{name}.tflite") for name in ("whole", "small", "smallest")
    ]
    assert all("accuracy 100.0%, 0.0 ± 11.5 points lost" in line for line in lines)
    assert "int8 weights and activations" in lines[2]


@pytest.mark.slow
def test_audit_a_model(tmp_path, capsys):
    words = ["--faces", "42", "--epochs", "1", "--output", str(tmp_path)]
    load_example("audit_a_model").main(words)
    said = capsys.readouterr().out
    assert said.startswith("accuracy: ")
    assert "! Membership: " in said
    assert said.endswith(f"{tmp_path / 'suspects.csv'}\n")
