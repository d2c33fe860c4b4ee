"""The study of exposed faces: a tiny one from end to end, interrupted and gone on with."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
from helpers.small_networks import put_small_networks
from helpers.trunk_file import write_trunk

import fer_models
from fer_data.files import write_json
from fer_models import privacy
from fer_models.studies import exposed_faces_attacks as attacks
from fer_models.studies import exposed_faces_exposure as exposing
from fer_models.studies import exposed_faces_models as models
from fer_models.studies import exposed_faces_pictures
from fer_models.studies.exposed_faces import run_exposed_faces
from fer_models.studies.exposed_faces_predictions import PREDICTIONS, judged
from fer_models.studies.exposed_faces_report import _examples, changes
from fer_models.studies.exposed_faces_settings import ExposedFacesSettings, parts
from fer_models.training import runs

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
NAMES = ("angry", "disgust", "happy")
TINY = {"models": 6, "members": 90, "population": 30, "size": 16, "epochs": 1, "batch_size": 30}
REAL = {"data": "fer2013", "path": "faces.npz"}


def made_up(count=220):
    """Return noise for faces, with votes, half of them unanimous."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 3
    votes = np.eye(3)[labels] * 10.0
    votes[::2] = rng.multinomial(10, [0.4, 0.3, 0.3], len(votes[::2]))
    images = rng.integers(0, 256, (count, 16, 16, 1)).astype("uint8")
    return models.Faces(images, labels, votes, np.arange(count), NAMES)


def known(inside, strength, seed=0):
    """Return signals of models that are so much surer of the faces that they were trained on."""
    rng = np.random.default_rng(seed)
    count = inside.shape[1]
    labels = rng.integers(0, 3, count + 300)
    hashes = [str(i) for i in range(len(labels))]
    easy = rng.normal(size=len(labels)) * 2
    found = []
    for own in inside:
        logits = rng.normal(size=(len(labels), 3))
        logits[np.arange(len(labels)), labels] += easy
        logits[np.arange(count), labels[:count]] += strength * own
        found.append(privacy.Signals.from_outputs(logits, labels, hashes, from_logits=True))
    return found, labels[:count]


@pytest.fixture
def study(monkeypatch, untraced):
    put_small_networks(monkeypatch)

    def run(output, **changes):
        settings = ExposedFacesSettings(**TINY | changes)
        return run_exposed_faces(settings, output, faces=made_up(), progress=False)

    return run


@pytest.mark.slow
def test_an_interrupted_study_goes_on_and_ends_as_an_unbroken_one(study, tmp_path, monkeypatch):
    asked = {**REAL, "models": 5, "treatments": ("bare", "votes", "bare+distilled")}
    outcome = study(tmp_path / "whole", **asked)
    written = {path.name for path in (tmp_path / "whole").iterdir()}
    assert written == {
        *("run.json", "runs", "report.md", "report.json", "report.png"),
        *(f"faces_{treatment}.csv" for treatment in asked["treatments"]),
    }
    assert json.loads((tmp_path / "whole" / "report.json").read_text())["seeds"] == 1
    text = (tmp_path / "whole" / "report.md").read_text()
    assert text == outcome.text
    assert "| disgust |" in text.replace("angry | disgust", "| disgust |")
    assert "exposed_faces.png" not in text
    assert "all voters agree" in text
    found = outcome.content["treatments"]
    assert found.keys() == set(asked["treatments"])
    for measured in found.values():
        assert len(measured["member_accuracy"]) == 5
        for attack in measured["attacks"].values():
            at = attack["counts"]
            assert at["0.01"]["accused"] <= 0.01 * at["0.01"]["non_members"]
            assert (
                sum(each["counts"]["members"] for each in attack["classes"])
                == (at["0.01"]["members"])
            )
    with (tmp_path / "whole" / "faces_bare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {int(row["face"]) for row in rows} <= set(range(220))
    assert len(rows) == 2 * TINY["members"]
    known = [row for row in rows if row["mean_score_where_trained"]]
    shares = [int(row["found_by"]) / int(row["models_trained_on_it"]) for row in known]
    assert shares == sorted(shares, reverse=True)

    ask, count = privacy.signals, 0

    def stopping(*args, **kwargs):
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return ask(*args, **kwargs)

    monkeypatch.setattr(privacy, "signals", stopping)
    with pytest.raises(KeyboardInterrupt):
        study(tmp_path / "broken", **asked)
    kept = sorted((tmp_path / "broken").glob("runs/*/*/*/result.json"))
    assert len(kept) == 3
    before = [path.read_text() for path in kept]
    again = study(tmp_path / "broken", **asked)
    assert count == 4 + 15 - 3
    assert [path.read_text() for path in kept] == before
    for name, measured in again.content["treatments"].items():
        assert measured["non_member_accuracy"] == pytest.approx(
            found[name]["non_member_accuracy"], abs=0.05
        )
    # More may be asked for; what decides the models may not change.
    with pytest.raises(ValueError, match="epochs was 1, now 2"):
        study(tmp_path / "broken", **asked, epochs=2)
    assert count == 16


@pytest.mark.slow
def test_drawn_faces_of_a_data_set_and_two_seeds(tmp_path, monkeypatch, untraced):
    put_small_networks(monkeypatch)
    settings = ExposedFacesSettings(
        treatments=("plain", "bare"),
        seeds=2,
        models=5,
        members=24,
        population=24,
        size=32,
        epochs=1,
        batch_size=12,
    )
    outcome = run_exposed_faces(
        settings, tmp_path, data_dir=tmp_path.parent / "data", progress=False
    )
    assert outcome.content["different_faces"] == 72
    assert (tmp_path / "exposed_faces.png").stat().st_size > 5000
    assert "![The most and the least exposed faces](exposed_faces.png)" in outcome.text
    plain = outcome.content["treatments"]["plain"]
    assert len(plain["attacks"]["loss"]["auc"]) == 10
    assert "by_entropy" not in plain["exposure"]
    assert outcome.content["recipes"]["bare"]["augmentation"]["flip"] == 0
    with (tmp_path / "faces_bare.csv").open(newline="") as file:
        assert {row["seed"] for row in csv.DictReader(file)} == {"1", "2"}
    held = {each["about"]: each["held"] for each in outcome.content["predictions"]}
    assert held["votes"] is None
    assert held["few faces"] is not None


def test_the_attacks_find_what_is_there_and_nothing_else():
    rng = np.random.default_rng(1)
    inside = rng.random((17, 800)) < 0.5
    for strength, low, high in ((0.0, 0.48, 0.52), (3.0, 0.75, 0.95)):
        found, labels = known(inside, strength)
        attacked = attacks.attack_all(found, inside)
        measured = attacks.measure([attacked], [labels], 3)
        for name, attack in measured["attacks"].items():
            assert low < np.mean(attack["auc"]) < high, (strength, name)
            at = attack["counts"]["0.01"]
            assert at["accused"] <= 0.01 * at["non_members"]
            assert np.mean(attack["tpr"]) == pytest.approx(at["found"] / at["members"], abs=0.01)
        assert attacked.judged.mean() > 0.99
    lira = measured["attacks"]["lira_online"]["counts"]["0.01"]
    assert lira["found"] / lira["members"] > 0.1
    by_class = [each["counts"]["found"] for each in measured["attacks"]["loss"]["classes"]]
    assert sum(by_class) == measured["attacks"]["loss"]["counts"]["0.01"]["found"]


def test_faces_with_too_few_references_are_not_judged():
    inside = np.random.default_rng(1).random((6, 300)) < 0.5
    inside[:, 0], inside[:, 1] = True, False
    attacked = attacks.attack_all(known(inside, 1.0)[0], inside)
    assert not attacked.judged[:, :2].any()
    assert np.isnan(attacked.scores["rmia_online"][~attacked.judged]).all()
    exposure = exposing.exposure_of(attacked, 0.01)
    assert (exposure.trained[:2] == 0).all()
    assert not {0, 1} & set(exposure.order().tolist())


def test_which_faces_are_found(tmp_path):
    exposure = exposing.Exposure(
        trained=np.array([4, 2, 0, 4]),
        found=np.array([4, 1, 0, 0]),
        others=np.array([1, 3, 5, 1]),
        accused=np.array([0, 1, 0, 0]),
        score=np.array([2.0, 1.0, np.nan, -1.0]),
    )
    assert exposure.order().tolist() == [0, 1, 3]
    assert exposing.spread([exposure]) == {"faces": 3, "never": 1, "by_half": 2, "by_all": 1}
    groups = exposing.grouped([exposure], [np.array([0.0, 0.3, 0.3, np.nan])], exposing.ENTROPIES)
    assert [(each["faces"], each["found"], each["trained"]) for each in groups] == [
        (1, 4, 4),
        (1, 1, 2),
        (0, 0, 0),
        (0, 0, 0),
    ]
    faces = models.Faces(
        np.zeros((4, 8, 8, 1), "uint8"),
        np.array([0, 1, 2, 2]),
        np.array([[10, 0, 0], [5, 5, 0], [0, 0, 0], [10, 0, 0.0]]),
        np.array([7, 8, 9, 10]),
        NAMES,
    )
    assert exposing.vote_agreement(faces).tolist() == pytest.approx(
        [1, 0.5, np.nan, 0], nan_ok=True
    )
    assert exposing.described(exposure, faces, exposure.order()[:1]) == [
        {"face": 7, "class": "angry", "trained": 4, "found": 4, "vote_entropy": 0.0}
    ]
    path = exposing.write_faces(tmp_path / "faces_plain.csv", [exposure], {1: faces})
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["face"] for row in rows] == ["7", "8", "10", "9"]
    assert [row["mean_score_where_trained"] for row in rows] == ["2.0000", "1.0000", "-1.0000", ""]
    assert (rows[-1]["models_trained_on_it"], rows[-1]["other_models"]) == ("0", "5")


def test_files_of_other_treatments_are_removed(tmp_path):
    names = ("faces_plain.csv", "faces_bare+votes.csv", "faces_mine.csv", "faces_erasing.txt")
    for name in names:
        (tmp_path / name).touch()
    exposing.remove_faces(tmp_path, ["plain"])
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"faces_plain.csv", "faces_mine.csv", "faces_erasing.txt"}


def test_each_panel_names_its_own_rate(tmp_path, monkeypatch):
    monkeypatch.setattr(exposed_faces_pictures, "save_figure", lambda figure, path: figure)
    at = {"found": 20, "members": 100, "accused": 0, "non_members": 100}
    attack = {
        "auc": [0.6],
        "counts": {"0.01": at},
        "classes": [{"name": "happy", "counts": at}],
        "roc": {"fpr": [0.1, 1], "tpr": [0.2, 1]},
    }
    groups = [{"name": "all voters agree", "found": 30, "trained": 100}]
    treatment = {
        "attacks": {attacks.MAIN: attack},
        "member_accuracy": [0.5],
        "exposure": {"rate": 0.05, "by_entropy": groups},
    }
    figure = exposed_faces_pictures.plot({"treatments": {"plain": treatment}}, tmp_path)
    _, by_class, by_votes = figure.axes
    for axes, rate in ((by_class, 1), (by_votes, 5)):
        assert f"at {rate} % false positives" in axes.get_title()
        (guessing,) = (line for line in axes.lines if line.get_linestyle() == ":")
        assert list(guessing.get_ydata()) == [rate, rate]


def test_votes_are_shown_where_any_of_the_named_faces_has_some():
    row = {"face": 3, "class": "happy", "trained": 8, "found": 4}
    rows = [{**row, "vote_entropy": None}, {**row, "vote_entropy": 0.25}]
    *_, first, second, _ = _examples({"examples": {"treatment": "plain", "most": rows}})
    assert first == "| 3 | happy | 4 of 8 |  |"
    assert second == "| 3 | happy | 4 of 8 | 0.25 |"
    *_, only, _ = _examples({"examples": {"treatment": "plain", "most": rows[:1]}})
    assert only == "| 3 | happy | 4 of 8 |"


def test_halves_are_drawn_one_by_one():
    small = {"members": 50, "population": 20, "batch_size": 10}
    settings = ExposedFacesSettings(**small, models=7)
    pool = models.draw(settings, made_up(130), seed=1)
    assert (pool.inside.sum(axis=1) == 50).all()
    # Were each face in a fixed number of models, the others would give its membership away.
    assert len(set(pool.inside.sum(axis=0))) > 2
    more = models.draw(ExposedFacesSettings(**small, models=9), made_up(130), 1)
    assert (more.inside[:7] == pool.inside).all()
    assert not set(pool.faces.places) & set(pool.population.places)
    with pytest.raises(ValueError, match="must be 120 or more"):
        models.draw(settings, made_up(110), seed=1)


def test_what_each_treatment_changes(tmp_path):
    settings = ExposedFacesSettings(start={"weights": "ferplus"})
    plain, both = (
        models.augmentation_of(settings, name) for name in ("plain", "erasing+mixup+votes")
    )
    assert (plain.erase, plain.mixup, plain.flip) == (0, None, 0.5)
    assert (both.erase, both.mixup.alpha, both.flip) == (0.5, 0.4, 0.5)
    bare = models.augmentation_of(settings, "bare+erasing")
    assert (bare.erase, bare.flip) == (0.5, 0)
    recipe = models.recipe_of(settings, "pretrained")
    assert recipe.model_options["weights"] == "ferplus"
    assert "weights" not in models.recipe_of(settings, "plain").model_options
    assert (recipe.ema, recipe.epochs, recipe.optimizer) == (None, 30, "adamw")
    order = [run.row for run in models.plan(settings, ("distilled", "plain"), tmp_path)]
    assert order[:3] == ["plain 1", "distilled 1", "plain 2"]


@pytest.mark.slow
def test_a_trunk_begins_with_statistics_of_the_population(tmp_path, monkeypatch, untraced):
    trunk = fer_models.pretrained_classifier(False, None, None, (32, 32, 1), "avg")
    write_trunk(trunk, tmp_path / "trunk.npz")
    settings = ExposedFacesSettings(
        **TINY | {"size": 32},
        recipe="faceres_teacher",
        treatments=("pretrained",),
        start={"trunk_weights": str(tmp_path / "trunk.npz")},
    )
    rng = np.random.default_rng(0)
    faces = made_up()
    faces = dataclasses.replace(
        faces, images=rng.integers(0, 256, (len(faces.labels), 32, 32, 1), "uint8")
    )
    pool = models.draw(settings, faces, seed=1)
    planned = models.plan(settings, settings.treatments, tmp_path)
    trainer = models.Trainer(settings, {1: pool}, planned)
    begun = []

    def fit(model, *args, **options):
        begun.append(model)
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "fit", fit)
    for run in planned[:2]:
        with pytest.raises(KeyboardInterrupt):
            trainer.train(run)
    stem, norm = begun[0].get_layer("trunk_stem"), begun[0].get_layer("trunk_stem_norm")
    maps = keras.Model(begun[0].input, stem.output)(pool.population.images.astype("float32"))
    expected = keras.ops.mean(maps, (0, 1, 2))
    np.testing.assert_allclose(norm.moving_mean, expected, rtol=1e-3, atol=1e-3)
    assert trainer.start["batch_norm"] == "statistics of the population"


def test_weights_that_know_the_faces_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`start` must not name `faces`"):
        models.start_of(ExposedFacesSettings(**REAL, start={"trunk_weights": "a", "faces": "b"}))
    with pytest.raises(ValueError, match="not trained on these faces"):
        models.start_of(ExposedFacesSettings(**REAL, start={"weights": "ferplus"}))
    write_json(
        tmp_path / runs.RECORD, {"settings": {"data": "fer2013"}, "date": "", "versions": {}}
    )
    (tmp_path / "last.keras").write_text("weights")
    given = {"weights": str(tmp_path / "last.keras")}
    with pytest.raises(ValueError, match="learned from 'fer2013'"):
        models.start_of(ExposedFacesSettings(**REAL, start=given))
    # A training that went on from such a file, and one on several data sets.
    later = tmp_path / "later"
    later.mkdir()
    (later / "last.keras").write_text("weights")
    sets = {"first": {"data": "ferplus"}, "second": {"data": "folder", "path": "mine"}}
    for record in (
        {"settings": {"data": "folder"}, "recipe": {"model_options": given}},
        {"settings": {"data": ["ferplus", "folder"]}, "sets": sets},
    ):
        write_json(later / runs.RECORD, record | {"date": "", "versions": {}})
        with pytest.raises(ValueError, match="learned from 'fer"):
            models.start_of(
                ExposedFacesSettings(**REAL, start={"weights": str(later / "last.keras")})
            )
    assert models.start_of(ExposedFacesSettings())["sha256"] == []
    assert len(models.start_of(ExposedFacesSettings(start=given))["sha256"]) == 1


def test_changes_and_predictions():
    def measured(gap, found):
        at = {"found": found, "members": 1000, "accused": 0, "non_members": 1000}
        attack = {
            "auc": [0.5 + gap] * 4,
            "tpr": [found / 1000] * 4,
            "counts": {"0.01": at, "0.001": at},
            "classes": [
                {"name": name, "auc": [0.5], "counts": {**at, "found": 10 + number}}
                for number, name in enumerate(("happy", "disgust"))
            ],
        }
        groups = [{"name": "", "faces": 9, "found": 10 * n, "trained": 1000} for n in (1, 3)]
        return {
            "member_accuracy": [0.5 + gap] * 4,
            "non_member_accuracy": [0.5] * 4,
            "attacks": dict.fromkeys(attacks.ATTACKS, attack),
            "exposure": {
                "spread": {"faces": 100, "never": 50, "by_half": 1, "by_all": 0},
                "by_entropy": groups,
            },
        }

    treatments = {
        "plain": measured(0.2, 50),
        "erasing": measured(0.1, 40),
        "erasing+mixup": measured(0.1, 20),
        "votes": measured(0.1, 45),
    }
    change = changes(treatments)
    assert change["erasing"]["gap"]["mean"] == pytest.approx(-0.1)
    assert change["votes"]["tpr"]["half_width"] == pytest.approx(0, abs=1e-12)
    bare = {
        "plain": measured(0.1, 10),
        **{f"bare+{name}".replace("+plain", ""): each for name, each in treatments.items()},
    }
    change = changes(bare)
    assert change["plain"]["instead_of"] == change["bare+votes"]["instead_of"] == "bare"
    assert change["plain"]["tpr"]["mean"] == pytest.approx(-0.04)
    assert changes({"votes": measured(0.2, 50)}) == {}
    held = {each["about"]: each["held"] for each in judged(treatments)}
    assert held == {
        "flips, shifts, zoom": None,
        "attacks": False,
        "erasing, MixUp": True,
        "votes": False,
        "distillation": None,
        "pre-training": None,
        "classes": True,
        "votes on a face": True,
        "few faces": True,
    }
    assert {each["about"]: each["held"] for each in judged(bare)} == held | {
        "flips, shifts, zoom": True
    }
    assert {each["held"] for each in judged({"votes": measured(0.1, 45)})} == {None}
    everything = {
        **treatments,
        "distilled": measured(0.1, 30),
        "pretrained": measured(0.1, 60),
    }
    held = {each["about"]: each["held"] for each in judged(everything)}
    assert (held["distillation"], held["pre-training"]) == (True, False)
    assert len(held) == len(PREDICTIONS)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"treatments": ()}, "must name one or more"),
        ({"treatments": ("sleep",)}, "joined by plus signs"),
        ({"treatments": ("votes+distilled",)}, "both replace the labels"),
        ({"treatments": ("distilled",)}, "`treatments` must have 'plain' with 'distilled'"),
        ({"treatments": ("plain", "bare+distilled")}, "must have 'bare' with"),
        ({"treatments": ("votes+bare",)}, "joined by plus signs"),
        ({"treatments": ("pretrained",)}, "`start` must name trained weights"),
        ({"models": 4}, "`models` must be an integer >= 5"),
        ({"exposure_fpr": 0}, "`exposure_fpr` must be between 0 and 1"),
        ({"channels": 2}, "`channels` must be one of"),
        ({"batch_size": 3000}, "`batch_size` must be"),
        ({"path": "faces.npz"}, "drawn faces take none"),
        ({"data": "fer2013"}, "must name the data set"),
    ],
)
def test_bad_settings(given, message):
    with pytest.raises(ValueError, match=message):
        ExposedFacesSettings(**given)


def test_treatments():
    assert parts("votes+erasing") == parts("bare+votes+erasing") == ("votes", "erasing")
    assert ExposedFacesSettings(treatments=("plain", "plain")).treatments == ("plain",)
    with pytest.raises(ValueError, match="need data with votes"):
        ExposedFacesSettings(treatments=("votes",)).chosen(voted=False)
    assert ExposedFacesSettings().chosen(voted=False) == (
        *("plain", "erasing", "mixup", "erasing+mixup", "distilled"),
    )
    everything = ExposedFacesSettings(start={"weights": "w.keras"}).chosen(voted=True)
    assert everything[-2:] == ("distilled", "pretrained")
