"""ResNet-50 with CBAM: Keras's own graph and names, attention where it belongs."""

import keras
import numpy as np
import pytest
from helpers.layers import infer, to_numpy

from fer_layers import CBAM
from fer_models.evaluation import complexity
from fer_models.families.resnet50_cbam import _imagenet_preparation, resnet50_cbam

SHAPE = (32, 32, 3)


def faces(shape=SHAPE, count=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype("float32")


def attention(model):
    return [layer.name for layer in model.layers if isinstance(layer, CBAM)]


def randomize(model, seed=0):
    """Draw batch norm's statistics too, which start at 0 and 1 and would hide a swap."""
    generator = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([generator.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])


@pytest.fixture(scope="module")
def application():
    """Return Keras's own network with random weights in the place of ImageNet's."""
    keras.utils.set_random_seed(1)
    model = keras.applications.ResNet50(include_top=False, weights=None)
    randomize(model)
    return model


@pytest.fixture
def offline_imagenet(application, monkeypatch):
    """Give Keras's application with random weights where it would download ImageNet's."""

    def instead(*, include_top, weights):
        assert not include_top
        assert weights == "imagenet"
        return application

    monkeypatch.setattr(keras.applications, "ResNet50", instead)


@pytest.fixture(scope="module")
def light():
    keras.utils.set_random_seed(2)
    return resnet50_cbam(input_shape=SHAPE)


def graph(model):
    """Return every layer's name, class, settings and inputs, without CBAM and the image."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        config = {k: v for k, v in layer.get_config().items() if k not in ("dtype", "name")}
        if isinstance(layer, keras.layers.BatchNormalization):
            config["axis"] %= 4
        inputs = keras.tree.flatten(layer.input)
        sources = [tensor._keras_history.operation.name for tensor in inputs]
        if layer.name == "conv1_pad":
            sources = []
        found[layer.name] = (type(layer).__name__, config, sources)
    return found


@pytest.mark.slow
def test_without_cbam_it_is_keras_own_graph_and_its_weights_give_its_outputs(
    application, offline_imagenet
):
    ours = resnet50_cbam(cbam=None, include_top=False, input_shape=SHAPE, weights="imagenet")
    expected = graph(application)
    found = graph(ours)
    del found["imagenet_mean"]
    assert found == expected
    images = faces()
    prepared = keras.applications.resnet.preprocess_input(images.copy())
    wanted = to_numpy(infer(application, prepared))
    assert np.ptp(wanted) > 0
    np.testing.assert_allclose(to_numpy(infer(ours, images)), wanted, rtol=1e-5, atol=1e-5)


def test_without_a_network_the_error_says_what_to_do(monkeypatch):
    def fails(**_):
        raise Exception("URL fetch failure on ...: None")

    monkeypatch.setattr(keras.applications, "ResNet50", fails)
    with pytest.raises(OSError, match=r"Connect once, or build with `weights=None`.*URL fetch"):
        resnet50_cbam(input_shape=SHAPE, weights="imagenet")


def test_imagenet_weights_reach_every_layer_but_cbam_and_the_top(application, offline_imagenet):
    model = resnet50_cbam(input_shape=(32, 32, 1), weights="imagenet", include_preprocessing=False)
    own = {layer.name: layer for layer in model.layers if layer.weights}
    theirs = {layer.name: layer for layer in application.layers if layer.weights}
    assert set(own) - set(theirs) == {"conv5_block3_cbam", "logits"}
    for name, layer in theirs.items():
        for found, wanted in zip(own[name].get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_light_has_one_cbam_between_the_last_batch_norm_and_the_addition(light):
    assert attention(light) == ["conv5_block3_cbam"]
    layer = light.get_layer("conv5_block3_cbam")
    assert layer.input is light.get_layer("conv5_block3_3_bn").output
    shortcut, branch = light.get_layer("conv5_block3_add").input
    assert branch is layer.output
    assert shortcut is light.get_layer("conv5_block2_out").output


def test_forward_gives_probabilities(light):
    found = to_numpy(infer(light, faces()))
    assert found.shape == (2, 7)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)


@pytest.mark.slow
def test_one_fit_step_then_save_and_load(light, tmp_path):
    images = faces()
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in light.trainable_weights]
    light.compile("sgd", "categorical_crossentropy")
    light.fit(images, np.eye(7)[:2], verbose=0)
    changed = {
        weight.path.split("/")[0]
        for weight, old in zip(light.trainable_weights, before, strict=True)
        if not np.array_equal(keras.ops.convert_to_numpy(weight), old)
    }
    assert {"logits", "conv5_block3_cbam", "conv1_conv"} <= changed
    expected = light.predict(images, verbose=0)
    light.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), expected)


@pytest.mark.slow
def test_weights_file_of_the_whole_model(light, tmp_path):
    light.save_weights(tmp_path / "model.weights.h5")
    again = resnet50_cbam(input_shape=SHAPE, weights=tmp_path / "model.weights.h5")
    images = faces()
    np.testing.assert_array_equal(
        again.predict(images, verbose=0), light.predict(images, verbose=0)
    )


@pytest.mark.slow
def test_full_has_cbam_in_every_block():
    model = resnet50_cbam(cbam="full", input_shape=(None, None, 1), reduction=8)
    blocks = [("conv2", 3), ("conv3", 4), ("conv4", 6), ("conv5", 3)]
    wanted = [f"{stage}_block{i}_cbam" for stage, count in blocks for i in range(1, count + 1)]
    assert attention(model) == wanted
    assert all(model.get_layer(name).reduction == 8 for name in wanted)
    assert model.predict(faces((40, 64, 1)), verbose=0).shape == (2, 7)


@pytest.mark.slow
def test_cost_at_the_defaults():
    light = complexity(resnet50_cbam())
    plain = complexity(resnet50_cbam(cbam=None, include_top=False))
    # What keras.applications.ResNet50(include_top=False) has.
    assert (plain.trainable, plain.non_trainable) == (23_534_592, 53_120)
    channel = 2048 * 128 + 128 + 128 * 2048 + 2048
    spatial = 7 * 7 * 2 + 2
    assert light.trainable == plain.trainable + channel + spatial + 2048 * 7 + 7


@pytest.mark.slow
def test_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = resnet50_cbam(input_shape=SHAPE)
    finally:
        keras.config.set_dtype_policy(before)
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    found = model.predict(faces(), verbose=0)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-3)


def prepare(images):
    image = keras.Input(images.shape[1:])
    model = keras.Model(image, _imagenet_preparation(image))
    return keras.ops.convert_to_numpy(model(images))


def test_preparation_is_that_of_keras_and_repeats_grey():
    images = faces()
    wanted = keras.applications.resnet.preprocess_input(images.copy())
    np.testing.assert_allclose(prepare(images), wanted, atol=1e-4)
    grey = faces((32, 32, 1))
    np.testing.assert_array_equal(prepare(grey), prepare(np.repeat(grey, 3, axis=-1)))


def test_preparation_keeps_whole_pixels_under_bfloat16():
    wanted = prepare(faces())
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = prepare(faces())
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_array_equal(found, wanted)


def test_channels_first_prepares_the_same():
    images = faces()
    last = prepare(images)
    keras.config.set_image_data_format("channels_first")
    try:
        first = prepare(images.transpose(0, 3, 1, 2))
    finally:
        keras.config.set_image_data_format("channels_last")
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"cbam": "heavy"}, r"`cbam` must be one of \(None, 'light', 'full'\).*cbam='heavy'"),
        ({"cbam": True}, "cbam=True"),
        ({"reduction": 0}, "`reduction` must be a positive integer. Received: reduction=0"),
        ({"reduction": 0, "cbam": None}, "reduction=0"),
        ({"reduction": 4096}, "reduction"),
        ({"input_shape": (31, 64, 3)}, "height and width of at least 32"),
        ({"input_shape": (64, 64, 4)}, "1 channel"),
        ({"classes": 1}, "`classes` must be an integer >= 2"),
        ({"pooling": "mean"}, "`pooling` must be one of"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        resnet50_cbam(**{"input_shape": SHAPE} | kwargs)
