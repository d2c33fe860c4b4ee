"""Prepared faces in one file: round trip, sizes, targets, bad input."""

import numpy as np
import pytest

from fer_data.labels import EMOTIONS
from fer_data.pipelines import face_arrays, images


def split(count=5, channels=1, size=(9, 7), columns=10):
    rng = np.random.default_rng(count)
    return {
        "image": rng.integers(0, 256, (count, *size, channels), "uint8"),
        "label": rng.integers(0, 7, count),
        "votes": rng.integers(0, 5, (count, columns)).astype("float32"),
        "copy_in_train": rng.random(count) < 0.5,
    }


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 65, face_arrays.SHEET**2 + 3])
def test_what_is_written_is_read_exactly(tmp_path, channels, count):
    size = (9, 7) if count < 100 else (2, 3)
    splits = {"train": split(count, channels, size), "validation": split(4, channels, size)}
    about = {"data": "fer2013"}
    face_arrays.write(tmp_path / "new" / "faces.npz", splits, EMOTIONS, about)
    found, names, about = face_arrays.read(tmp_path / "new" / "faces.npz")
    assert names == EMOTIONS
    assert about == face_arrays.about(tmp_path / "new" / "faces.npz") == {"data": "fer2013"}
    assert found.keys() == splits.keys()
    for name, arrays in splits.items():
        assert found[name].keys() == arrays.keys()
        for what, values in arrays.items():
            np.testing.assert_array_equal(found[name][what], values)
            assert found[name][what].dtype == values.dtype
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["faces.npz"]


def test_texts_may_be_python_objects_as_tables_hold_them(tmp_path):
    subjects = np.array(["ann", "bo", "", "ann", "cy"], dtype=object)
    face_arrays.write(tmp_path / "faces.npz", {"train": split() | {"subject": subjects}}, EMOTIONS)
    found = face_arrays.read(tmp_path / "faces.npz")[0]["train"]["subject"]
    assert found.tolist() == subjects.tolist()


def test_mistakes(tmp_path):
    path = tmp_path / "faces.npz"
    # Before the faces are looked at.
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        face_arrays.write(tmp_path / "faces.zip", {"train": split() | {"image": []}}, EMOTIONS)
    with pytest.raises(ValueError, match="arrays of one length"):
        face_arrays.write(path, {"train": split() | {"label": np.arange(4)}}, EMOTIONS)
    with pytest.raises(ValueError, match="as uint8"):
        face_arrays.write(path, {"train": split() | {"image": np.zeros((5, 9, 7, 1))}}, EMOTIONS)
    unknown = {"subject": np.array(["a", "b", None, "d", "e"], dtype=object)}
    with pytest.raises(ValueError, match=r"`splits\['train'\]\['subject'\]` must be .* with None"):
        face_arrays.write(path, {"train": split() | unknown}, EMOTIONS)
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        face_arrays.read(path)
    path.write_bytes(b"no zip")
    with pytest.raises(
        ValueError, match=r"must be a file that `fer_data\.pipelines\.face_arrays\.write`"
    ):
        face_arrays.read(path)
    np.savez(path, other=np.arange(3))
    np.savez(tmp_path / "named.npz", **{"class_names": EMOTIONS, "train/label": np.arange(3)})
    face_arrays.write(tmp_path / "whole.npz", {"train": split(200)}, EMOTIONS)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:3000])
    for wrong in (path, tmp_path / "named.npz", tmp_path / "cut.npz"):
        with pytest.raises(ValueError, match="must be a file that"):
            face_arrays.read(wrong)
    for wrong in (path, tmp_path / "cut.npz"):
        with pytest.raises(ValueError, match="must be a file that"):
            face_arrays.about(wrong)


def test_large_faces_take_more_sheets_and_larger_ones_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(face_arrays, "LARGEST", 40)
    splits = {"train": split(11, size=(15, 9))}
    face_arrays.write(tmp_path / "faces.npz", splits, EMOTIONS)
    with np.load(tmp_path / "faces.npz") as file:
        assert sum("sheet" in name for name in file.files) == 3
    found, _, _ = face_arrays.read(tmp_path / "faces.npz")
    np.testing.assert_array_equal(found["train"]["image"], splits["train"]["image"])
    with pytest.raises(ValueError, match="at most 40 pixels per side"):
        face_arrays.write(tmp_path / "no.npz", {"train": split(2, size=(41, 9))}, EMOTIONS)
    assert not (tmp_path / "no.npz").exists()


@pytest.mark.parametrize(("size", "channels"), [((18, 14), 1), ((9, 7), 3), ((4, 5), 3)])
def test_resizing_is_near_to_what_the_pipeline_does(size, channels):
    smooth = np.linspace(0, 250, 9 * 7).reshape(1, 9, 7, 1).astype("uint8")
    found = face_arrays.resized(smooth, size, channels)
    assert found.shape == (1, *size, channels)
    assert found.dtype == np.uint8
    batches = images.pipeline((smooth, np.array([0])), size=size, channels=channels)
    expected = next(iter(batches))[0].numpy()
    assert np.abs(found - expected).mean() < 6


@pytest.mark.parametrize("labels", ["one_hot", "soft"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_targets_are_those_of_the_pipeline(labels, smoothing):
    faces = split(30)
    faces["votes"][3] = -1
    faces["votes"][4] = 0
    found = face_arrays.targets(faces, 7, labels, smoothing)
    known = {name: faces[name] for name in ("image", "label", "votes")}
    batches = images.pipeline(
        known, size=(9, 7), labels=labels, label_smoothing=smoothing, batch_size=30
    )
    np.testing.assert_allclose(found, next(iter(batches))[1].numpy(), atol=1e-6)
    assert found.dtype == np.float32


def test_targets_take_distributions_and_refuse_what_does_not_fit():
    faces = split(6)
    weights = np.random.default_rng(0).random((6, 7))
    found = face_arrays.targets(faces | {"label": weights}, 7)
    np.testing.assert_allclose(found, weights / weights.sum(axis=1, keepdims=True), rtol=1e-6)
    with pytest.raises(ValueError, match=r"in \[0, 3\)"):
        face_arrays.targets(faces | {"label": np.array([0, 1, 2, 3, 0, 1])}, 3)
    with pytest.raises(ValueError, match=r"weights \(faces, 6\). Received: shape=\(6, 7\)"):
        face_arrays.targets({"label": weights}, 6)
    for wrong in ([0.0] * 7, [1.5, -0.5] + [0.0] * 5):
        with pytest.raises(ValueError, match=r"nor all zero\. Received: .* at 1, 1 in all"):
            face_arrays.targets({"label": np.array([weights[0], wrong])}, 7)
    with pytest.raises(ValueError, match="`votes` must be of the 7 classes"):
        face_arrays.targets(split(6, columns=4), 7, "soft")
    without = {"label": faces["label"], "image": faces["image"]}
    with pytest.raises(ValueError, match="Soft labels need `votes`"):
        face_arrays.targets(without, 7, "soft")
    np.testing.assert_allclose(face_arrays.targets({"label": weights}, 7, "soft"), found)
    with pytest.raises(ValueError, match="`labels` must be one of"):
        face_arrays.targets(faces, 7, "sparse")


def changed(path, **arrays):
    """Write the file again with other arrays; None leaves one out."""
    with np.load(path) as file:
        content = {**file, **{name.replace("__", "/"): each for name, each in arrays.items()}}
    hostile = path.with_name("hostile.npz")
    np.savez(hostile, **{name: each for name, each in content.items() if each is not None})
    return hostile


def lossless(height, width):
    """Return the header of a lossless WebP picture that states a size, and nothing behind it."""
    sides = (height - 1) << 14 | (width - 1)
    head = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0/" + sides.to_bytes(4, "little")
    return np.frombuffer(head + bytes(8), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"train__shape": np.array([5, 9, 7])}, "shape of 'train' is not four integers"),
        ({"train__shape": np.array([5.0, 9, 7, 1])}, "shape of 'train' is not four integers"),
        ({"train__shape": np.array([-5, 9, 7, 1])}, "cannot have the shape"),
        ({"train__shape": np.array([5, 9, 2**62, 1])}, "cannot have the shape"),
        ({"train__shape": np.array([5, 9, 7, 4])}, "cannot have the shape"),
        ({"train__shape": np.array([200, 9, 7, 1])}, "sheet 0 is no lossless WebP picture"),
        ({"train__shape": None}, "'shape'"),
        ({"train__sheet0": None}, "'sheet0'"),
        (
            {"train__sheet0": lossless(16384, 16384)},
            r"no lossless WebP picture of \(9, 448\) pixels",
        ),
        ({"train__sheet0": lossless(9, 448)}, "no lossless WebP picture"),
        ({"train__sheet0": np.zeros(3)}, "no lossless WebP picture"),
        ({"train__sheet1": lossless(9, 448)}, "arrays of 5 faces have the lengths"),
        ({"train__label": np.arange(4)}, "arrays of 5 faces have the lengths.*'label': 4"),
        ({"train__label": np.array(4)}, "arrays of 5 faces have the lengths.*'label': None"),
        ({"train__label": np.array([{}] * 5)}, "'train/label' holds Python objects"),
        ({"class_names": np.arange(7)}, "`class_names` must be a list of different texts"),
        ({"class_names": np.array([["a"], ["b"]])}, "`class_names` must be a list of different"),
        ({"about": np.array("[" * 100_000)}, "recursion"),
        ({"about": np.array("[1]")}, "`about` must be a dictionary"),
        ({"about": np.array("{")}, "line 1 column 2"),
    ],
)
def test_files_made_to_harm(tmp_path, arrays, said):
    face_arrays.write(tmp_path / "faces.npz", {"train": split()}, EMOTIONS)
    path = changed(tmp_path / "faces.npz", **arrays)
    with pytest.raises(ValueError, match=rf"must be a file that.*hostile\.npz' \(.*{said}"):
        face_arrays.read(path)
    if "about" in arrays or "class_names" in arrays:
        with pytest.raises(ValueError, match=rf"must be a file that.*hostile\.npz' \(.*{said}"):
            face_arrays.about(path)


def test_limits_count_the_faces_and_the_arrays(tmp_path):
    path = tmp_path / "faces.npz"
    face_arrays.write(path, {"train": split(100), "test": split(20)}, EMOTIONS)
    rule = r'`limits={"array_bytes": N}` allows more.*faces\.npz\' with'
    with pytest.raises(ValueError, match=rf"{rule} arrays of \d+ bytes, more than 7000"):
        face_arrays.read(path, {"array_bytes": 7000})
    # Black faces: the arrays are small, and the faces have 120 x 9 x 7 bytes.
    dark = {
        name: {"image": np.zeros((count, 90, 70, 1), "uint8")}
        for name, count in (("train", 100), ("test", 20))
    }
    face_arrays.write(path, dark, EMOTIONS)
    with pytest.raises(ValueError, match=rf"{rule} faces of 756000 bytes, more than 755999"):
        face_arrays.read(path, {"array_bytes": 755_999})
    found, _, _ = face_arrays.read(path, {"array_bytes": 756_000})
    assert not found["test"]["image"].any()
    with pytest.raises(ValueError, match="`limits` must be a dictionary of numbers by names"):
        face_arrays.read(path, {"bytes": 7})


def test_a_split_without_faces(tmp_path):
    none = {"image": np.zeros((0, 9, 7, 1), "uint8"), "label": np.zeros(0, int)}
    face_arrays.write(tmp_path / "faces.npz", {"train": split(), "test": none}, EMOTIONS)
    found, _, _ = face_arrays.read(tmp_path / "faces.npz")
    assert found["test"]["image"].shape == (0, 9, 7, 1)
