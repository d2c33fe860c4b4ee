"""RAF-DB's original photos: their faces cut by the builder and into a tree, misses, resuming."""

import csv
import pickle
import shutil

import numpy as np
import pytest
from helpers import fake_datasets as fake

from fer_data.datasets import prepare
from fer_data.datasets.raf_db import RafDb
from fer_data.datasets.raf_db_faces import SplitCut, cut_raf_db
from fer_data.faces import cut_face, cutting, detector
from fer_data.faces.cut import WHOLE
from fer_data.faces.image import read_image
from fer_data.labels import EMOTIONS
from fer_data.pipelines.labelled_faces import load_faces, pack_faces

FACELESS = ("train_00002", "test_00003")
LISTED = {"train_00001": "surprise", "train_00004": "happy", "test_00006": "angry"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """RAF-DB's layout with seven photos in each split: one of them without a face, one with two."""
    root = tmp_path_factory.mktemp("raf")
    return fake.write_raf_db_photos(root, faceless=FACELESS, several=("train_00005",))


@pytest.fixture
def found(photos, tmp_path):
    """The photos prepared, by split and id."""
    options = {"pictures": "original", "detector": "yunet", "size": 40}
    builder = prepare("raf_db", path=photos, data_dir=tmp_path / "out", **options)
    splits = {split: fake.examples(builder, split) for split in builder.info.splits}
    rows = {split: {row["id"].decode(): row for row in rows} for split, rows in splits.items()}
    return builder, rows


def expected(photos, stem, size=40):
    photo = read_image(photos / "Image" / "original" / f"{stem}.jpg")
    faces = detector("yunet").detect(photo)
    if not faces:
        return np.rint(cut_face(photo, (0, 0, 420, 220), size, framing=WHOLE))
    return np.rint(cut_face(photo, max(faces, key=lambda face: face.size), size))


def test_the_builder_cuts_the_faces_of_photos(photos, found):
    builder, rows = found
    # A training photo without a face is left out, a test photo is taken whole: both are listed.
    assert {split: len(part) for split, part in rows.items()} == {"train": 6, "test": 7}
    for stem, emotion in LISTED.items():
        row = rows[stem.split("_")[0]][stem]
        assert EMOTIONS[row["label"]] == emotion
        np.testing.assert_array_equal(row["image"], expected(photos, stem))
    np.testing.assert_array_equal(
        rows["test"]["test_00003"]["image"], expected(photos, FACELESS[1])
    )
    np.testing.assert_array_equal(
        rows["train"]["train_00005"]["image"], expected(photos, "train_00005")
    )
    report = builder.report()
    assert (report.read, sum(report.used["test"].values())) == (14, 7)
    [dropped] = report.dropped.pop("no_face")
    assert dropped["file"].endswith("train_00002.jpg")
    assert dropped["detail"] == "no face was found by yunet"
    assert not report.dropped
    [kept] = report.kept["no_face"]
    assert kept["file"].endswith("test_00003.jpg")
    assert "the whole picture was taken" in kept["detail"]
    assert "2 faces were found" in report.kept["several_faces"][0]["detail"]
    assert report.options["detector"] == "yunet"
    # What was kept for an interruption is gone.
    assert not list(builder.data_path.parent.glob("cut_faces"))


def test_prepared_faces_are_found_again(photos, found, monkeypatch):
    builder, _ = found
    monkeypatch.setattr(cutting, "make_detector", None)
    again = pickle.loads(pickle.dumps(builder))
    again.download_and_prepare()
    assert again.data_path == builder.data_path
    options = {"pictures": "original", "detector": "yunet", "size": 40, "workers": 2}
    assert RafDb(path=photos, data_dir=builder._data_dir_root, **options).data_path.exists()
    # Other faces are others: by another size, or by another framing of the same detector.
    options["size"] = 41
    assert not RafDb(path=photos, data_dir=builder._data_dir_root, **options).data_path.exists()
    monkeypatch.setitem(cutting.FRAMINGS, "yunet", cutting.FRAMINGS["dlib_hog"])
    options["size"] = 40
    assert not RafDb(path=photos, data_dir=builder._data_dir_root, **options).data_path.exists()


@pytest.mark.parametrize(("on_miss", "counts"), [("skip", (6, 6)), ("whole", (7, 7))])
def test_what_becomes_of_photos_without_a_face(photos, tmp_path, on_miss, counts):
    options = {"pictures": "original", "detector": "yunet", "size": 8, "on_miss": on_miss}
    builder = prepare("raf_db", path=photos, data_dir=tmp_path, **options)
    assert tuple(builder.info.splits[s].num_examples for s in ("train", "test")) == counts
    noted = builder.report().dropped if on_miss == "skip" else builder.report().kept
    assert len(noted["no_face"]) == 2


def test_an_interrupted_preparation_goes_on(photos, tmp_path, monkeypatch):
    calls = []

    class Stopping:
        def __init__(self, most):
            self.left, self.find = most, detector("yunet")

        def detect(self, image):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            calls.append(image)
            return self.find.detect(image)

    options = {"pictures": "original", "detector": "yunet", "size": 8}
    monkeypatch.setattr(cutting, "make_detector", lambda name: Stopping(5))
    with pytest.raises(KeyboardInterrupt):
        prepare("raf_db", path=photos, data_dir=tmp_path, **options)
    monkeypatch.setattr(cutting, "make_detector", lambda name: Stopping(99))
    builder = prepare("raf_db", path=photos, data_dir=tmp_path, **options)
    # All but the one without a face, which is looked at again, are looked at once.
    assert len(calls) == 14 + 1
    assert builder.info.splits["train"].num_examples == 6


def test_photos_in_the_tree_that_the_command_makes(photos, tmp_path):
    target = tmp_path / "faces"
    found = cut_raf_db(photos, target, "yunet", size=40)
    assert found.splits == {"train": SplitCut(7, 6, 0, 1), "test": SplitCut(7, 6, 1, 0)}
    assert (found.photos, found.faces, found.several) == (14, 12, 1)
    with open(target / "misses.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1:] == [
        ["test_00003", "no face was found", "whole picture"],
        ["train_00002", "no face was found", "nothing"],
    ]
    written = read_image(target / "train" / "surprise" / "train_00001.png")
    np.testing.assert_array_equal(written, expected(photos, "train_00001"))
    assert cut_raf_db(photos, target, "yunet", size=40).done_before == 13
    for data in ("raf_db", "folder"):
        faces = load_faces(data, target, data_dir=tmp_path / data, validation_fraction=0)
        assert faces.counts == {"train": 6, "test": 7}
        assert faces.class_names == EMOTIONS
        assert np.bincount(faces.column("test", "label"), minlength=7).tolist() == [1] * 7
    with pytest.raises(ValueError, match="`pictures` must be 'aligned' where `path` holds no"):
        prepare("raf_db", path=target, data_dir=tmp_path, pictures="original", detector="yunet")


def test_changed_labels_and_pictures_replace_their_faces(tmp_path):
    path, target = fake.write_raf_db_photos(tmp_path / "raf"), tmp_path / "faces"
    cut_raf_db(path, target, "yunet", size=8)
    listed = path / "EmoLabel" / "list_patition_label.txt"
    lines = listed.read_text().splitlines()
    [old] = [line for line in lines if line.startswith("train_00001")]
    # Surprise becomes anger; one picture is taken off the list, another gets other content.
    lines[lines.index(old)] = "train_00001.jpg 6"
    lines = [line for line in lines if not line.startswith("test_00006")]
    listed.write_text("\n".join(lines) + "\n")
    originals = path / "Image" / "original"
    other = (originals / "train_00005.jpg").read_bytes()
    (originals / "train_00004.jpg").write_bytes(other)
    found = cut_raf_db(path, target, "yunet", size=8)
    assert (found.faces, found.done_before, found.removed) == (2, 11, 2)
    assert not (target / "train" / "surprise").exists()
    assert not (target / "test" / "angry").exists()
    assert sorted(file.stem for file in (target / "train" / "angry").iterdir()) == [
        "train_00001",
        "train_00006",
    ]
    written = read_image(target / "train" / "happy" / "train_00004.png")
    np.testing.assert_array_equal(written, expected(path, "train_00005", 8))
    # An archive of the same pictures goes on too.
    archive = shutil.make_archive(tmp_path / "archive", "zip", path)
    assert cut_raf_db(archive, target, "yunet", size=8).done_before == 13


def test_lines_and_files_that_are_missing_are_listed(tmp_path):
    path = fake.write_raf_db_photos(tmp_path / "raf")
    (path / "Image" / "original" / "train_00001.jpg").unlink()
    torn = path / "Image" / "original" / "test_00002.jpg"
    torn.write_bytes(torn.read_bytes()[:500])
    with open(path / "EmoLabel" / "list_patition_label.txt", "a") as file:
        file.write("train_00100.jpg 8\n")
    found = cut_raf_db(path, tmp_path / "faces", "yunet", size=8)
    assert found.splits == {"train": SplitCut(6, 6, 0, 0), "test": SplitCut(7, 6, 0, 1)}
    reasons = [miss.reason.split(":")[0] for miss in found.misses]
    assert sorted(reasons) == ["bad_row", "corrupt", "missing"]
    builder = prepare(
        "raf_db",
        path=path,
        data_dir=tmp_path / "out",
        **{"pictures": "original", "detector": "yunet", "size": 8},
    )
    dropped = builder.report().dropped
    assert {reason: len(rows) for reason, rows in dropped.items()} == {
        **{"missing": 1, "bad_row": 1, "corrupt": 1}
    }


def test_an_archive_is_as_good_as_a_folder(photos, tmp_path):
    archive = shutil.make_archive(tmp_path / "raf", "zip", photos)
    found = cut_raf_db(archive, tmp_path / "faces", "yunet", size=8)
    assert found.splits["train"] == SplitCut(7, 6, 0, 1)


def test_faces_of_photos_are_loaded_by_name(photos, tmp_path):
    options = {"pictures": "original", "detector": "yunet", "size": 24}
    faces = load_faces(
        "raf_db", photos, data_dir=tmp_path, validation_fraction=0, data_options=options
    )
    assert faces.counts == {"train": 6, "test": 7}
    assert faces.column("train", "image").shape == (6, 24, 24, 3)
    with pytest.raises(ValueError, match="`data_options` must not have 'seed'"):
        load_faces("raf_db", photos, data_options={"seed": 3})
    pack_faces(faces, tmp_path / "faces.npz", about={"data": "raf_db"})
    with pytest.raises(ValueError, match="`data_options` is for folders and archives"):
        load_faces("raf_db", tmp_path / "faces.npz", data_options=options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pictures": "cropped"}, "`pictures` must be one of"),
        ({"detector": "yunet"}, r"`detector` is for `pictures=\"original\"`"),
        ({"pictures": "uncut", "size": 8}, r"`size` is for `pictures=\"original\"`"),
        ({"pictures": "original", "detector": "haar"}, "`detector` must be one of"),
        ({"pictures": "original", "on_miss": "guess"}, "`on_miss` must be one of"),
        ({"pictures": "original", "size": 0.5}, "`size` must be an integer >= 1"),
        ({"pictures": "original", "workers": 0}, "`workers` must be an integer >= 1"),
    ],
)
def test_bad_options(photos, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        prepare("raf_db", path=photos, data_dir=tmp_path, **options)
