"""The studies of GhostFace's paper, with a network small enough for a test."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays
from helpers.fake_datasets import write_raf_db

from fer_data.pipelines import face_arrays
from fer_data.pipelines.split_arrays import SplitArrays
from fer_models.studies import (
    ghostface_figures,
    ghostface_table_accuracy,
    ghostface_table_privacy,
    ghostface_trainings,
)
from fer_models.studies.ghostface_figures import run_ghostface_figures
from fer_models.studies.ghostface_settings import GhostfaceSettings
from fer_models.studies.ghostface_table_accuracy import costs, run_accuracy_table
from fer_models.studies.ghostface_table_privacy import ROWS, augmentation_of, run_privacy_table
from fer_models.studies.ghostface_trainings import Trainings, recipe_for
from fer_models.studies.study_splits import StudySplits, load_splits
from fer_models.zoo import registry

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
TINY = GhostfaceSettings(data="raf_db", size=32, channels=1, epochs=1, batch_size=30, seeds=2)


def small_network(input_shape, classes, noise_layers=1, noise_stddev=0.1, width=1.0, seed=None):
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(4, 8, 8, name="conv")(image / 255)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))


def plain_network(input_shape, classes):
    return small_network(input_shape, classes)


@pytest.fixture
def quick(monkeypatch):
    for name, builder in (("ghostface", small_network), ("efficientface", plain_network)):
        entry = dataclasses.replace(registry.MODELS[name], builder=builder)
        monkeypatch.setitem(registry.MODELS, name, entry)


@pytest.fixture(scope="module")
def faces():
    parts = {
        name: bar_arrays(seed, count=count, noise=(0, 90), bright=120)
        for seed, (name, count) in enumerate({"train": 20, "validation": 4, "test": 30}.items())
    }
    found = {}
    for name, part in parts.items():
        images = np.pad(part["image"], ((0, 0), (0, 8), (0, 8), (0, 0)), mode="edge")
        copies = np.arange(len(images)) < 2 if name == "test" else None
        found[name] = SplitArrays(images, part["label"], copies)
    return StudySplits(found, NAMES, ("Bars.",))


def never(*_, **__):
    raise AssertionError("a finished run is trained again")


@pytest.mark.slow
def test_the_accuracy_table_goes_on_and_stays_as_it_is(faces, tmp_path, quick, monkeypatch):
    some = dict(list(ghostface_table_accuracy.ROWS.items())[:2])
    monkeypatch.setattr(ghostface_table_accuracy, "ROWS", some)
    first = run_accuracy_table(TINY, tmp_path, faces=faces, progress=False)
    monkeypatch.setattr(Trainings, "fit", never)
    again = run_accuracy_table(TINY, tmp_path, faces=faces, progress=False)
    assert again.text == first.text
    content = json.loads((tmp_path / "report.json").read_text())
    rows = content["tables"][0]["rows"]
    assert [row["name"] for row in rows][:2] == ["EfficientFace", "GhostFace"]
    assert len(rows[1]["measured"]["accuracy"]["values"]) == 2
    assert rows[1]["published"]["best_loss"] == 0.674
    # Two test faces count as copies.
    assert "without test faces that are copies" in first.text
    assert "GhostFace has 12.65 % fewer FLOPs" in first.text
    assert (tmp_path / "report.png").exists()
    with pytest.raises(ValueError, match="size"):
        run_accuracy_table(dataclasses.replace(TINY, size=48), tmp_path, faces=faces)


@pytest.mark.slow
def test_the_counts_are_the_paper_s():
    found = costs()
    assert found["EfficientFace"] == {"parameters": [1_275_293], "flops": [154_176_526]}
    assert found["GhostFace"] == {"parameters": [1_279_011], "flops": [134_678_348]}


def test_a_training_goes_on_whichever_row_this_process_began_with(faces, tmp_path, quick):
    first, second = (
        recipe_for(TINY, name, (32, 32, 1)) for name in ("ghostface", "ghostface_mixup")
    )
    trainings = Trainings(faces)
    trainings.fit(first, tmp_path / "first", seed=1)
    _, whole = trainings.fit(second, tmp_path / "second", seed=1)
    # The next process has finished the first row, and builds the network for the second.
    _, again = Trainings(faces).fit(second, tmp_path / "second", seed=1)
    assert again == whole


def test_a_folder_holds_one_study(faces, tmp_path, monkeypatch, quick):
    monkeypatch.setattr(ghostface_trainings, "finish_runs", never)
    with pytest.raises(AssertionError):
        run_accuracy_table(TINY, tmp_path, faces=faces, progress=False)
    # The record alone would be replaced.
    (tmp_path / "runs").mkdir()
    with pytest.raises(ValueError, match="study"):
        run_ghostface_figures(TINY, tmp_path, faces=faces, progress=False)


def test_a_diverged_training_is_named(faces, quick):
    network = small_network((32, 32, 1), len(NAMES))
    network.layers[-1].set_weights(
        [np.full(each.shape, np.nan) for each in network.layers[-1].get_weights()]
    )
    recipe = recipe_for(TINY, "ghostface_mixup", (32, 32, 1))
    message = "'ghostface_mixup' diverged: .* 90 of 90 faces.*smaller `learning_rate`"
    with pytest.raises(ValueError, match=message):
        ghostface_trainings.predict(network, recipe, faces.parts["test"], len(NAMES))


def test_nobody_published_figures_of_drawn_faces():
    assert GhostfaceSettings().stated({"accuracy": 0.7797}) == {}
    assert TINY.stated({"accuracy": 0.7797}) == {"accuracy": 0.7797}


def test_a_shorter_training_keeps_its_steps_in_place():
    settings = GhostfaceSettings(epochs=20, width=0.5)
    assert recipe_for(settings, "efficientface", (48, 48, 1)).schedule.every == 6
    ghost = recipe_for(settings, "ghostface_mixup", (48, 48, 1))
    assert (ghost.model_options["width"], ghost.batch_size, ghost.epochs) == (0.5, 16, 20)


@pytest.mark.slow
def test_the_privacy_table_goes_on_and_stays_as_it_is(faces, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(ghostface_table_privacy, "ROWS", ("1-basic", "2-mixup"))
    options = {"members": 30, "population": 20, "faces": faces, "progress": False}
    first = run_privacy_table(TINY, tmp_path, **options)
    monkeypatch.setattr(Trainings, "fit", never)
    again = run_privacy_table(TINY, tmp_path, **options)
    assert again.text == first.text
    content = json.loads((tmp_path / "report.json").read_text())
    counted, added = content["tables"]
    assert [row["name"] for row in counted["rows"]][:2] == [
        "1 noise layer, basic",
        "2 noise layers, mixup",
    ]
    assert counted["rows"][0]["published"] == {"tp": 5.9, "fp": 4.8, "tn": 45, "fn": 44}
    measured = counted["rows"][0]["measured"]
    both = zip(*(measured[name]["values"] for name in ("tp", "fp", "tn", "fn")), strict=True)
    assert [sum(each) for each in both] == pytest.approx([100, 100])
    assert 0 <= added["rows"][1]["measured"]["auc"]["mean"] <= 1
    run = content["runs"][0]["attacks"]["loss"]
    low, high = run["tpr_interval"]
    assert low <= run["tpr_at_1_percent"] <= high
    assert run["auc_interval"][0] <= run["auc"] <= run["auc_interval"][1]
    assert "2 noise layers, mixup, seed 2 |" in first.text
    assert {"report.md", "report.png", "correlation.png"} <= {p.name for p in tmp_path.iterdir()}


def test_the_sets_of_the_attack_share_no_face(faces):
    train, test = faces.parts["train"], faces.parts["test"]
    # Five test faces are mirror images of training faces.
    images = test.images.copy()
    images[:5] = train.images[:5, :, ::-1]
    doubled = dataclasses.replace(
        faces, parts={**faces.parts, "test": dataclasses.replace(test, images=images)}
    )
    found, judged = ghostface_table_privacy.divide(doubled, 30, 20, seed=3)
    assert (len(judged["members"]), len(judged["non_members"])) == (30, 30)
    outside = np.concatenate([judged["non_members"], judged["population"]])
    assert len(set(outside)) == 50
    assert outside.min() >= 5
    assert len(found.parts["validation"]) == len(images) - 5 - 50
    watched = {image.tobytes() for image in found.parts["validation"].images}
    assert not watched & {images[place].tobytes() for place in outside}


def test_the_population_is_checked_before_anything_is_trained(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainings, "fit", never)
    with pytest.raises(ValueError, match="`population` must be"):
        run_privacy_table(TINY, tmp_path, members=30, population=5, faces=faces)
    with pytest.raises(ValueError, match="Take fewer `members` or a smaller `population`"):
        run_privacy_table(TINY, tmp_path, members=80, population=20, faces=faces)
    few = np.zeros_like(faces.parts["test"].labels)
    few[-1:] = 1
    test = dataclasses.replace(faces.parts["test"], labels=few)
    one_class = dataclasses.replace(faces, parts={**faces.parts, "test": test})
    message = "2 faces or more of every class that is judged.*too few of"
    with pytest.raises(ValueError, match=message):
        run_privacy_table(TINY, tmp_path, members=20, population=20, faces=one_class)


def test_every_image_of_the_privacy_table_is_changed():
    assert len(ROWS) == 8
    assert augmentation_of("1-mixup").mixup.fraction == 1
    assert augmentation_of("2-randaug").rand_aug.operations == (1, 3)
    # They are alternatives.
    assert not augmentation_of("2-randaug").geometric
    assert augmentation_of("1-basic").geometric


@pytest.mark.slow
def test_the_figures(faces, tmp_path, quick, monkeypatch):
    settings = dataclasses.replace(TINY, seeds=1)
    first = run_ghostface_figures(settings, tmp_path, faces=faces, progress=False)
    monkeypatch.setattr(Trainings, "fit", never)
    assert run_ghostface_figures(settings, tmp_path, faces=faces, progress=False).text == first.text
    assert (tmp_path / ghostface_figures.CAM).exists()
    linked = {name for name in vars(ghostface_figures).values() if str(name).endswith(".png")}
    for name in linked:
        assert (f"({name})" in first.text) == (tmp_path / name).exists()
    assert "training labels overruled" in first.text


@pytest.mark.slow
def test_the_whole_training_set_of_raf_db(tmp_path):
    path = write_raf_db(tmp_path / "raf", per_class=10)
    options = {"size": 32, "data_dir": tmp_path / "prepared"}
    whole = load_splits("raf_db", path, choosing=False, **options)
    assert {name: len(part) for name, part in whole.parts.items()} == {"train": 70, "test": 70}
    divided = load_splits("raf_db", path, **options)
    assert (len(divided.parts["train"]), len(divided.parts["validation"])) == (63, 7)


def test_copies_of_a_face_stay_together(tmp_path):
    path = tmp_path / "faces.npz"
    part = bar_arrays(0, 20)
    doubled = {name: np.concatenate([values, values]) for name, values in part.items()}
    splits = {"train": doubled, "validation": bar_arrays(1, 7)}
    face_arrays.write(path, splits, NAMES, {"data": "fer2013"})
    found = load_splits("fer2013", path, size=24)
    chosen = {image.tobytes() for image in found.parts["validation"].images}
    assert len(chosen) == 6
    assert not chosen & {image.tobytes() for image in found.parts["train"].images}


def test_the_data_set_s_own_division(tmp_path):
    path = tmp_path / "faces.npz"
    splits = {"train": bar_arrays(0, 20), "validation": bar_arrays(1, 7)}
    face_arrays.write(path, splits, NAMES, {"data": "fer2013"})
    found = load_splits("fer2013", path, size=48, train=30)
    assert {name: len(part) for name, part in found.parts.items()} == {
        "train": 27,
        "validation": 3,
        "test": 21,
    }
    assert found.image_shape == (48, 48, 1)
    assert any("no test faces" in remark for remark in found.remarks)
    with pytest.raises(ValueError, match="`train` must be at most 60"):
        load_splits("fer2013", path, size=48, train=70)
    # Too few of each class to keep, or to leave out.
    for train in (2, 58):
        with pytest.raises(ValueError, match=rf"`train` must be .* Received: train={train}"):
            load_splits("fer2013", path, size=48, train=train)
    assert len(load_splits("fer2013", path, size=48, train=57, choosing=False).parts["train"]) == 57
    with pytest.raises(ValueError, match=r"`train` must be larger.* a tenth .*Received: train=9"):
        load_splits("fer2013", path, size=48, train=9)
    face_arrays.write(path, {"train": splits["train"]}, NAMES, {"data": "fer2013"})
    with pytest.raises(ValueError, match="must have test or validation faces"):
        load_splits("fer2013", path, size=48)
