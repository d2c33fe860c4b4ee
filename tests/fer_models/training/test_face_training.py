"""A training on faces, on a small network and one file of faces: its folder, and what it refuses.

`tests/fer_models/cli/test_train.py` has what a user sees of it, with real networks and processes.
"""

import csv
import dataclasses
import functools
import json
import shutil
import sys

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays, bar_model
from helpers.examples import loaded_benchmark
from helpers.small_networks import put_small_networks

import fer_data.labels
import fer_models
from fer_data.pipelines import face_arrays
from fer_data.pipelines.labelled_faces import load_faces
from fer_models import FaceSettings, train_faces
from fer_models.training import face_training, training_report
from fer_models.training.face_training import FaceTraining, build_model
from fer_models.zoo import class_names, registry

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="training on faces is tested on TensorFlow"
)
WRITTEN = {
    "run.json",
    "history.csv",
    "curves.png",
    "report.md",
    "report.json",
    "confusion.png",
    "reliability.png",
    "grad_cam.png",
    "best.keras",
    "last.keras",
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    path = tmp_path_factory.mktemp("faces") / "faces.npz"
    splits = {name: bar_arrays(seed) for seed, name in enumerate(("train", "validation"))}
    face_arrays.write(path, splits, NAMES, {"data": "folder"})
    return path


@pytest.fixture
def quick(monkeypatch, untraced):
    """A small network, which TensorFlow does not trace."""
    put_small_networks(monkeypatch)


@pytest.fixture
def brief(monkeypatch):
    """A report of one word, where the test is about the training."""

    def write(record, recipe, names, where, faces, folder, copies=None, affect=None, sets=None):
        (folder / "report.md").write_text("brief")
        return "brief"

    monkeypatch.setattr(training_report, "write", write)


@pytest.fixture
def settings(packed):
    def make(**changes):
        common = {
            "data": "folder",
            "path": packed,
            "size": 24,
            "channels": 1,
            "batch_size": 8,
            "augmentation": "none",
            "epochs": 2,
            "patience": 0,
        }
        return FaceSettings(**common | changes)

    return make


def history(run):
    with (run / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def record_of(run):
    return json.loads((run / "run.json").read_text())


def test_everything_is_written_once(quick, settings, tmp_path, capsys, request):
    run = tmp_path / "run"
    found = train_faces(settings(augmentation="basic"), run, command="fer train --so")
    assert {path.name for path in run.iterdir()} >= WRITTEN
    text = (run / "report.md").read_text()
    assert found.report == text
    for words in (
        "`fer train --so`",
        "15 train, 15 validation",
        "best epoch, all",
        "weighted mean",
    ):
        assert words in text
    assert "trainable parameters" in text
    assert "published" not in text, "nobody published on this folder"
    assert found.to_dict()["scores"].keys() == {"best epoch, all", "last epoch, all"}
    record = record_of(run)
    assert record["finished"]
    assert record["faces"] == {"train": 15, "validation": 15}
    assert record["classes"] == list(NAMES)
    assert record["inputs"].keys() == {"file of packed faces"}
    assert record["versions"].keys() >= {"TensorFlow", "Keras", "NumPy", "OpenCV", "fer-keras"}
    # A model says what its outputs mean.
    for name in ("best", "last"):
        assert fer_models.load_model(run / f"{name}.keras")[1] == NAMES

    request.getfixturevalue("brief")
    before = (run / "last.keras").stat().st_mtime_ns
    capsys.readouterr()
    assert train_faces(settings(augmentation="basic"), run).report == "brief"
    assert "only the report is written again" in capsys.readouterr().out
    assert (run / "last.keras").stat().st_mtime_ns == before
    assert record_of(run) == record


@pytest.mark.slow
def test_a_run_without_its_report_gets_it_later(quick, brief, settings, packed, tmp_path):
    run = tmp_path / "run"
    asked = {"passes": 2, "ema": 0.9}
    found = train_faces(settings(**asked), run, report=False)
    assert found.report is None
    assert found.to_dict() == {"folder": str(run)}
    assert {path.name for path in run.iterdir()} == {
        *("run.json", "history.csv", "best.keras", "last.keras", "state", "tensorboard"),
    }
    # Two passes over fifteen faces are three full batches an epoch.
    steps = keras.models.load_model(run / "last.keras").optimizer.iterations
    assert int(steps) == 6
    # On another machine, where the file lies elsewhere.
    moved = tmp_path / "moved.npz"
    shutil.copy(packed, moved)
    train_faces(settings(**asked, path=moved, convolutions="products"), run)
    assert (run / "report.md").read_text() == "brief"
    assert len(history(run)) == 2


@pytest.mark.slow
def test_a_run_can_be_prolonged_and_other_settings_are_refused(
    quick, brief, settings, tmp_path, capsys
):
    run = tmp_path / "run"
    train_faces(settings(schedule="constant", epochs=1), run, command="first")
    train_faces(settings(schedule="constant", epochs=3), run, command="second")
    assert "Resuming after 1 of at most 3 epochs" in capsys.readouterr().out
    record = record_of(run)
    assert (record["settings"]["epochs"], record["command"]) == (3, "second")
    assert record["finished"]
    assert [row["epoch"] for row in history(run)] == ["0", "1", "2"]
    assert class_names.read(run / "best.keras") == NAMES
    for changes, message in (
        ({"epochs": 2}, "epochs was 3, now 2"),
        ({"epochs": 3, "seed": 9}, "seed was 1, now 9"),
        ({"epochs": 4, "schedule": "cosine"}, "epochs was 3, now 4; schedule was"),
    ):
        with pytest.raises(ValueError, match=message):
            train_faces(settings(**{"schedule": "constant"} | changes), run)
    # Of a cosine every step depends on the number of epochs.
    other = settings(schedule="cosine", epochs=1, seed=9)
    train_faces(other, run, restart=True)
    assert record_of(run)["settings"]["seed"] == 9
    assert len(history(run)) == 1


def test_another_file_under_the_same_name_is_noticed(quick, brief, settings, packed, tmp_path):
    mine = tmp_path / "mine.npz"
    shutil.copy(packed, mine)
    asked = {"path": mine, "schedule": "constant"}
    train_faces(settings(**asked, epochs=1), tmp_path / "run", report=False)
    splits, names, about = face_arrays.read(packed)
    splits["train"]["image"] = 255 - splits["train"]["image"]
    face_arrays.write(mine, splits, names, about)
    with pytest.raises(ValueError, match="another file of packed faces"):
        train_faces(settings(**asked, epochs=2), tmp_path / "run")


def test_a_finished_run_is_not_another_one(quick, brief, settings, packed, tmp_path):
    run = tmp_path / "run"
    train_faces(settings(epochs=1), run)
    before = record_of(run)
    teacher = tmp_path / "teacher.keras"
    shutil.copy(run / "last.keras", teacher)
    splits, names, about = face_arrays.read(packed)
    moved, fewer = tmp_path / "moved.npz", tmp_path / "fewer.npz"
    shutil.copy(packed, moved)
    faces = splits["validation"]
    splits["validation"] = {name: column[:9] for name, column in faces.items()}
    face_arrays.write(fewer, splits, names, about)
    for changes, message in (
        ({"teacher": teacher}, "teacher was null, now"),
        ({"path": fewer}, "another file of packed faces"),
    ):
        with pytest.raises(ValueError, match=message):
            train_faces(settings(epochs=1, **changes), run)
    # A folder of pictures has no digest in the record: its faces and classes are compared.
    training = FaceTraining(settings(epochs=1, path=moved), run)
    training.open()
    assert training.over
    loaded = load_faces("folder", str(fewer), size=24)
    with pytest.raises(ValueError, match="holds a training on other faces"):
        training.load(loaded)
    # Nor may a stopped run go on with them.
    training.run.record["finished"] = training.over = False
    with pytest.raises(ValueError, match="holds a training on other faces"):
        training.load(loaded)
    assert record_of(run) == before


@pytest.mark.parametrize("finished", [True, False])
def test_the_run_of_another_program_is_kept(settings, tmp_path, finished):
    run = tmp_path / "run"
    (run / "folds").mkdir(parents=True)
    record = {"settings": {"protocol": "loso", "data": "casme2"}, "finished": finished}
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="holds a run with other settings"):
        train_faces(settings(), run)
    assert record_of(run) == record


def test_batch_norm_s_statistics_are_of_faces_that_are_trained_on(monkeypatch, tmp_path, packed):
    splits, names, _ = face_arrays.read(packed)
    whole = tmp_path / "whole.npz"
    face_arrays.write(whole, {"train": splits["train"]}, names)
    seen = []
    entry = registry.entry("pretrained_classifier")
    builder = lambda **options: seen.append(options["faces"]) or bar_model()  # noqa: E731
    functools.update_wrapper(builder, entry.builder)
    entry = dataclasses.replace(entry, builder=builder)
    monkeypatch.setitem(registry.MODELS, "pretrained_classifier", entry)
    model = {"trunk_weights": tmp_path / "trunk.npz", "faces": whole}
    common = {"recipe": "faceres_teacher", "data": "folder", "path": whole, "model": model}
    common |= {"size": 24, "epochs": 1, "augmentation": "none", "ema": 0.9}
    training = FaceTraining(FaceSettings(**common, validation_fraction=0.2), tmp_path / "run")
    training.load()
    recipe = training._with_training_faces(training.recipe)
    build_model(training.settings, recipe, 3)
    assert len(seen[0]) == training.faces.counts["train"] == 12
    apart = training.faces.splits["validation"]["image"]
    assert not any((image == other).all() for image in seen[0] for other in apart)
    private = FaceSettings(**common | {"ema": None}, dp_noise_multiplier=1.0)
    with pytest.raises(ValueError, match="`faces` and `dp_noise_multiplier` cannot go together"):
        build_model(private, private.to_recipe(), 3)


@pytest.mark.slow
def test_a_run_is_repeated_from_its_record(quick, brief, settings, tmp_path):
    train_faces(settings(augmentation="fer2013", class_weights=True), tmp_path / "run")
    again = FaceSettings.from_record(tmp_path / "run" / "run.json")
    train_faces(again, tmp_path / "again")
    assert history(tmp_path / "run") == history(tmp_path / "again")


@pytest.mark.slow
def test_two_teachers_teach_with_their_mean(quick, brief, settings, tmp_path):
    for seed in (1, 2):
        train_faces(settings(seed=seed, epochs=1), tmp_path / str(seed), report=False)
    teachers = [str(tmp_path / str(seed) / "last.keras") for seed in (1, 2)]
    before = keras.models.load_model(teachers[0]).get_weights()
    taught = tmp_path / "taught"
    train_faces(settings(teacher=teachers, size=32, epochs=1), taught)
    record = record_of(taught)
    assert record["settings"]["teacher"] == teachers
    assert len(set(record["inputs"]["teacher file"])) == 2
    assert "val_distillation_loss" in history(taught)[0]
    # The student alone is kept, and can teach in its turn.
    for name in ("best", "last"):
        assert keras.models.load_model(taught / f"{name}.keras").input_shape == (None, 32, 32, 1)
    again = settings(teacher=taught / "best.keras", epochs=1)
    model = face_training.build_model(again, again.to_recipe(), 3)
    assert isinstance(model, keras.distillation.Distiller)
    for a, b in zip(before, keras.models.load_model(teachers[0]).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_teacher_stands_in_the_report(settings):
    recipe = settings().to_recipe()
    record = {
        "settings": settings(teacher="/there/best.keras").to_dict(),
        "recipe": {},
        "date": "today",
        "versions": {},
        "hardware": "this",
        "faces": {},
    }
    report = training_report.evaluation.classification_report([0, 1], np.eye(2))
    reports = dict.fromkeys(("best epoch, all", "last epoch, all"), report)
    cost = training_report.evaluation.complexity(bar_model())
    text = training_report.summary(record, recipe, reports, "test", cost, {}, [])
    assert "Taught by /there/best.keras." in text


@pytest.mark.slow
def test_votes_are_learned(quick, brief, tmp_path):
    """Whole, and as a share of the targets."""
    names = fer_data.labels.EMOTIONS
    rng = np.random.default_rng(0)
    faces = {
        "image": rng.integers(0, 256, (70, 24, 24, 1), "uint8"),
        "label": np.arange(70) % 7,
        "votes": rng.integers(0, 4, (70, 10)),
    }
    path = tmp_path / "voted.npz"
    splits = {"train": faces, "validation": {name: each[:7] for name, each in faces.items()}}
    face_arrays.write(path, splits, names, {"data": "fer2013"})
    asked = {"data": "fer2013", "path": path, "size": 24, "channels": 1, "epochs": 1}
    train_faces(FaceSettings(**asked, vote_share=0.5, augmentation="none"), tmp_path / "share")
    soft = FaceSettings(**asked, recipe="efficientface_ldl", augmentation="none")
    train_faces(soft, tmp_path / "soft")
    assert record_of(tmp_path / "soft")["recipe"]["loss"] == "label_distribution"
    losses = [history(tmp_path / name)[0]["loss"] for name in ("share", "soft")]
    assert np.isfinite(np.float64(losses)).all()


@pytest.mark.slow
def test_a_private_run_says_what_it_guarantees(quick, brief, settings, tmp_path, capsys):
    pytest.importorskip("dp_accounting")
    run = tmp_path / "run"
    private = {"dp_noise_multiplier": 2.0, "dp_clip": 0.5}
    train_faces(settings(**private, epochs=1), run)
    printed = capsys.readouterr().out
    promised = record_of(run)["privacy"]
    assert (promised["noise_multiplier"], promised["epochs"]) == (2, 1)
    assert f"DP-SGD: epsilon {promised['epsilon']:.2f} at delta 1e-05" in printed
    assert "1 batch norm layers are frozen as they begin" in printed
    # The network alone is kept.
    saved = keras.models.load_model(run / "last.keras")
    assert not any("dp_trainer" in variable.path for variable in saved.variables)
    # Prolonged, it promises less.
    train_faces(settings(**private, epochs=2), run)
    longer = record_of(run)["privacy"]
    assert longer["epochs"] == 2
    assert longer["epsilon"] > promised["epsilon"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"depth": 3}}, r"ghostface has no arguments of the names \['depth'\]"),
        ({"model": {"classes": 5}}, "settings of their own"),
        ({"model": {"classifier_activation": "sigmoid"}}, r"names \['classifier_activation'\]"),
        ({"labels": "soft"}, "learns from votes, which data='folder' has not"),
        ({"vote_share": 0.5}, "`vote_share` needs data with votes"),
        ({"augmentation": "typo"}, "`augmentation` must be"),
        ({"classes": 2}, r"`classes` must be 3 or more, those of the data \(angry, happy, sad\)"),
        ({"convolutions": "products"}, "are for JAX: set KERAS_BACKEND=jax"),
        ({"validation_fraction": 0.1}, "`validation_fraction` must be 0 where"),
        ({"dp_noise_multiplier": 2.0, "dp_delta": 0.5}, "`delta` must be below 1 / `examples`"),
    ],
)
def test_a_mistake_leaves_nothing_behind(quick, settings, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        train_faces(settings(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert keras.config.dtype_policy().name == "float32"


def test_teachers_that_do_not_fit(quick, settings, tmp_path):
    with pytest.raises(OSError, match="absent"):
        train_faces(settings(teacher=tmp_path / "absent.keras"), tmp_path / "run")
    image = keras.Input((24, 24, 1))
    two = keras.Model(image, keras.layers.Dense(2, "softmax")(keras.layers.Flatten()(image)))
    two.save(tmp_path / "two.keras")
    taught = {"teacher": tmp_path / "two.keras"}
    for changes, message in (
        ({}, r"outputs of shape \(None, 2\)"),
        ({"class_weights": True}, "`teacher` and `class_weights` cannot go together"),
        ({"dp_noise_multiplier": 1.0}, "`teacher` and `dp_noise_multiplier` cannot go together"),
    ):
        with pytest.raises(ValueError, match=message):
            train_faces(settings(**taught, **changes), tmp_path / "run")
    bar_model().save(tmp_path / "other.keras")
    class_names.write(tmp_path / "other.keras", NAMES[::-1])
    with pytest.raises(ValueError, match=r"angry, happy, sad: .*Received: .* of sad, happy, angry"):
        train_faces(settings(teacher=tmp_path / "other.keras"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_data_without_validation(settings, packed, tmp_path):
    splits, names, _ = face_arrays.read(packed)
    face_arrays.write(tmp_path / "half.npz", {"train": splits["train"]}, names)
    words = r"no validation split, only \['train'\].*\(--validation-fraction\)"
    with pytest.raises(ValueError, match=words):
        train_faces(settings(path=tmp_path / "half.npz"), tmp_path / "run")


def test_more_outputs_than_classes_and_half_precision(quick, brief, settings, tmp_path):
    asked = settings(classes=5, epochs=1, precision="mixed_bfloat16")
    train_faces(asked, tmp_path / "run")
    model, names = fer_models.load_model(tmp_path / "run" / "best.keras")
    assert names == (*NAMES, "class 3", "class 4")
    assert model.output_shape == (None, 5)
    assert model.get_layer("last_conv").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"


def test_without_dp_accounting(quick, settings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(ImportError, match=r'pip install "fer-keras\[privacy\]"'):
        train_faces(settings(dp_noise_multiplier=2.0), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_copies_of_training_faces_are_scored_apart(settings, packed, tmp_path):
    splits, names, about = face_arrays.read(packed)
    splits["validation"]["copy_in_train"] = splits["validation"]["label"] == 0
    face_arrays.write(tmp_path / "copies.npz", splits, names, about)
    training = FaceTraining(settings(path=tmp_path / "copies.npz"), tmp_path / "run")
    training.load()
    assert training._copies("validation").sum() == 5
    assert training._copies("train") is None


@pytest.mark.slow
def test_the_benchmark_of_an_average_scores_what_the_run_did(quick, brief, settings, tmp_path):
    train_faces(settings(ema=0.5, passes=3, epochs=1), tmp_path / "run", report=False)
    last = history(tmp_path / "run")[-1]
    with loaded_benchmark("average_statistics") as benchmark:
        found = {name: scores for name, *scores in benchmark.rows(tmp_path / "run")}
    accuracy, loss = found["their average, statistics of its own"]
    assert accuracy == pytest.approx(float(last["val_accuracy"]), abs=1e-6)
    assert loss == pytest.approx(float(last["val_loss"]), rel=1e-3)
    assert len({loss for _, loss in found.values()}) == 3
