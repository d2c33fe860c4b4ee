"""A training on expressions, valence and arousal: settings, report, and what it refuses."""

import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.bars import NAMES, bar_arrays
from helpers.small_networks import put_small_networks

import fer_models
from fer_data.pipelines import face_arrays
from fer_data.pipelines.labelled_faces import LabelledFaces
from fer_models import FaceSettings, recipes, train_faces
from fer_models.training.face_training import FaceTraining, build_model
from fer_models.training.recipe_batches import training_batches
from fer_models.zoo.face_outputs import gives_valence_arousal

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="training on faces is tested on TensorFlow"
)


def arrays(seed):
    """Return bars whose class goes with valence, and whose arousal is not known of every face."""
    found = bar_arrays(seed)
    valence = (found["label"] - 1) * 0.8
    arousal = np.linspace(-1, 1, len(valence))
    arousal[seed::4] = np.nan
    return found | {"valence": valence.astype("float32"), "arousal": arousal.astype("float32")}


def settings(**changes):
    options = {"data": "folder", "path": "faces.npz", "size": 24, "channels": 1, "epochs": 2}
    options |= {"batch_size": 8, "valence_arousal": 0.5, "augmentation": "none", **changes}
    return FaceSettings(**options)


def faces(*lacking):
    splits = {name: arrays(seed) for seed, name in enumerate(("train", "validation"))}
    for name in lacking:
        del splits[name]["arousal"]
    return LabelledFaces(splits, dict.fromkeys(splits, 15), NAMES, "here", {})


@pytest.mark.slow
def test_a_training_says_how_good_both_outputs_are(tmp_path, monkeypatch, untraced):
    put_small_networks(monkeypatch)
    path = tmp_path / "faces.npz"
    face_arrays.write(path, faces().splits, NAMES, {"data": "folder"})
    found = train_faces(settings(path=path), tmp_path / "run")
    with (found.folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert {
        "val_expression_accuracy",
        "val_valence_arousal_valence_ccc",
        "val_valence_arousal_arousal_ccc",
    } <= rows[0].keys()
    model, names = fer_models.load_model(found.folder / "best.keras")
    assert gives_valence_arousal(model)
    assert names == NAMES
    scores = json.loads((found.folder / "report.json").read_text())
    assert scores["valence_arousal"]["valence"]["examples"] == 15
    assert scores["valence_arousal"]["arousal"]["examples"] == 11
    assert "## Valence and arousal" in found.report
    record = json.loads((found.folder / "run.json").read_text())
    assert record["recipe"]["valence_arousal"] == 0.5
    # The same call finds it done, and another weight is another run.
    with pytest.raises(ValueError, match=r"valence_arousal was 0\.5, now 0\.25"):
        train_faces(settings(path=path, valence_arousal=0.25), tmp_path / "run")


@pytest.mark.slow
def test_prepared_faces_give_the_same_targets():
    recipe = settings().to_recipe()
    splits = {"train": tf.data.Dataset.from_tensor_slices(arrays(0))}
    prepared = LabelledFaces(splits, {"train": 15}, NAMES, "here")
    _, targets = next(iter(training_batches(recipe, prepared, 3)(0)))
    assert sorted(targets) == ["expression", "valence_arousal"]
    assert targets["valence_arousal"].shape == (8, 2)


def test_faces_without_the_columns_are_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "faces.npz"
    path.write_bytes(b"not read")
    for split in ("train", "validation"):
        with pytest.raises(ValueError, match=f"which the {split} split of data='folder' has not"):
            train_faces(settings(path=path), tmp_path / "run", faces=faces(split))
    assert not (tmp_path / "run").exists()


def unknown(splits, *names):
    """Return splits of which these have NaN alone."""
    nothing = np.full(15, np.nan, "float32")
    return {
        name: arrays | {"valence": nothing, "arousal": nothing} if name in names else arrays
        for name, arrays in splits.items()
    }


@pytest.mark.parametrize("packed", [True, False])
def test_faces_of_which_nothing_is_known(tmp_path, packed):
    path = tmp_path / "faces.npz"
    path.write_bytes(b"not read")
    splits = faces().splits | {"test": arrays(2)}

    def loaded(*names):
        found = unknown(splits, *names)
        if not packed:
            found = {k: tf.data.Dataset.from_tensor_slices(v) for k, v in found.items()}
        training = FaceTraining(settings(path=path), tmp_path / "run")
        counts = dict.fromkeys(found, 15)
        training.load(LabelledFaces(found, counts, NAMES, "here", {} if packed else None))
        return training

    for split in ("train", "validation") if packed else ("train",):
        with pytest.raises(ValueError, match=f"the {split} split .* has none. Received: NaN for"):
            loaded(split)
    # The report of such a test split has the classes alone.
    assert loaded("test")._affect_batches("test") is None
    if packed:
        assert loaded()._affect_batches("test") is not None


def test_a_teacher_of_both_teaches_the_classes(tmp_path, monkeypatch):
    put_small_networks(monkeypatch)
    both = settings(path=None, data="synthetic")
    build_model(both, both.to_recipe(), 3).save(tmp_path / "both.keras")
    student = settings(
        **{"path": None, "data": "synthetic", "valence_arousal": None},
        teacher=tmp_path / "both.keras",
    )
    model = build_model(student, student.to_recipe(), 3)
    assert tuple(model.teacher.output.shape) == (None, 3)


def test_what_does_not_go_together():
    others = {
        "teacher": "teacher.keras",
        "answers": "answers.npz",
        "vote_share": 0.5,
        "class_weights": True,
        "dp_noise_multiplier": 1.0,
        "adversarial_epsilon": 2.0,
    }
    for name, value in others.items():
        with pytest.raises(ValueError, match=f"`valence_arousal` and `{name}` cannot go together"):
            settings(**{name: value})
    with pytest.raises(ValueError, match=r"`valence_arousal` must be a number >= 0"):
        settings(valence_arousal=-0.5)
    recipe = recipes.get("ghostface_small")
    for changes in (
        {"class_weights": True},
        {"dp": fer_models.training.dp_sgd.DPSGD(noise_multiplier=1.0)},
    ):
        with pytest.raises(ValueError, match="with `valence_arousal`"):
            recipe.replace(valence_arousal=0.5, augmentation="none", **changes)
    for weight in (-1, float("nan"), True, "0.5"):
        with pytest.raises(ValueError, match="`valence_arousal` of a Recipe must be None or"):
            recipe.replace(valence_arousal=weight)


def test_metrics_have_the_names_of_the_history():
    plain = recipes.get("ghostface_small")
    both = plain.replace(valence_arousal=0.5)
    assert plain.logged("val_accuracy") == "val_accuracy"
    assert both.logged("val_accuracy") == "val_expression_accuracy"
    assert both.logged("accuracy") == "expression_accuracy"
    assert both.logged("val_loss") == "val_loss"
    own = "val_valence_arousal_valence_ccc"
    assert both.logged(own) == own
    assert not both.replace(monitor=own).lower_is_better


def test_the_second_head_trains_in_every_stage():
    recipe = recipes.get("resnet50_cbam").replace(valence_arousal=0.5, freeze_batch_norm=False)
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(2, 3, name="conv5_1")(image)
    x = keras.layers.Activation("relu", name="block_cbam")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = fer_models.with_valence_arousal(
        keras.Model(image, keras.layers.Dense(3, "softmax", name="logits")(x))
    )
    recipe.freeze(model, 0)
    trained = {layer.name for layer in model.layers if layer.trainable and layer.weights}
    assert trained == {"logits", "valence_arousal_dense"}
