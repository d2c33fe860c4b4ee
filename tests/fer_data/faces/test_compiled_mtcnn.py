"""The ready networks and those of TensorFlow find, in our cascade, what the wheel finds."""

import importlib.util
import sys

import keras
import numpy as np
import pytest

from fer_data.compiled import lite_runner
from fer_data.faces import compiled_mtcnn
from fer_data.faces.mtcnn_cascade import Cascade

MISSING = [name for name in ("mtcnn", "skimage") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
    ),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
# Low ones, so that there is much to compare.
SCORES = (0.5, 0.5, 0.3)


@pytest.fixture(scope="module")
def pictures():
    from skimage import data

    portrait = data.astronaut()[:256, 80:400]
    return [portrait, portrait[:, ::-1], np.zeros_like(portrait)]


@pytest.fixture(scope="module")
def expected(pictures):
    from mtcnn import MTCNN

    names = ("threshold_pnet", "threshold_rnet", "threshold_onet")
    options = dict(zip(names, SCORES, strict=True))
    rows = MTCNN().detect_faces(pictures, output_type="numpy", postprocess=False, **options)
    rows[:, 3:5] += rows[:, 1:3]
    return [rows[rows[:, 0] == place, 1:] for place in range(len(pictures))]


@pytest.mark.parametrize(
    "networks", [compiled_mtcnn.networks, lambda: compiled_mtcnn.networks_of_tensorflow("CPU:0")]
)
def test_they_find_the_wheel_s_faces(networks, pictures, expected):
    found = Cascade(*networks()).detect(pictures, SCORES)
    assert [len(rows) for rows in expected][2] == 0 < len(expected[0])
    for rows, others in zip(found, expected, strict=True):
        assert rows.shape == others.shape
        np.testing.assert_allclose(rows, others, atol=1e-2)
        np.testing.assert_allclose(rows[:, 4], others[:, 4], atol=1e-3)


def test_the_wheel_s_networks_are_built_as_they_were_trained_whatever_the_settings():
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_image_data_format("channels_first")
    try:
        functions = compiled_mtcnn.wheel_functions()
        assert keras.config.dtype_policy().name == "mixed_float16"
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_dtype_policy("float32")
        keras.config.set_image_data_format("channels_last")
    patch = np.random.default_rng(0).uniform(-1, 1, (2, 24, 24, 3)).astype("float32")
    ready = compiled_mtcnn.ready_networks()[1]
    np.testing.assert_allclose(ready(patch), functions[1](patch), atol=1e-5)


def test_where_litert_is_missing_tensorflow_runs_the_wheel_s(monkeypatch):
    asked = []
    monkeypatch.setattr(lite_runner, "available", lambda: False)
    monkeypatch.setattr(compiled_mtcnn, "networks_of_tensorflow", asked.append)
    compiled_mtcnn.networks()
    compiled_mtcnn.networks("GPU:0")
    assert asked == ["CPU:0", "GPU:0"]


def test_what_another_device_needs_is_said(monkeypatch):
    with pytest.raises(ValueError, match=r"`device` must be .*device='GPU:77'"):
        compiled_mtcnn.networks("GPU:77")
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    with pytest.raises(ImportError, match=r'mtcnn cannot be imported.*pip install "fer-keras\['):
        compiled_mtcnn.networks("CPU:1")
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match=r"TensorFlow backend only.*backend='jax'"):
        compiled_mtcnn.networks("GPU:0")
