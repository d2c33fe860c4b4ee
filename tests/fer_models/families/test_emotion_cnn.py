"""The webcam CNN: its table, its two readings and two forms, its flattened head."""

import keras
import numpy as np
import pytest
from helpers.layers import infer, slow_off_tensorflow, to_numpy

from fer_models.evaluation import complexity
from fer_models.families.emotion_cnn import emotion_cnn

FORMS = (False, True)


def faces(shape=(48, 48, 1), count=4, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype("float32")


def outputs(model, images):
    return to_numpy(infer(model, images))


def names(model, kind):
    return [layer.name for layer in model.layers if isinstance(layer, kind)]


def dropout_rates(model):
    return [model.get_layer(name).rate for name in names(model, keras.layers.Dropout)]


def test_cost_of_the_public_network():
    cost = complexity(emotion_cnn())
    assert (cost.trainable, cost.non_trainable) == (2_345_607, 0)
    # 46*46*32*9 + 44*44*64*32*9 + 20*20*128*64*9 + 8*8*128*128*9 + 2048*1024 + 1024*7
    assert cost.macs == 609_408 + 35_684_352 + 29_491_200 + 9_437_184 + 2_097_152 + 7_168
    assert (
        cost.papers_flops == cost.macs + 46 * 46 * 32 + 44 * 44 * 64 + 20 * 20 * 128 + 8 * 8 * 128
    )


def test_the_reading_of_the_prose():
    model = emotion_cnn(dense_units=128, dropout=0)
    assert model.count_params() == 503_431
    assert dropout_rates(model) == []
    assert model.get_layer("hidden").units == 128
    public = names(emotion_cnn(), keras.layers.Layer)
    kept = [name for name in public if not name.endswith("_dropout")]
    assert names(model, keras.layers.Layer) == kept


def test_the_dropout_after_a_pooling_is_half_of_that_before_the_classes():
    assert dropout_rates(emotion_cnn(dropout=0.3)) == [0.15, 0.15, 0.3]
    cured = emotion_cnn(dense_units=128, dropout=0.3, regularized=True)
    assert dropout_rates(cured) == [0.15, 0.15, 0.15, 0.3]
    assert cured.get_layer("hidden_bn").output.shape == (None, 128)
    assert dropout_rates(emotion_cnn(dropout=0, regularized=True)) == []


@pytest.mark.parametrize("regularized", FORMS)
def test_maps(regularized):
    model = emotion_cnn(regularized=regularized)
    sizes = {
        "conv1": (46, 46, 32),
        "conv2": (44, 44, 64),
        "pool2": (22, 22, 64),
        "conv3": (20, 20, 128),
        "pool3": (10, 10, 128),
        "conv4": (8, 8, 128),
        "pool4": (4, 4, 128),
        "flatten": (2048,),
        "hidden": (1024,),
        "predictions": (7,),
    }
    assert {name: model.get_layer(name).output.shape[1:] for name in sizes} == sizes


def test_regularized_adds_batch_norm_and_dropout_and_nothing_else():
    plain, regularized = (emotion_cnn(regularized=form, seed=1) for form in FORMS)
    norms = ["conv1_bn", "conv2_bn", "conv3_bn", "conv4_bn", "hidden_bn"]
    assert names(plain, keras.layers.BatchNormalization) == []
    assert names(regularized, keras.layers.BatchNormalization) == norms
    order = names(regularized, keras.layers.Layer)
    assert set(order) - set(names(plain, keras.layers.Layer)) == {*norms, "conv3_dropout"}
    assert order.index("conv2") < order.index("conv2_bn") < order.index("conv2_relu")
    assert not regularized.get_layer("conv2").use_bias
    assert dropout_rates(plain) == [0.25, 0.25, 0.5]
    assert dropout_rates(regularized) == [0.25, 0.25, 0.25, 0.5]


@slow_off_tensorflow
def test_forward_one_fit_step_save_and_load(tmp_path):
    """Of the regularized form; the plain one goes through the tests of the registry."""
    keras.utils.set_random_seed(0)
    model = emotion_cnn(regularized=True)
    images = faces()
    before = outputs(model, images)
    np.testing.assert_allclose(before.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(outputs(model, images / 255), before, atol=1e-4)
    weights = [keras.ops.convert_to_numpy(weight).copy() for weight in model.trainable_weights]
    # Tracing takes longer than a step.
    eager = keras.backend.backend() == "tensorflow"
    model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy", run_eagerly=eager)
    model.fit(images, np.eye(7)[:4], verbose=0)
    for weight, old in zip(model.trainable_weights, weights, strict=True):
        assert not np.array_equal(keras.ops.convert_to_numpy(weight), old), weight.path
    expected = outputs(model, images)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(outputs(loaded, images), expected)


def test_weights_file(tmp_path):
    model = emotion_cnn(regularized=True)
    model.save_weights(tmp_path / "model.weights.h5")
    again = emotion_cnn(regularized=True, weights=tmp_path / "model.weights.h5")
    for found, wanted in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "policy", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)]
)
def test_mixed_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = emotion_cnn(regularized=True)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.output.dtype == "float32"
    found = outputs(model, faces())
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-3)


@pytest.mark.parametrize("shape", [(24, 24, 1), (64, 48, 1), (33, 47, 3)])
def test_other_shapes(shape):
    model = emotion_cnn(input_shape=shape)
    assert model.input_shape == (None, *shape)
    assert model.output_shape == (None, 7)


def test_without_top_the_size_may_be_free():
    model = emotion_cnn(include_top=False, input_shape=(None, None, 1), pooling="avg")
    for size in (48, 60):
        assert outputs(model, faces((size, size, 1), 2)).shape == (2, 128)
    assert emotion_cnn(include_top=False).output_shape == (None, 4, 4, 128)
    assert emotion_cnn(include_top=False, pooling="max").output_shape == (None, 128)


def test_input_tensor_logits_and_no_preprocessing():
    image = keras.Input((48, 48, 1))
    model = emotion_cnn(
        input_tensor=image / 255, classifier_activation=None, include_preprocessing=False, classes=3
    )
    assert model.inputs[0] is image
    found = outputs(model, faces())
    assert found.shape == (4, 3)
    assert not np.allclose(found.sum(-1), 1)
    assert not any("standardization" in layer.name for layer in model.layers)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"regularized": 1}, "`regularized` must be True or False. Received: regularized=1"),
        ({"regularized": "yes"}, "regularized='yes'"),
        ({"dense_units": 0}, "`dense_units` must be an integer >= 1. Received: dense_units=0"),
        ({"dense_units": 12.5}, "dense_units=12.5"),
        ({"dropout": 1}, r"`dropout` must be a number in \[0, 1\). Received: dropout=1"),
        ({"dropout": None}, "dropout=None"),
        ({"dropout": True}, "dropout=True"),
        (
            {"input_shape": (None, None, 1)},
            r"fixed height and width with `include_top=True`.*input_shape=\(None, None, 1\)",
        ),
        ({"input_shape": (48, None, 1)}, r"Received: input_shape=\(48, None, 1\)"),
        ({"input_shape": (23, 48, 1)}, "height and width of at least 24"),
        ({"input_shape": (48, 48, 2)}, "1 channel"),
        ({"classes": 1}, "`classes` must be an integer >= 2"),
        ({"include_top": False, "pooling": "mean"}, "`pooling` must be one of"),
        ({"weights": "no_such_file.weights.h5"}, "`weights` names no file"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        emotion_cnn(**kwargs)


def test_a_free_input_tensor_is_named():
    with pytest.raises(ValueError, match=r"Received: input_shape=\(None, 48, 1\)"):
        emotion_cnn(input_tensor=keras.Input((None, 48, 1)))
