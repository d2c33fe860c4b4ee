"""SMIC-HS: folders as labels, cropped faces, and the long form with its FirstF."""

import cv2
import numpy as np
import pytest
from helpers import fake_micro_expressions as fake

from fer_data.datasets import prepare

OPTIONS = {"size": 32, **fake.FAKE}
LABELS = {
    "smic_hs/s1/s1_ne_01": 0,
    "smic_hs/s1/s1_po_01": 1,
    "smic_hs/s2/s2_sur_01": 2,
    "smic_hs/s20/s20_ne_02": 0,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return fake.write_smic(tmp_path_factory.mktemp("smic"))


@pytest.mark.parametrize("pictures", ["raw", "cropped"])
def test_folders_are_labels(root, tmp_path, pictures):
    options = {"pictures": pictures, **OPTIONS}
    builder = prepare("smic_hs", path=root, data_dir=tmp_path, **options)
    clips = fake.clips(builder)
    assert {name: int(c["label"]) for name, c in clips.items()} == LABELS
    # Unpadded numbers: 997 to 1002 are in the order of numbers, not of letters.
    last = clips["smic_hs/s20/s20_ne_02"]
    assert last["frame_numbers"].tolist() == [997, 998, 999, 1000, 1001, 1002]
    assert (last["onset"], last["apex"], last["offset"]) == (997, -1, 1002)
    assert builder.report().kept == builder.report().dropped == {}
    assert builder.report().read == 4


def test_the_order_of_frames_by_their_pixels(root, tmp_path):
    options = {"pictures": "cropped", "align": False, **OPTIONS}
    clips = fake.clips(prepare("smic_hs", path=root, data_dir=tmp_path, **options))
    clip = clips["smic_hs/s20/s20_ne_02"]
    assert clip["frames"].shape == (6, fake.HEIGHT, fake.WIDTH, 3)
    folder = root / "SMIC_all_cropped/HS/s20/micro/negative/s20_ne_02"
    for frame, number in zip(clip["frames"], clip["frame_numbers"], strict=True):
        picture = cv2.imread(str(folder / f"reg_{number:05d}.bmp"))[:, :, ::-1]
        np.testing.assert_array_equal(frame, picture)
    # Unaligned: the landmarks are those of the picture, which was searched with a border of 14.
    points = fake.landmarks_of(fake.WIDTH + 28, fake.HEIGHT + 28) - 14
    np.testing.assert_allclose(clip["landmarks"], points, atol=1e-4)


def test_long_form(tmp_path):
    root = fake.write_smic(tmp_path / "data", long=True)
    options = {"pictures": "long", "align": False, **OPTIONS}
    builder = prepare("smic_hs", path=root, data_dir=tmp_path / "out", **options)
    clips = fake.clips(builder)
    assert {name: int(c["label"]) for name, c in clips.items()} == {
        "smic_hs/s1/s1_ne_01": 0,
        "smic_hs/s1/s1_po_01": 1,
    }
    clip = clips["smic_hs/s1/s1_ne_01"]
    assert clip["frame_numbers"].tolist() == list(range(34509, 34514))
    # OnsetF - FirstF = 2: the clip begins with the third picture of the folder, and so on.
    for frame, number in zip(clip["frames"], range(3, 8), strict=True):
        unlike = [np.abs(frame.astype(int) - fake.frame(41, n)).mean() for n in range(1, 11)]
        assert np.argmin(unlike) + 1 == number
    dropped = {reason: len(rows) for reason, rows in builder.report().dropped.items()}
    assert dropped == {"missing_frames": 1, "no_first_frame": 1}


def test_unknown_emotion_folder(tmp_path):
    for emotion in ("negative", "angry"):
        folder = tmp_path / "data" / "HS" / "s1" / "micro" / emotion / f"s1_{emotion}_01"
        fake.write_frames(folder, range(1, 4), "image{}.jpg")
    builder = prepare("smic_hs", path=tmp_path / "data", data_dir=tmp_path / "out", **OPTIONS)
    assert list(fake.clips(builder)) == ["smic_hs/s1/s1_negative_01"]
    assert len(builder.report().dropped["unknown_emotion"]) == 1


def test_folders_without_the_data_set(tmp_path):
    fake.write_frames(tmp_path / "VIS" / "s1" / "micro" / "negative" / "a", [1], "{}.jpg")
    for pictures in ("raw", "cropped", "long"):
        with pytest.raises(ValueError, match=f'must hold the pictures.*pictures="{pictures}"'):
            prepare("smic_hs", path=tmp_path, data_dir=tmp_path / "out", pictures=pictures)


def test_long_form_without_a_header(tmp_path):
    root = fake.write_smic(tmp_path / "data", long=True)
    sheet = fake.write_sheet(tmp_path / "list.xlsx", [(1, "s1_ne_01", 34509, 34513)])
    options = {"pictures": "long", "data_dir": tmp_path / "out", "sheet": sheet, **OPTIONS}
    with pytest.raises(ValueError, match=r"list\.xlsx must have a row with the column names"):
        prepare("smic_hs", path=root, **options)


def test_folders_of_no_subject_and_without_numbers(tmp_path):
    top = tmp_path / "data" / "HS"
    fake.write_frames(top / "s1/micro/negative/s1_ne_01", range(1, 4), "image{}.jpg")
    fake.write_frames(top / "who/micro/negative/s2_ne_01", range(1, 4), "image{}.jpg", seed=1)
    for name in "abc":
        fake.write_picture(top / f"s3/micro/negative/s3_ne_01/{name}.jpg", fake.frame(2, 1))
    builder = prepare("smic_hs", path=tmp_path / "data", data_dir=tmp_path / "out", **OPTIONS)
    assert list(fake.clips(builder)) == ["smic_hs/s1/s1_ne_01"]
    dropped = {reason: rows[0]["detail"] for reason, rows in builder.report().dropped.items()}
    assert dropped == {
        "unknown_subject": "subject is 'who'",
        "missing_frames": "HS/s3/micro/negative/s3_ne_01 has no numbered pictures",
    }
