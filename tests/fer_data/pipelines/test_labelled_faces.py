"""Faces of a data set by split: prepared or packed into one file, and divided the same way."""

import dataclasses
import sys

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays, write_bars
from helpers.fake_datasets import fer_rows, write_fer_csv, write_ferplus_csv, write_raf_db
from PIL import Image

from fer_data.pipelines import face_arrays
from fer_data.pipelines.labelled_faces import is_packed, load_faces, pack_faces

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data does not know the backend"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("labelled")


@pytest.fixture(scope="module")
def prepared(folder):
    write_bars(folder / "faces", ("train", "validation"))
    return load_faces("folder", folder / "faces", data_dir=folder / "prepared")


@pytest.fixture(scope="module")
def packed(folder, prepared):
    pack_faces(prepared, folder / "faces.npz", about={"data": "folder", "options": {}})
    return load_faces("folder", folder / "faces.npz")


def test_a_folder_is_prepared_once(prepared, folder):
    assert prepared.counts == {"train": 15, "validation": 15}
    assert prepared.class_names == NAMES
    assert prepared.packed is None
    assert prepared.source.startswith(str(folder / "prepared"))
    assert set(prepared.features("train")) >= {"image", "label", "id"}
    np.testing.assert_array_equal(np.bincount(prepared.column("validation", "label")), [5, 5, 5])


def test_without_tensorflow_it_says_to_pack_the_faces(folder, monkeypatch):
    for name in ("tensorflow", "tensorflow_datasets"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "fer_data.datasets.image_folder", raising=False)
    with pytest.raises(ImportError, match=r"`fer prepare folder --path FOLDER --pack FILE\.npz`"):
        load_faces("folder", folder / "faces")


def test_packing_keeps_everything(prepared, packed, folder):
    assert is_packed(folder / "faces.npz")
    assert not is_packed(folder / "faces")
    assert not is_packed(None)
    assert packed.packed == {"data": "folder", "options": {}}
    assert (packed.counts, packed.class_names) == (prepared.counts, prepared.class_names)
    assert sorted(packed.features("train")) == ["image", "label"]
    for split in packed.counts:
        for name in ("label", "image"):
            np.testing.assert_array_equal(packed.column(split, name), prepared.column(split, name))


def test_batches_are_the_same_from_both(prepared, packed):
    options = {"size": 24, "channels": 1, "classes": 4, "batch_size": 8}
    for ours, theirs in zip(
        packed.batches("validation", **options),
        prepared.batches("validation", **options),
        strict=True,
    ):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, atol=1)
        assert ours[1].shape[1] == 4
    assert packed.batches("train", size=(12, 16))[0][0].shape == (15, 12, 16, 3)
    assert len(list(packed.dataset("train"))) == 15
    assert prepared.dataset("train") is prepared.splits["train"]


def test_packing_another_size(prepared, tmp_path):
    pack_faces(prepared, tmp_path / "small.npz", size=(10, 12))
    assert load_faces("folder", tmp_path / "small.npz").column("train", "image").shape[1:3] == (
        10,
        12,
    )


def test_faces_in_boxes_are_cut_whatever_way_they_go(tmp_path):
    options = {"validation": 3, "test": 3, "identities": 3}
    faces = load_faces("synthetic", data_dir=tmp_path, train=3, data_options=options)
    pack_faces(faces, tmp_path / "f.npz", size=(48, 48), about={"data": "synthetic"})
    packed = load_faces("synthetic", tmp_path / "f.npz")
    learned = faces.with_targets(np.eye(7, dtype="float32")[faces.column("train", "label")])
    (seen, labels), *_ = faces.batches("train", size=48)
    for same in (packed, learned):
        (images, targets), *_ = same.batches("train", size=48)
        np.testing.assert_array_equal(images, seen)
        np.testing.assert_array_equal(targets, labels)
    # Without a size it is that of the pictures, and the faces fill it.
    pack_faces(faces, tmp_path / "g.npz")
    whole = load_faces("synthetic", tmp_path / "g.npz").column("test", "image")
    np.testing.assert_array_equal(whole, next(iter(faces.batches("test", size=64)))[0])
    with pytest.raises(ValueError, match="`size` must be a height and a width alike"):
        pack_faces(faces, tmp_path / "h.npz", size=(48, 40))
    unframed = faces.dataset("train").map(lambda face: {k: face[k] for k in ("image", "box")})
    lacking = dataclasses.replace(faces, splits={"train": unframed})
    with pytest.raises(ValueError, match="must have the feature `framing`"):
        pack_faces(lacking, tmp_path / "h.npz")


def test_all_splits_are_packed_in_one_size(tmp_path):
    write_bars(tmp_path / "faces", ("train", "validation"))
    for path in (tmp_path / "faces" / "validation").rglob("*.png"):
        with Image.open(path) as picture:
            picture.resize((30, 20)).save(path)
    faces = load_faces("folder", tmp_path / "faces", data_dir=tmp_path / "prepared")
    pack_faces(faces, tmp_path / "f.npz")
    whole = load_faces("folder", tmp_path / "f.npz").joined(("train", "validation"), "all")
    assert whole.column("all", "image").shape == (30, 24, 24, 3)


def test_votes_and_copies_go_along(tmp_path):
    rows = fer_rows(per_class=10, splits=("train", "validation"))
    # A copy of a training face.
    rows[-1] = (6, rows[69][1], rows[-1][2])
    write_fer_csv(tmp_path, rows)
    votes = np.random.default_rng(0).integers(0, 4, (len(rows), 10))
    write_ferplus_csv(tmp_path, [usage for *_, usage in rows], votes)
    faces = load_faces("fer2013", tmp_path, data_dir=tmp_path / "prepared")
    pack_faces(faces, tmp_path / "f.npz", about={"data": "fer2013"})
    packed = load_faces("fer2013", tmp_path / "f.npz")
    assert packed.column("validation", "copy_in_train").sum() == 1
    mixed = [each.with_vote_targets(0.5) for each in (faces, packed)]
    targets = [each.column("train", "label") for each in mixed]
    np.testing.assert_allclose(*targets, atol=1e-6)
    assert targets[0].shape == (70, 7)
    assert np.abs(targets[0] - np.eye(7)[faces.column("train", "label")]).max() > 0.1
    assert mixed[0].column("validation", "label").ndim == 1


def test_raf_db_gets_a_validation_split(tmp_path):
    write_raf_db(tmp_path / "raf")
    for where, counts in (
        ("test", {"train": 14, "validation": 7, "test": 7}),
        ("train", {"train": 7, "validation": 7, "test": 14}),
    ):
        faces = load_faces(
            "raf_db",
            tmp_path / "raf",
            data_dir=tmp_path / "prepared",
            validation_from=where,
            validation_fraction=None if where == "test" else 0.5,
        )
        assert faces.counts == counts
    assert faces.class_names[0] == "angry"


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ({"validation_from": "test"}, {"train": 14, "validation": 7, "test": 7}),
        ({"validation_fraction": 0.5}, {"train": 7, "validation": 7, "test": 14}),
    ],
)
def test_a_packed_file_is_divided_as_its_folder_is(tmp_path, options, counts):
    write_raf_db(tmp_path / "raf")
    whole = load_faces(
        "raf_db", tmp_path / "raf", data_dir=tmp_path / "prepared", validation_fraction=0
    )
    pack_faces(whole, tmp_path / "raf.npz", about={"data": "raf_db"})
    found = [
        load_faces("raf_db", path, data_dir=tmp_path / "prepared", seed=3, **options)
        for path in (tmp_path / "raf", tmp_path / "raf.npz")
    ]
    for faces in found:
        assert faces.counts == counts
    for split in counts:
        pictures = [{image.tobytes() for image in faces.column(split, "image")} for faces in found]
        assert pictures[0] == pictures[1]
        assert len(pictures[0]) == counts[split]


def test_what_left_the_training_faces_is_no_copy_in_train(tmp_path):
    train, test = bar_arrays(0), bar_arrays(1)
    test["image"][:] = train["image"]
    splits = {
        "train": train | {"copy_in_train": np.zeros(15, bool)},
        "test": test | {"copy_in_train": np.ones(15, bool)},
    }
    face_arrays.write(tmp_path / "f.npz", splits, NAMES, {"data": "folder"})
    faces = load_faces("folder", tmp_path / "f.npz", validation_fraction=0.4)
    assert faces.counts == {"train": 9, "validation": 6, "test": 15}
    assert not faces.column("validation", "copy_in_train").any()
    assert faces.column("test", "copy_in_train").sum() == 9


def test_joined_splits(prepared, packed):
    for faces in (prepared, packed):
        whole = faces.joined(("validation", "train"), "all")
        assert whole.counts == {"all": 30}
        labels = [faces.column(name, "label") for name in ("validation", "train")]
        np.testing.assert_array_equal(whole.column("all", "label"), np.concatenate(labels))
        assert faces.joined(["train"], "test").counts == {"validation": 15, "test": 15}
        for names in ((), ("train", "test")):
            with pytest.raises(ValueError, match="`names` must be some of the splits"):
                faces.joined(names, "all")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": "emotionet"}, "`data` must be one of"),
        ({"data": "folder", "path": "."} | {"validation_from": "both"}, "`validation_from` must"),
        ({"data": "folder", "path": ".", "train": 7}, "`train` is the number of synthetic faces"),
        ({"data": "synthetic", "train": 0}, "`train` must be an integer >= 1"),
        ({"data": "synthetic", "test_fraction": 0.1}, "`test_fraction` must be 0 where"),
        ({"data": "synthetic", "validation_from": "test"}, "needs a `validation_fraction` above"),
        ({"data": "folder"}, "--data folder needs --path FOLDER"),
        ({"data": "folder", "path": "no/such/folder"}, "there is nothing there"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_faces(**arguments)


def test_bad_packed_files(packed, folder, tmp_path):
    path = folder / "faces.npz"
    with pytest.raises(ValueError, match="`data` must be 'folder', of which"):
        load_faces("fer2013", path)
    for given, message in (
        ({"validation_fraction": 0.1}, "`validation_fraction` must be 0 where"),
        ({"validation_from": "test"}, '`validation_from="test"` needs a data set with a test'),
        ({"test_fraction": 1}, r"`test_fraction` must lie in \[0, 1\)"),
    ):
        with pytest.raises(ValueError, match=message):
            load_faces("folder", path, **given)
    (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:900])
    with pytest.raises(ValueError, match="must be a file that"):
        load_faces("folder", tmp_path / "cut.npz")
    limits = {"limits": {"array_bytes": 1000}}
    with pytest.raises(ValueError, match=r"`limits=.*faces\.npz' with arrays of \d+ bytes, more"):
        load_faces("folder", path, data_options=limits)
    limits["limits"]["array_bytes"] = 1 << 33
    assert load_faces("folder", path, data_options=limits).counts == packed.counts
    # A file that does not say of what it was made is taken as what it is said to be.
    face_arrays.write(tmp_path / "plain.npz", {"train": bar_arrays()}, NAMES)
    assert load_faces("raf_db", tmp_path / "plain.npz").counts == {"train": 15}
