"""What the report of a training on clips says."""

import json

import keras
import numpy as np
import pytest
from helpers.few_clips import NAMES

from fer_models.training.clip_settings import ClipSettings
from fer_models.training.cross_validation import default_selection
from fer_models.training.cross_validation_report import published, write_report

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
CASME2 = {"data": "casme2", "path": "folder"}
CUT = {"pictures": "cropped"}
BOTH = {"data": ("casme2", "smic_hs"), "path": ("a", "b")}


def fold(labels, said, subject="casme2/sub01", **more):
    return {
        "held_out": subject,
        "seed": 1,
        "epoch": 4,
        "training_accuracy": 0.9,
        "train_counts": [5, 2, 2],
        "ids": [f"{subject}/{i}" for i in range(len(labels))],
        "subjects": [subject] * len(labels),
        "labels": list(labels),
        "probabilities": (0.7 * np.eye(3)[said] + 0.1).tolist(),
        **more,
    }


def record_for(given, facts=(), **changes):
    settings = ClipSettings(**given)
    scenario = settings.scenario()
    return {
        "command": "fer train-clips",
        "date": "2026-11-26",
        "versions": {"Python": "3"},
        "backend": "tensorflow",
        "hardware": "x86_64, 2 cores",
        "seed": 1,
        "motion": True,
        "regions": settings.regions,
        "data": {
            "datasets": list(settings.data),
            "clips": 6,
            "subjects": 2,
            "unlabelled": 0,
            "frames": 16,
            "classes": dict.fromkeys(NAMES, 2),
            "sources": {source.name: source.options for source in settings.sources()},
            **dict(facts),
        },
        "scenario": scenario.words,
        "protocol": "leave one subject out",
        "select": default_selection(scenario.protocol),
        "warning": "",
        "recipe": scenario.recipe.to_dict(),
        "parts": [{"test": {"clips": 3, "subjects": 1}}] * 2,
        **changes,
    }


OWN = CASME2 | {
    "protocol": "80-10-10",
    "batch_size": 64,
    "epochs": 128,
    "data_options": CUT,
}


def test_a_training_of_the_dissertation_has_its_figure_beside_ours(tmp_path):
    results = [fold([0, 1, 2], [0, 1, 1]), fold([0, 2, 2], [0, 2, 2], "casme2/sub02")]
    record = record_for(OWN, protocol="random 80-10-10")
    content, text = write_report(record, results, NAMES, tmp_path)
    assert content["published"] == {"accuracy": 0.9887, "f1": 0.9887}
    assert "Irawan (2025), the same scenario" in text
    assert "| accuracy | 0.8333 | 0.9887 |" in text
    assert "| casme2/sub01 | 3 | 2 | 67% | 1 of 1 | 1 of 1 | 0 of 1 |" in text
    assert "input minus the first frame" in text
    # Another protocol's, scenario's, data set's or network's figures are not ours to compare.
    for other, protocol in (
        (OWN, "leave one subject out"),
        (OWN, "subject-disjoint 80-10-10"),
        (OWN | {"batch_size": 32}, "random 80-10-10"),
        (OWN | {"model": "ha_3dnet"}, "random 80-10-10"),
        (OWN | {"data": "cas_me2"}, "random 80-10-10"),
        (OWN | {"regions": "grid"}, "random 80-10-10"),
        (OWN | {"data_options": {}}, "random 80-10-10"),
        (OWN | {"data_options": CUT | {"on_duplicate": "drop"}}, "random 80-10-10"),
        (BOTH, "random 80-10-10"),
        ({}, "random 80-10-10"),
    ):
        assert published(record_for(other, protocol=protocol)) == {}
    # A record from before there was a choice of regions has those of the grid, and does not say it.
    old = record_for(OWN, protocol="random 80-10-10")
    del old["regions"]
    assert published(old) == {}
    _, text = write_report(record_for(CASME2), results, NAMES, tmp_path)
    assert "Irawan" not in text
    assert "The last epoch is scored" in text


def test_several_data_sets_and_a_leaky_split(tmp_path):
    results = [fold([0, 1, 2], [0, 1, 1]), fold([0, 2, 2], [0, 2, 2], "smic_hs/s1")]
    record = record_for(
        BOTH,
        facts={"differences": ["samm is missing: 133 clips in MEGC 2019"]},
        warning="This split leaks: all of it",
        protocol="random 80-10-10",
        motion=False,
    )
    content, text = write_report(record, results, NAMES, tmp_path)
    assert content["datasets"]["smic_hs"]["accuracy"] == 1
    assert content["datasets"]["casme2"]["uf1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert content["datasets"]["smic_hs"]["absent"] == ["positive"]
    assert "| smic_hs | 3 | 100.00% | 1.0000 | 1.0000 |" in text
    assert "> **Warning.** This split leaks: all of it" in text
    assert "Not as in MEGC 2019: samm is missing" in text
    assert "input grey levels" in text


def test_a_validation_part_of_other_clips_is_said(tmp_path):
    parts = {"validation": {"accuracy": 0.5, "uf1": 0.4, "loss": 0.9}}
    record = record_for(
        CASME2 | {"protocol": "80-10-10"},
        protocol="random 80-10-10",
        parts=[{"test": {"clips": 3, "subjects": 1}}],
    )
    content, text = write_report(record, [fold([0, 1, 2], [0, 1, 1], **parts)], NAMES, tmp_path)
    assert "other clips than those of the training and the test" in text
    assert content["validation"]["loss"] == 0.9
    assert json.loads((tmp_path / "report.json").read_text())["scenario"] == record["scenario"]
