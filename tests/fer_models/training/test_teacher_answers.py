"""Answers of teachers in a file: how they are written, found by the faces, and learned."""

import dataclasses
import hashlib
import json

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays, bar_model
from helpers.small_networks import put_small_networks

from fer_data.pipelines import face_arrays
from fer_data.pipelines.labelled_faces import load_faces
from fer_models import FaceSettings, train_faces
from fer_models.training import training_report
from fer_models.training.face_training import FaceTraining
from fer_models.training.teacher_answers import moved, read_answers, write_answers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="training on faces is tested on TensorFlow"
)


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "faces.npz"
    splits = {name: bar_arrays(seed) for seed, name in enumerate(("train", "validation"))}
    face_arrays.write(path, splits, NAMES, {"data": "folder"})
    return path


@pytest.fixture
def faces(packed):
    return load_faces("folder", packed)


@pytest.fixture
def answered(faces, tmp_path, untraced):
    """Return a file of answers and what was written."""
    about = {"commands": ["fer answers"], "ancestry": ["faceres"]}
    path = tmp_path / "answers.npz"
    return path, write_answers(path, [bar_model(0.01)], faces, batch_size=4, about=about)


def test_the_file_holds_the_mean_over_models_and_views(faces, packed, tmp_path, untraced):
    seen, models = [], [bar_model(0.01), bar_model(0.03)]
    for model in models:
        own = model.predict_on_batch

        def predict(images, own=own):
            seen.append(images)
            return own(images)

        model.predict_on_batch = predict
    written = write_answers(tmp_path / "answers.npz", models, faces, batch_size=20)
    assert written.dtype == np.float16
    # One batch of 15 faces, six views, two models: five pixels of 96 are one of 24.
    images = faces.splits["train"]["image"].astype("float32")
    assert len(seen) == 12
    views = [images, moved(images, -1, -1), moved(images, 1, 1)]
    for number, view in enumerate(views):
        np.testing.assert_array_equal(seen[2 * number], view)
        np.testing.assert_array_equal(seen[2 * number + 1], view[:, :, ::-1])
    expected = np.mean([np.asarray(model(view)) for model in models for view in views], axis=0)
    np.testing.assert_allclose(written, expected, atol=1e-3)
    found = read_answers(tmp_path / "answers.npz")
    assert found.hashes[3] == hashlib.sha256(images[3].astype("uint8").tobytes()).hexdigest()
    assert found.packed_sha256 == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert found.class_names == NAMES
    assert "2 model(s) over 6 views of each face of faces.npz, split train" in found.note
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-6)


def test_moving_repeats_the_edge():
    images = np.arange(12).reshape(1, 3, 4, 1)
    np.testing.assert_array_equal(
        moved(images, 1, -1)[0, :, :, 0], [[1, 2, 3, 3], [1, 2, 3, 3], [5, 6, 7, 7]]
    )
    np.testing.assert_array_equal(moved(images, 0, 0), images)


def test_answers_are_found_by_the_pixels(faces, packed, answered, tmp_path):
    path, written = answered
    answers = read_answers(path)
    order = np.random.default_rng(0).permutation(15)[:9]
    some = {name: values[order] for name, values in faces.splits["train"].items()}
    face_arrays.write(tmp_path / "some.npz", {"train": some}, NAMES, {"data": "folder"})
    found = answers.of(load_faces("folder", tmp_path / "some.npz"), NAMES)
    np.testing.assert_allclose(found, written[order], atol=1e-3)
    with pytest.raises(ValueError, match="none to 15 of them") as error:
        answers.of(faces, NAMES, "validation")
    assert str(path) in str(error.value)
    assert str(packed) in str(error.value)
    with pytest.raises(ValueError, match="must be of the classes of"):
        answers.of(faces, ("happy", "angry", "sad"))
    with pytest.raises(ValueError, match="`split` must be one of"):
        answers.of(faces, NAMES, "dev")


def test_a_student_learns_the_answers_alone(answered, faces, packed, tmp_path, monkeypatch):
    put_small_networks(monkeypatch)
    monkeypatch.setattr(training_report, "write", lambda *given, **more: "brief")
    path, written = answered
    asked = {"data": "folder", "path": packed, "size": 24, "channels": 1, "batch_size": 5}
    settings = FaceSettings(**asked, answers=path, epochs=1, augmentation="mixup")
    training = FaceTraining(settings, tmp_path / "unused")
    training.load()
    learned = training._learned().splits["train"]
    assert learned.keys() == {"image", "label"}
    np.testing.assert_allclose(learned["label"], written, atol=1e-3)
    train_faces(settings, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["settings"]["answers"] == str(path)
    assert len(record["inputs"]["file of answers"]) == 1
    assert record["answers"]["commands"] == ["fer answers"]
    assert record["ancestry"] == ["faceres"]
    # A share of the labels beside the answers.
    mixed = FaceTraining(dataclasses.replace(settings, answer_share=0.25), tmp_path / "unused")
    mixed.load()
    labels = np.eye(len(NAMES))[faces.column("train", "label")]
    expected = 0.25 * written.astype("float64") + 0.75 * labels
    np.testing.assert_allclose(mixed._learned().splits["train"]["label"], expected, atol=1e-3)
    # Other classes: the error names the file, and nothing is left behind.
    with pytest.raises(ValueError, match="must be of the classes of"):
        train_faces(dataclasses.replace(settings, classes=5), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_student_learns_answers_beside_votes(answered, packed, tmp_path):
    faces = bar_arrays(0)
    votes = np.random.default_rng(0).multinomial(10, [0.6, 0.3, 0.1], len(faces["label"]))
    splits = {"train": faces | {"votes": votes}, "validation": bar_arrays(1)}
    face_arrays.write(packed, splits, NAMES, {"data": "folder"})
    path, written = answered
    asked = {"data": "folder", "path": packed, "answers": path, "labels": "soft"}
    training = FaceTraining(FaceSettings(**asked, answer_share=0.25), tmp_path / "unused")
    training.load()
    expected = 0.25 * written.astype("float64") + 0.075 * votes
    np.testing.assert_allclose(training._learned().splits["train"]["label"], expected, atol=1e-3)


def test_targets_are_one_row_a_face(faces):
    with pytest.raises(ValueError, match=r"`targets` must be \(15, classes\)"):
        faces.with_targets(np.ones((14, 3)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": "a.keras"}, "`answers` and `teacher` cannot go together"),
        ({"vote_share": 0.5}, "`answers` and `vote_share` cannot go together"),
        ({"labels": "soft"}, "`answers` and `labels` cannot go together"),
        ({"class_weights": True}, "`answers` and `class_weights` cannot go together"),
        ({"dp_noise_multiplier": 1.0}, "`answers` and `dp_noise_multiplier` cannot go together"),
        ({"path": "folder"}, "`answers` need the packed faces"),
        ({"answer_share": 0}, "`answer_share` must be above 0"),
        ({"answer_share": 1.5}, r"`answer_share` must be a number in \[0, 1\]"),
        ({"answer_share": 1, "vote_share": 0.5}, "unless `answer_share` is below 1"),
        ({"answers": None, "answer_share": 0.5}, "`answer_share` needs `answers`"),
    ],
)
def test_settings_that_do_not_go_together(changes, message):
    given = {"data": "folder", "path": "faces.npz", "answers": "answers.npz"}
    with pytest.raises(ValueError, match=message):
        FaceSettings(**given | changes)
    assert FaceSettings(**given, recipe="efficientface_ldl").to_recipe().labels == "one_hot"
    assert FaceSettings(**given, answer_share=0.5, labels="soft").to_recipe().labels == "soft"


def test_bad_files(answered, tmp_path):
    path, _ = answered
    with np.load(path) as file:
        content = dict(file)
    with pytest.raises(FileNotFoundError):
        read_answers(tmp_path / "absent.npz")
    for change, message in (
        ({"note": None}, "must be one that `fer answers` wrote"),
        ({"answers": content["answers"] * 2}, "must hold probabilities of shape"),
        ({"answers": content["answers"][:3]}, "must hold probabilities of shape"),
    ):
        arrays = {name: each for name, each in (content | change).items() if each is not None}
        np.savez(tmp_path / "bad.npz", **arrays)
        with pytest.raises(ValueError, match=message):
            read_answers(tmp_path / "bad.npz")
    np.savez(tmp_path / "bad.npz", **content | {"about": np.array([{}], object)})
    with pytest.raises(ValueError, match=r"bad\.npz' \(array 'about' holds Python objects"):
        read_answers(tmp_path / "bad.npz")
    (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="must be one that `fer answers` wrote"):
        read_answers(tmp_path / "cut.npz")


def test_what_cannot_be_answered(faces, tmp_path, untraced):
    path = tmp_path / "answers.npz"
    image = keras.Input((24, 24, 1))
    flat = keras.layers.Flatten()(image)
    logits = keras.Model(image, keras.layers.Dense(3, name="logits")(flat), name="bare")
    two = keras.Model(image, keras.layers.Dense(2, "softmax")(flat))
    unpacked = dataclasses.replace(faces, packed=None)
    for given, message in (
        ((path, [logits], faces), "must put out probabilities.* model 'bare'"),
        (
            (path, [two], faces),
            "a fixed size, with .*, and have 3 outputs",
        ),
        ((path, [], faces), "`models` must be one or more"),
        ((tmp_path / "answers.csv", [two], faces), "`path` must end in .npz"),
        ((path, [two], unpacked), "Answers belong to the faces of a packed file"),
        ((path, [two], faces, "dev"), "`split` must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            write_answers(*given)
    assert not path.exists()
