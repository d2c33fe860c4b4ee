"""`fer explain` on photos with bright faces, and on clips."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

import fer_data.faces.detectors
from fer_data.faces import FRAMINGS, Face
from fer_data.labels import EMOTIONS
from fer_models.cli import main

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the command is tested on TensorFlow"
)
NAMES = ("happy", "sad")


class Bright:
    """Finds one face in what is brighter than 150 on the whole."""

    def detect(self, image):
        height, width = image.shape[:2]
        face = Face((2, 2, width - 4, height - 4), 0.9, framing=FRAMINGS["mtcnn"])
        return [face] if image.mean() > 150 else []


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from fer_layers import CBAM
    from fer_models.zoo import class_names

    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, activation="relu"),
            CBAM(reduction=2, kernel_size=3),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    path = tmp_path_factory.mktemp("explained") / "tiny.keras"
    network.save(path)
    class_names.write(path, NAMES)
    return path


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, low in (("bright", 150), ("dark", 0)):
        pixels = rng.integers(low, low + 100, (40, 40, 3), dtype="uint8")
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def explain(model, tmp_path, monkeypatch):
    monkeypatch.setattr(fer_data.faces.detectors, "detector", lambda name: Bright())

    def run(*words):
        return main(["explain", str(model), *map(str, words), "--output", str(tmp_path / "out")])

    return run


def test_faces_of_a_folder(explain, photos, tmp_path, capsys):
    (photos / "broken.jpg").touch()
    assert explain(photos) == 0
    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    assert line.startswith(f"{photos / 'bright.png'}: ")
    assert "deletion 0." in line
    assert "1 photo could not be read:\n  " in printed.err
    assert "Wrote grad_cam.png, gates.png, channels.png in" in printed.err
    found = json.loads((tmp_path / "out/explanation.json").read_text())
    (face,) = found["faces"]
    assert found["class_names"] == list(NAMES)
    assert face["explained"] == face["label"]
    assert sum(face["probabilities"].values()) == pytest.approx(1)
    for name in ("grad_cam", "gates", "channels"):
        assert (tmp_path / f"out/{name}.png").read_bytes().startswith(b"\x89PNG")


def test_whole_pictures_and_a_class_of_ones_own(explain, photos, capsys):
    words = (photos / "dark.png", "--whole", photos / "bright.png", "--class", "sad", "--json")
    assert explain(*words) == 0
    faces = json.loads(capsys.readouterr().out)["faces"]
    assert [face["source"] for face in faces] == [str(words[0]), str(words[2])]
    assert {face["explained"] for face in faces} == {"sad"}


def test_nobody_is_found(explain, photos, capsys):
    assert explain(photos / "dark.png") == 1
    assert capsys.readouterr().err == f"fer: no face was found in {photos / 'dark.png'} by mtcnn\n"


def test_mistakes(explain, photos, tmp_path, capsys):
    for words, message in (
        ([], "give photos, or a folder of them"),
        ([photos / "none.png"], "there is no photo or folder at"),
        ([__file__], "must be a photo (.png, .jpg, "),
        ([photos, "--class", "angry"], "--class must be one of happy, sad, not 'angry'"),
        ([photos, "--type", "pdf"], "--type is for models of clips, which "),
        ([photos, "--per-class", "2"], "--per-class is for models of clips, which "),
    ):
        assert explain(*words) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_seven_unnamed_outputs_have_the_names_that_recognition_gives_them(photos, tmp_path, capsys):
    image = keras.Input((16, 16, 1))
    x = keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(image))
    top = keras.layers.Dense(7, activation="softmax")(x)
    keras.Model(image, top).save(tmp_path / "seven.keras")
    words = ["explain", str(tmp_path / "seven.keras"), str(photos), "--whole", "--json"]
    assert main([*words, "--output", str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out)["class_names"] == list(EMOTIONS)


def test_other_faces_than_of_a_fixed_size_with_channels_last(photos, tmp_path, capsys):
    for shape, message in (
        ((None, None, 1), "must take single faces of a fixed size"),
        ((1, 16, 16), "with 1 or 3 channels in the last axis"),
    ):
        image = keras.Input(shape)
        top = keras.layers.Dense(2, activation="softmax")(keras.ops.mean(image, (1, 2)))
        keras.Model(image, top).save(tmp_path / "odd.keras")
        assert main(["explain", str(tmp_path / "odd.keras"), str(photos), "--whole"]) == 2
        assert message in capsys.readouterr().err


def test_clips(tmp_path, capsys, monkeypatch):
    import fer_models.explain

    inputs = keras.Input((3, 4, 4, 1))
    outputs = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(inputs))
    path = tmp_path / "clips.keras"
    keras.Model(inputs, outputs).save(path)
    seen = {}

    def explain(model, output, **options):
        seen.update(options, model=model)
        return [output / "a.png", output / "b.png"]

    monkeypatch.setattr(fer_models.explain, "explain_clip_file", explain)
    words = ["explain", str(path), "--per-class", "2", "--raw", "--output", str(tmp_path)]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a.png'}\n{tmp_path / 'b.png'}\n"
    assert (seen["model"], seen["per_class"], seen["motion"]) == (str(path), 2, False)
    assert seen["region_cut"] is None
    assert "seed" not in seen
    assert main([*words, "--seed", "3", "--json", "--regions", "grid"]) == 0
    assert seen["region_cut"] == "grid"
    assert json.loads(capsys.readouterr().out) == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert seen["seed"] == 3
    assert main([*words, "--class", "happy"]) == 2
    assert "--class is for models of photos, which " in capsys.readouterr().err
    (tmp_path / "photo.jpg").touch()
    assert main([*words, str(tmp_path / "photo.jpg")]) == 2
    assert "takes clips, and no photos" in capsys.readouterr().err
