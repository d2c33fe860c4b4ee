"""The example as a user runs it, with a detector and a network made here."""

import importlib.util
import json

import keras
import numpy as np
import pytest
from helpers.examples import load_example
from PIL import Image

from fer_data.faces import Face
from fer_data.labels import EMOTIONS
from fer_data.video import Video, VideoWriter
from fer_models.recognizer import Recognizer

pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
    ),
    pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="not installed: pandas"),
]


class Bright:
    """Finds the bounding box of what is brighter than 150."""

    def detect(self, image):
        rows, columns = np.nonzero(image.mean(-1) > 150)
        if not len(rows):
            return []
        y, x = rows.min(), columns.min()
        return [Face((x, y, columns.max() - x + 1, rows.max() - y + 1), 0.9)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    keras.utils.set_random_seed(1)
    image = keras.Input((12, 12, 1))
    scaled = keras.layers.Rescaling(1 / 255)(image)
    out = keras.layers.Dense(7, activation="softmax")(keras.layers.Flatten()(scaled))
    path = tmp_path_factory.mktemp("model") / "tiny.keras"
    keras.Model(image, out).save(path)
    return str(path)


@pytest.fixture
def script(monkeypatch):
    module = load_example("recognise")

    def make(weights, detector, **options):
        assert detector == "mtcnn"
        return Recognizer(weights, Bright(), **options)

    monkeypatch.setattr(module, "Recognizer", make)
    return module


def picture(x=40, value=255):
    pixels = np.full((96, 160, 3), 60, np.uint8)
    pixels[30:70, x : x + 40] = value
    return pixels


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_photo(script, weights, tmp_path, capsys):
    photo, output = tmp_path / "one.jpg", tmp_path / "out"
    Image.fromarray(picture()).save(photo, quality=95)
    before = photo.read_bytes()
    assert script.main([str(photo), "--weights", weights, "--output", str(output)]) == 0
    assert files(output) == ["one.jpg", "results.csv", "results.json"]
    assert photo.read_bytes() == before
    copy = np.asarray(Image.open(output / "one.jpg"))
    assert copy.shape == picture().shape
    assert (abs(copy.astype(int) - picture()) > 40).any()
    found = json.loads((output / "results.json").read_text())
    assert found["class_names"] == list(EMOTIONS)
    (entry,) = found["results"]
    assert entry["source"] == "one.jpg"
    assert entry["faces"][0]["box"] == [40, 30, 40, 40]
    rows = (output / "results.csv").read_text().splitlines()
    assert len(rows) == 2
    assert rows[0].startswith("source,frame,timestamp,track,x,y,width,height,score,label,")
    assert entry["faces"][0]["label"] in capsys.readouterr().out


def test_folder_goes_on_after_bad_pictures_and_says_so(script, weights, tmp_path, capsys):
    folder, output = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for place in range(3):
        Image.fromarray(picture(20 + 30 * place)).save(folder / f"good{place}.png")
    Image.fromarray(picture()).save(folder / "other.bmp")
    Image.fromarray(picture(value=60)).save(folder / "nobody.png")
    (folder / "bad.png").write_bytes((folder / "good0.png").read_bytes()[:100])
    (folder / "empty.jpg").touch()
    (folder / "notes.txt").write_text("no photo")
    assert script.main([str(folder), "--weights", weights, "--output", str(output)]) == 1
    assert files(output) == [
        *("good0.png", "good1.png", "good2.png", "nobody.png", "other.bmp.png"),
        *("results.csv", "results.json"),
    ]
    printed = capsys.readouterr()
    assert "2 photos could not be read" in printed.err
    assert "bad.png" in printed.err
    assert "empty.jpg" in printed.err
    assert "nobody.png: no face" in printed.out
    assert "1 files or folders that are no photos" in printed.out
    entries = json.loads((output / "results.json").read_text())["results"]
    assert {entry["source"]: len(entry["faces"]) for entry in entries} == {
        "good0.png": 1,
        "good1.png": 1,
        "good2.png": 1,
        "nobody.png": 0,
        "other.bmp": 1,
    }


def test_video(script, weights, tmp_path):
    clip, output = tmp_path / "clip.mp4", tmp_path / "out"
    with VideoWriter(clip, fps=20) as writer:
        for place in range(12):
            writer.write(picture(20 + 2 * place))
    options = ["--smoothing", "0.1", "--detect-every", "0", "--flip", "--min-score", "0.5"]
    command = [str(clip), "--weights", weights, "--output", str(output), *options]
    assert script.main(command) == 0
    assert files(output) == ["clip.mp4", "results.csv", "results.json"]
    copy = Video(output / "clip.mp4")
    assert (copy.count(), copy.info.fps) == (12, 20)
    entries = json.loads((output / "results.json").read_text())["results"]
    assert [entry["frame"] for entry in entries] == list(range(12))
    assert {face["track"] for entry in entries for face in entry["faces"]} == {0}
    assert len((output / "results.csv").read_text().splitlines()) == 13


def test_never_writes_over_its_input(script, weights, tmp_path, capsys):
    photo = tmp_path / "one.png"
    Image.fromarray(picture()).save(photo)
    for given in (photo, tmp_path):
        with pytest.raises(SystemExit) as stop:
            script.main([str(given), "--weights", weights, "--output", str(tmp_path / "x" / "..")])
        assert stop.value.code == 2
    assert "take the place" in capsys.readouterr().err
    assert files(tmp_path) == ["one.png"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("one.txt", [], "must be a photo"),
        ("one.png", [], "one.png"),
        ("clip.mp4", [], "clip.mp4"),
        (".", [], "no photo"),
        ("one.txt.png", ["--weights", "fer1913"], "fer1913"),
    ],
)
def test_bad_input_is_named(script, weights, tmp_path, capsys, name, options, message):
    folder = tmp_path / "in"
    folder.mkdir()
    if name != ".":
        (folder / name).write_bytes(b"nothing of use")
    output = tmp_path / "out"
    command = [str(folder / name), "--weights", weights, "--output", str(output), *options]
    assert script.main(command) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    assert message in error
    assert not output.exists() or not list(output.iterdir())


@pytest.mark.parametrize(
    "options",
    [
        ["nowhere.jpg"],
        [".", "--smoothing", "-1"],
        [".", "--detect-every", "nan"],
        [".", "--detector", "x"],
    ],
)
def test_bad_options_stop_at_once(script, options):
    with pytest.raises(SystemExit) as stop:
        script.main(options)
    assert stop.value.code == 2
