"""Attack and corruption from the command line, on a small folder and a small network."""

import json

import keras
import numpy as np
import pytest
from helpers.bars import bar_model, write_bars
from helpers.examples import load_example

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)


@pytest.fixture(scope="module")
def example():
    return load_example("robustness")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of faces with a bright bar whose height is the class, and a model that sees it."""
    folder = tmp_path_factory.mktemp("robustness")
    write_bars(folder / "faces", ("train", "test"), bright=6)
    bar_model().save(folder / "model.keras")
    return folder


def words(place, *more):
    return [
        *(str(place / "model.keras"), "--data", "folder", "--path", str(place / "faces")),
        *("--data-dir", str(place / "tfds"), "--output", str(place / "out"), *more),
    ]


@pytest.mark.slow
def test_tables_and_picture(example, place, capsys):
    few = ("--attacked", "12", "--corrupted", "9", "--queries", "5", "--apgd-steps", "5")
    assert example.main(words(place, *few, "--epsilons", "1", "8")) == 0
    content = json.loads((place / "out/robustness.json").read_text())
    assert content["split"] == "test"
    rows = content["adversarial"]["accuracies"]
    # A bar of 6 levels more than its neighbours: a change of 1 is too little, one of 8 enough.
    assert rows["all"]["1.0"]["accuracy"] == 1
    assert rows["all"]["8.0"]["accuracy"] == 0
    assert content["adversarial"]["examples"] == 12
    assert content["corruptions"]["examples"] == 9
    assert not content["corruptions"]["own_landmarks"]
    text = (place / "out/robustness.md").read_text()
    assert text in capsys.readouterr().out
    assert "| PGD | 100.0 %" in text
    assert (place / "out/corruptions.png").exists()


def test_one_report_alone(example, place):
    assert example.main(words(place, "--attacked", "0", "--corrupted", "3")) == 0
    content = json.loads((place / "out/robustness.json").read_text())
    assert "adversarial" not in content
    assert content["corruptions"]["examples"] == 3


def test_interrupted(example, place, tmp_path, capsys, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(example, "measure", stop)
    assert example.main([*words(place), "--output", str(tmp_path / "out")]) == 130
    assert "Nothing is written before all is measured" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_landmarks_come_along_with_the_crop(example):
    import tensorflow as tf

    from fer_data.pipelines import images
    from fer_data.synthetic import generate

    # A white dot at the nose, in the picture and in the pipeline's crop of it.
    face = next(generate(1, seed=5, size=96))
    picture = np.zeros((96, 96, 3), "uint8")
    x, y = np.round(face.landmarks[30]).astype(int)
    picture[y - 1 : y + 2, x - 1 : x + 2] = 255
    faces = tf.data.Dataset.from_tensors(
        {"image": picture, "label": 0, "box": face.box, "landmarks": face.landmarks}
    )
    shown, _ = next(iter(images.pipeline(faces, size=64, classes=7, batch_size=1)))
    rows, columns = np.nonzero(shown.numpy()[0, ..., 0] > 100)
    found = example.own_landmarks(faces, (64, 64))[0, 30]
    np.testing.assert_allclose((columns.mean(), rows.mean()), found, atol=0.8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["nothing"], "must be a .keras file or NAME:TAG"),
        (["ghostface:nothing"], "ghostface has weights"),
        (["rain:ferplus"], "`name` must be one of"),
        (["--split", "rain"], "--split must be one of"),
        (["--path", "nothing"], "nothing there"),
    ],
)
def test_errors_are_told_in_one_line(example, place, change, message, capsys):
    given = words(place)
    given = [*change, *given[1:]] if not change[0].startswith("--") else [*given, *change]
    assert example.main(given) == 2
    assert message in capsys.readouterr().err


def test_bad_numbers(example, capsys):
    with pytest.raises(SystemExit):
        example.main(["model.keras", "--attacked", "-1"])
    assert "--attacked must not be negative" in capsys.readouterr().err
