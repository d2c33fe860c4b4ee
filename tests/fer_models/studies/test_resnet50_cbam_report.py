"""The slides' report: its split from folders and packed faces, its tables, and going on."""

import json

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays
from helpers.fake_datasets import write_raf_db
from helpers.small_networks import put_small_networks

from fer_data.pipelines import face_arrays
from fer_data.pipelines.labelled_faces import load_faces, pack_faces
from fer_models.cli.main import main
from fer_models.studies import resnet50_cbam_report as study
from fer_models.studies import scored_training
from fer_models.studies.faces_digest import faces_digest
from fer_models.studies.resnet50_cbam_report import (
    ResNet50CBAMSettings,
    report_tables,
    run_resnet50_cbam_report,
    slides_split,
)
from fer_models.training.trained_on import trained_on

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="training on faces is tested on TensorFlow"
)
TINY = {"data": "folder", "size": 24, "epochs": 2, "batch_size": 8, "weights": "none", "seeds": 2}


@pytest.fixture
def quick(monkeypatch, untraced):
    put_small_networks(monkeypatch)


@pytest.fixture
def packed(tmp_path):
    """Faces of three of the seven classes, with test faces to halve."""
    path = tmp_path / "faces.npz"
    splits = {"train": bar_arrays(0), "test": bar_arrays(1, count=6)}
    face_arrays.write(path, splits, NAMES, {"data": "folder"})
    return path


def report(packed, output, **changes):
    settings = ResNet50CBAMSettings(**TINY | {"path": packed} | changes)
    return run_resnet50_cbam_report(settings, output, progress=False)


@pytest.mark.slow
def test_the_report_and_going_on(packed, tmp_path, quick, monkeypatch):
    train, stopped = scored_training.train_faces, []

    def stopping(settings, folder, **options):
        stopped.append(settings.seed)
        if stopped == [1, 2]:
            raise KeyboardInterrupt
        return train(settings, folder, **options)

    monkeypatch.setattr(scored_training, "train_faces", stopping)
    with pytest.raises(KeyboardInterrupt):
        report(packed, tmp_path / "out")
    outcome = report(packed, tmp_path / "out")
    assert stopped == [1, 2, 2], "the first seed was there"

    assert {"run.json", "report.md", "report.json", "report.png"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    folder = tmp_path / "out/runs/resnet50_cbam/seed1"
    assert (folder / "best.keras").exists()
    assert not (folder / "state").exists()
    content = json.loads((tmp_path / "out/report.json").read_text())
    assert content["seeds"] == 2
    scores, classes, training = content["tables"]
    (row,) = scores["rows"]
    assert row["published"] == {
        "accuracy": 0.82,
        "loss": 0.9862,
        "macro_f1": 0.73,
        "weighted_f1": 0.82,
    }
    for number, each in enumerate(content["runs"]):
        assert each["faces"] == {"train": 15, "validation": 9, "test": 9}
        for name in row["published"]:
            assert row["measured"][name]["values"][number] == each["scores"][name]
        accuracies = each["history"]["val_accuracy"]
        assert (each["epochs"], len(accuracies)) == (2, 2)
        assert each["best_epoch"] == int(np.argmax(accuracies)) + 1
        assert each["recipe"]["model_options"]["weights"] is None
    # The slides' order and figures, beside ours where the data has the class.
    assert [each["name"] for each in classes["rows"]] == [
        *("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
    ]
    by_name = {each["name"]: each for each in classes["rows"]}
    assert by_name["fear"]["published"] == {
        "precision": 0.56,
        "recall": 0.51,
        "f1": 0.54,
        "support": 37,
    }
    assert by_name["fear"]["measured"] == {}
    assert by_name["happy"]["measured"]["support"]["values"] == [3, 3]
    (course,) = training["rows"]
    assert course["published"] == {
        "best_epoch": 27,
        "epochs": 37,
        "validation_accuracy": 0.8096,
        "training_accuracy": 0.99,
    }
    assert course["measured"]["validation_accuracy"]["values"][0] == max(
        content["runs"][0]["history"]["val_accuracy"]
    )
    said = " ".join(training["differs"])
    for words in ("of a folder", "2 epochs in the place of 80", "No ImageNet weights", "anew"):
        assert words in said
    assert "| surprise | 0.80 | | 0.87 | | 0.83 | | 165 | |" in outcome.text

    # A finished study needs neither training nor data.
    packed.rename(tmp_path / "moved.npz")
    again = report(tmp_path / "moved.npz", tmp_path / "out")
    assert stopped == [1, 2, 2]
    assert again.text == outcome.text
    with pytest.raises(ValueError, match="epochs was 2, now 3"):
        report(packed, tmp_path / "out", epochs=3)
    # Other faces for a further seed do not mix with the first ones.
    splits = {"train": bar_arrays(0), "test": bar_arrays(2, count=6)}
    face_arrays.write(tmp_path / "moved.npz", splits, NAMES, {"data": "folder"})
    with pytest.raises(ValueError, match=r"other settings \(another faces\)"):
        report(tmp_path / "moved.npz", tmp_path / "out", seeds=3)


@pytest.mark.slow
def test_the_record_divides_the_faces_as_the_training_did(tmp_path, quick):
    write_raf_db(tmp_path / "raf", per_class=4)
    prepared = tmp_path / "prepared"
    settings = ResNet50CBAMSettings(
        **TINY | {"data": "raf_db", "path": tmp_path / "raf", "epochs": 1, "seeds": 1}
    )
    run_resnet50_cbam_report(settings, tmp_path / "out", data_dir=prepared, progress=False)
    model = tmp_path / "out/runs/resnet50_cbam/seed1/best.keras"
    known, source = trained_on(model)
    assert source == "run.json"
    assert known == {
        "data": "raf_db",
        "path": str(tmp_path / "raf"),
        "validation_from": "test",
        "validation_fraction": 0.5,
        "seed": 1,
        "data_dir": str(prepared),
    }
    again, (faces, _) = load_faces(**known), slides_split(settings, 1, prepared)
    assert again.counts == faces.counts == {"train": 28, "validation": 14, "test": 14}
    assert faces_digest(again) == faces_digest(faces)
    inputs = json.loads((tmp_path / "out/run.json").read_text())["inputs"]
    assert inputs == {"faces": faces_digest(faces)}


def found(accuracy, **more):
    names = ("accuracy", "loss", "macro_f1", "weighted_f1")
    own = {"name": "happy", "precision": 1, "recall": 1, "f1": 1, "support": 3}
    return {
        "scores": dict.fromkeys(names, accuracy) | {"classes": [own]},
        "faces": {"train": 20, "validation": 3, "test": 3},
        "history": {"val_accuracy": [0.5]},
        **{"best_epoch": 1, "epochs": 1, "training_accuracy": 1.0, **more},
    }


def test_no_figure_of_the_slides_stands_beside_drawn_faces():
    tables = report_tables(ResNet50CBAMSettings(), [found(0.5), found(0.6)])
    assert [table.title for table in tables] == ["Test faces", "Classes", "Training"]
    assert not any(row.published for table in tables for row in table.rows)
    assert "Nobody published figures of drawn people" in tables[-1].markdown()


def test_scores_without_copies_have_a_table(tmp_path):
    settings = ResNet50CBAMSettings(data="folder", path=tmp_path)
    apart = found(0.25)["scores"]
    scores, without, *_ = report_tables(settings, [found(0.5, without_copies=apart)])
    assert without.title == "Test faces that are no copies of training faces"
    (row,) = without.rows
    assert (row.published, row.measured["accuracy"]) == ({}, [0.25])
    assert scores.rows[0].measured["accuracy"] == [0.5]
    assert scores.rows[0].published["accuracy"] == 0.82


@pytest.mark.slow
def test_the_slides_split_from_folders_and_packed_faces(tmp_path):
    write_raf_db(tmp_path / "raf", per_class=4)
    prepared = tmp_path / "prepared"
    whole = load_faces("raf_db", tmp_path / "raf", data_dir=prepared, validation_fraction=0)
    pack_faces(whole, tmp_path / "raf.npz", about={"data": "raf_db"})
    assert faces_digest(whole) == faces_digest(
        load_faces("raf_db", tmp_path / "raf.npz", validation_fraction=0)
    )
    drawn = []
    for path, seed in (("raf", 1), ("raf.npz", 1), ("raf.npz", 2)):
        settings = ResNet50CBAMSettings(data="raf_db", path=tmp_path / path)
        faces, division = slides_split(settings, seed, prepared)
        assert division == {"validation_from": "test", "validation_fraction": 0.5}
        assert faces.counts == {"train": 28, "validation": 14, "test": 14}
        np.testing.assert_array_equal(np.bincount(faces.column("test", "label")), [2] * 7)
        drawn.append({image.tobytes() for image in faces.column("test", "image")})
    assert drawn[0] == drawn[1]
    assert drawn[1] != drawn[2], "every seed halves anew"


def test_a_file_with_validation_faces_is_taken_as_it_is(tmp_path):
    splits = {name: bar_arrays(seed) for seed, name in enumerate(("train", "validation", "test"))}
    face_arrays.write(tmp_path / "f.npz", splits, NAMES, {"data": "raf_db"})
    settings = ResNet50CBAMSettings(data="raf_db", path=tmp_path / "f.npz")
    faces, division = slides_split(settings, 1)
    assert division == {}
    assert faces.counts == {"train": 15, "validation": 15, "test": 15}
    settled = settings.training(1, division)
    assert (settled.validation_from, settled.validation_fraction) == ("train", None)
    assert faces_digest(load_faces("raf_db", settled.path)) == faces_digest(faces)
    del splits["test"]
    face_arrays.write(tmp_path / "f.npz", splits, NAMES, {"data": "raf_db"})
    with pytest.raises(ValueError, match=r"must have test faces. Received: .*f.npz with"):
        slides_split(settings, 1)


@pytest.mark.slow
def test_quick_on_drawn_faces(tmp_path, quick, capsys):
    words = ["--quick", "--output", str(tmp_path / "out"), "--data-dir", str(tmp_path / "data")]
    assert main(["reproduce", "resnet50-cbam-report", *words]) == 0
    printed = capsys.readouterr().out
    assert "Drawn faces stand in for RAF-DB" in printed
    assert "paper |" not in printed
    assert "fer reproduce resnet50-cbam-report --quick" in printed


def test_the_file_of_weights_is_known_again(packed, tmp_path, monkeypatch):
    file, out, trained = tmp_path / "mine.weights.h5", tmp_path / "out", []
    result = found(0.5) | {"seconds": 1}

    def training(run, *given, **options):
        trained.append(run.seed)
        return dict(result)

    monkeypatch.setattr(scored_training, "scored_training", training)

    def run(**changes):
        return report(packed, out, **{"weights": str(file), "seeds": 1, **changes})

    with pytest.raises(ValueError, match="`weights` must be 'imagenet', 'none' or the path"):
        run()
    assert not out.exists()
    file.write_text("weights")
    text = run().text
    file.write_text("others")
    for seeds in (1, 2):
        with pytest.raises(ValueError, match=r"other settings \(another file of weights\)"):
            run(seeds=seeds)
    # A finished study needs no file; one with a training before it does.
    file.unlink()
    assert run().text == text
    with pytest.raises(ValueError, match="or the path of a file, which a training needs"):
        run(seeds=2)
    assert trained == [1]


def test_where_a_training_starts(tmp_path):
    settings = ResNet50CBAMSettings()
    assert settings.train == 2000
    training = settings.training(3)
    assert (training.seed, training.model) == (3, {"weights": "imagenet"})
    recipe = training.to_recipe()
    assert (recipe.epochs, recipe.batch_size, recipe.input_shape) == (80, 32, (224, 224, 3))
    assert [stage.epochs for stage in recipe.stages] == [10, 10, 10, 10, 40]
    file = tmp_path / "mine.weights.h5"
    file.touch()
    assert ResNet50CBAMSettings(weights=str(file)).training(1).model == {"weights": str(file)}
    assert study.FULL["weights"] == "imagenet"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": 0}, "`seeds` must be an integer >= 1"),
        ({"epochs": 0}, "`epochs` must be an integer >= 1"),
        ({"precision": "float8"}, "`precision` must be one of"),
        ({"data": "raf_db"}, "`path` must name the data set"),
        ({"path": "faces"}, "drawn faces take none"),
        ({"data": "raf_db", "path": "x", "train": 9}, "`train` is the number of drawn faces"),
        ({"train": 3}, "`train` must be an integer >= 7"),
    ],
)
def test_bad_settings(given, message):
    with pytest.raises(ValueError, match=message):
        ResNet50CBAMSettings(**given)
