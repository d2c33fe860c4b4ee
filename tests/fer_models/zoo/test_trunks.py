"""The pre-trained trunks: the features of the originals, files, batch norm unfolded."""

import keras
import numpy as np
import pytest
from helpers.layers import to_numpy
from helpers.shared import shared_path

from fer_models import pretrained_classifier
from fer_models.zoo import trunks
from fer_models.zoo.batch_norm import batch_norm_layers

# Smaller than any default, since the tests need no accuracy.
SMALL = {name: trunks.about(name).min_size for name in trunks.TRUNKS}


def small(name="faceres", channels=3, size=None, pooling="avg", **options):
    size = SMALL[name] if size is None else size
    shape = (size, size, channels)
    return pretrained_classifier(False, None, None, shape, pooling, trunk=name, **options)


def images_of(model, count=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (count, *model.input_shape[1:])).astype("float32")


def answer(model, images, **options):
    return to_numpy(model(images, **options))


def lively(model, seed=1):
    """Return the model as if it had learned and been folded: mean 0, variance 1."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            shape = layer.kernel.shape
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            inputs = np.prod(shape[:2]) * (1 if depthwise else shape[2])
            # By which differences neither fade nor grow from layer to layer.
            layer.kernel.assign(rng.normal(0, np.sqrt(2 / inputs), shape))
    for norm in batch_norm_layers(model):
        norm.gamma.assign(rng.uniform(0.5, 1.5, norm.gamma.shape))
        norm.beta.assign(rng.normal(0, 0.5, norm.beta.shape))
    return model


def file_of(model, name, path, change=lambda arrays: None):
    """Write a model's weights as the files have them, in PyTorch's names and layouts."""
    arrays = {"_note": np.array("for a test")}
    for module, layer in trunks.about(name).names():
        layer = model.get_layer(layer)
        if isinstance(layer, keras.layers.BatchNormalization):
            parts = ("gamma", "beta", "moving_mean", "moving_variance")
            theirs = ("weight", "bias", "running_mean", "running_var")
            for part, key in zip(parts, theirs, strict=True):
                arrays[f"{module}.{key}"] = to_numpy(getattr(layer, part))
        else:
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            axes = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
            arrays[f"{module}.weight"] = to_numpy(layer.kernel).transpose(axes)
    change(arrays)
    np.savez(path, **arrays)


@pytest.mark.parametrize("name", ["faceres", "dlib", "lite0"])
def test_features_are_the_originals_and_unfolding_keeps_them(name):
    with np.load(shared_path(f"reference/pretrained_{name}.npz")) as file:
        images, features = file["input_nhwc"], file["features"]
    weights = shared_path(f"weights/pretrained/{name}.npz")
    model = pretrained_classifier(
        *(False, None, None, images.shape[1:], "avg"), trunk=name, trunk_weights=weights
    )
    np.testing.assert_allclose(answer(model, images), features, atol=1e-4)
    trunks.unfold_batch_norm(model, images)
    np.testing.assert_allclose(answer(model, images), features, atol=1e-3)


@pytest.mark.parametrize("name", ["faceres", "dlib", "lite0", "lite1", "lite2"])
@pytest.mark.slow
def test_what_is_known_of_a_trunk_is_true_and_its_weights_come_back(name, tmp_path):
    known, model = trunks.about(name), lively(small(name))
    count = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    assert (model.output_shape[-1], count) == (known.features, known.parameters)
    layers = {layer for _, layer in known.names()}
    assert layers == {layer.name for layer in model.layers if layer.weights}
    for text in (known.source, known.licence, known.commercial, known.reference):
        assert text.endswith(".") or "`" in text or text[-1].isdigit(), text
    file_of(model, name, tmp_path / "trunk.npz")
    before = [to_numpy(weight) for weight in model.weights]
    for weight in model.weights:
        weight.assign(keras.ops.zeros_like(weight))
    trunks.read_trunk(model, name, tmp_path / "trunk.npz")
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), old)


def test_the_larger_lite_networks_are_wider_and_deeper():
    lite = trunks.efficientnet_lite
    blocks = [lite.blocks(*lite.SIZES[name]) for name in ("lite0", "lite1", "lite2")]
    assert [len(each) for each in blocks] == [16, 21, 21]
    assert [each[-1][-1] for each in blocks] == [320, 320, 352]
    assert (lite.rounded(24 * 1.1), lite.rounded(40 * 1.1), lite.rounded(6)) == (24, 48, 8)


@pytest.mark.parametrize("name", sorted(trunks.TRUNKS))
def test_one_pixel_less_is_refused(name):
    with pytest.raises(ValueError, match=f"at least {SMALL[name]}"):
        small(name, size=SMALL[name] - 1)


@pytest.mark.slow
def test_grey_is_three_equal_channels_and_scaling_can_be_left_to_the_caller():
    grey, colour, scaled = (
        lively(small(**each)) for each in ({"channels": 1}, {}, {"include_preprocessing": False})
    )
    images = images_of(grey, 2)
    expected, three = answer(grey, images), np.repeat(images, 3, axis=-1)
    np.testing.assert_allclose(answer(colour, three), expected, atol=1e-5)
    inside = to_numpy(colour.get_layer("trunk_scaling")(three))
    np.testing.assert_allclose(answer(scaled, inside), expected, atol=1e-4)
    assert np.abs(answer(scaled, three) - expected).max() > 1e-2


@pytest.mark.slow
def test_dlib_takes_any_size():
    model = pretrained_classifier(False, None, None, (None, None, 3), "avg", trunk="dlib")
    fixed = small("dlib", size=112)
    fixed.set_weights(model.get_weights())
    images = images_of(fixed, 1)
    np.testing.assert_allclose(answer(model, images), answer(fixed, images), atol=1e-5)


def test_a_wrong_file_is_refused_as_a_whole(tmp_path):
    def change(arrays):
        del arrays["pb.3.bias"]
        arrays["fc.weight"] = np.ones((2, 1024))
        arrays["c1.weight"] = arrays["c1.weight"][:16]

    model = small()
    file_of(model, "faceres", tmp_path / "wrong.npz", change)
    with pytest.raises(ValueError, match="`trunk_weights` must hold the weights of") as error:
        trunks.read_trunk(model, "faceres", tmp_path / "wrong.npz")
    for part in ("pb.3.bias is missing", "fc.weight is surplus", "c1.weight has the shape"):
        assert part in str(error.value)
    with pytest.raises(ValueError, match="must name a file"):
        trunks.read_trunk(model, "faceres", "absent.npz")
    np.savez(tmp_path / "wrong.npz", **{"fc.weight": np.array([{}], object)})
    with pytest.raises(ValueError, match=r"a whole \.npz file.*'fc\.weight' holds Python objects"):
        trunks.read_trunk(model, "faceres", tmp_path / "wrong.npz")
    with pytest.raises(ValueError, match=r"`trunk` must be one of .* Received: trunk='vgg'"):
        trunks.about("vgg")


@pytest.mark.slow
def test_unfolding_gives_statistics_of_the_images_and_keeps_the_function():
    model, folded = (lively(small(channels=1)) for _ in range(2))
    folded.set_weights(model.get_weights())
    images, others = images_of(model, 12), images_of(model, 3, seed=5)
    before = answer(model, others)
    # Batches of unequal size must count by their images.
    trunks.unfold_batch_norm(model, images, batch_size=5)
    np.testing.assert_allclose(answer(model, others), before, atol=1e-3)
    norms = batch_norm_layers(model)
    watcher = keras.Model(model.input, [norm.input for norm in norms])
    for norm, seen in zip(norms, watcher(images), strict=True):
        seen = to_numpy(seen).astype("float64")
        np.testing.assert_allclose(
            to_numpy(norm.moving_mean), seen.mean((0, 1, 2)), rtol=1e-3, atol=1e-4
        )
        np.testing.assert_allclose(
            to_numpy(norm.moving_variance), seen.var((0, 1, 2)), rtol=1e-3, atol=1e-5
        )
    # So it computes the same in training, which a folded one does not.
    right = answer(folded, images)
    np.testing.assert_allclose(answer(model, images, training=True), right, atol=1e-2)
    assert np.abs(answer(folded, images, training=True) - right).max() > 0.1
    trunks.unfold_batch_norm(model, images)
    # Once more, from the statistics that the training has moved by a hundredth.
    np.testing.assert_allclose(answer(model, others), before, atol=1e-2)


def test_unfolding_refuses_what_it_cannot_do():
    inputs = keras.Input((8, 8, 3))
    inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.BatchNormalization()])
    for images in (np.zeros((0, 8, 8, 3)), np.zeros((8, 8, 3))):
        with pytest.raises(ValueError, match="`images` must be"):
            trunks.unfold_batch_norm(inner, images)
    with pytest.raises(ValueError, match="each batch norm a layer of its own graph"):
        trunks.unfold_batch_norm(keras.Model(inputs, inner(inputs)), np.zeros((1, 8, 8, 3)))
    plain = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.BatchNormalization(scale=False)])
    with pytest.raises(ValueError, match="with scale and offset"):
        trunks.unfold_batch_norm(plain, np.zeros((1, 8, 8, 3)))
    inputs = [keras.Input((2,)), keras.Input((2,))]
    with pytest.raises(ValueError, match="of one input"):
        trunks.unfold_batch_norm(keras.Model(inputs, keras.ops.add(*inputs)), np.zeros((1, 2)))


def test_a_network_without_batch_norm_stays():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    before = model.get_weights()
    trunks.unfold_batch_norm(model, np.zeros((1, 8, 8, 3)))
    for first, second in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
