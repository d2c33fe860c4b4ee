"""Settings of a training on faces: rules, records, bundled files, and the recipe they make."""

import json
from pathlib import Path

import numpy as np
import pytest

from fer_models.training import recipes
from fer_models.training.face_settings import FaceSettings, bundled_settings, face_recipes


def test_the_settings_of_a_record_are_the_same_again(tmp_path):
    settings = FaceSettings(
        recipe="emotion_cnn",
        data="folder",
        path=tmp_path,
        teacher="a.keras",
        model={"width": 0.5},
        augmentation={"flip": 0.5},
        epochs=3,
        class_weights=False,
    )
    record = settings.to_dict()
    assert record == json.loads(json.dumps(record))
    assert record["path"] == str(tmp_path)
    assert record["teacher"][0].endswith("/a.keras")
    (tmp_path / "run.json").write_text(json.dumps({"settings": record}))
    assert FaceSettings.from_record(tmp_path / "run.json") == settings
    changed = FaceSettings.from_record(tmp_path / "run.json", epochs=5, model={"noise_layers": 0})
    assert (changed.epochs, changed.model) == (5, {"width": 0.5, "noise_layers": 0})


def test_a_record_from_before_some_settings_is_read(tmp_path):
    old = {"recipe": "ghostface", "teacher": "one.keras", "epochs": 2}
    (tmp_path / "run.json").write_text(json.dumps({"settings": old}))
    found = FaceSettings.from_record(tmp_path / "run.json")
    assert (found.passes, len(found.teacher)) == (1, 1)


def test_the_fair_pair_differs_in_its_network_alone():
    ghostface, efficientface = (
        FaceSettings.from_record(name).to_recipe().to_dict()
        for name in ("fer2013", "fer2013_efficientface")
    )
    differing = {name for name in ghostface if ghostface[name] != efficientface[name]}
    assert differing == {"name", "source", "model", "model_options"}
    assert ghostface["model_options"]["stem_strides"] == 1
    assert efficientface["model_options"] == {"stem_strides": 1}


def test_every_bundled_file_makes_a_recipe():
    assert "demo" in bundled_settings()
    for name in bundled_settings():
        assert FaceSettings.from_record(name).to_recipe().epochs


def test_changes_of_the_recipe():
    recipe = FaceSettings(
        recipe="emotion_cnn",
        optimizer="adamw",
        weight_decay=0.02,
        schedule="cosine",
        patience=0,
        size=32,
        channels=3,
        teacher=["a.keras"],
    ).to_recipe()
    assert (recipe.optimizer, recipe.learning_rate) == ("adamw", 0.002)
    assert recipe.optimizer_options == {"weight_decay": 0.02}
    assert recipe.input_shape == (32, 32, 3)
    assert isinstance(recipe.schedule, recipes.Cosine)
    assert recipe.patience is None
    assert recipe.labels == "one_hot"
    private = FaceSettings(dp_noise_multiplier=2.0, dp_clip=0.5, augmentation="none").to_recipe()
    assert (private.dp.noise_multiplier, private.dp.l2_norm_clip, private.dp.delta) == (
        2,
        0.5,
        1e-5,
    )


def test_without_trained_weights_nothing_is_frozen():
    frozen = FaceSettings(recipe="resnet50_cbam").to_recipe()
    assert frozen.freeze_batch_norm
    fresh = FaceSettings(recipe="resnet50_cbam", model={"weights": None}).to_recipe()
    assert not fresh.freeze_batch_norm
    assert [stage.epochs for stage in fresh.stages] == [frozen.epochs]


def test_rates_of_stages_keep_their_proportions():
    own = [0.001, 0.0001, 0.0001, 0.0001, 0.00001]
    for changes, factor in (
        ({"learning_rate": 0.01}, 10),
        ({"optimizer": "sgd"}, 100),
        ({"optimizer": "adamw", "learning_rate": 0.0005}, 0.5),
        ({"optimizer": "adam"}, 1),
    ):
        recipe = FaceSettings(recipe="resnet50_cbam", **changes).to_recipe()
        rates = [stage.learning_rate or recipe.learning_rate for stage in recipe.stages]
        assert rates == pytest.approx([factor * rate for rate in own])
    # One stage is left without the weights of ImageNet, and has the rate that is asked for.
    changes = {"learning_rate": 0.01, "model": {"weights": None}}
    assert FaceSettings(recipe="resnet50_cbam", **changes).to_recipe().learning_rate == 0.01


def test_recipes_of_clips_are_none_for_faces():
    assert set(recipes.RECIPES) - set(face_recipes()) == {"ha3dnet"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recipe": "vgg"}, "`recipe` must be one of.*'vgg'"),
        ({"recipe": "ha3dnet"}, "`recipe` must be one of"),
        ({"data": "emotionet"}, "`data` must be one of"),
        ({"precision": "bad"}, "`precision` must be one of"),
        ({"channels": 2}, "`channels` must be one of"),
        ({"optimizer": "lamb"}, "`optimizer` must be one of"),
        ({"schedule": "steps"}, "`schedule` must be one of"),
        ({"labels": "hard"}, "`labels` must be one of"),
        ({"validation_from": "here"}, "`validation_from` must be one of"),
        ({"epochs": 0}, "`epochs` must be an integer >= 1"),
        ({"epochs": [3]}, "`epochs` must be an integer >= 1"),
        ({"passes": 0}, "`passes` must be an integer >= 1"),
        ({"patience": -1}, "`patience` must be an integer >= 0"),
        ({"learning_rate": -0.1}, "`learning_rate` must be a number >= 0"),
        ({"vote_share": 1.5}, r"`vote_share` must be a number in \[0, 1\]"),
        ({"model": "width"}, "`model` must be arguments of the builder by name"),
        ({"data_options": "original"}, "`data_options` must be options of the data set by name"),
        ({"data": "fer2013", "train": 9}, "`train` is the number of synthetic faces"),
        ({"path": "faces.npz"}, "`data` must be what .*faces.npz was made of"),
        ({"passes": 2, "dp_noise_multiplier": 1.0}, "`passes` and `dp_noise_multiplier` cannot go"),
        ({"teacher": []}, "`teacher` must name one model or more"),
        ({"teacher": "a.keras", "vote_share": 0.5}, "`teacher` and `vote_share` cannot go"),
        ({"teacher": "a.keras", "labels": "soft"}, "`teacher` and `labels` cannot go together"),
        ({"teacher": "a.keras", "label_smoothing": 0.1}, "`teacher` and `label_smoothing` cannot"),
        ({"vote_share": 0.5, "dp_noise_multiplier": 1.0}, "`vote_share` and `dp_noise_mult"),
        ({"dp_clip": 1.0}, "`dp_clip` and `dp_delta` need `dp_noise_multiplier`"),
        ({"dp_delta": 1e-6}, "`dp_clip` and `dp_delta` need `dp_noise_multiplier`"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        FaceSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dp_noise_multiplier": -1.0}, "`noise_multiplier` must be a number >= 0"),
        ({"dp_noise_multiplier": 2.0, "augmentation": "mixup"}, "without MixUp"),
        ({"dp_noise_multiplier": 2.0, "class_weights": True}, "must be False with `dp`"),
        ({"ema": 1.5}, "`ema` of a Recipe must be None or between 0 and 1"),
    ],
)
def test_settings_that_the_recipe_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        FaceSettings(**{"augmentation": "none"} | settings).to_recipe()


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    settings = FaceSettings(data="folder", path="~/faces", teacher="~/a.keras")
    assert settings.path == str(tmp_path.resolve() / "faces")
    assert settings.teacher == (str(tmp_path.resolve() / "a.keras"),)


def test_paths_and_numpy_s_numbers_are_kept_as_json_has_them():
    model = {"weights": Path("runs/a.keras"), "width": np.float32(0.5)}
    settings = FaceSettings(model=model, seed=np.int64(3), augmentation={"flip": np.float64(0.5)})
    kept = settings.to_dict()
    assert (kept["model"], kept["seed"]) == ({"weights": "runs/a.keras", "width": 0.5}, 3)
    assert kept["augmentation"] == {"flip": 0.5}


def test_bad_records(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must be one of .*demo.* or the path"):
        FaceSettings.from_record(tmp_path / "absent.json")
    path = tmp_path / "bad.json"
    for text, message in (
        ("[]", "is no run.json"),
        ('{"settings": {"speed": 3}}', "unknown settings: speed"),
        ('{"settings": {"epochs": "3"}}', "`epochs` must be an integer .*settings of .*bad.json"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            FaceSettings.from_record(path)
