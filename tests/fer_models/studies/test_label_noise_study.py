"""The study of label noise, with a network small enough for a test and faces that it can learn."""

import csv
import dataclasses
import itertools
import json
import shutil
import types

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays
from helpers.fake_datasets import write_fer_csv

from fer_data.pipelines import face_arrays
from fer_models.studies import label_noise_models as models
from fer_models.studies import label_noise_pictures, label_noise_report, label_noise_study
from fer_models.studies.label_noise_models import NoisyFaces
from fer_models.studies.label_noise_settings import LabelNoiseSettings
from fer_models.studies.label_noise_study import run_label_noise_study
from fer_models.studies.study_faces import fewer_faces
from fer_models.training import resume
from fer_models.zoo import registry

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
WRITTEN = {
    "run.json",
    "report.md",
    "report.json",
    "report.png",
    "overruled.png",
    "suspects.csv",
    "suspects_flipped.csv",
}
TINY = {
    "size": 24,
    "channels": 1,
    "epochs": 6,
    "batch_size": 8,
    "learning_rate": 0.05,
    "folds": 2,
    "augmentations": ("none", "mixup"),
    "rates": (0.3,),
    "seeds": 1,
    "kinds": ("symmetric",),
}


def small_network(input_shape, classes, noise_layers=1, noise_stddev=0.1, seed=None):
    image = keras.Input(input_shape)
    x = keras.layers.AveragePooling2D(8)(image / 255)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))


@pytest.fixture
def quick(monkeypatch):
    entry = dataclasses.replace(registry.MODELS["ghostface"], builder=small_network)
    monkeypatch.setitem(registry.MODELS, "ghostface", entry)


@pytest.fixture(scope="module")
def faces():
    parts = {
        name: bar_arrays(seed, count=14, noise=(0, 90), bright=120)
        for seed, name in enumerate(("train", "validation"))
    }
    splits = {name: (part["image"], part["label"]) for name, part in parts.items()}
    ids = [f"{NAMES[label]}/{place}" for place, label in enumerate(splits["train"][1])]
    return NoisyFaces(splits, NAMES, ids)


def study(faces, output, **changes):
    settings = LabelNoiseSettings(**TINY | changes)
    return run_label_noise_study(settings, output, faces=faces, progress=False)


@pytest.mark.slow
def test_the_study_finds_what_was_flipped(faces, tmp_path, quick):
    outcome = study(faces, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= WRITTEN
    content = json.loads((tmp_path / "report.json").read_text())
    assert [row["rate"] for row in content["rows"]] == [0, 0, 0.3, 0.3]
    for run in content["runs"]:
        assert run["flipped"] == round(run["rate"] * 14) * 3
        assert run["best"]["accuracy"] > 0.8
        assert run["best_epoch"] == int(np.argmax(run["validation_accuracy"])) + 1
        if run["rate"]:
            assert run["best"]["corrected"] > 0.7 > 0.3 > run["best"]["learnt_by_heart"]
    ranking = content["ranking"][0]
    assert ranking["precision_at_flipped"] > 0.8 > ranking["base_rate"]
    with (tmp_path / "suspects_flipped.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 42
    # The id says which class each picture really is.
    first = rows[: ranking["flipped"]]
    assert np.mean([row["given"] not in row["id"] for row in first]) > 0.8
    assert "| symmetric 30% | mixup |" in outcome.text
    assert "the best epoch is chosen on the faces that score it" in outcome.text
    # What was labelled right is overruled nowhere, and no sheet shows it.
    assert not (tmp_path / "overruled_as_given.png").exists()

    # Given again, nothing is trained; more seeds are.
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/result.json")}
    assert len(before) == 4
    again = study(faces, tmp_path, seeds=2, rates=(), augmentations=("none",), folds=0)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(tmp_path.glob("*/result.json"))) == 5
    assert again.content["rows"][0]["seeds"] == 2
    left = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert left == {"run.json", "report.md", "report.json", "report.png"}
    assert not list(tmp_path.rglob("*.h5"))
    # Other settings do not mix.
    with pytest.raises(ValueError, match="epochs was 6, now 3"):
        study(faces, tmp_path, epochs=3)


@pytest.mark.slow
def test_a_killed_study_goes_on_within_a_training(faces, tmp_path, quick, monkeypatch):
    short = {"folds": 0, "rates": (), "augmentations": ("none",), "epochs": 3}
    keep = resume.KeepState.on_epoch_end

    def stopping(self, epoch, logs=None):
        keep(self, epoch, logs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(resume.KeepState, "on_epoch_end", stopping)
        with pytest.raises(KeyboardInterrupt):
            study(faces, tmp_path, **short)
    folder = tmp_path / "symmetric_0_none_1"
    assert (folder / "state").is_dir()
    assert not (folder / "result.json").exists()
    outcome = study(faces, tmp_path, **short)
    (broken,) = outcome.content["runs"]
    assert "| none | none |" in outcome.text
    assert (tmp_path / "report.png").exists()
    shutil.rmtree(folder)
    assert study(faces, tmp_path, **short).content["runs"] == [broken]
    assert len(broken["validation_accuracy"]) == 3


def test_tables_and_pictures_of_earlier_settings_are_removed(faces, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(models, "train_cell", lambda *given: {})
    monkeypatch.setattr(
        models, "out_of_sample", lambda settings, trainings, labels, folder: np.eye(3)[labels]
    )
    monkeypatch.setattr(label_noise_report, "write_report", lambda *given: None)
    monkeypatch.setattr(
        label_noise_pictures, "draw_overruled", lambda *given: (tmp_path / given[-1]).touch()
    )
    monkeypatch.setattr(
        label_noise_pictures, "draw_gained", lambda *given: (tmp_path / "only_with.png").touch()
    )

    def written(**changes):
        study(faces, tmp_path, **changes)
        return {path.name for path in tmp_path.iterdir()} - {"run.json"}

    pictures = {"overruled_as_given.png", "overruled.png", "only_with.png"}
    tables = {"suspects.csv", "suspects_flipped.csv"}
    assert written() == pictures | tables
    (tmp_path / "mine.png").touch()
    assert written(folds=0) == pictures | {"mine.png"}
    written()
    assert written(rates=()) == {
        *("overruled_as_given.png", "only_with.png", "suspects.csv", "mine.png")
    }
    assert written(augmentations=("none",)) == {
        *("overruled_as_given.png", "overruled.png", "mine.png"),
        *tables,
    }


def summary_rows(kinds, rates):
    known = {"augmentation": "none"} | {
        f"{epoch}_accuracy": {"mean": 0.5, "deviation": None} for epoch in ("best", "last")
    }
    noise = [("symmetric", 0.0), *itertools.product(kinds, rates)]
    return [{"kind": kind, "rate": rate, "best_epoch": 1} | known for kind, rate in noise]


@pytest.mark.parametrize(
    ("kinds", "rates"),
    [
        (("class_dependent",), (0.3, 0.1)),
        (("symmetric", "class_dependent"), (0.2, 0.05, 0.1)),
        (("symmetric",), ()),
    ],
)
def test_curves_run_forward_and_each_kind_that_was_trained_has_one(kinds, rates, monkeypatch):
    monkeypatch.setattr(label_noise_pictures, "save_figure", lambda figure, path: figure)
    figure = label_noise_pictures.plot(summary_rows(kinds, rates), "test", None)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [f"{kind.replace('_', '-')} noise" for kind in kinds]
    for axes in figure.axes:
        for container in axes.containers:
            found = list(container.lines[0].get_xdata())
            assert found == pytest.approx([100 * rate for rate in sorted((0, *rates))])


def test_rates_are_not_rounded():
    rows = summary_rows(("class_dependent",), (0.025, 0.001, 0.3))
    table = "\n".join(label_noise_report._table(rows, "test"))
    for shown in ("2.5%", "0.1%", "30%"):
        assert f"| class-dependent {shown} | none |" in table
    found = {"precision_at_flipped": 1, "precision_at_half": 1, "base_rate": 0.025}
    lines = label_noise_report._ranking({"rate": 0.025, "flipped": 1, "confident": 0, **found})
    assert "symmetric 2.5%: of the first 1" in lines[1]


def test_train_names_itself_where_it_does_not_fit_the_faces(tmp_path):
    splits = {"train": bar_arrays(0, 20), "validation": bar_arrays(1, 7)}
    face_arrays.write(tmp_path / "f.npz", splits, NAMES, {"data": "fer2013"})

    def loaded(train):
        settings = LabelNoiseSettings(data="fer2013", path=tmp_path / "f.npz", train=train)
        return len(models.load(settings, models.recipe_of(settings)).splits["train"][1])

    assert [loaded(train) for train in (3, 57, 60)] == [3, 57, 60]
    for train in (2, 58):
        with pytest.raises(ValueError, match=rf"must be 60, .* from 3 to 57.*train={train}"):
            loaded(train)


def test_copies_of_a_face_are_ranked_by_one_network(faces, tmp_path):
    images, labels = faces.splits["train"]
    images, labels = images[:14], labels[:14]
    twice = np.concatenate([images, images[:, :, ::-1]]), np.concatenate([labels, labels])
    settings = LabelNoiseSettings(**TINY)
    seen = []

    def fit(data, *others):
        seen.append(data[0])
        network = small_network((*images.shape[1:3], 1), len(NAMES))
        return types.SimpleNamespace(model=network, load_best=lambda part: None), None

    own = NoisyFaces({**faces.splits, "train": twice}, NAMES, ["a"] * 28)
    trainings = types.SimpleNamespace(faces=own, fit=fit)
    models.out_of_sample(settings, trainings, twice[1], tmp_path)
    assert len(seen) == settings.folds
    for pictures in seen:
        here = {picture.tobytes() for picture in pictures}
        assert here == {picture[:, ::-1].tobytes() for picture in pictures}


def test_another_ranking_is_not_taken_for_this_one(tmp_path):
    trained = []

    class Told:
        model = type("Model", (), {"predict": lambda self, x, **o: np.full((len(x), 3), 1 / 3)})()

        def load_best(self, folder):
            pass

    class Fake:
        pictures = np.arange(192.0).reshape(12, 4, 4, 1)
        faces = NoisyFaces({"train": (pictures, np.arange(12) % 3)}, NAMES, [])

        def fit(self, data, augmentation, seed, folder):
            trained.append((augmentation, len(data[1])))
            folder.mkdir(parents=True)
            return Told(), []

    def rank(**given):
        settings = LabelNoiseSettings(**{"augmentations": ("none",), "folds": 2, **given})
        folder = tmp_path / settings.ranking(0.3)
        models.out_of_sample(settings, Fake(), np.arange(12) % 3, folder)
        return trained[-1]

    assert rank() == ("none", 6)
    rank()
    assert len(trained) == 2, "what is there is taken"
    # Another augmentation, other parts: other models.
    assert rank(augmentations=("none", "mixup")) == ("mixup", 6)
    assert rank(folds=3) == ("none", 8)


@pytest.mark.slow
def test_fer2013_with_fewer_faces(tmp_path, quick):
    rng = np.random.default_rng(1)
    rows = [
        (label, rng.integers(0, 256, (48, 48), dtype="uint8"), usage)
        for usage, count in (("Training", 20), ("PublicTest", 4))
        for label in range(7)
        for _ in range(count)
    ]
    write_fer_csv(tmp_path / "fer", rows)
    settings = LabelNoiseSettings(
        data="fer2013",
        path=tmp_path / "fer",
        train=70,
        epochs=1,
        size=48,
        channels=1,
        seeds=1,
        folds=2,
        rates=(0.2,),
        augmentations=("none",),
        kinds=("class_dependent",),
    )
    outcome = run_label_noise_study(
        settings, tmp_path / "out", data_dir=tmp_path / "tfds", progress=False
    )
    assert outcome.content["faces"]["train"] == 70
    assert outcome.content["scored"] == "validation"
    assert [run["flipped"] for run in outcome.content["runs"]] == [0, 14]
    assert not (tmp_path / "out/only_with.png").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 0}, "`epochs` must be an integer >= 1"),
        ({"folds": 1}, "`folds` must be 0, or 2 and more"),
        ({"rates": (0,)}, "`rates` must be between 0 and 1"),
        ({"rates": (1.5,)}, "`rates` must be between 0 and 1"),
        ({"seeds": 0}, "`seeds` must be an integer >= 1"),
        ({"kinds": ("rain",)}, "`kinds` must be one of"),
        ({"kinds": ()}, "`kinds` must not be empty"),
        ({"augmentations": ("all",)}, "`augmentations` must be one of"),
    ],
)
def test_bad_settings(given, message):
    with pytest.raises(ValueError, match=message):
        LabelNoiseSettings(**given)


def test_the_quick_network_is_narrow_where_it_has_a_width():
    quick = {"ghostface_small": {"width": 0.25}, None: {"width": 0.25}, "emotion_cnn": {}}
    for recipe, expected in quick.items():
        args = types.SimpleNamespace(recipe=recipe, quick=True)
        assert label_noise_study._quick_model(args) == expected


def test_errors_show_before_anything_is_written(faces, tmp_path, quick, monkeypatch):
    with pytest.raises(ValueError, match="`rates` must each make at least one label wrong"):
        study(faces, tmp_path / "out", rates=(0.001,))
    with pytest.raises(ValueError, match=r"no arguments of the names \['rain'\]"):
        study(faces, tmp_path / "out", model={"rain": 1})
    assert not (tmp_path / "out").exists()
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        study(faces, tmp_path)
    only_train = types.SimpleNamespace(counts={"train": 3})
    monkeypatch.setattr(models, "study_faces", lambda *args, **options: only_train)
    with pytest.raises(ValueError, match="must have a validation split"):
        study(None, tmp_path / "out")


def test_no_class_is_lost_where_faces_are_fewer():
    labels = np.repeat(np.arange(4), [17, 5, 3, 17])
    with pytest.raises(ValueError, match=r"the rarest class has 3 of 42.*train=4"):
        fewer_faces(labels, 4)
    assert set(labels[fewer_faces(labels, 20)]) == {0, 1, 2, 3}
