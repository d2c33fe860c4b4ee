"""The raf_db builder on small trees in the owners' layout and in Kaggle's."""

import numpy as np
import pytest
from helpers import fake_datasets as fake
from PIL import Image

from fer_data.datasets import prepare
from fer_data.labels import EMOTIONS, RAF_DB_CLASSES

# RAF-DB's 1 to 7 as indices of EMOTIONS, written out by hand.
INDEX = {1: 5, 2: 2, 3: 1, 4: 3, 5: 4, 6: 0, 7: 6}


@pytest.mark.parametrize("pictures", ["aligned", "original"])
def test_owners_layout(tmp_path, pictures):
    path = fake.write_raf_db(tmp_path / "basic", pictures=pictures)
    kind = "aligned" if pictures == "aligned" else "uncut"
    builder = prepare("raf_db", path=path, data_dir=tmp_path / "out", pictures=kind)
    assert tuple(builder.info.features["label"].names) == EMOTIONS
    assert {s: i.num_examples for s, i in builder.info.splits.items()} == {"train": 14, "test": 14}
    lines = (path / "EmoLabel" / "list_patition_label.txt").read_text().split("\n")[:14]
    listed = {line.split(".")[0]: int(line.split()[1]) for line in lines}
    found = {e["id"].decode(): e for e in fake.examples(builder, "train")}
    assert sorted(found) == sorted(listed)
    for name, number in listed.items():
        assert found[name]["label"] == INDEX[number]
        assert EMOTIONS[found[name]["label"]] == RAF_DB_CLASSES[number - 1]
        assert found[name]["image"].shape == (100, 100, 3)
    suffix = "_aligned" if pictures == "aligned" else ""
    with Image.open(path / "Image" / pictures / f"train_00001{suffix}.jpg") as picture:
        np.testing.assert_array_equal(found["train_00001"]["image"], np.asarray(picture))


def test_dirt_in_the_owners_layout(tmp_path):
    path = fake.write_raf_db(tmp_path / "basic")
    folder = path / "Image" / "aligned"
    (folder / "train_00001_aligned.jpg").unlink()
    (folder / "train_00003_aligned.jpg").write_bytes(b"")
    cut = folder / "train_00005_aligned.jpg"
    cut.write_bytes(cut.read_bytes()[:1000])
    fake.write_picture(folder / "train_99999_aligned.jpg", fake.noise(5, 100, 3))
    (folder / "Thumbs.db").write_bytes(b"x")
    with open(path / "EmoLabel" / "list_patition_label.txt", "a") as file:
        file.write("train_00002.jpg 1\nval_00001.jpg 1\ntrain_00100.jpg 8\nnonsense\n\n")
    (path / "readme.txt").write_text("beside")
    report = prepare("raf_db", path=path, data_dir=tmp_path / "out").report()
    assert {reason: len(entries) for reason, entries in report.dropped.items()} == {
        "missing": 1,
        "empty": 1,
        "corrupt": 1,
        "unlisted": 2,
        "bad_row": 4,
    }
    assert sum(report.used["train"].values()) == 11
    assert sum(report.used["test"].values()) == 14
    assert len(report.ignored) == 1
    with pytest.raises(ValueError, match="listed in line 1"):
        prepare("raf_db", path=path, data_dir=tmp_path / "out", on_bad="raise")


def test_kaggle_layout(tmp_path):
    path = fake.write_raf_db_kaggle(tmp_path / "raf")
    builder = prepare("raf_db", path=path, data_dir=tmp_path / "out", validation_fraction=0.5)
    assert [i.num_examples for i in builder.info.splits.values()] == [7, 7, 14]
    for example in fake.examples(builder, "test"):
        assert example["label"] == INDEX[int(example["id"].decode().split("/")[-2])]
    report = builder.report()
    assert (report.dropped, report.kept, report.ignored) == ({}, {}, [])


def test_validation_from_the_test_pictures(tmp_path):
    path = fake.write_raf_db(tmp_path / "raf")
    settings = {"validation_fraction": 0.5, "validation_from": "test", "seed": 3}
    builder = prepare("raf_db", path=path, data_dir=tmp_path / "out", **settings)
    sizes = {split: info.num_examples for split, info in builder.info.splits.items()}
    assert sizes == {"train": 14, "validation": 7, "test": 7}
    found = {s: fake.examples(builder, s) for s in sizes}
    assert all(e["id"].startswith(b"test") for s in ("validation", "test") for e in found[s])
    assert sorted(e["label"] for e in found["validation"]) == list(range(7))
    again = prepare("raf_db", path=path, data_dir=tmp_path / "out", **settings)
    assert again.data_path == builder.data_path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation_from": "both"}, "`validation_from` must be one of"),
        ({"validation_from": "test"}, "needs a `validation_fraction` above 0"),
        (
            {"validation_from": "test", "validation_fraction": 0.5, "test_fraction": 0.1},
            "no `test_fraction`",
        ),
    ],
)
def test_bad_validation_from(tmp_path, options, message):
    path = fake.write_raf_db(tmp_path / "raf")
    with pytest.raises(ValueError, match=message):
        prepare("raf_db", path=path, data_dir=tmp_path / "out", **options)


def test_kaggle_folder_and_label_list_disagree(tmp_path):
    path = fake.write_raf_db_kaggle(tmp_path / "raf")
    first = path / "DATASET" / "train" / "1" / "train10.jpg"
    first.rename(path / "DATASET" / "train" / "2" / first.name)
    (path / "DATASET" / "test" / "7" / "test70.jpg").unlink()
    fake.write_picture(path / "DATASET" / "test" / "7" / "new.jpg", fake.noise(7, 100, 3))
    fake.write_picture(path / "DATASET" / "test" / "8" / "new8.jpg", fake.noise(8, 100, 3))
    report = prepare("raf_db", path=path, data_dir=tmp_path / "out").report()
    assert "surprise" in report.kept["mislabelled"][0]["detail"]
    assert len(report.kept["unlisted"]) == 1
    assert len(report.dropped["missing"]) == 1
    assert len(report.dropped["unknown_class"]) == 1
    report = prepare("raf_db", path=path, data_dir=tmp_path / "out", on_conflict="drop").report()
    assert sum(report.used["train"].values()) == 13
    with pytest.raises(ValueError, match='`on_conflict="raise"`'):
        prepare("raf_db", path=path, data_dir=tmp_path / "out", on_conflict="raise")


def test_kaggle_label_list_without_its_columns(tmp_path):
    path = fake.write_raf_db_kaggle(tmp_path / "raf")
    (path / "train_labels.csv").write_text("file,emotion\na.jpg,1\n")
    with pytest.raises(ValueError, match="columns image and label"):
        prepare("raf_db", path=path, data_dir=tmp_path / "out")


def test_pictures_not_unpacked(tmp_path):
    path = fake.write_raf_db(tmp_path / "basic")
    with pytest.raises(ValueError, match=r"Image/original \(unpack original\.zip there\)"):
        prepare("raf_db", path=path, data_dir=tmp_path / "out", pictures="original")


def test_bad_arguments(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(ValueError, match=r"expected EmoLabel/list_patition_label\.txt"):
        prepare("raf_db", path=tmp_path, data_dir=tmp_path / "out")
    with pytest.raises(ValueError, match="`pictures` must be one of"):
        prepare("raf_db", path=tmp_path, data_dir=tmp_path / "out", pictures="cropped")
