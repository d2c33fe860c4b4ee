"""The mean over a face and its mirror image."""

import keras
import numpy as np
import pytest

from fer_models.evaluation.mirror_mean import mirror_mean


def test_mean_of_both():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3, 4, 1))
    outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    images = np.random.default_rng(0).uniform(0, 1, (5, 3, 4, 1)).astype("float32")
    both = [np.asarray(model.predict(x, verbose=0)) for x in (images, images[:, :, ::-1])]
    found = mirror_mean(model)
    assert found.input_shape == model.input_shape
    np.testing.assert_allclose(found.predict(images, verbose=0), sum(both) / 2, atol=1e-6)
    # It answers alike for the mirror image, and shares the weights.
    np.testing.assert_allclose(
        found.predict(images[:, :, ::-1], verbose=0), sum(both) / 2, atol=1e-6
    )
    assert found.weights == model.weights


def test_channels_first():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        image = keras.Input((1, 2, 3))
        left = keras.Model(image, image[:, 0, :, 0])
        pixels = np.arange(6, dtype="float32").reshape(1, 1, 2, 3)
        np.testing.assert_allclose(mirror_mean(left)(pixels), [[1, 4]])
    finally:
        keras.config.set_image_data_format(before)


def test_one_image_and_one_output_alone():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="must take one image"):
        mirror_mean(model)
    image = keras.Input((2, 2, 1))
    with pytest.raises(ValueError, match="`model` must have one output"):
        mirror_mean(keras.Model(image, {"a": image, "b": image + 1}))
