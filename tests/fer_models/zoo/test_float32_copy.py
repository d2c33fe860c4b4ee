"""Models of half precision run as their copies in float32."""

import contextlib
import warnings

import keras
import numpy as np
import pytest

import fer_models
from fer_layers import CBAM, ConvNorm, GhostModule
from fer_models.export import export, load
from fer_models.zoo.float32_copy import TOLERANCES, float32_copy, half_type

POLICIES = {
    "mixed_float16": "float16",
    "mixed_bfloat16": "bfloat16",
    "float16": "float16",
    "bfloat16": "bfloat16",
}


@contextlib.contextmanager
def policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class Doubled(keras.layers.Layer):
    """Of a user: not registered, and its policy is not in its config."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = keras.layers.Dense(6)

    def build(self, input_shape):
        self.inner.build(input_shape)

    def call(self, inputs):
        return 2 * self.inner(inputs)

    def get_config(self):
        return {"name": self.name}


def small_model(kind):
    """A model with a softmax of its own, an inner model, an operation and batch norms."""
    keras.utils.set_random_seed(0)
    with policy(kind):
        image = keras.Input((16, 16, 1))
        x = keras.layers.Rescaling(1 / 255)(image)
        x = CBAM(2)(GhostModule(8, strides=2)(ConvNorm(4, 3)(x)))
        inner = keras.Sequential([keras.Input((8, 8, 8)), keras.layers.Conv2D(8, 3)])
        x = keras.layers.GlobalAveragePooling2D()(inner(x))
        x = keras.ops.relu(Doubled()(x))
        model = keras.Model(image, keras.layers.Dense(7, "softmax")(x))
        model.compile(loss="categorical_crossentropy")
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(layer.moving_mean + 0.1)
    return model


def _array(variable):
    return np.asarray(keras.ops.convert_to_numpy(variable), "float32")


def faces(count=12):
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, 1)).astype("uint8")


@pytest.mark.parametrize("kind", POLICIES)
def test_the_copy_has_the_weights_and_gives_the_probabilities(kind):
    model = small_model(kind)
    assert half_type(model) == POLICIES[kind]
    with policy(kind):
        copy = float32_copy(model)
        assert keras.config.dtype_policy().name == kind
    assert half_type(copy) is None
    assert (copy.name, copy.output.dtype) == (model.name, "float32")
    for ours, theirs in zip(copy.weights, model.weights, strict=True):
        assert ours.name == theirs.name
        np.testing.assert_array_equal(_array(ours), _array(theirs))
    given = faces().astype("float32")
    expected = np.asarray(model.predict_on_batch(given), "float32")
    found = copy.predict_on_batch(given)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(found, expected, atol=TOLERANCES[POLICIES[kind]])

    # Converted once for each type: that takes seconds.
    if keras.backend.backend() == "tensorflow" and kind in ("mixed_bfloat16", "float16"):

        class Nobody:
            def detect(self, image):
                return []

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            recognizer = fer_models.Recognizer(model, Nobody())
        np.testing.assert_allclose(recognizer.classify(faces()), found, atol=1e-5)


def test_a_model_of_float32_is_its_own_copy():
    model = small_model("float32")
    assert half_type(model) is None
    assert float32_copy(model) is model


def test_a_layer_that_cannot_be_made_again_is_named():
    class Halved(Doubled):
        def __init__(self, needed, **kwargs):
            super().__init__(dtype="mixed_float16")

    class Always(Doubled):
        def __init__(self, **kwargs):
            super().__init__(dtype="mixed_float16")

    for layer, rule in ((Halved(1), "from the `get_config`"), (Always(), "sets 'float16' itself")):
        model = keras.Sequential([keras.Input((4,)), layer])
        with pytest.raises(ValueError, match=rule):
            float32_copy(model)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exported on TensorFlow")
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [("mixed_bfloat16", "m.tflite"), ("float16", "m.onnx")])
def test_the_export_is_that_of_the_copy(kind, name, tmp_path):
    model = small_model(kind)
    format = {".tflite": "litert", ".onnx": "onnx"}[name[1:]]
    report = export(model, tmp_path / name, format, faces(), verbose=False)
    assert report.numbers == f"float32, from a model in {POLICIES[kind]}"
    assert report.comparison.max_abs_error < 1e-4
    expected = np.asarray(model.predict(faces().astype("float32"), verbose=0), "float32")
    found = load(tmp_path / name)(faces())
    np.testing.assert_allclose(found, expected, atol=TOLERANCES[POLICIES[kind]])
