"""`fer crop`: a folder of photos, and RAF-DB's originals, on the command line."""

import inspect
import json

import pytest
from helpers.photos import Finder, photo

from fer_data.faces import cut_folder, cutting
from fer_data.faces.image import read_image
from fer_models.cli import crop, main


@pytest.fixture
def asked(monkeypatch):
    """Have the photos' own boxes found; return what detectors were asked for."""
    calls = []

    def make(name, **options):
        calls.append((name, options))
        return Finder()

    monkeypatch.setattr(cutting, "make_detector", make)
    return calls


def test_faces_of_a_folder(asked, tmp_path, capsys):
    source, target = tmp_path / "photos", tmp_path / "faces"
    photo(source / "happy" / "one.png", (10, 12, 20), (40, 8, 30))
    photo(source / "sad" / "two.png")
    (source / "sad" / "torn.png").write_bytes(b"no picture")
    words = ["crop", str(source), "--output", str(target)]
    more = ["--min-score", "0.5", "--option", "working_size=320"]
    assert main([*words, "--size", "24", "--detector", "yunet", *more]) == 0
    assert asked == [("yunet", {"min_score": 0.5, "working_size": 320})]
    told = capsys.readouterr()
    assert "1 faces cut out of 3 photos" in told.out
    assert "1 without a face (0 of them taken whole), 1 unreadable, 0 files that" in told.out
    assert "1 photos show several faces; 0 faces of earlier calls removed" in told.out
    assert "sad/two.png: no face was found" in told.err
    unreadable = told.err.partition("unreadable (all of them in ")[2]
    assert "in none of the formats PNG" in unreadable
    assert "0x" not in told.err
    assert read_image(target / "happy" / "one.png").shape == (24, 24, 3)
    (source / "happy" / "one.png").rename(source / "sad" / "one.png")
    assert main([*words, "--size", "24", "--detector", "yunet", *more]) == 0
    assert "1 faces of earlier calls removed, which no photo gives now" in capsys.readouterr().out
    assert not (target / "happy").exists()
    assert main([*words, "--size", "32"]) == 2
    assert "were cut by the rule" in capsys.readouterr().err


def test_links_are_followed_when_asked(asked, tmp_path, capsys):
    source, target = tmp_path / "photos", tmp_path / "faces"
    photo(source / "happy" / "one.png", (10, 12, 20))
    photo(tmp_path / "store" / "two.png", (10, 12, 20))
    (source / "happy" / "two.png").symlink_to(tmp_path / "store" / "two.png")
    (source / "sad").symlink_to(tmp_path / "store")
    words = ["crop", str(source), "--output", str(target)]
    assert main(words) == 0
    told = capsys.readouterr()
    assert "1 faces cut out of 1 photos" in told.out
    assert "`fer crop` has `--follow-links`" in told.err
    assert "sad: link_outside: a link to the folder" in told.err
    assert main([*words, "--follow-links"]) == 0
    assert "1 faces cut out of 2 photos, 1 photos done before" in capsys.readouterr().out
    assert (target / "happy" / "two.png").exists()


def test_json_and_no_face_at_all(asked, tmp_path, capsys):
    photo(tmp_path / "photos" / "one.png")
    words = ["crop", str(tmp_path / "photos"), "--output", str(tmp_path / "faces"), "--json"]
    assert main(words) == 1
    told = capsys.readouterr()
    content = json.loads(told.out)
    miss = {"photo": "one.png", "reason": "no face was found", "taken": "nothing"}
    assert content["misses"] == [miss]
    assert (content["photos"], content["faces"], content["removed"]) == (1, 0, 0)
    assert (content["without_face"], content["unreadable"], content["other_files"]) == (1, 0, 0)
    assert "no face was found in" in told.err
    photo(tmp_path / "photos" / "one.png", (10, 12, 20), (40, 8, 30))
    assert main([*words, "--every-face", "--channels", "1"]) == 2
    assert "were cut by the rule" in capsys.readouterr().err


def test_photos_without_a_face_are_taken_whole(asked, tmp_path, capsys):
    photo(tmp_path / "photos" / "one.png")
    photo(tmp_path / "photos" / "two.png", (10, 12, 20))
    words = ["crop", str(tmp_path / "photos"), "--output", str(tmp_path / "faces")]
    assert main([*words, "--on-miss", "whole"]) == 0
    told = capsys.readouterr()
    assert "1 without a face (1 of them taken whole)" in told.out
    assert "one.png: no face was found, whole picture" in told.err
    assert (tmp_path / "faces" / "one.png").exists()
    assert main([*words, "--on-miss", "skip_train"]) == 2
    assert "`on_miss` must be one of" in capsys.readouterr().err


def test_original_pictures_of_raf_db(tmp_path, capsys):
    from helpers.fake_datasets import write_raf_db_photos

    path = write_raf_db_photos(tmp_path / "raf", faceless=("train_00002", "test_00003"))
    words = ["crop", "raf_db", "--path", str(path), "--output", str(tmp_path / "faces")]
    words += ["--detector", "yunet"]
    assert main([*words, "--size", "32"]) == 0
    told = capsys.readouterr()
    assert "train: 6 faces of 7 pictures, 0 pictures taken whole, 1 left out" in told.out
    assert "test: 6 faces of 7 pictures, 1 pictures taken whole, 0 left out" in told.out
    assert read_image(tmp_path / "faces" / "test" / "angry" / "test_00006.png").shape == (32, 32, 3)
    assert main([*words, "--size", "32", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["faces"], content["done_before"], content["whole"]) == (0, 13, 1)
    assert content["splits"]["train"] == {"pictures": 7, "faces": 6, "whole": 0, "left_out": 1}
    assert main([*words, "--size", "40"]) == 2
    assert "were cut by the rule" in capsys.readouterr().err


def test_what_raf_db_needs(tmp_path, capsys):
    words = ["crop", "raf_db", "--output", str(tmp_path / "faces")]
    assert main(words) == 2
    assert "raf_db needs --path" in capsys.readouterr().err
    assert main([*words, "--path", str(tmp_path), "--every-face"]) == 2
    assert "--every-face is for FOLDER" in capsys.readouterr().err
    assert main(["crop", "photos", "--path", "raf", "--output", str(tmp_path / "faces")]) == 2
    assert "--path is for raf_db" in capsys.readouterr().err


def test_defaults_are_the_library_s():
    from fer_data.datasets.cutting_builder import ON_MISS
    from fer_data.datasets.raf_db import CUT
    from fer_data.datasets.raf_db_faces import cut_raf_db
    from fer_data.faces.folder import ON_MISS as FOLDER_ON_MISS

    for function, known in (
        (cut_folder, crop.FOLDER_DEFAULTS),
        (cut_raf_db, crop.RAF_DB_DEFAULTS),
    ):
        defaults = inspect.signature(function).parameters
        assert {name: defaults[name].default for name in known} == known
    assert crop.RAF_DB_DEFAULTS.items() <= CUT.items()
    assert set(crop.ON_MISS) == {*ON_MISS, *FOLDER_ON_MISS}


def test_nothing_there(tmp_path, capsys):
    assert main(["crop", str(tmp_path / "no"), "--output", str(tmp_path / "faces")]) == 2
    assert "There is no folder" in capsys.readouterr().err
