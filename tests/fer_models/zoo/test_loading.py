"""Trained models by name: what `load_model` takes, and what is known of each."""

import dataclasses
import hashlib

import keras
import numpy as np
import pytest

import fer_models
from fer_models.zoo import bundled, class_names, registry
from fer_models.zoo.origin import origin
from fer_models.zoo.weight_files import weights_digest


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
    path = tmp_path_factory.mktemp("tiny") / "tiny.keras"
    model.save(path)
    return model, path


def test_a_file_with_and_without_names(tiny, tmp_path):
    model, path = tiny
    loaded, names = fer_models.load_model(path)
    assert names is None
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    named = tmp_path / "named.keras"
    named.write_bytes(path.read_bytes())
    class_names.write(named, ("other", "smile"))
    # Written twice, the last word counts, and the file stays a whole model.
    class_names.write(named, ("other", "smile"), {"motion": False})
    # New names leave the other facts as they are.
    class_names.write(named, ("smile", "other"))
    assert class_names.read_about(named) == {"motion": False}
    assert fer_models.load_model(str(named))[1] == ("smile", "other")
    assert fer_models.load_model(model) == (model, None)
    assert class_names.read(__file__) is None
    with pytest.raises(ValueError, match=r"must be a \.keras file"):
        class_names.write(__file__, ("a", "b"))


def test_bundled_weights_by_tag_and_by_name(monkeypatch):
    # The models themselves are built in other tests.
    entry = dataclasses.replace(registry.entry("ghostface"), builder=dict)
    monkeypatch.setitem(registry.MODELS, "ghostface", entry)
    known = bundled.weights("ghostface", "ferplus")
    # Those with which it was trained, where others would fit its weights as well.
    asked = {"weights": "ferplus", "classes": 7, "stem_strides": 1}
    assert fer_models.load_model("ghostface:ferplus") == (asked, known.class_names)
    assert fer_models.load_model("ferplus") == (asked, known.class_names)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("nothing", ValueError, "must be bundled weights"),
        (
            "ghostface:nothing",
            ValueError,
            "ghostface:fer2013, ghostface:ferplus, .*or the path",
        ),
        ("nothing.keras", FileNotFoundError, "There is no model at 'nothing.keras'"),
        ("nothing.h5", FileNotFoundError, "There is no model at 'nothing.h5'"),
        (7, ValueError, "Received: source=7"),
    ],
)
def test_what_names_no_model(source, error, message):
    with pytest.raises(error, match=message):
        fer_models.load_model(source)


def test_a_name_for_every_output():
    assert class_names.of_outputs(2, ("a", "b"), ("b",)) == ("a", "b")
    assert class_names.of_outputs(3, None, ("a", "b")) == ("a", "b", "class 2")
    assert class_names.of_outputs(1, None) == ("class 0",)
    with pytest.raises(ValueError, match="a name for each of its 3 outputs"):
        class_names.of_outputs(3, ("a", "b"))
    with pytest.raises(ValueError, match="an output for every class of the data"):
        class_names.of_outputs(1, None, ("a", "b"))


def test_where_a_model_comes_from(tiny):
    _, path = tiny
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert origin(path) == {"File": f"tiny.keras, SHA-256 {digest}"}
    known = bundled.weights("ghostface", "fer2013")
    lines = origin("ghostface:fer2013")
    assert known.sha256 in lines["Weights"]
    assert lines["Licence"] == known.licence
    assert lines["Not for"].startswith("Decisions about a person")
    assert bundled.all_weights()["ghostface:fer2013"] == known


def test_the_digest_follows_the_weights(tiny):
    model, path = tiny
    assert weights_digest(model) == weights_digest(keras.saving.load_model(path))
    other = keras.models.clone_model(model)
    assert weights_digest(model) != weights_digest(other)
