"""The affectnet builder on small trees in both of the owners' layouts."""

import numpy as np
import pytest
from helpers import fake_emotion_sets as fake
from PIL import Image

from fer_data.datasets import prepare
from fer_data.labels import EMOTIONS, EMOTIONS_WITH_CONTEMPT


def test_tables_and_boxes(tmp_path):
    path = fake.write_affectnet_tables(tmp_path / "affectnet")
    lists = path / "Manually_Annotated_file_lists"
    with (lists / "training.csv").open("a") as file:
        file.write("9/spare.png,a,0,9,9,,0,0,0\n9/spare.png,0,0,9,9,,0,-2,0\n")
        file.write("9/spare.png,0,0,9,9,,11,0,0\n9/none.png,0,0,9,9,,0,0,0\n")
        file.write("9/spare.png,40,40,9,9,,0,0,0\n")  # a box outside of the picture
        file.write("1/training0.png,0,0,9,9,,0,0,0\n")
    fake.picture(path / "Manually_Annotated_Images" / "9" / "spare.png", 1, 32)
    builder = prepare("affectnet", path=path, data_dir=tmp_path / "out")
    assert tuple(builder.info.features["label"].names) == EMOTIONS
    assert fake.counts_of(builder) == {"train": 4, "validation": 4}
    left_out = {"contempt": 2, "none": 2, "no face": 2}
    assert fake.dropped(builder) == {
        **{f"no class for {name}": count for name, count in left_out.items()},
        **{"bad_box": 1, "missing": 1, "bad_row": 3, "unknown_class": 1},
    }
    rows = fake.rows_of(builder)
    emotions = {name.split("/")[-1]: EMOTIONS[row["label"]] for name, row in rows.items()}
    assert emotions == {
        **{"training0.png": "neutral", "training1.png": "happy"},
        **{"training2.png": "sad", "training6.png": "angry"},
    }
    row = rows["Manually_Annotated_Images/2/training1.png"]
    assert builder.info.features["valence"].dtype == np.float32
    assert row["valence"] == pytest.approx(-0.4)
    assert row["arousal"] == 0.25
    with Image.open(path / "Manually_Annotated_Images/2/training1.png") as whole:
        np.testing.assert_array_equal(row["image"], np.asarray(whole)[6:16, 4:24])


def test_folders_of_annotations(tmp_path):
    path = fake.write_affectnet_folders(tmp_path / "affectnet")
    annotations = path / "train_set" / "annotations"
    np.save(annotations / "0_exp.npy", np.zeros((2, 2)))
    (annotations / "1_val.npy").unlink()
    # A header that promises more than the file holds must not take memory.
    large = (annotations / "2_exp.npy").read_bytes().replace(b"(),", b"(1000000000000,),")
    (annotations / "2_exp.npy").write_bytes(large)
    np.save(annotations / "9_exp.npy", np.array("1"))
    builder = prepare("affectnet", path=path, data_dir=tmp_path / "out", contempt=True)
    assert tuple(builder.info.features["label"].names) == EMOTIONS_WITH_CONTEMPT
    assert fake.counts_of(builder) == {"train": 2, "validation": 5}
    assert fake.dropped(builder) == {"bad_label": 3, "missing": 1}
    row = fake.rows_of(builder, "validation")["val_set/images/4.jpg"]
    assert EMOTIONS_WITH_CONTEMPT[row["label"]] == "contempt"
    assert (row["valence"], row["image"].shape) == (pytest.approx(-0.1), (24, 24, 3))


def test_both_layouts_in_one_folder(tmp_path):
    fake.write_affectnet_tables(tmp_path / "affectnet")
    path = fake.write_affectnet_folders(tmp_path / "affectnet")
    with pytest.raises(ValueError, match=r"one of its two layouts.*training\.csv and .*_exp\.npy"):
        prepare("affectnet", path=path, data_dir=tmp_path / "out")


def test_another_folder(tmp_path):
    fake.picture(tmp_path / "images" / "a.png", 1)
    with pytest.raises(ValueError, match=r"must hold AffectNet: training\.csv"):
        prepare("affectnet", path=tmp_path, data_dir=tmp_path / "out")
