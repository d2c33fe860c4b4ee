"""CASME II: rows, frames, dirty rows by the stated rules, raw and cropped pictures."""

import sys

import cv2
import numpy as np
import openpyxl
import pytest
from helpers import fake_micro_expressions as fake

from fer_data.datasets import prepare
from fer_data.faces import align_clip

OPTIONS = {"size": 32, **fake.FAKE}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return fake.write_casme2(tmp_path_factory.mktemp("casme2"), cropped=True)


@pytest.fixture(scope="module")
def builder(root, tmp_path_factory):
    return prepare("casme2", path=root, data_dir=tmp_path_factory.mktemp("out"), **OPTIONS)


@pytest.fixture(scope="module")
def clips(builder):
    return fake.clips(builder)


def test_clips_and_labels(builder, clips):
    assert builder.info.features["label"].names == ["negative", "positive", "surprise"]
    got = {name: (int(c["label"]), c["emotion"].decode()) for name, c in clips.items()}
    assert got == {
        "casme2/sub01/EP02_01f": (1, "happiness"),
        "casme2/sub01/EP03_02": (0, "disgust"),
        "casme2/sub02/EP01_11f": (2, "surprise"),
        "casme2/sub02/EP03_02f": (-1, "others"),
        "casme2/sub03/EP01_2": (0, "repression"),
    }
    assert {c["subject"].decode() for c in clips.values()} == {
        "casme2/sub01",
        "casme2/sub02",
        "casme2/sub03",
    }


def test_numbers_of_a_row(clips):
    clip = clips["casme2/sub01/EP02_01f"]
    assert (clip["onset"], clip["apex"], clip["offset"], clip["apex_index"]) == (46, 49, 51, 3)
    assert clip["frame_numbers"].tolist() == [46, 47, 48, 49, 50, 51]
    assert clip["frames"].shape == (6, 32, 32, 3)
    assert clip["frames"].dtype == np.uint8
    assert clip["action_units"] == b"12"
    assert (clip["kind"], clip["fps"], clip["self_report"]) == (b"micro", 200.0, b"")
    assert clips["casme2/sub01/EP03_02"]["action_units"] == b"L4+4"


def test_frames_are_the_pictures_aligned_by_the_first(root, clips):
    folder = root / "CASME2_RAW_selected" / "sub01" / "EP02_01f"
    pictures = [cv2.imread(str(folder / f"img{n}.jpg"))[:, :, ::-1] for n in range(46, 52)]
    points = fake.landmarks_of(fake.WIDTH, fake.HEIGHT)
    want = align_clip(np.stack(pictures), points, size=32, dtype="uint8").numpy()
    got = clips["casme2/sub01/EP02_01f"]["frames"].astype(int)
    # Two JPEG decoders, Pillow's and OpenCV's, may differ by a level or two.
    assert np.abs(got - want).max() <= 3


def test_landmarks_lie_on_the_aligned_face(clips):
    points = clips["casme2/sub01/EP02_01f"]["landmarks"]
    left, right = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    np.testing.assert_allclose(left, (0.34 * 32 - 0.5, 0.36 * 32 - 0.5), atol=1e-3)
    np.testing.assert_allclose(right, (0.66 * 32 - 0.5, 0.36 * 32 - 0.5), atol=1e-3)


def test_missing_and_outlying_apex(clips):
    for name in ("casme2/sub01/EP03_02", "casme2/sub02/EP01_11f"):
        assert clips[name]["apex"] == clips[name]["apex_index"] == -1


def test_gap_in_the_frames(clips):
    clip = clips["casme2/sub02/EP03_02f"]
    assert clip["frame_numbers"].tolist() == [9, 10, 12]
    assert clip["apex_index"] == 1


def test_report(builder, capsys):
    report = builder.report()
    assert report.read == 11
    assert report.used == {"clips": {"negative": 2, "positive": 1, "surprise": 1, "no label": 1}}
    assert {reason: len(rows) for reason, rows in report.dropped.items()} == {
        "negative_duration": 1,
        "no_onset": 1,
        "unknown_emotion": 1,
        "missing_frames": 1,
        "listed_twice": 1,
        "corrupt": 1,
    }
    assert {reason: len(rows) for reason, rows in report.kept.items()} == {
        "no_apex": 1,
        "apex_outside": 1,
        "gap": 1,
    }
    assert report.dropped["negative_duration"][0]["file"].endswith("20190701.xlsx:7")
    assert "img3.jpg" in report.dropped["corrupt"][0]["detail"]
    assert "11 rows read, 5 used" in report.summary()


def test_bad_rows_raise_on_request(root, tmp_path):
    with pytest.raises(ValueError, match=r"xlsx:7 cannot be used.*negative_duration"):
        prepare("casme2", path=root, data_dir=tmp_path, on_bad="raise", **OPTIONS)


def test_cropped_pictures(root, tmp_path):
    builder = prepare("casme2", path=root, data_dir=tmp_path, pictures="cropped", **OPTIONS)
    clips = fake.clips(builder)
    assert len(clips) == 5
    assert clips["casme2/sub01/EP02_01f"]["frames"].shape == (6, 32, 32, 3)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"pictures": "aligned"}, "`pictures` must be one of"),
        ({"size": 8}, "`size` must be an integer >= 16"),
        ({"align": "no"}, "`align` must be True or False. Received: align='no'"),
        ({"aligned": False}, r"options of 'casme2' must be of .*'align'.* Received: \['aligned'\]"),
        ({"max_frames": -1}, "`max_frames` must be an integer >= 0"),
        ({"detector": "haar"}, "`detector` must be one of"),
        ({"detector": 3}, "`detector` must be a name or an object"),
        ({"sheet": "no/such.xlsx"}, "`sheet` must be the path of a file"),
        ({"on_bad": "ignore"}, "`on_bad` must be one of"),
    ],
)
def test_bad_options(root, tmp_path, option, message):
    with pytest.raises(ValueError, match=message):
        prepare("casme2", path=root, data_dir=tmp_path, **{**OPTIONS, **option})


def test_folders_without_the_data_set(root, tmp_path):
    fake.write_frames(tmp_path / "a" / "Cropped" / "sub01" / "EP1", [1], "img{}.jpg")
    with pytest.raises(ValueError, match=r"must hold the pictures of CASME II"):
        prepare("casme2", path=tmp_path / "a", data_dir=tmp_path / "out", **OPTIONS)
    fake.write_frames(tmp_path / "b" / "sub01" / "EP1", [1], "img{}.jpg")
    with pytest.raises(ValueError, match=r"spreadsheet CASME2-coding-\*\.xlsx"):
        prepare("casme2", path=tmp_path / "b", data_dir=tmp_path / "out", **OPTIONS)


def test_sheet_elsewhere_and_sheets_that_are_none(root, tmp_path):
    fake.write_frames(tmp_path / "data" / "sub01" / "EP02_01f", range(45, 53), "img{}.jpg")
    sheet = root / "CASME2-coding-20190701.xlsx"
    options = {"data_dir": tmp_path / "out", **OPTIONS}
    builder = prepare("casme2", path=tmp_path / "data", sheet=sheet, **options)
    assert list(fake.clips(builder)) == ["casme2/sub01/EP02_01f"]
    text = tmp_path / "text.xlsx"
    text.write_text("no spreadsheet")
    with pytest.raises(ValueError, match=r"must be a spreadsheet of the kind \.xlsx"):
        prepare("casme2", path=tmp_path / "data", sheet=text, **options)
    empty = fake.write_sheet(tmp_path / "empty.xlsx", [("Subject", "Filename")])
    with pytest.raises(ValueError, match="must have a row with the column names"):
        prepare("casme2", path=tmp_path / "data", sheet=empty, **options)


def test_nothing_usable(root, tmp_path):
    fake.write_frames(tmp_path / "data" / "sub99" / "EP1", [1], "img{}.jpg")
    sheet = root / "CASME2-coding-20190701.xlsx"
    options = {"data_dir": tmp_path / "out", "sheet": sheet, **OPTIONS}
    with pytest.raises(ValueError, match=r"(?s)must hold usable clips.*missing_folder: 8"):
        prepare("casme2", path=tmp_path / "data", **options)


def test_missing_openpyxl(root, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ImportError, match=r'pip install "fer-keras\[faces\]"'):
        prepare("casme2", path=root, data_dir=tmp_path, **OPTIONS)


def test_numbers_that_spreadsheets_store_as_floats_or_text(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(list(fake.CASME2_HEADER))
    book.active.append([1.0, "EP1", None, "46", 48.0, " 49 ", None, 12.0, " Happiness "])
    path = tmp_path / "data" / "CASME2-coding-1.xlsx"
    path.parent.mkdir()
    book.save(path)
    fake.write_frames(path.parent / "sub01" / "EP1", range(46, 50), "img{}.jpg")
    builder = prepare("casme2", path=path.parent, data_dir=tmp_path / "out", **OPTIONS)
    clip = fake.clips(builder)["casme2/sub01/EP1"]
    assert (clip["onset"], clip["apex"], clip["offset"]) == (46, 48, 49)
    assert (clip["action_units"], clip["emotion"], clip["label"]) == (b"12", b"Happiness", 1)
