"""`fer crop`: a folder of photos on the command line."""

import json

import pytest
from helpers.photos import Finder, photo

from fer_data.faces import folder
from fer_data.faces.image import read_image
from fer_models.cli import main


@pytest.fixture
def asked(monkeypatch):
    """Have the photos' own boxes found; return what detectors were asked for."""
    calls = []

    def make(name, **options):
        calls.append((name, options))
        return Finder()

    monkeypatch.setattr(folder, "make_detector", make)
    return calls


def test_faces_of_a_folder(asked, tmp_path, capsys):
    source, target = tmp_path / "photos", tmp_path / "faces"
    photo(source / "happy" / "one.png", (10, 12, 20), (40, 8, 30))
    photo(source / "sad" / "two.png")
    (source / "sad" / "torn.png").write_bytes(b"no picture")
    words = ["crop", str(source), "--output", str(target)]
    assert main([*words, "--size", "24", "--detector", "yunet", "--min-score", "0.5"]) == 0
    assert asked == [("yunet", {"min_score": 0.5})]
    told = capsys.readouterr()
    assert "1 faces cut out of 3 photos" in told.out
    assert "1 without a face, 1 unreadable, 0 files that are no photos" in told.out
    assert "sad/two.png: no face was found" in told.err
    unreadable = told.err.partition("unreadable (all of them in ")[2]
    assert "not a picture of a known format" in unreadable
    assert "0x" not in told.err
    assert read_image(target / "happy" / "one.png").shape == (24, 24, 3)
    assert main([*words, "--size", "32"]) == 2
    assert "were cut by the rule" in capsys.readouterr().err


def test_json_and_no_face_at_all(asked, tmp_path, capsys):
    photo(tmp_path / "photos" / "one.png")
    words = ["crop", str(tmp_path / "photos"), "--output", str(tmp_path / "faces"), "--json"]
    assert main(words) == 1
    told = capsys.readouterr()
    content = json.loads(told.out)
    assert content["misses"] == [{"photo": "one.png", "reason": "no face was found"}]
    assert (content["photos"], content["faces"]) == (1, 0)
    assert (content["without_face"], content["unreadable"], content["other_files"]) == (1, 0, 0)
    assert "no face was found in" in told.err
    photo(tmp_path / "photos" / "one.png", (10, 12, 20), (40, 8, 30))
    assert main([*words, "--every-face", "--channels", "1"]) == 2
    assert "were cut by the rule" in capsys.readouterr().err


def test_nothing_there(tmp_path, capsys):
    assert main(["crop", str(tmp_path / "no"), "--output", str(tmp_path / "faces")]) == 2
    assert "There is no folder" in capsys.readouterr().err
