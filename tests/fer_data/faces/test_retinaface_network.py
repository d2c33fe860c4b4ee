"""RetinaFace: the network, its weights file, and faces, on every backend."""

import math

import keras
import numpy as np
import pytest
from helpers import retinaface
from helpers.shared import shared_path

from fer_data.faces.retinaface.anchors import anchors, decode
from fer_data.faces.retinaface.network import retinaface_mobilenet025
from fer_data.faces.retinaface.weights import load_weights


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network of random weights."""
    return loaded(random_weights(tmp_path_factory.mktemp("weights") / "random.h5"))


@pytest.fixture
def settings():
    """Puts Keras's global settings back."""
    policy, data_format = keras.config.dtype_policy(), keras.config.image_data_format()
    yield
    keras.config.set_dtype_policy(policy)
    keras.config.set_image_data_format(data_format)


def random_weights(path):
    return retinaface.write(path, retinaface.random_arrays(retinaface.layout()))


def loaded(path):
    model = retinaface_mobilenet025()
    load_weights(model, path)
    # The detector's own tests trace it on TensorFlow, which takes longer than a picture.
    on_tensorflow = keras.config.backend() == "tensorflow"
    model.compile(jit_compile=not on_tensorflow, run_eagerly=on_tensorflow)
    return model


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.float32)


def test_size(network):
    shapes = [shape for each in retinaface.layout().values() for shape in each.values()]
    assert network.count_params() == sum(map(math.prod, shapes)) == 433_904


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (160, 32)])
def test_one_row_for_each_anchor(network, height, width):
    count = height * width * 2 * (8**-2 + 16**-2 + 32**-2)
    outputs = network(keras.KerasTensor((2, height, width, 3)))
    assert {name: value.shape for name, value in outputs.items()} == {
        "scores": (2, count),
        "boxes": (2, count, 4),
        "points": (2, count, 10),
    }
    assert len(anchors(height, width)) == count


def test_float32_and_channels_last_whatever_the_settings(network, settings, tmp_path):
    picture = noise(64, 96)[None]
    expected = network.predict_on_batch(picture)
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_image_data_format("channels_first")
    outputs = loaded(random_weights(tmp_path / "random.h5")).predict_on_batch(picture)
    for name, value in outputs.items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-4)


@pytest.mark.backend
def test_outputs_stand_in_the_order_of_the_anchors(network):
    """A bias on one stride's scores of one side raises the scores of just those anchors."""
    for stride, sides in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512))):
        for place, side in enumerate(sides):
            layer = network.get_layer(f"scores_{stride}")
            kernel, before = layer.get_weights()
            bias = before.copy()
            bias[2 * place + 1] += 1e4
            layer.set_weights([kernel, bias])
            scores = network.predict_on_batch(noise(64, 96)[None])["scores"][0]
            layer.set_weights([kernel, before])
            raised = scores > 0.9999
            assert raised[anchors(64, 96)[:, 2] == side].all()
            assert raised.mean() < 0.9


@pytest.mark.parametrize(("row", "column"), [(3, 2), (4, 9)])
def test_outputs_change_where_the_picture_does(network, row, column):
    """Rows of the outputs follow the picture's rows, then its columns, at every stride."""
    flat = np.full((1, 64, 96, 3), 115.0, np.float32)
    touched = flat.copy()
    touched[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += 10
    one, other = (network.predict_on_batch(picture)["points"][0] for picture in (flat, touched))
    change = np.abs(other - one).sum(axis=1)
    places = anchors(64, 96)
    for stride, sides in ((8, (16, 32)), (16, (64, 128))):
        level = np.isin(places[:, 2], sides)
        most = places[level][change[level].argmax(), :2]
        np.testing.assert_allclose(most, (8 * column + 4, 8 * row + 4), atol=1.5 * stride)


# ---------------------------------------------------------------------------------- weights file


@pytest.mark.parametrize("first_number", [0, 24])
def test_weights_reach_their_layers(network, tmp_path, first_number):
    arrays = retinaface.random_arrays(retinaface.layout(first_number))
    load_weights(network, retinaface.write(tmp_path / "weights.h5", arrays))

    def stored(base, number):
        number += first_number
        return list(arrays[f"{base}_{number}" if number else base].values())

    pairs = {
        "conv1": list(arrays["conv1"].values()),
        "conv_dw_10": list(arrays["conv_dw_10"].values()),
        "conv_pw_2_bn": list(arrays["conv_pw_2_bn"].values()),
        "lateral_32": list(arrays["C5_reduced"].values()),
        "merge_8": list(arrays["Conv_P3_merged"].values()),
        "merge_8_norm": stored("batch_normalization", 4),
        "context_8_3x3": stored("conv2d", 0),
        "context_16_5x5_2": stored("conv2d", 7),
        "context_32_7x7_3_norm": stored("batch_normalization", 19),
        "boxes_8": stored("conv2d", 15),
        "scores_16": stored("conv2d", 19),
        "points_32": stored("conv2d", 23),
    }
    for name, expected in pairs.items():
        for array, other in zip(network.get_layer(name).get_weights(), expected, strict=True):
            np.testing.assert_array_equal(array, other)


def test_variables_are_told_apart_by_name_not_by_order(network, tmp_path):
    arrays = retinaface.random_arrays(retinaface.layout())
    turned = {layer: dict(reversed(variables.items())) for layer, variables in arrays.items()}
    loaded = []
    for some in (arrays, turned):
        load_weights(network, retinaface.write(tmp_path / "weights.h5", some))
        loaded.append(network.get_weights())
    for one, other in zip(*loaded, strict=True):
        np.testing.assert_array_equal(one, other)


def lack_named(arrays):
    del arrays["conv_pw_7"]


def lack_automatic(arrays):
    del arrays["conv2d_23"]


def one_too_many(arrays):
    arrays["conv2d_24"] = arrays["conv2d_23"]


def foreign(arrays):
    arrays["dense_3"] = arrays["conv2d_23"]


def wrong_shape(arrays):
    arrays["conv2d_3"]["kernel"] = np.zeros((3, 3, 16, 8), np.float32)


def lack_variable(arrays):
    del arrays["C4_reduced"]["bias"]


def not_finite(arrays):
    arrays["conv_dw_3_bn"]["gamma"][5] = np.nan


def no_numbers(arrays):
    arrays["conv_dw_3_bn"]["gamma"] = np.array(b"words")


def nothing(arrays):
    arrays.clear()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lack_named, "lacks the layer 'conv_pw_7'"),
        (lack_automatic, "lacks the layer 'conv2d number 24 of 24'"),
        (one_too_many, "layer 'conv2d_24' too many"),
        (foreign, "layer 'dense_3' too many"),
        (wrong_shape, r"'conv2d_3' has kernel of shape \(3, 3, 16, 8\), not \(3, 3, 16, 16\)"),
        (lack_variable, r"'C4_reduced' has \['kernel'\], not \['bias', 'kernel'\]"),
        (not_finite, "'conv_dw_3_bn' has no finite numbers in gamma"),
        (no_numbers, r"'conv_dw_3_bn' has gamma of shape \(\)"),
        (nothing, r"lacks the layer 'C3_reduced'"),
    ],
)
def test_wrong_file_is_refused_and_nothing_is_loaded(network, tmp_path, damage, message):
    arrays = retinaface.random_arrays(retinaface.layout())
    damage(arrays)
    path = retinaface.write(tmp_path / "weights.h5", arrays)
    before = network.get_weights()
    with pytest.raises(ValueError, match=rf"weights\.h5', .*{message}"):
        load_weights(network, path)
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("content", [b"", b"no h5 file at all", "truncated"])
def test_unreadable_file_is_refused(network, tmp_path, content):
    path = tmp_path / "weights.h5"
    if content == "truncated":
        whole = retinaface.random_arrays(retinaface.layout())
        content = retinaface.write(path, whole).read_bytes()[:100_000]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"weights\.h5', which cannot be read"):
        load_weights(network, path)


# ------------------------------------------------------------------------------ trained weights


@pytest.mark.backend
def test_astronaut_is_found_alike_on_every_backend():
    data = pytest.importorskip("skimage.data")
    model = loaded(shared_path("weights/retinaface_mobilenet025.h5"))
    picture = data.astronaut()[:256, 64:320].astype(np.float32)
    outputs = model.predict_on_batch(picture[None])
    best = outputs["scores"][0].argmax()
    assert outputs["scores"][0, best] == pytest.approx(0.99910, abs=1e-4)
    box, points = decode(
        anchors(256, 256)[[best]], outputs["boxes"][0, [best]], outputs["points"][0, [best]]
    )
    np.testing.assert_allclose(box[0], (113.49, 59.27, 95.69, 117.14), atol=0.02)
    eyes, nose, mouth = [(137.08, 100.95), (185.36, 105.78)], (159.16, 129.03), (136.79, 139.56)
    np.testing.assert_allclose(points[0], [*eyes, nose, mouth, (179.89, 143.84)], atol=0.02)
