"""Names of the classes in the explanation of faces."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_models.explain.face_explanation import explain_faces


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(3, 3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )


def faces():
    return np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 1)).astype("float32")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["sad"], "`class_names` must have 2 entries. Received: 1"),
        (["sad", "happy", "fear"], "`class_names` must have 2 entries. Received: 3"),
        ([], "`class_names` must have 2 entries. Received: 0"),
        ("ab", "`class_names` must be a sequence"),
        (7, "`class_names` must be a sequence"),
    ],
)
def test_other_names_than_one_for_each_class(model, tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        explain_faces(model, faces(), tmp_path / "out", names)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("names", [None, np.array(["sad", "happy"])])
def test_an_array_of_names_or_none(model, tmp_path, names):
    found = explain_faces(model, faces(), tmp_path, names)
    assert [path.name for path in found.pictures] == ["grad_cam.png"]
