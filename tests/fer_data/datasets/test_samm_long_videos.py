"""SAMM Long Videos with the SAMM sheet, and SAMM itself."""

import shutil

import numpy as np
import pytest
from helpers import fake_micro_expressions as fake

from fer_data.datasets import prepare

OPTIONS = {"size": 32, **fake.FAKE}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return fake.write_samm(tmp_path_factory.mktemp("samm"))


@pytest.fixture(scope="module")
def builder(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return prepare("samm_long_videos", path=root, data_dir=out, **OPTIONS)


def test_emotions_come_from_the_samm_sheet(builder):
    clips = fake.clips(builder)
    got = {name: (int(c["label"]), c["emotion"].decode()) for name, c in clips.items()}
    assert got == {
        "samm/006/006_1_2": (1, "Happiness"),
        "samm/006/006_1_6": (0, "Anger"),
        "samm/007/007_6_9": (-1, ""),
    }
    clip = clips["samm/006/006_1_2"]
    assert clip["subject"] == b"samm/006"
    assert clip["frame_numbers"].tolist() == list(range(5562, 5567))
    # Grey pictures, in three channels that are alike.
    assert np.ptp(clip["frames"], axis=-1).max() == 0


def test_report(builder):
    report = builder.report()
    assert report.read == 6
    dropped = {reason: len(rows) for reason, rows in report.dropped.items()}
    assert dropped == {"not_asked_for": 1, "negative_duration": 1, "missing_frames": 1}
    kept = {reason: len(rows) for reason, rows in report.kept.items()}
    assert kept == {"other_duration": 1, "no_emotion": 1, "apex_outside": 1}


def test_macro_movements_have_no_label(root, tmp_path):
    options = {"expressions": "macro", **OPTIONS}
    clips = fake.clips(prepare("samm_long_videos", path=root, data_dir=tmp_path, **options))
    assert list(clips) == ["samm/007/007_6_2"]
    assert clips["samm/007/007_6_2"]["label"] == -1


def test_long_sheet_without_a_header(builder, tmp_path):
    path = fake.write_samm(tmp_path / "data", long_header=False)
    other = prepare("samm_long_videos", path=path, data_dir=tmp_path / "out", **OPTIONS)
    assert other.report().used == builder.report().used
    assert other.report().read == 6


def test_clips_of_samm_are_the_same_frames(root, tmp_path, builder):
    options = {"pictures": "clips", **OPTIONS}
    short = prepare("samm_long_videos", path=root, data_dir=tmp_path, **options)
    clips, long = fake.clips(short), fake.clips(builder)
    assert set(clips) == {"samm/006/006_1_2", "samm/006/006_1_6", "samm/007/007_6_1"}
    assert clips["samm/007/007_6_1"]["label"] == -1
    for name in ("samm/006/006_1_2", "samm/006/006_1_6"):
        assert clips[name]["content"] == long[name]["content"]
    assert len(short.report().dropped["missing_folder"]) == 1


def test_samm_sheet_elsewhere(root, tmp_path, builder):
    shutil.copytree(root, tmp_path / "data")
    sheet = tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx"
    (tmp_path / "data" / sheet.name).rename(sheet)
    options = {"data_dir": tmp_path / "out", **OPTIONS}
    with pytest.raises(ValueError, match="`samm_sheet`"):
        prepare("samm_long_videos", path=tmp_path / "data", **options)
    other = prepare("samm_long_videos", path=tmp_path / "data", samm_sheet=sheet, **options)
    assert other.report().used == builder.report().used
    with pytest.raises(ValueError, match="`samm_sheet` must be the path of a file"):
        prepare("samm_long_videos", path=tmp_path / "data", samm_sheet="none.xlsx", **options)


def test_bad_options(root, tmp_path):
    options = {"path": root, "data_dir": tmp_path, **OPTIONS}
    with pytest.raises(ValueError, match="`expressions` must be one of"):
        prepare("samm_long_videos", expressions="mini", **options)
    with pytest.raises(ValueError, match=r'must be "micro" for pictures="clips"'):
        prepare("samm_long_videos", pictures="clips", expressions="all", **options)


def test_what_is_not_there(root, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("none")
    options = {"data_dir": tmp_path / "out", **OPTIONS}
    with pytest.raises(
        ValueError, match=r"must hold the pictures of SAMM Long Videos.*folders \[\]"
    ):
        prepare("samm_long_videos", path=tmp_path / "empty", **options)
    sheet = fake.write_sheet(tmp_path / "samm.xlsx", [("006", "006_1_2", 1, 2, 3)])
    with pytest.raises(ValueError, match=r"samm\.xlsx must have a row with the column names"):
        prepare("samm_long_videos", path=root, samm_sheet=sheet, **options)


def test_rows_without_emotion_or_kind(root, tmp_path):
    happy = ("006", "006_1_2", 1, 5562, 5564, 5566, 5, "Micro", "12", "Happiness", "II", None)
    bare = ("006", "006_1_6", 1, 5570, 5572, 5574, 5, "Micro", "4", None, "I", None)
    sheet = fake.write_sheet(tmp_path / "samm.xlsx", [fake.SAMM_HEADER, happy, bare])
    options = {"path": root, "data_dir": tmp_path / "out", **OPTIONS}
    builder = prepare("samm_long_videos", pictures="clips", samm_sheet=sheet, **options)
    assert list(fake.clips(builder)) == ["samm/006/006_1_2"]
    assert builder.report().dropped["unknown_emotion"][0]["detail"] == "emotion is ''"
    numbers = (1, 5562, 5564, 5566, 5)
    rows = [("006", "006_1_2", *numbers, kind, "12", None) for kind in ("micro-movement", "Mini")]
    long = fake.write_sheet(tmp_path / "long.xlsx", [fake.LONG_HEADER, *rows])
    builder = prepare("samm_long_videos", sheet=long, **options)
    assert list(fake.clips(builder)) == ["samm/006/006_1_2"]
    detail = builder.report().dropped["unknown_kind"][0]["detail"]
    assert detail == "Type is 'Mini', not Macro or Micro"
