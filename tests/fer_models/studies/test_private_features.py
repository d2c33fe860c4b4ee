"""The study of private features on made-up features; it needs the JAX backend."""

import json

import keras
import numpy as np
import pytest

from fer_models.cli import main
from fer_models.studies.private_features import run_private_features
from fer_models.studies.private_features_report import _source
from fer_models.studies.private_features_settings import PrivateFeaturesSettings
from fer_models.studies.private_features_trainings import Trainings
from fer_models.training.trunk_features import FaceFeatures

pytest.importorskip("jax_privacy")
pytestmark = pytest.mark.backend
NAMES = ("happy", "sad", "surprise")


def made_up():
    generator = np.random.default_rng(0)
    middle = generator.normal(size=(3, 12))
    labels = {"train": np.arange(240) % 3, "validation": np.arange(60) % 3}
    features = {
        split: (middle[own] + 0.5 * generator.normal(size=(len(own), 12))).astype("float32")
        for split, own in labels.items()
    }
    return FaceFeatures(features, labels, NAMES, {"trunk": "made up"})


def settings(**changes):
    return PrivateFeaturesSettings(
        **{
            "epsilons": (50.0,),
            "delta": 1e-3,
            "batch_size": 60,
            "steps": 12,
            "learning_rates": (0.5,),
            "canaries": 24,
            "seeds": 1,
            **changes,
        }
    )


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="it computes on JAX")
@pytest.mark.slow
def test_the_study_and_its_second_call(tmp_path, monkeypatch):
    outcome = run_private_features(settings(), tmp_path, features=made_up(), progress=False)
    content = json.loads((tmp_path / "report.json").read_text())
    plain, private = content["rows"]
    assert plain["accuracy"]["mean"] > 0.8
    assert plain["learning_rate"] == 0.5
    assert plain["epsilon"] is None
    assert private["epsilon"] <= 50
    assert private["epsilon_if_shuffled"] > 1
    assert private["audit"]["epsilon"] <= private["epsilon"]
    inside = private["audit"]["inside"]
    assert inside + private["audit"]["outside"] == 24
    assert 0 < inside < 24
    assert "| none |" in outcome.text
    assert "of data that the features do not name, features of the trunk made up" in outcome.text
    record = json.loads((tmp_path / "run.json").read_text())["settings"]
    assert (record["data"], record["trunk"], record["size"]) == (None, None, None)
    assert (tmp_path / "report.png").stat().st_size > 5000
    # A second call, with one more epsilon, trains only that.
    fitted, fit = [], Trainings.fit
    monkeypatch.setattr(
        Trainings, "fit", lambda own, run, rate: fitted.append(run.row) or fit(own, run, rate)
    )
    more = settings(epsilons=(50.0, 20.0))
    run_private_features(more, tmp_path, features=made_up(), progress=False)
    assert fitted == ["epsilon 20"]
    with pytest.raises(ValueError, match="another output folder"):
        run_private_features(settings(steps=3), tmp_path, features=made_up(), progress=False)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="it is of the other backends")
def test_other_backends_are_refused(tmp_path):
    with pytest.raises(NotImplementedError, match="KERAS_BACKEND=jax"):
        run_private_features(settings(), tmp_path, features=made_up())


def test_odd_settings_are_named():
    with pytest.raises(ValueError, match="`epsilons` must not be empty"):
        settings(epsilons=())
    with pytest.raises(ValueError, match="`canaries` must be an integer >= 16"):
        settings(canaries=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # 12 features and 3 classes.
        ({"canaries": 37}, "`canaries` must be at most 36 for 12 features and 3 classes"),
        # Below 1 / 240, and not below 1 / 264.
        (
            {"delta": 1 / 250},
            "`delta` must be below 1 / 264 = 0.0038 for 240 training faces and 24",
        ),
    ],
)
def test_audits_that_cannot_be_are_refused_before_any_training(changes, message):
    with pytest.raises(ValueError, match=message):
        Trainings(settings(**changes), made_up())
    Trainings(settings(canaries=36, delta=1 / 280), made_up())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data", "fer2013"),
        ("path", "here"),
        ("trunk", "dlib"),
        ("trunk_weights", "w"),
        ("size", 48),
    ],
)
def test_features_go_with_no_faces(name, value):
    with pytest.raises(ValueError, match=f"`{name}` and `features` cannot go together"):
        settings(features="features.npz", **{name: value})
    assert settings(features="features.npz").compared()["data"] is None
    assert settings().compared()["data"] == "synthetic"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--trunk-weights must name the file"),
        (["--trunk", "dlib"], "--trunk-weights must name the file"),
        (["--features", "f.npz", "--data", "synthetic"], "`data` and `features` cannot"),
        (["--features", "f.npz", "--trunk", "faceres"], "`trunk` and `features` cannot"),
    ],
)
def test_words_that_do_not_go_together(words, message, tmp_path, capsys):
    assert main(["reproduce", "private-features", "--output", str(tmp_path / "run"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_report_says_what_the_features_are_of():
    drawn = {"data": "synthetic", "trunk": "faceres", "weights_sha256": None}
    assert _source(drawn) == "of synthetic, features of the trunk faceres with random weights"
    packed = {"trunk": "dlib", "weights_sha256": "ab" * 32, "faces_sha256": "cd" * 32}
    assert _source(packed) == (
        "of the packed file cdcdcdcdcdcd, features of the trunk dlib with weights abababababab"
    )
