"""The privacy study: a tiny one from end to end, interrupted and gone on with."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from helpers.examples import load_example

from fer_models import privacy, registry

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
TINY = ["--members", "40", "--population", "30", "--size", "8", "--epochs", "2"]
TINY += ["--batch-size", "16", "--seeds", "3", "--rows", "1-none", "2-mixup"]


@pytest.fixture(scope="module")
def study():
    return load_example("privacy_study")


@pytest.fixture(scope="module")
def attacks():
    return load_example("privacy_study_attacks")


@pytest.fixture(scope="module")
def report():
    return load_example("privacy_study_report")


def small_network(input_shape, classes, width=1, noise_layers=1, noise_stddev=0.1, seed=None):
    image = keras.Input(input_shape)
    x = keras.layers.GaussianNoise(noise_stddev * noise_layers, seed=seed)(image / 255)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))


@pytest.fixture
def quick(study, monkeypatch):
    """A small network in the place of GhostFace, and noise in the place of faces."""
    entry = dataclasses.replace(registry.entry("ghostface"), builder=small_network)
    monkeypatch.setitem(registry.MODELS, "ghostface", entry)
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (120, 8, 8, 1)).astype("uint8"), np.arange(120) % 3
    monkeypatch.setattr(study, "load", lambda args: (*faces, ("angry", "happy", "sad"), 5))


def results(folder):
    return json.loads((folder / "study.json").read_text())


@pytest.mark.slow
def test_an_interrupted_study_goes_on_and_ends_as_an_unbroken_one(
    quick, study, tmp_path, capsys, monkeypatch
):
    assert study.main([*TINY, "--output", str(tmp_path / "whole")]) == 0
    text = capsys.readouterr().out
    assert "120 different faces (5 copies left out)" in text
    assert {p.name for p in (tmp_path / "whole").iterdir()} == {
        "plan.json", "runs", "rows", "study.md", "study.json", "study.png",
    }  # fmt: skip
    assert (tmp_path / "whole" / "rows" / "2-mixup" / "membership.md").exists()
    found = results(tmp_path / "whole")
    assert [(run["row"], run["seed"]) for run in found["runs"]][:4] == [
        ("1-none", 1), ("1-none", 2), ("1-none", 3), ("2-mixup", 1),
    ]  # fmt: skip
    assert found["paper"]["2-mixup"] == {"tp": 4.9, "fp": 8.7, "tn": 45, "fn": 41}
    for run in found["runs"]:
        for scores in run["attacks"].values():
            four = [scores[k] for k in ("tp", "fp", "tn", "fn")]
            assert sum(four) == pytest.approx(100)
            assert scores["advantage"] <= scores["best_advantage"] + 1e-9
    assert {"population", "loss", "rmia_offline"} <= found["runs"][0]["attacks"].keys()
    # Three seeds leave two references, too few for LiRA.
    assert "lira_online" not in found["runs"][0]["attacks"]
    assert "| 4.9, 8.7, 45, 41 |" in (tmp_path / "whole" / "study.md").read_text()

    ask, count = privacy.signals, 0

    def stopping(*args, **kwargs):
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return ask(*args, **kwargs)

    monkeypatch.setattr(privacy, "signals", stopping)
    words = [*TINY, "--output", str(tmp_path / "broken")]
    assert study.main(words) == 130
    assert not (tmp_path / "broken" / "study.md").exists()
    kept = sorted((tmp_path / "broken").glob("runs/*/*/run.json"))
    assert len(kept) == 2
    before = [path.read_text() for path in kept]
    assert study.main(words) == 0
    # Two of six were there, the third began again.
    assert count == 3 + 4
    assert [path.read_text() for path in kept] == before
    again = results(tmp_path / "broken")
    for one, other in zip(found["runs"], again["runs"], strict=True):
        assert one["member_loss"] == pytest.approx(other["member_loss"], rel=1e-4)
        assert one["attacks"]["loss"]["auc"] == pytest.approx(
            other["attacks"]["loss"]["auc"], abs=0.01
        )
    assert study.main(words) == 0
    assert count == 7, "a finished study trains nothing"


@pytest.mark.slow
def test_one_model_is_trained_once_and_reported(quick, study, tmp_path, capsys):
    words = [*TINY[:-4], "1", "--rows", "2-none", "--output", str(tmp_path / "out")]
    assert study.main(words) == 0
    (run,) = results(tmp_path / "out")["runs"]
    assert run["attacks"].keys() == {
        *privacy.ATTACKS[:1],
        "population_per_class",
        *privacy.ATTACKS[5:8],
    }
    text = (tmp_path / "out" / "study.md").read_text()
    assert "for lira_online, lira_offline, rmia_online, rmia_offline." in text
    assert "| 2, none |" in text
    assert "| 6, 5.5, 44, 44 |" in text
    assert (tmp_path / "out" / "study.png").stat().st_size > 5000
    record = tmp_path / "out" / "runs" / "2-none" / "seed1" / "run.json"
    assert len(json.loads(record.read_text())["training_accuracy"]) == 2
    capsys.readouterr()
    assert study.main([*words, "--epochs", "3"]) == 2
    assert "holds a study with other settings (epochs)" in capsys.readouterr().err
    assert study.main([*words, "--members", "60"]) == 2
    assert "has 120 different ones" in capsys.readouterr().err


def test_copies_and_mirror_images_are_used_once(study):
    images = np.random.default_rng(1).integers(0, 256, (6, 4, 4, 1)).astype("uint8")
    images[3] = images[1]
    images[5] = images[2][:, ::-1]
    assert study.different(images).tolist() == [0, 1, 2, 4]


def test_halves_are_drawn_by_chance_and_the_population_is_apart(study):
    args = study.parse([*TINY, "--seed", "7"])
    pool, population = study.draw(args, 120)
    assert (len(pool), len(population)) == (80, 30)
    assert len({*pool, *population}) == 110
    halves = np.array([study.members_of(args, seed) for seed in range(1, 201)])
    assert (halves.sum(axis=1) == 40).all()
    assert len({half.tobytes() for half in halves}) == 200
    # A face is in half of them on average, and by chance.
    assert 0.4 < halves.mean(axis=0).min() < 0.5 < halves.mean(axis=0).max() < 0.6 + 0.05
    seeds = {study.seed_of(args, row, seed) for row in study.ROWS for seed in range(9)}
    assert len(seeds) == 72


def test_references_give_nothing_away_where_the_models_know_nothing(attacks):
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


def test_correlation_and_effects(report):
    def run(row, seed, gap, advantage):
        attacks = {
            name: {"advantage": advantage, "auc": 0.5 + advantage}
            for name in ("population", "loss")
        }
        return {"row": row, "seed": seed, "gap": gap, "attacks": attacks}

    rows = {"1-none": 0.6, "1-basic": 0.3, "2-none": 0.4, "2-basic": 0.1}
    scored = [run(row, s, gap + 0.01 * s, gap / 2) for row, gap in rows.items() for s in (1, 2)]
    found = report.correlation(scored, "population")
    assert found["rows"]["value"] == pytest.approx(1)
    assert found["runs"]["points"] == 8
    assert found["augmented"]["points"] == 4
    assert 0.99 < found["runs"]["low"] < found["runs"]["value"] < found["runs"]["high"] <= 1
    assert report.correlation(scored[:2], "population") == dict.fromkeys(
        ("runs", "rows", "augmented")
    )
    changes = report.effects(scored)
    assert changes["two noise layers instead of one"]["gap"]["mean"] == pytest.approx(-0.2)
    assert changes["basic instead of none"]["advantage"]["mean"] == pytest.approx(-0.15)
    assert changes["basic instead of none"]["advantage"]["half_width"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rows", "3-none"], "--rows must fit some of 1-none"),
        (["--seeds", "0"], "--seeds must be 1 or more"),
        (["--batch-size", "-1"], "--batch-size must be 1 or more"),
        (["--tolerated-fpr", "1"], "--tolerated-fpr must be between 0 and 1"),
        (["--data", "nowhere"], "invalid choice"),
    ],
)
def test_bad_words(study, capsys, words, message):
    with pytest.raises(SystemExit):
        study.main(words)
    assert message in capsys.readouterr().err


def test_a_missing_data_set_is_an_error_in_words(study, tmp_path, capsys):
    assert study.main(["--data", "fer2013", "--output", str(tmp_path / "out")]) == 2
    assert "error: `path` must name the folder or archive" in capsys.readouterr().err


@pytest.mark.slow
def test_ghostface_on_synthetic_faces(study, tmp_path):
    words = ["--data-dir", str(tmp_path / "data"), "--output", str(tmp_path / "out")]
    words += ["--members", "24", "--population", "24", "--size", "32", "--epochs", "1"]
    words += ["--batch-size", "12", "--seeds", "1", "--rows", "1-randaug"]
    assert study.main(words) == 0
    found = results(tmp_path / "out")
    assert found["different_faces"] >= 72
    assert found["recipes"]["1-randaug"]["augmentation"] == "randaug"
    assert found["correlation"]["population"] == dict.fromkeys(("runs", "rows", "augmented"))
