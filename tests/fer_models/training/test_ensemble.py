"""Several networks as one: the mean of their answers, saved and loaded, and mistakes."""

import keras
import numpy as np
import pytest

from fer_models import distiller, ensemble


def network(shape=(8, 8, 1), classes=3, name="network"):
    image = keras.Input(shape)
    x = keras.layers.Flatten()(image)
    return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x), name=name)


def test_it_answers_with_the_mean_of_its_members_and_teaches(tmp_path):
    members = [network(name="same"), network(name="same")]
    images = np.random.default_rng(0).random((5, 8, 8, 1)).astype("float32")
    expected = np.mean([member.predict(images, verbose=0) for member in members], axis=0)
    model = ensemble(members)
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-6)
    model.save(tmp_path / "ensemble.keras")
    loaded = keras.models.load_model(tmp_path / "ensemble.keras")
    np.testing.assert_allclose(loaded.predict(images, verbose=0), expected, atol=1e-6)
    assert [member.name for member in members] == ["same", "same"]
    student = distiller(network(name="student"), model)
    student.compile("sgd", metrics=["accuracy"])
    student.fit(images, np.eye(3)[[0, 1, 2, 0, 1]], verbose=0)
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-6)


def test_mistakes():
    with pytest.raises(ValueError, match=r"two or more.*1 models"):
        ensemble([network()])
    with pytest.raises(ValueError, match="of one shape"):
        ensemble([network(), network(classes=4)])
    image = keras.Input((8, 8, 1))
    two = keras.Model([image, keras.Input((8, 8, 1))], image)
    with pytest.raises(ValueError, match=r"one input and one output each.*\(2, 1\)"):
        ensemble([network(), two])
    with pytest.raises(ValueError, match="of one shape"):
        ensemble([network(), network((8, 8, 3))])
    with pytest.raises(ValueError, match=r"`models\[0\]` must be a Keras model.*Received: "):
        ensemble(iter([1, 2]))


def test_a_teacher_of_logits_is_refused_inside_an_ensemble_too():
    image = keras.Input((8, 8, 1))
    logits = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(image)))
    with pytest.raises(ValueError, match="whose last layer has no activation"):
        distiller(network(name="student"), ensemble([network(), logits]))


def test_members_may_come_once():
    assert ensemble(network() for _ in range(2)).output_shape == (None, 3)
