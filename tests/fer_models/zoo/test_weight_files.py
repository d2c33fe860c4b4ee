"""Files of half-precision weights, and names for what a model says."""

import keras
import numpy as np
import pytest

import fer_models
from fer_models.zoo.weight_files import read_weights, write_weights


def network(units=4):
    inputs = keras.Input((3,))
    x = keras.layers.Dense(units, name="hidden")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="top")(x))


def values(model):
    return {w.path: keras.ops.convert_to_numpy(w) for w in model.weights}


def test_weights_come_back_in_half_precision_and_statistics_whole(tmp_path):
    model, other = network(), network()
    model.get_layer("norm").moving_variance.assign(np.array([1e-9, 1.0, 3.0, 1e6], "float32"))
    write_weights(model, tmp_path / "w.npz")
    read_weights(other, tmp_path / "w.npz")
    for path, array in values(model).items():
        found = values(other)[path]
        if "moving" in path:
            np.testing.assert_array_equal(found, array)
        else:
            np.testing.assert_array_equal(found, array.astype("float16").astype("float32"))


def test_the_same_weights_give_the_same_bytes(tmp_path):
    model = network()
    for name in ("a.npz", "b.npz"):
        write_weights(model, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def wide_network():
    inputs = keras.Input((6, 6, 40))
    x = keras.layers.Conv2D(8, 1, name="wide")(inputs)
    x = keras.layers.DepthwiseConv2D(3, name="thin")(x)
    return keras.Model(inputs, keras.layers.Conv2D(2, 3, name="top")(x))


def test_eight_bits_are_for_kernels_that_are_not_depthwise(tmp_path):
    model, other = wide_network(), wide_network()
    wide = model.get_layer("wide").kernel
    wide.assign(wide * np.array([0, 1e-6, 1, 1, 1, 1, 1e3, 1e9], "float32"))
    write_weights(model, tmp_path / "w.npz", "int8")
    read_weights(other, tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz") as arrays:
        kinds = {name: arrays[name].dtype for name in arrays}
    assert {name for name, kind in kinds.items() if kind == "int8"} == {"wide/kernel", "top/kernel"}
    assert kinds["thin/kernel"] == kinds["wide/bias"] == "float16"
    for path, array in values(model).items():
        found = values(other)[path]
        if path in ("wide/kernel", "top/kernel"):
            step = np.abs(array).max(axis=(0, 1, 2)) / 127
            assert (np.abs(found - array) <= step * (0.5 + 1e-4)).all()
        else:
            np.testing.assert_array_equal(found, array.astype("float16").astype("float32"))
    write_weights(other, tmp_path / "again.npz", "int8")
    third = wide_network()
    read_weights(third, tmp_path / "again.npz")
    for path, array in values(third).items():
        np.testing.assert_allclose(array, values(other)[path], rtol=1e-6)


def test_eight_bits_refuse_what_is_not_finite_and_factors_that_do_not_fit(tmp_path):
    model, path = wide_network(), tmp_path / "w.npz"
    write_weights(model, path, "int8")
    with np.load(path) as arrays:
        changed = dict(arrays)
    changed["wide/kernel:scale"] = np.ones(3, "float32")
    np.savez(path, **changed)
    with pytest.raises(ValueError, match=r"wide/kernel \(1, 1, 40, 8\): factors of shape \(3,\)"):
        read_weights(model, path)
    with pytest.raises(ValueError, match="`numbers` must be one of"):
        write_weights(model, tmp_path / "other.npz", "int4")
    model.get_layer("wide").kernel.assign(np.full((1, 1, 40, 8), np.nan, "float32"))
    with pytest.raises(ValueError, match="must be finite"):
        write_weights(model, tmp_path / "other.npz", "int8")
    assert not (tmp_path / "other.npz").exists()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e5])
def test_weights_that_half_precision_cannot_hold(tmp_path, bad):
    model = network()
    model.get_layer("top").bias.assign(np.array([0, bad], "float32"))
    with pytest.raises(ValueError, match=r"below 65504\. Received: top/bias"):
        write_weights(model, tmp_path / "w.npz")
    assert not (tmp_path / "w.npz").exists()


def test_all_that_does_not_fit_is_named_and_nothing_changes(tmp_path):
    write_weights(network(), tmp_path / "w.npz")
    other = network(units=5)
    before = values(other)
    with pytest.raises(ValueError, match=r"hidden/kernel \(3, 5\): \(3, 4\).*top/kernel"):
        read_weights(other, tmp_path / "w.npz")
    for path, array in values(other).items():
        np.testing.assert_array_equal(array, before[path])


def test_without_its_top_a_model_takes_the_whole_file_but_not_the_reverse(tmp_path):
    whole = network()
    bare = keras.Model(whole.input, whole.get_layer("norm").output)
    write_weights(whole, tmp_path / "whole.npz")
    write_weights(bare, tmp_path / "bare.npz")
    read_weights(bare, tmp_path / "whole.npz")
    with pytest.raises(ValueError, match=r"top/kernel.*missing"):
        read_weights(whole, tmp_path / "bare.npz")


def test_decode_predictions():
    rows = [[0.1, 0, 0, 0.5, 0.3, 0.1, 0], [0, 0, 0, 0, 0, 0, 1]]
    first, second = fer_models.decode_predictions(rows, top=2)
    assert first == [("happy", 0.5), ("sad", 0.3)]
    assert second[0] == ("neutral", 1.0)
    assert fer_models.decode_predictions([[0.2, 0.8]], 1, ("no", "yes")) == [[("yes", 0.8)]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, 0.5],), "`predictions` must be an array of numbers of rank 2"),
        (([[0.5, 0.5]],), "`predictions` must have the shape"),
        (([[1 / 7] * 7], 0), "`top` must be an integer >= 1. Received: top=0"),
        (([[1 / 7] * 7], 8), "`top`"),
        (([[1 / 7] * 7], 2.0), "`top`"),
    ],
)
def test_decode_predictions_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        fer_models.decode_predictions(*arguments)


def test_temperature_undoes_a_scale():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 7))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (p.cumsum(1) > rng.uniform(size=(4000, 1))).argmax(1)
    for scale in (0.3, 1.0, 4.0):
        found = fer_models.evaluation.fit_temperature(labels, scale * logits)
        assert found == pytest.approx(scale, rel=0.06)
    shifted = logits + rng.normal(size=(4000, 1)) * 100
    assert fer_models.evaluation.fit_temperature(labels, shifted) == pytest.approx(1, rel=0.06)


@pytest.mark.parametrize(
    ("labels", "logits", "message"),
    [
        ([0, 1], [[1.0, 2.0]], "must be integers"),
        ([], np.zeros((0, 2)), "must be integers"),
        ([0.5], [[1.0, 2.0]], "must be integers"),
        ([2], [[1.0, 2.0]], r"in \[0, 2\)"),
        ([0], [[1.0, np.inf]], "finite"),
    ],
)
def test_temperature_refuses(labels, logits, message):
    with pytest.raises(ValueError, match=message):
        fer_models.evaluation.fit_temperature(labels, logits)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "w.npz"
    write_weights(network(), path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"that `write_weights` wrote, whole.*w\.npz' \("):
        read_weights(network(), path)
