"""The webcam CNN's study: Kaggle's folders as they come, two readings, and no choice on tests."""

import json

import cv2
import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays
from helpers.fake_datasets import fer_rows, write_fer_csv
from helpers.small_networks import put_small_networks

from fer_data.pipelines import face_arrays
from fer_data.pipelines.labelled_faces import load_faces, pack_faces
from fer_data.synthetic import generate
from fer_models import evaluation, load_model
from fer_models.cli.main import main
from fer_models.studies import scored_training
from fer_models.studies.faces_digest import faces_digest
from fer_models.studies.planned_runs import PlannedRun
from fer_models.studies.webcam_cnn import (
    READINGS,
    WebcamCNNSettings,
    report_tables,
    run_webcam_cnn,
    watched_faces,
)
from fer_models.training.trained_on import trained_on

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="training on faces is tested on TensorFlow"
)


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory):
    """Drawn faces as Kaggle's copy of FER2013 has its own: train/CLASS/*.jpg, test/CLASS/*.jpg."""
    root = tmp_path_factory.mktemp("kaggle")
    for split, count, first in (("train", 21, 0), ("test", 14, 500)):
        for number, face in enumerate(generate(count, seed=1, size=48, first=first, grey=True)):
            path = root / split / face.emotion / f"Training_{number:08d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), face.image[..., 0])
    # A test face that was trained on.
    copied = next((root / "train" / "happy").iterdir())
    next((root / "test" / "happy").iterdir()).write_bytes(copied.read_bytes())
    return root


@pytest.mark.slow
def test_kaggle_s_folders_as_they_come(kaggle, tmp_path, monkeypatch, untraced):
    put_small_networks(monkeypatch)
    train, trained = scored_training.train_faces, []

    def told(settings, folder, **options):
        trained.append((dict(settings.model), settings.seed))
        return train(settings, folder, **options)

    monkeypatch.setattr(scored_training, "train_faces", told)
    settings = {"data": "fer2013", "path": kaggle, "epochs": 2, "batch_size": 8}

    def study(**changes):
        return run_webcam_cnn(
            WebcamCNNSettings(**settings | changes),
            tmp_path / "out",
            data_dir=tmp_path / "prepared",
            progress=False,
        )

    study(seeds=1, readings=("prose",))
    outcome = study(seeds=1)
    assert trained == [
        ({"dense_units": 128, "dropout": 0}, 1),
        ({"dense_units": 1024, "dropout": 0.5}, 1),
    ]
    content = json.loads((tmp_path / "out/report.json").read_text())
    assert [run["row"] for run in content["runs"]] == list(READINGS)
    scores, training = content["tables"]
    for table in (scores, training):
        assert [row["name"] for row in table["rows"]] == [title for title, _ in READINGS.values()]
    for row, run in zip(scores["rows"], content["runs"], strict=True):
        assert run["faces"] == {"train": 21, "validation": 14}
        assert row["published"] == {"accuracy": 0.6244, "loss": 1.1945}
        assert row["measured"]["accuracy"]["values"] == [run["scores"]["accuracy"]]
        without = run["without_copies"]
        assert without["examples"] == 13
        assert row["measured"]["without_copies"]["values"] == [without["accuracy"]]
    for row, run in zip(training["rows"], content["runs"], strict=True):
        assert row["published"] == {
            "training_accuracy": 0.868,
            "log_accuracy": 0.92,
            "epochs": 50,
            "steps": 448,
        }
        assert row["measured"]["log_accuracy"]["values"] == [run["history"]["accuracy"][-1]]
        assert row["measured"]["steps"]["values"] == [3]
    said = " ".join(training["differs"])
    for words in (
        "21 faces to train on and 14 to score on, in the place of 28,709 and 7,178",
        "2 epochs in the place of 50",
        "choose nothing",
        "1 of the scored faces are pixel for pixel copies",
    ):
        assert words in said
    assert "14 faces apart from those trained on" in outcome.text

    # The last epoch is what was scored, and nothing is left that was chosen on these faces.
    folder = tmp_path / "out/runs/prose/seed1"
    assert not (folder / "best.keras").exists()
    faces = watched_faces(WebcamCNNSettings(**settings), tmp_path / "prepared")
    inputs = json.loads((tmp_path / "out/run.json").read_text())["inputs"]
    assert inputs == {"faces": faces_digest(faces)}
    # Its validation faces are those of no option, so the record does not divide them.
    with pytest.raises(ValueError, match=r"does not tell how.*one split, validation.*--path"):
        trained_on(folder / "last.keras")
    found = evaluation.score_split(
        load_model(folder / "last.keras")[0], faces.batches("validation", size=48)
    )
    run = next(run for run in content["runs"] if run["row"] == "prose")
    assert found.reports["all"].accuracy == run["scores"]["accuracy"]
    assert found.reports["all"].loss == pytest.approx(run["scores"]["loss"], rel=1e-5)

    # Given again, nothing is trained.
    assert study(seeds=1).text == outcome.text
    assert len(trained) == 2
    with pytest.raises(ValueError, match="batch_size was 8, now 9"):
        study(seeds=1, batch_size=9)


def test_no_figure_of_the_paper_stands_beside_drawn_faces(tmp_path):
    result = {
        "scores": {"accuracy": 0.5, "loss": 1.0},
        "faces": {"train": 140, "validation": 34},
        "history": {"accuracy": [0.5]},
        **{"epochs": 1, "training_accuracy": 1.0, "parameters": 9},
    }
    settings = WebcamCNNSettings(seeds=1, readings=("prose",))
    tables = report_tables(settings, {PlannedRun("prose", 1, tmp_path): result})
    assert not any(row.published for table in tables for row in table.rows)
    assert "Nobody published figures of drawn people" in tables[-1].markdown()


def test_both_test_sets_of_the_owners_file_are_one(tmp_path):
    write_fer_csv(tmp_path / "csv", fer_rows(per_class=1))
    prepared = tmp_path / "prepared"
    pack_faces(
        load_faces("fer2013", tmp_path / "csv", data_dir=prepared),
        tmp_path / "f.npz",
        about={"data": "fer2013"},
    )
    for path in ("csv", "f.npz"):
        settings = WebcamCNNSettings(data="fer2013", path=tmp_path / path)
        faces = watched_faces(settings, prepared)
        assert faces.counts == {"train": 7, "validation": 14}
        np.testing.assert_array_equal(np.bincount(faces.column("validation", "label")), [2] * 7)


def test_there_must_be_faces_to_score_on(tmp_path):
    face_arrays.write(tmp_path / "f.npz", {"train": bar_arrays()}, NAMES, {"data": "folder"})
    with pytest.raises(ValueError, match=r"faces apart from those to train on.*f.npz with \['tr"):
        watched_faces(WebcamCNNSettings(data="folder", path=tmp_path / "f.npz"))


@pytest.mark.slow
def test_quick_on_drawn_faces(tmp_path, monkeypatch, untraced, capsys):
    put_small_networks(monkeypatch)
    words = ["--quick", "--output", str(tmp_path / "out"), "--data-dir", str(tmp_path / "data")]
    assert main(["reproduce", "webcam-cnn", *words]) == 0
    printed = capsys.readouterr().out
    assert "Drawn faces stand in for FER2013's" in printed
    assert "Ours: mean ± standard deviation over 2 seeds" in printed


def test_the_paper_s_settings():
    settings = WebcamCNNSettings(data="fer2013", path="faces")
    recipe = settings.training(1, **READINGS["prose"][1]).to_recipe()
    assert recipe.model_options == {"dense_units": 128, "dropout": 0}
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (50, 64, 0.0001)
    assert (recipe.input_shape, recipe.patience) == ((48, 48, 1), None)
    assert "Batch 64 is our reading" in " ".join(settings.differences())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"readings": ()}, "`readings` must not be empty"),
        ({"readings": ("table",)}, "`readings` must be one of"),
        ({"size": 0}, "`size` must be an integer >= 1"),
        ({"data": "fer2013"}, "`path` must name the data set"),
    ],
)
def test_bad_settings(given, message):
    with pytest.raises(ValueError, match=message):
        WebcamCNNSettings(**given)
