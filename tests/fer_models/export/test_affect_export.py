"""A model with valence and arousal as a file for other programs."""

import keras
import numpy as np
import pytest

from fer_models import with_valence_arousal
from fer_models.export import accuracy_lost, export, load

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="models are exported on TensorFlow"
)


def test_litert_keeps_both_in_one_row(tmp_path):
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 12, 1), name="image")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(image / 255))
    model = with_valence_arousal(keras.Model(image, keras.layers.Dense(3, "softmax")(x)))
    faces = np.random.default_rng(0).uniform(0, 255, (6, 12, 12, 1)).astype("float32")
    path = tmp_path / "both.tflite"
    report = export(model, path, "litert", faces, verbose=False)
    assert report.comparison.label_agreement == 1
    expected = model.predict(faces, verbose=0)
    found = load(path)(faces)
    np.testing.assert_allclose(found[:, :3], expected["expression"], atol=1e-5)
    np.testing.assert_allclose(found[:, 3:], expected["valence_arousal"], atol=1e-5)
    labels = expected["expression"].argmax(1)
    lost = accuracy_lost(model, load(path), faces, labels)
    assert (lost.keras, lost.exported) == (1, 1)
