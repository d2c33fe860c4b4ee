"""The command as a user runs it, with a detector and a network made here."""

import io
import json
import sys
import types

import keras
import numpy as np
import pytest
from PIL import Image

import fer_models.recognizer
from fer_data import file_limits
from fer_data.faces import FRAMINGS, Face
from fer_data.labels import EMOTIONS
from fer_data.video import Video, VideoWriter
from fer_models.cli import main
from fer_models.cli.media import own_folder
from fer_models.recognizer import Recognizer

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
)


class Bright:
    """Finds the bounding box of what is brighter than 150."""

    def detect(self, image):
        rows, columns = np.nonzero(image.mean(-1) > 150)
        if not len(rows):
            return []
        y, x = rows.min(), columns.min()
        box = (x, y, columns.max() - x + 1, rows.max() - y + 1)
        return [Face(box, 0.9, framing=FRAMINGS["mtcnn"])]


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
def recognise(weights, tmp_path, monkeypatch):
    """The command, with the network and an output folder, and `Bright` as its detector."""

    def make(weights, detector, **options):
        assert detector == "mtcnn"
        return Recognizer(weights, Bright(), **options)

    monkeypatch.setattr(fer_models.recognizer, "Recognizer", make)
    output = tmp_path / "out"

    def run(given, *options):
        words = [str(given), "--weights", weights, "--output", str(output)]
        return main(["recognise", *words, *map(str, options)])

    return run


def picture(x=40, value=255):
    pixels = np.full((96, 160, 3), 60, np.uint8)
    pixels[30:70, x : x + 40] = value
    return pixels


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_photo(recognise, tmp_path, capsys):
    photo, output = tmp_path / "one.jpg", tmp_path / "out"
    Image.fromarray(picture()).save(photo, quality=95)
    before = photo.read_bytes()
    assert recognise(photo) == 0
    assert files(output) == ["one.jpg", "results.csv", "results.json"]
    assert photo.read_bytes() == before
    copy = np.asarray(Image.open(output / "one.jpg"))
    assert copy.shape == picture().shape
    assert (abs(copy.astype(int) - picture()) > 40).any()
    found = json.loads((output / "results.json").read_text())
    assert found["class_names"] == list(EMOTIONS)
    (entry,) = found["results"]
    assert entry["source"] == "one.jpg"
    face = entry["faces"][0]
    assert face["box"] == [40, 30, 40, 40]
    rows = [row.split(",") for row in (output / "results.csv").read_text().splitlines()]
    assert len(rows) == 2
    assert rows[0] == [
        *("source", "frame", "timestamp", "track", "x", "y", "width", "height", "score", "label"),
        "confidence",
        *("yaw", "pitch", "roll", "answer", "set", "quality", "sharpness", "face_size"),
        *("valence", "arousal"),
        *EMOTIONS,
    ]
    assert rows[1][:5] == ["one.jpg", "", "", "", "40.0"]
    printed = capsys.readouterr()
    assert printed.err == ""
    share = f"{face['confidence']:.0%}"
    # The face is a plain block: not sharp enough to be sure of.
    said = f"one.jpg: unsure ({face['label']} {share}), x 40, y 30, 40 x 40 pixels, blurred\n"
    assert printed.out == said


def test_shares_of_classes_change_the_answers_and_are_noted(recognise, tmp_path):
    photo = tmp_path / "in.png"
    Image.fromarray(picture()).save(photo)
    found = []
    for shares in ([], ["--class-shares", "neutral=0.94"]):
        assert recognise(photo, "--weights", "ferplus", *shares) == 0
        content = json.loads((tmp_path / "out" / "results.json").read_text())
        (face,) = content["results"][0]["faces"]
        found.append((content["class_shares"], face["probabilities"]["neutral"], face["set"]))
    assert found[0][0] is None
    assert found[0][2] is not None
    assert found[1][0] == {"neutral": 0.94}
    assert found[1][1] > found[0][1]
    assert found[1][2] is None


def test_a_photo_from_standard_input_as_json(recognise, tmp_path, monkeypatch, capsys):
    data = io.BytesIO()
    Image.fromarray(picture()).save(data, "png")
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data.getvalue())))
    assert recognise("-", "--json") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert json.loads(printed.out) == json.loads((tmp_path / "out/results.json").read_text())
    assert json.loads(printed.out)["results"][0]["faces"][0]["box"] == [40, 30, 40, 40]
    assert files(tmp_path / "out") == ["results.csv", "results.json", "stdin.png"]
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(b"no picture")))
    assert recognise("-") == 2
    assert "standard input holds no picture" in capsys.readouterr().err


def test_standard_input_without_end_is_read_up_to_the_limit(recognise, monkeypatch, capsys):
    class Endless:
        given = 0

        def read(self, size=-1):
            assert size > 0, "all of it was asked for"
            self.given += size
            return bytes(size)

    endless = Endless()
    monkeypatch.setattr(file_limits, "PHOTO", file_limits.FileLimits(file_bytes=100_000))
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=endless))
    assert recognise("-") == 2
    said = capsys.readouterr().err
    assert "standard input must be a photo of at most 100000 bytes" in said
    assert endless.given < 200_000


def test_folder_goes_on_after_bad_pictures_and_says_so(recognise, tmp_path, capsys):
    folder, output = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for place in range(3):
        Image.fromarray(picture(20 + 30 * place)).save(folder / f"good{place}.png")
    Image.fromarray(picture()).save(folder / "other.bmp")
    Image.fromarray(picture(value=60)).save(folder / "nobody.png")
    (folder / "bad.png").write_bytes((folder / "good0.png").read_bytes()[:100])
    (folder / "empty.jpg").touch()
    (folder / "notes.txt").write_text("no photo")
    assert recognise(folder) == 0
    assert files(output) == [
        *("good0.png", "good1.png", "good2.png", "nobody.png", "other.bmp.png"),
        *("results.csv", "results.json"),
    ]
    printed = capsys.readouterr()
    assert "2 photos could not be read:\n  " in printed.err
    assert "bad.png" in printed.err
    assert "empty.jpg" in printed.err
    assert "1 file left out, not a photo: notes.txt\n" in printed.err
    assert f"Wrote {output}" in printed.err
    assert [line.partition(":")[0] for line in printed.out.splitlines()] == [
        *("good0.png", "good1.png", "good2.png", "other.bmp"),
    ]
    entries = json.loads((output / "results.json").read_text())["results"]
    assert {entry["source"]: len(entry["faces"]) for entry in entries} == {
        "good0.png": 1,
        "good1.png": 1,
        "good2.png": 1,
        "nobody.png": 0,
        "other.bmp": 1,
    }


def test_each_input_has_a_folder_of_its_own(recognise, weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    (folder / "notes.txt").touch()
    Image.fromarray(picture()).save(folder / "one.png")
    monkeypatch.setattr(
        sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO((folder / "one.png").read_bytes()))
    )
    for given in ("photos/one.png", "photos", "-"):
        assert main(["recognise", given, "--weights", weights]) == 0
    assert capsys.readouterr().err == "2 files left out, not photos: inner/, notes.txt\n"
    runs = tmp_path / "runs/recognise"
    assert files(runs) == ["one", "photos", "stdin"]
    assert files(runs / "one") == ["one.png", "results.csv", "results.json"]
    # Another input of that name takes no place, and finds its own again.
    Image.fromarray(picture()).save(folder / "one.bmp")
    for given in ("photos/one.bmp", "photos/one.png", "photos/one.bmp"):
        assert main(["recognise", given, "--weights", weights]) == 0
    assert files(runs) == ["one", "one-2", "photos", "stdin"]
    assert files(runs / "one") == ["one.png", "results.csv", "results.json"]
    assert files(runs / "one-2") == ["one.bmp.png", "results.csv", "results.json"]


@pytest.mark.parametrize("content", ["[]", "no JSON", '{"input": 3}', '{"other": "x.png"}'])
def test_a_folder_of_somebody_else_is_left_alone(tmp_path, content):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "results.json").write_text(content)
    (tmp_path / "one-2").mkdir()
    for name in ("one-2/notes.txt", "one.png"):
        (tmp_path / name).touch()
    found = own_folder(tmp_path, tmp_path / "one.png", "results.json", lambda held: held["input"])
    assert found == tmp_path / "one-3"


def test_nobody_is_found(recognise, tmp_path, capsys):
    photo = tmp_path / "nobody.png"
    Image.fromarray(picture(value=60)).save(photo)
    assert recognise(photo) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"fer: no face was found in {photo}\n"
    assert (tmp_path / "out/nobody.png").is_file()


def test_video(recognise, tmp_path, capsys):
    clip, output = tmp_path / "clip.mp4", tmp_path / "out"
    with VideoWriter(clip, fps=20) as writer:
        for place in range(12):
            writer.write(picture(20 + 2 * place))
    options = ["--smoothing", "0.1", "--detect-every", "0", "--flip", "--min-score", "0.5"]
    assert recognise(clip, *options) == 0
    assert files(output) == ["clip.mp4", "results.csv", "results.json"]
    copy = Video(output / "clip.mp4")
    assert (copy.count(), copy.info.fps) == (12, 20)
    entries = json.loads((output / "results.json").read_text())["results"]
    assert [entry["frame"] for entry in entries] == list(range(12))
    assert {face["track"] for entry in entries for face in entry["faces"]} == {0}
    assert len((output / "results.csv").read_text().splitlines()) == 13
    printed = capsys.readouterr()
    assert printed.out.startswith("face 1 (track 0): 12 of 12 frames, ")
    assert printed.err == f"Wrote {output}\n"


@pytest.mark.parametrize("reason", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_was_found_is_kept(recognise, tmp_path, monkeypatch, capsys, reason):
    folder, output, seen = tmp_path / "photos", tmp_path / "out", []
    folder.mkdir()
    for place in range(4):
        Image.fromarray(picture()).save(folder / f"{place}.png")

    def write_photo(path, image):
        seen.append(path)
        if len(seen) == 3:
            raise reason

    monkeypatch.setattr(fer_models.recognizer.annotated_files, "write_photo", write_photo)
    assert recognise(folder) == (130 if reason is KeyboardInterrupt else 2)
    assert f"Wrote the results of 2 photos until here to {output}\n" in capsys.readouterr().err
    content = json.loads((output / "results.json").read_text())
    assert content["complete"] is False
    assert [entry["source"] for entry in content["results"]] == ["0.png", "1.png"]


def test_damaged_frames_are_an_error_or_left_out(recognise, tmp_path, capsys):
    clip = tmp_path / "clip.avi"
    with VideoWriter(clip, fps=20) as writer:
        for _ in range(9):
            writer.write(picture())
    data = bytearray(clip.read_bytes())
    # The fifth picture, a JPEG, no longer begins as one.
    place = [at for at in range(len(data)) if data[at : at + 3] == b"\xff\xd8\xff"][4]
    data[place : place + 200] = bytes(200)
    clip.write_bytes(data)
    assert recognise(clip) == 2
    assert "cannot be decoded" in capsys.readouterr().err
    assert recognise(clip, "--on-bad", "skip") == 0
    assert "1 frame skipped:\n  4 " in capsys.readouterr().err
    entries = json.loads((tmp_path / "out/results.json").read_text())["results"]
    assert [entry["frame"] for entry in entries] == [0, 1, 2, 3, 5, 6, 7, 8]


def test_names_that_the_terminal_lacks_are_escaped(recognise, tmp_path, monkeypatch):
    Image.fromarray(picture()).save(tmp_path / "写😀.png")
    for options in ([], ["--json"]):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252"))
        assert recognise(tmp_path / "写😀.png", *options) == 0
        sys.stdout.flush()
        printed = raw.getvalue().decode("cp1252")
        if options:
            assert json.loads(printed)["results"][0]["source"] == "写😀.png"
        else:
            assert printed.startswith("\\u5199\\U0001f600.png: ")


def test_never_writes_over_its_input(weights, tmp_path, capsys):
    photo = tmp_path / "one.png"
    Image.fromarray(picture()).save(photo)
    for given in (photo, tmp_path):
        words = [str(given), "--weights", weights, "--output", str(tmp_path / "x" / "..")]
        assert main(["recognise", *words]) == 2
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
        ("nowhere/one.png", [], "there is no photo, video or folder"),
        (".", ["--smoothing", "-1"], "--smoothing must be a number of seconds >= 0, not -1.0"),
        (".", ["--detect-every", "nan"], "--detect-every must be a number of seconds"),
        ("one.png", ["--class-shares", "neutral"], "--class-shares must be even, or one or more"),
        ("one.png", ["--class-shares", "even", "sad=0.2"], "--class-shares must be even alone, or"),
        ("one.png", ["--class-shares", "sad=0.1", "sad=0.2"], "--class-shares names 'sad' twice"),
        ("one.png", ["--class-shares", "even", "--coverage", "0.9"], "--coverage other than 0"),
        ("one.png", ["--class-shares", "even"], "weights whose card does not state the shares"),
        (".", ["--output", "{file}"], "--output must be a folder"),
        (".", ["--output", "{file}/below"], "--output must be a folder, and"),
        ("one.gif.txt", [], "must be a photo (.png, .jpg, "),
    ],
)
def test_bad_input_is_named(recognise, tmp_path, capsys, name, options, message):
    folder = tmp_path / "in"
    folder.mkdir()
    file = tmp_path / "file"
    file.touch()
    if name != "." and "/" not in name:
        (folder / name).write_bytes(b"nothing of use")
    assert recognise(folder / name, *(o.replace("{file}", str(file)) for o in options)) == 2
    error = capsys.readouterr().err
    assert error.startswith("fer: error: ")
    assert error.count("\n") == 1
    assert message in error
    output = tmp_path / "out"
    assert not output.exists() or not list(output.iterdir())
