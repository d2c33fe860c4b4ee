"""Models with several outputs: the user says which one is meant."""

import keras
import numpy as np
import pytest

from fer_models.evaluation import evaluate
from fer_models.export import export
from fer_models.recognizer.keras_network import keras_network


def model_with(structure):
    image = keras.Input((24, 24, 1))
    flat = keras.layers.Flatten()(image)
    emotion = keras.layers.Dense(7, "softmax", name="emotion")(flat)
    age = keras.layers.Dense(1, name="age")(flat)
    return keras.Model(image, structure(emotion, age))


@pytest.mark.parametrize(
    ("structure", "choice", "received"),
    [
        (lambda emotion, age: {"emotion": emotion, "age": age}, "['emotion']", "'age' of shape"),
        (lambda emotion, age: {"emotion": emotion}, "['emotion']", "a dictionary of 1"),
        (lambda emotion, age: [emotion, age], "[0]", "1 of shape (None, 1)"),
        (lambda emotion, age: (age, emotion), "[0]", "a tuple of 2"),
    ],
    ids=["dictionary", "dictionary of one", "list", "tuple"],
)
def test_which_output_must_be_chosen_and_how(structure, choice, received, tmp_path):
    model = model_with(structure)
    images, labels = np.zeros((2, 24, 24, 1), "float32"), np.array([0, 1])
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(ValueError, match="one output") as caught:
            export(model, tmp_path / "m.tflite", "litert")
        assert f"keras.Model(model.inputs, model.output{choice})" in str(caught.value)
        assert received in str(caught.value)
    for use in (lambda: keras_network(model), lambda: evaluate(model, images, labels)):
        with pytest.raises(ValueError, match="`model` must have one output"):
            use()


@pytest.mark.parametrize("kind", [list, tuple])
def test_one_output_in_a_list_is_one_output(kind, tmp_path):
    listed = model_with(lambda emotion, age: kind([emotion]))
    images, labels = np.zeros((2, 24, 24, 1), "float32"), np.array([0, 1])
    expected = keras.Model(listed.inputs, listed.output[0]).predict(images, verbose=0)
    network = keras_network(listed)
    np.testing.assert_allclose(network.run(images), expected, atol=1e-6)
    assert evaluate(listed, images, labels).examples == 2
    if keras.backend.backend() == "tensorflow":
        assert export(listed, tmp_path / "m.tflite", "litert").comparison.max_abs_error < 1e-4


def test_the_message_says_what_works():
    model = model_with(lambda emotion, age: {"emotion": emotion, "age": age})
    chosen = keras.Model(model.inputs, model.output["emotion"])
    assert keras_network(chosen).classes == 7


@pytest.mark.parametrize("model", [None, "ghostface", keras.layers.Dense(2), keras.Sequential()])
def test_what_is_no_built_model(model):
    with pytest.raises(ValueError, match="`model` must be"):
        keras_network(model)
