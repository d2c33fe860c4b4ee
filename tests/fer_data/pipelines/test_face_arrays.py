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


def test_mistakes(tmp_path):
    path = tmp_path / "faces.npz"
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        face_arrays.write(tmp_path / "faces.zip", {"train": split()}, EMOTIONS)
    with pytest.raises(ValueError, match="arrays of one length"):
        face_arrays.write(path, {"train": split() | {"label": np.arange(4)}}, EMOTIONS)
    with pytest.raises(ValueError, match="as uint8"):
        face_arrays.write(path, {"train": split() | {"image": np.zeros((5, 9, 7, 1))}}, EMOTIONS)
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
    with pytest.raises(ValueError, match="`votes` must be of the 7 classes"):
        face_arrays.targets(split(6, columns=4), 7, "soft")
    without = {"label": faces["label"], "image": faces["image"]}
    with pytest.raises(ValueError, match="Soft labels need `votes`"):
        face_arrays.targets(without, 7, "soft")
    np.testing.assert_allclose(face_arrays.targets({"label": weights}, 7, "soft"), found)
    with pytest.raises(ValueError, match="`labels` must be one of"):
        face_arrays.targets(faces, 7, "sparse")
