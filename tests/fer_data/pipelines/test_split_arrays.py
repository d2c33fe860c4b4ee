"""Faces of a split as arrays: from a packed file and from a prepared data set."""

import keras
import numpy as np
import pytest

from fer_data.pipelines.labelled_faces import LabelledFaces
from fer_data.pipelines.split_arrays import (
    class_order,
    draw_places,
    split_arrays,
    split_batches,
)

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
)
NAMES = ("happy", "sad")


def packed(count=5):
    arrays = {
        "image": np.arange(count, dtype="uint8")[:, None, None, None] * np.ones((1, 4, 4, 1), "u1"),
        "label": np.arange(count) % 2,
        "copy_in_train": np.arange(count) == 1,
    }
    return LabelledFaces({"test": arrays}, {"test": count}, NAMES, "faces.npz", {})


def prepared(faces):
    """Return the same faces as tensorflow-datasets gives them."""
    import tensorflow as tf

    splits = {"test": tf.data.Dataset.from_tensor_slices(faces.splits["test"])}
    return LabelledFaces(splits, faces.counts, NAMES, "folder")


@pytest.mark.parametrize("change", [lambda faces: faces, prepared])
def test_some_faces_in_the_models_order(change):
    faces = change(packed())
    found = split_arrays(
        faces, "test", size=(8, 8), channels=3, class_names=("sad", "x", "happy"), places=[4, 1]
    )
    assert found.images.shape == (2, 8, 8, 3)
    assert found.images.dtype == np.uint8
    assert found.images[:, 0, 0, 0].tolist() == [1, 4]
    assert found.labels.tolist() == [0, 2]
    assert found.copies.tolist() == [True, False]
    assert found.landmarks is None
    assert found.some([1]).labels.tolist() == [2]
    assert len(found) == 2
    batches = list(split_batches(faces, "test", size=(4, 4), channels=1))
    assert np.concatenate([labels for _, labels in batches]).tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("boxed", [True, False])
def test_landmarks_come_along_with_the_cut(boxed):
    import tensorflow as tf

    from fer_data.faces import FRAMINGS
    from fer_data.synthetic import generate

    # A white dot at the nose, in the picture and in what is cut of it.
    face = next(generate(1, seed=5, size=96))
    picture = np.zeros((96, 96, 3), "uint8")
    x, y = np.round(face.landmarks[30]).astype(int)
    picture[y - 1 : y + 2, x - 1 : x + 2] = 255
    features = {"image": picture, "label": 0, "landmarks": face.landmarks}
    features |= {"box": face.box, "framing": np.array(FRAMINGS["mtcnn"])} if boxed else {}
    faces = LabelledFaces(
        {"test": tf.data.Dataset.from_tensors(features)}, {"test": 1}, NAMES, "folder"
    )
    found = split_arrays(faces, "test", size=(64, 64), channels=1)
    rows, columns = np.nonzero(found.images[0, ..., 0] > 60)
    expected = found.landmarks[0, 30]
    np.testing.assert_allclose((columns.mean(), rows.mean()), expected, atol=0.8)


def test_classes_by_name():
    assert class_order(("sad", "happy"), ("happy", "sad")).tolist() == [1, 0]
    with pytest.raises(ValueError, match="must have every class of the data"):
        class_order(("happy", "contempt"), ("happy", "sad"))


def test_draws():
    assert draw_places(4, None).tolist() == draw_places(4, 9).tolist() == [0, 1, 2, 3]
    few, more = draw_places(100, 5, seed=1), draw_places(100, 50, seed=1)
    assert len(set(few)) == 5
    assert set(few) <= set(more)
    assert list(few) == sorted(few)
    with pytest.raises(ValueError, match="`seed` must be"):
        draw_places(4, 1, seed=-1)


def test_no_such_split():
    with pytest.raises(ValueError, match="`split` must be one of"):
        split_arrays(packed(), "dev", size=(4, 4), channels=1)
