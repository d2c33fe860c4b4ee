"""CAS(ME)^3: clips that share a folder, absurd durations, odd spellings."""

import pytest
from helpers import fake_micro_expressions as fake

from fer_data.datasets import prepare

OPTIONS = {"size": 32, **fake.FAKE}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return fake.write_cas_me3(tmp_path_factory.mktemp("cas_me3"))


@pytest.fixture(scope="module")
def builder(root, tmp_path_factory):
    return prepare("cas_me3", path=root, data_dir=tmp_path_factory.mktemp("out"), **OPTIONS)


def test_clips_of_one_folder_and_odd_spellings(builder):
    clips = fake.clips(builder)
    got = {name: (int(c["label"]), c["emotion"].decode()) for name, c in clips.items()}
    assert got == {
        "cas_me3/spNO.1/a/175-180": (0, "disgust"),
        "cas_me3/spNO.1/a/182-187": (1, "happy"),
        "cas_me3/spNO.1/a/190-194": (-1, "Others"),
        "cas_me3/spNO.2/j/5-9": (0, "anger"),
        "cas_me3/spNO.2/c/1-5": (-1, "others"),
    }
    assert clips["cas_me3/spNO.1/a/182-187"]["frame_numbers"].tolist() == list(range(182, 188))
    assert len({c["content"] for c in clips.values()}) == 5
    assert {c["subject"] for c in clips.values()} == {b"cas_me3/spNO.1", b"cas_me3/spNO.2"}


def test_report(builder):
    report = builder.report()
    assert report.read == 11
    assert {reason: len(rows) for reason, rows in report.dropped.items()} == {
        "negative_duration": 1,
        "absurd_duration": 1,
        "one_frame": 1,
        "unknown_emotion": 1,
        "missing_folder": 1,
        "missing_frames": 1,
    }
    assert "1845 frames, more than 100" in report.dropped["absurd_duration"][0]["detail"]
    assert report.kept == {}


def test_own_limit_of_frames(root, tmp_path):
    builder = prepare("cas_me3", path=root, data_dir=tmp_path, max_frames=5, **OPTIONS)
    assert len(fake.clips(builder)) == 3
    assert len(builder.report().dropped["absurd_duration"]) == 4
    builder = prepare("cas_me3", path=root, data_dir=tmp_path, max_frames=0, **OPTIONS)
    assert "absurd_duration" not in builder.report().dropped
    assert len(builder.report().dropped["missing_frames"]) == 2


def test_depth_pictures_are_no_clips(tmp_path):
    fake.write_frames(tmp_path / "spNO.1" / "a" / "depth", [1], "{}.png")
    with pytest.raises(ValueError, match=r"spNO\.1/a/color"):
        prepare("cas_me3", path=tmp_path, data_dir=tmp_path / "out", **OPTIONS)


def test_two_files_of_one_number(root, tmp_path):
    header = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion")
    rows = [("spNO.1", "a", 1, 2, 3, "4", "I", "sad"), ("spNO.1", "b", 1, 2, 3, "4", "I", "sad")]
    data = tmp_path / "data"
    fake.write_sheet(data / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", [header, *rows])
    fake.write_frames(data / "spNO.1" / "a" / "color", range(1, 4), "{}.jpg")
    fake.write_frames(data / "spNO.1" / "a" / "color", [2], "{:03d}.jpg")
    fake.write_frames(data / "spNO.1" / "b" / "color", range(1, 4), "{}.jpg")
    builder = prepare("cas_me3", path=data, data_dir=tmp_path / "out", **OPTIONS)
    assert list(fake.clips(builder)) == ["cas_me3/spNO.1/b/1-3"]
    assert len(builder.report().dropped["ambiguous_frames"]) == 1


def test_a_sheet_without_its_header(root, tmp_path):
    sheet = fake.write_sheet(tmp_path / "list.xlsx", [("spNO.1", "a", 175, 177, 180)])
    with pytest.raises(ValueError, match=r"column names \['Subject'.*among its first 40"):
        prepare("cas_me3", path=root, data_dir=tmp_path / "out", sheet=sheet, **OPTIONS)
