"""Functions converted to LiteRT give what TensorFlow gives."""

import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from fer_data.compiled import lite_runner
from fer_data.compiled.lite_graph import NotConvertibleError, convert, lite, traced

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    return keras.Model(image, keras.layers.Conv2D(2, 3)(x))


@pytest.fixture(scope="module")
def run(model):
    return lite(model, (None, None, 3), threads=2)


def pictures(count, height=12, width=10):
    return np.random.default_rng(count).normal(size=(count, height, width, 3)).astype("float32")


def test_any_number_and_shape_of_pictures(model, run):
    for shape in ((1, 12, 10), (5, 12, 10), (2, 20, 8), (1, 12, 10)):
        images = pictures(*shape)
        received = run(images)
        assert received.dtype == np.float32
        np.testing.assert_allclose(received, model(images), atol=1e-5)
    # TensorFlow itself refuses to convolve no picture on some processors.
    none = run(pictures(0, 12, 10))
    assert (none.dtype, none.shape) == (np.float32, (0, 4, 3, 2))


def test_results_are_kept_when_it_is_called_again(run):
    first = run(pictures(1))
    before = first.copy()
    run(pictures(3))
    np.testing.assert_array_equal(first, before)


def test_few_large_shapes_are_kept(model, monkeypatch):
    monkeypatch.setattr(lite_runner, "MOST_NUMBERS", 3 * 12 * 10 + 3 * 14 * 10)
    run = lite_runner.LiteNetwork(convert(traced(model, (None, None, 3))))
    for height in (12, 14, 12, 16):
        run(pictures(1, height))
    assert list(run._interpreters) == [(16, 10, 3)]


def test_later_training_changes_nothing():
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2)(image))
    run = lite(model, (4,))
    before = run(np.ones((1, 4), np.float32))
    model.set_weights([2 * weight + 1 for weight in model.get_weights()])
    np.testing.assert_array_equal(run(np.ones((1, 4), np.float32)), before)


def test_the_shapes_used_last_are_kept(model):
    content = convert(traced(model, (None, None, 3)))
    run = lite_runner.LiteNetwork(content, most_shapes=2)
    for height in (12, 14, 12, 16):
        run(pictures(1, height))
    assert list(run._interpreters) == [(12, 10, 3), (16, 10, 3)]


def test_several_threads_take_turns(run):
    several = [pictures(1 + place % 3, 12 + 2 * (place % 2)) for place in range(24)]
    expected = [run(images) for images in several]
    with ThreadPoolExecutor(6) as threads:
        for received, one in zip(threads.map(run, several), expected, strict=True):
            np.testing.assert_array_equal(received, one)


def test_what_it_has_no_operation_for_is_said():
    with pytest.raises(NotConvertibleError, match="LiteRT cannot take"):
        lite(keras.ops.erfinv, (4,))


def test_without_its_own_package_tensorflows_copy_runs_it(model, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = lite(model, (None, None, 3))
        images = pictures(2)
        np.testing.assert_allclose(other(images), run(images), atol=1e-6)


def test_without_any_interpreter_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tensorflow.lite.python.interpreter", None)
    with pytest.raises(ImportError, match="pip install ai-edge-litert"):
        lite_runner.new_interpreter(1, model_content=b"")
    assert lite_runner.available()
    monkeypatch.setattr(lite_runner.importlib.util, "find_spec", lambda name: None)
    assert not lite_runner.available()


def test_a_network_knows_its_shapes(run):
    assert run.input_shape == (None, None, 3)
    assert len(run.output_shape) == 3
    assert run.output_shape[-1] == 2


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5})
        assert lite_runner.cores() == 3
    # As on macOS and Windows.
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert lite_runner.cores() == lite_runner.threads_for_a_picture() == 1
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert lite_runner.threads_for_a_picture() == lite_runner.MOST_THREADS < 64
