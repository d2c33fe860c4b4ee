import json

import keras
import numpy as np
import pytest
from keras import layers

from fer_models.evaluation import latency


def small_model(size=8):
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            layers.Conv2D(4, 3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )


@pytest.mark.backend
def test_measures_a_compiled_function():
    model = small_model()
    weights = model.get_weights()
    result = latency(model, batch_size=2, repeats=5, warm_up=1)
    assert 0 < result.p10_ms <= result.median_ms <= result.p90_ms <= result.p99_ms
    assert result.throughput == pytest.approx(2 / result.median_ms * 1e3)
    assert result.first_call_s > 0
    assert result.input_shape == (8, 8, 3)
    how = {"tensorflow": "tf.function", "jax": "jax.jit", "torch": "PyTorch"}
    assert how[keras.backend.backend()] in result.measured
    assert "batch 2" in str(result)
    assert json.loads(json.dumps(result.to_dict()))["repeats"] == 5
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_open_size_and_several_inputs():
    assert latency(small_model(None), input_shape=(6, 7, 3), repeats=1).input_shape == (6, 7, 3)
    inputs = [keras.Input((4,)), keras.Input((3,))]
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(inputs)))
    assert latency(model, repeats=1).input_shape == [(4,), (3,)]


@pytest.mark.parametrize("argument", ["batch_size", "repeats", "warm_up"])
@pytest.mark.parametrize("wrong", [0, 1.5, True])
def test_wrong_numbers(argument, wrong):
    with pytest.raises(ValueError, match=f"`{argument}` must be an integer >= 1"):
        latency(small_model(), **{argument: wrong})


def test_wrong_models():
    with pytest.raises(ValueError, match=r"must be a `keras\.Model`"):
        latency(layers.Dense(2))
    with pytest.raises(ValueError, match="is undefined"):
        latency(small_model(None))
