"""The digest that tells models apart."""

import zipfile

import keras
import pytest

from fer_models.web import model_digest
from fer_models.zoo import bundled


def small_model(activation="softmax"):
    """A model that is the same each time, names of layers and weights as well."""
    keras.utils.set_random_seed(1)
    image = keras.Input((16, 16, 1), name="image")
    flat = keras.layers.Flatten(name="flat")(image)
    return keras.Model(image, keras.layers.Dense(7, activation, name="top")(flat), name="small")


def test_a_digest_changes_with_layers_and_weights():
    model = small_model()
    before = model_digest(model)
    assert before == model_digest(small_model())
    assert before != model_digest(small_model("sigmoid"))
    bias = model.weights[-1]
    bias.assign(bias + 1)
    assert before != model_digest(model)


def write_model(path, weights):
    """Write a file that looks like a model of Keras; the same words give the same bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "model.weights.h5"):
            archive.writestr(zipfile.ZipInfo(name), weights)


def test_a_file_has_the_digest_of_its_content(tmp_path):
    path, copy = tmp_path / "a.keras", tmp_path / "b.keras"
    write_model(path, "one model")
    write_model(copy, "one model")
    before = model_digest(path)
    assert model_digest(str(copy)) == before
    write_model(path, "trained anew")
    assert model_digest(path) != before


def test_bundled_weights_have_the_digest_of_their_card():
    assert model_digest("ferplus") == bundled.weights("ghostface", "ferplus").sha256
    assert model_digest("ghostface:fer2013") == model_digest("fer2013") != model_digest("ferplus")


@pytest.mark.parametrize("weights", ["imagenet", "ghostface:imagenet", "c:imagenet"])
def test_unknown_weights_are_named(weights):
    with pytest.raises(ValueError, match="imagenet"):
        model_digest(weights)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.keras"):
        model_digest(tmp_path / "gone.keras")
