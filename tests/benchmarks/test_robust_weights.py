"""The table of robust weights: means of the kinds that were trained on and that were held out."""

import json

import keras
import pytest
from helpers.examples import loaded_benchmark

from fer_models.robustness import CORRUPTIONS, Accuracy, CorruptionReport

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it computes nothing with Keras"
)
TRAINED = ("blur", "noise", "jpeg", "darkness", "low_resolution")


def test_a_row_tells_trained_kinds_from_those_held_out(tmp_path):
    def accuracy(kind, severity):
        return Accuracy((80 if severity < 5 else 40) if kind in TRAINED else 20, 100)

    found = {kind: {each: accuracy(kind, each) for each in range(1, 6)} for kind in CORRUPTIONS}
    report = CorruptionReport(Accuracy(90, 100), found, False, 1)
    attacks = {
        "pgd": {"4.0": Accuracy(1, 50).to_dict(), "2.0": Accuracy(25, 50).to_dict()},
        "all": {"4.0": Accuracy(0, 50).to_dict(), "2.0": Accuracy(20, 50).to_dict()},
    }
    content = {
        "adversarial": {"examples": 50, "accuracies": attacks},
        "corruptions": report.to_dict(),
    }
    (tmp_path / "robustness.json").write_text(json.dumps(content))
    with loaded_benchmark("robust_weights") as script:
        cells = dict(zip(script.COLUMNS, script.row(tmp_path), strict=False))
    assert cells["plain"].startswith("90.0 % (")
    assert cells["PGD"].startswith("50.0 % (")
    assert cells["all attacks"].startswith("40.0 % (")
    means = [cells[name] for name in ("trained on", "severity 5", "held out", "all corruptions")]
    assert means == ["80.0", "40.0", "20.0", "46.0"]
