"""The privacy study: a tiny one from end to end, interrupted and gone on with."""

import functools
import json

import keras
import numpy as np
import pytest
from helpers.small_networks import put_small_networks

from fer_models import privacy
from fer_models.studies import privacy_study_attacks as attacks
from fer_models.studies import privacy_study_models as models
from fer_models.studies.privacy_study import run_privacy_study
from fer_models.studies.privacy_study_report import _paper_table, correlation, effects
from fer_models.studies.privacy_study_settings import ROWS, PrivacySettings

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
TINY = {
    "members": 60,
    "population": 30,
    "size": 8,
    "epochs": 1,
    "batch_size": 20,
    "seeds": 2,
    "rows": ("1-none", "2-mixup"),
}
NAMES = ("angry", "happy", "sad")


@pytest.fixture
def run(monkeypatch, untraced):
    """The study with a small network in the place of GhostFace, and noise for faces."""
    put_small_networks(monkeypatch)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (155, 8, 8, 1)).astype("uint8")
    images[150:] = images[:5, :, ::-1]
    faces = images, np.arange(155) % 3, NAMES
    # Intervals of a thousand resamples take longer than all the rest.
    report = functools.partial(privacy.membership_report, resamples=20)
    monkeypatch.setattr(privacy, "membership_report", report)

    def study(output, **changes):
        return run_privacy_study(
            PrivacySettings(**TINY | changes), output, faces=faces, progress=False
        )

    return study


@pytest.mark.slow
def test_an_interrupted_study_goes_on_and_ends_as_an_unbroken_one(run, tmp_path, monkeypatch):
    outcome = run(tmp_path / "whole")
    assert {p.name for p in (tmp_path / "whole").iterdir()} == {
        "run.json",
        "runs",
        "rows",
        "report.md",
        "report.json",
        "report.png",
    }
    assert (tmp_path / "whole" / "rows" / "2-mixup" / "membership.md").exists()
    found = json.loads((tmp_path / "whole" / "report.json").read_text())
    assert (found["different_faces"], found["copies_left_out"]) == (150, 5)
    assert [(each["row"], each["seed"]) for each in found["runs"]] == [
        ("1-none", 1),
        ("1-none", 2),
        ("2-mixup", 1),
        ("2-mixup", 2),
    ]
    assert found["paper"]["2-mixup"] == {"tp": 4.9, "fp": 8.7, "tn": 45, "fn": 41}
    for each in found["runs"]:
        for scores in each["attacks"].values():
            four = [scores[k] for k in ("tp", "fp", "tn", "fn")]
            assert sum(four) == pytest.approx(100)
            assert scores["advantage"] <= scores["best_advantage"] + 1e-9
    assert {"population", "loss", "rmia_offline"} <= found["runs"][0]["attacks"].keys()
    # Two seeds leave one reference, too few for LiRA.
    assert "lira_online" not in found["runs"][0]["attacks"]
    assert "| 4.9, 8.7, 45, 41 |" in outcome.text
    assert (tmp_path / "whole" / "report.md").read_text() == outcome.text

    ask, count = privacy.signals, 0

    def stopping(*args, **kwargs):
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return ask(*args, **kwargs)

    monkeypatch.setattr(privacy, "signals", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken")
    assert not (tmp_path / "broken" / "report.md").exists()
    kept = sorted((tmp_path / "broken").glob("runs/*/*/result.json"))
    assert len(kept) == 2
    before = [path.read_text() for path in kept]
    again = run(tmp_path / "broken")
    # Two of four were there, the third began again.
    assert count == 3 + 2
    assert [path.read_text() for path in kept] == before
    for one, other in zip(found["runs"], again.content["runs"], strict=True):
        assert one["member_loss"] == pytest.approx(other["member_loss"], rel=1e-4)
        assert one["attacks"]["loss"]["auc"] == pytest.approx(
            other["attacks"]["loss"]["auc"], abs=0.01
        )
    # A finished study trains nothing.
    with pytest.raises(ValueError, match=r"epochs was 1, now 3"):
        run(tmp_path / "broken", epochs=3)
    with pytest.raises(ValueError, match=r"150 different pictures"):
        run(tmp_path / "broken", members=70)
    assert count == 5


@pytest.mark.slow
def test_one_model_is_trained_once_and_reported(run, tmp_path):
    outcome = run(tmp_path, seeds=1, rows=("2-none",), epochs=2)
    (only,) = outcome.content["runs"]
    assert only["attacks"].keys() == {
        *privacy.ATTACKS[:1],
        "population_per_class",
        *privacy.ATTACKS[5:8],
    }
    assert "for lira_online, lira_offline, rmia_online, rmia_offline." in outcome.text
    assert "| 2, none |" in outcome.text
    assert "| 6, 5.5, 44, 44 |" in outcome.text
    assert outcome.content["correlation"]["population"] == dict.fromkeys(
        ("runs", "rows", "augmented")
    )
    assert (tmp_path / "report.png").stat().st_size > 5000
    result = json.loads((tmp_path / "runs" / "2-none" / "seed1" / "result.json").read_text())
    assert len(result["training_accuracy"]) == 2
    assert result["recipe"]["augmentation"] == "none"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # Three faces of noise and not one of each class among them: found after all trainings.
        ({"population": 3}, "too few of angry, happy, sad|too few of (angry|happy|sad)"),
        ({"width": 0.0}, "width"),
    ],
)
def test_what_would_end_the_study_late_ends_it_early(run, tmp_path, changes, message, monkeypatch):
    if "width" in changes:
        monkeypatch.undo()
    with pytest.raises(ValueError, match=message):
        run(tmp_path, **changes)
    assert not list(tmp_path.iterdir())


def test_every_model_has_a_seed_of_its_own():
    settings = PrivacySettings(seed=7)
    seeds = {models.model_seed(settings, row, seed) for row in ROWS for seed in range(9)}
    assert len(seeds) == 72
    recipe = models.recipe_of(settings, "2-randaug", 3)
    assert (recipe.augmentation, recipe.model_options["noise_layers"]) == ("randaug", 2)
    assert (recipe.optimizer, recipe.input_shape, recipe.epochs) == ("adamw", (48, 48, 3), 16)


def test_references_give_nothing_away_where_the_models_know_nothing():
    rng = np.random.default_rng(3)
    seeds, count = range(1, 7), 1200
    inside = {seed: rng.permutation(count + 200)[: count // 2 + 100] for seed in seeds}
    inside = {seed: np.isin(np.arange(count + 200), chosen) for seed, chosen in inside.items()}
    labels, total = rng.integers(0, 3, count + 400), count + 400
    hashes = [str(i) for i in range(total)]
    easy = rng.normal(size=(total, 1)) * 2
    found = {}
    for seed in seeds:
        logits = rng.normal(size=(total, 3))
        logits[np.arange(total), labels] += easy[:, 0]
        found[seed] = privacy.Signals.from_outputs(logits, labels, hashes, from_logits=True)
    results, sets = attacks.attack(found, inside, 1, 0.1)
    assert {each.name for each in results} == {*attacks.PLAIN, *attacks.NEEDED}
    assert (len(sets[0]), len(sets[1]), len(sets[2])) == (700, 700, 200)
    for each in results:
        scores = each.member_scores, each.non_member_scores
        assert 0.5 in privacy.auc_interval(*scores, confidence=0.999, resamples=300), each.name
    (online,) = (each for each in results if each.name == "lira_online")
    # Of five references, two or three saw it: 20 of 32 faces.
    assert len(online.member_scores) == pytest.approx(700 * 20 / 32, abs=50)


def test_the_tolerated_rate_is_not_rounded():
    for rate, shown in ((0.1, "10%"), (0.025, "2.5%"), (0.001, "0.1%")):
        text = "\n".join(_paper_table({"tolerated_fpr": rate, "runs": []}, []))
        assert f"at {shown} tolerated false positives" in text


def test_correlation_and_effects():
    def run(row, seed, gap, advantage):
        found = {
            name: {"advantage": advantage, "auc": 0.5 + advantage}
            for name in ("population", "loss")
        }
        return {"row": row, "seed": seed, "gap": gap, "attacks": found}

    rows = {"1-none": 0.6, "1-basic": 0.3, "2-none": 0.4, "2-basic": 0.1}
    scored = [run(row, s, gap + 0.01 * s, gap / 2) for row, gap in rows.items() for s in (1, 2)]
    found = correlation(scored, "population")
    assert found["rows"]["value"] == pytest.approx(1)
    assert found["runs"]["points"] == 8
    assert found["augmented"]["points"] == 4
    assert 0.99 < found["runs"]["low"] < found["runs"]["value"] < found["runs"]["high"] <= 1
    assert correlation(scored[:2], "population") == dict.fromkeys(("runs", "rows", "augmented"))
    changes = effects(scored)
    assert changes["two noise layers instead of one"]["gap"]["mean"] == pytest.approx(-0.2)
    assert changes["basic instead of none"]["advantage"]["mean"] == pytest.approx(-0.15)
    assert changes["basic instead of none"]["advantage"]["half_width"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rows": ("3-none",)}, "`rows` must be patterns that fit some of 1-none"),
        ({"rows": ()}, "Received: none"),
        ({"seeds": 0}, "`seeds` must be an integer >= 1"),
        ({"batch_size": -1}, "`batch_size` must be an integer >= 1"),
        ({"tolerated_fpr": 1}, "`tolerated_fpr` must be between 0 and 1"),
        ({"channels": 2}, "`channels` must be one of"),
        ({"width": -1}, "`width` must be a number >= 0"),
    ],
)
def test_bad_settings(given, message):
    with pytest.raises(ValueError, match=message):
        PrivacySettings(**given)


@pytest.mark.slow
def test_drawn_faces_of_a_data_set(tmp_path, monkeypatch, untraced):
    put_small_networks(monkeypatch)
    settings = PrivacySettings(
        members=24, population=24, size=32, epochs=1, batch_size=12, seeds=1, rows=("1-none",)
    )
    outcome = run_privacy_study(
        settings, tmp_path / "out", data_dir=tmp_path / "data", progress=False
    )
    assert outcome.content["different_faces"] >= 72
    assert outcome.content["recipes"]["1-none"]["augmentation"] == "none"
    assert outcome.content["recipes"]["1-none"]["input_shape"] == [32, 32, 3]
