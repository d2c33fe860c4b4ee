"""Copies and results on disk; `fer recognise` has the tests of the whole way."""

import json

import numpy as np
import pytest
from PIL import Image

from fer_models.recognizer import Expression, FrameResult
from fer_models.recognizer.annotated_files import (
    annotate_photos,
    annotate_video,
    copy_name,
    lines,
    photos_of,
    write_results,
)
from fer_models.recognizer.table import COLUMNS

NAMES = ("happy", "sad")


def face(label="happy", track=None):
    return Expression((4.0, 2.0, 30.0, 40.0), 0.9, {"happy": 0.8, "sad": 0.2}, label, 0.8, track)


class OneFace:
    """Says that every picture shows one face."""

    def photos(self, images, batch_size):
        for _ in images:
            yield [face()]


def test_photos_from_memory(tmp_path):
    pictures = {"a": np.zeros((60, 60, 3), np.uint8), "b": np.zeros((60, 50, 3), np.uint8)}
    done = []
    found = annotate_photos(OneFace(), pictures, tmp_path, done.append)
    assert done == list(found.faces) == ["a", "b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_two_photos_of_one_name(tmp_path):
    with pytest.raises(ValueError, match="must have different file names"):
        annotate_photos(OneFace(), ["x/a.png", "y/a.png"], tmp_path)


def test_copies_do_not_meet_and_take_no_photos_place(tmp_path):
    with pytest.raises(ValueError, match=r"'a.bmp' and 'a.bmp.png' would both be 'a.bmp.png'"):
        annotate_photos(OneFace(), ["x/a.bmp", "x/a.bmp.png"], tmp_path)
    photo, video = tmp_path / "a.png", tmp_path / "a.mp4"
    Image.new("RGB", (60, 60)).save(photo)
    video.write_bytes(b"the only copy")
    for refused in (
        lambda: annotate_photos(OneFace(), [photo], tmp_path / "x" / ".."),
        lambda: annotate_photos(
            OneFace(), {"a.png": tmp_path / "x" / "b.png", "b.png": photo}, tmp_path
        ),
        lambda: annotate_video(OneFace(), video, video),
    ):
        (tmp_path / "x").mkdir(exist_ok=True)
        before = {path: path.read_bytes() for path in (photo, video)}
        with pytest.raises(ValueError, match="another file than the one that is read"):
            refused()
        assert {path: path.read_bytes() for path in before} == before


def test_names_of_copies():
    assert copy_name("clip.MOV") == "clip.MOV.mp4"
    assert copy_name("a.tiff") == "a.tiff.png"
    assert copy_name("a.JPEG") == "a.JPEG"


def test_photos_of_a_folder(tmp_path):
    for name in ("b.JPG", "a.png", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    photos, others = photos_of(tmp_path)
    assert [path.name for path in photos] == ["a.png", "b.JPG"]
    assert [path.name for path in others] == ["notes.txt"]


def test_a_video_in_words_and_on_disk(tmp_path):
    frames = [
        FrameResult(number, number / 2, None, [face(label, track=1)] if label else [])
        for number, label in enumerate(("happy", "sad", "happy", None))
    ]
    assert lines(frames) == ["face 1 (track 1): 3 of 4 frames, happy in 2, sad in 1"]
    content = write_results(tmp_path, frames, NAMES, {"input": "clip.mp4"})
    assert content == json.loads((tmp_path / "results.json").read_text())
    assert list(content) == ["input", "class_names", "results"]
    rows = (tmp_path / "results.csv").read_text().splitlines()
    assert rows[0] == ",".join([*COLUMNS, "happy", "sad"])
    assert rows[1] == ",0,,1,4.0,2.0,30.0,40.0,0.9,happy,0.8,,,,happy,,,,,,,0.8,0.2"
    assert len(rows) == 4


def test_no_face_leaves_a_table_with_columns_alone(tmp_path):
    write_results(tmp_path, {"a.png": []}, NAMES)
    (row,) = (tmp_path / "results.csv").read_text().splitlines()
    assert row == ",".join([*COLUMNS, "happy", "sad"])
