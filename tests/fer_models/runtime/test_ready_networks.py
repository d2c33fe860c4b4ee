"""The bundled weights, ready to run, are what Keras makes of them."""

import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers.shared import ROOT

from fer_data.compiled import lite_runner, ready_files
from fer_data.compiled.lite_graph import convert, traced
from fer_data.faces import compiled_mtcnn
from fer_models.runtime import making, ready_names, ready_network
from fer_models.zoo import bundled
from fer_models.zoo.loading import load_model
from fer_models.zoo.weight_files import read_weights, write_weights

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the networks are made on TensorFlow"
)


def test_all_bundled_weights_are_ready_and_small():
    assert ready_names() == list(bundled.all_weights())
    for name, entry in ready_files.entries(bundled.FOLDER).items():
        assert len(ready_files.read(bundled.FOLDER, name)) == entry["bytes"] < 6_000_000
        assert entry["licence"] == bundled.weights(*entry["source"].split(":")).licence


@pytest.mark.parametrize("source", ready_names())
def test_answers_are_those_of_keras(source):
    model, names = load_model(source)
    network = ready_network(source, "efficientface")
    assert (None, network.size, network.size, network.channels) == model.input_shape
    assert (network.classes, network.class_names) == (len(names), names)
    faces = np.random.default_rng(0).uniform(0, 255, (6, *model.input_shape[1:])).astype("float32")
    times = network.size // 8
    faces[3:] = faces[3:, :8, :8].repeat(times, 1).repeat(times, 2)
    expected = keras.ops.convert_to_numpy(model(faces, training=False))
    np.testing.assert_allclose(network.run(faces), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 0.1


def test_a_tag_alone_belongs_to_the_given_model():
    one, other = ready_network("fer2013", "ghostface"), ready_network("ghostface:fer2013", "any")
    grey = np.full((1, one.size, one.size, one.channels), 128, np.float32)
    np.testing.assert_array_equal(one.run(grey), other.run(grey))
    another = ready_network("fer2013", "efficientface")
    assert np.abs(another.run(grey) - one.run(grey)).max() > 1e-3
    assert ready_network("fer2013", "emotion_cnn") is None


@pytest.mark.parametrize(
    "source", [None, 3, "fer1913", "ghostface:", ":", "/nowhere/a:b", "model.keras", "", object()]
)
def test_nothing_else_is_ready(source):
    assert ready_network(source, "ghostface") is None


def test_without_litert_and_for_weights_packed_anew_there_is_none(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(lite_runner, "available", lambda: False)
        assert ready_network("fer2013", "ghostface") is None
    known = ready_files.entries(bundled.FOLDER)
    known["ghostface_fer2013"]["source_sha256"] = "other weights"
    monkeypatch.setattr(ready_files, "entries", lambda folder: known)
    assert ready_names() == [name for name in bundled.all_weights() if name != "ghostface:fer2013"]
    assert ready_network("fer2013", "ghostface") is None


def test_a_damaged_file_is_refused(monkeypatch, tmp_path):
    for path in bundled.FOLDER.glob("*.json"):
        shutil.copy(path, tmp_path)
    (tmp_path / "ghostface_fer2013.tflite").write_bytes(b"damaged")
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"ghostface_fer2013.tflite' is damaged"):
        ready_network("fer2013", "ghostface")


WITHOUT_KERAS = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"keras", "tensorflow", "jax", "torch", "mtcnn"}:
            raise ImportError(f"{name} is refused")

sys.meta_path.insert(0, Refuse())
import numpy as np
from skimage import data
import fer_models

astronaut = data.astronaut()
by_mtcnn = fer_models.Recognizer("ghostface:ferplus", flip=True)
for recognizer in (by_mtcnn, fer_models.Recognizer("fer2013", detector="yunet", max_faces=1)):
    print(*(face.label for face in recognizer.photo(astronaut)))
session = by_mtcnn.session(detect_every=0)
print(*(session.frame(astronaut, time)[0].track for time in (0.0, 0.1, 0.7)))
try:
    fer_models.Recognizer("model.keras")
except ImportError as error:
    print(error)
"""


def test_recognition_imports_neither_keras_nor_tensorflow():
    pytest.importorskip("skimage")
    pytest.importorskip("ai_edge_litert")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["happy", "happy", "0 0 0", "keras is refused"]


def test_weights_of_8_bits_stay_what_they_are(tmp_path):
    pytest.importorskip("ai_edge_quantizer")
    image = keras.Input((16, 16, 3))
    x = keras.layers.DepthwiseConv2D(3)(image / 255)
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(200, 3)(x))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(300, 1)(x))
    model = keras.Model(image, keras.layers.Dense(7)(x))
    rng = np.random.default_rng(0)
    for weight in model.get_layer("norm").weights:
        weight.assign(rng.uniform(0.5, 2, weight.shape))
    write_weights(model, tmp_path / "w.npz", "int8")
    read_weights(model, tmp_path / "w.npz")
    content = convert(traced(lambda x: model(x, training=False), (16, 16, 3)))
    small = making.in_eight_bits(content)
    assert len(small) < len(content) / 3
    pictures = rng.uniform(0, 255, (5, 16, 16, 3)).astype("float32")
    expected = np.asarray(model(pictures))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(lite_runner.LiteNetwork(small)(pictures), expected, atol=1e-4)


@pytest.mark.slow
def test_the_committed_networks_are_those_that_are_made_now(tmp_path):
    """One of the bundled weights, since the answers of all are compared with Keras above."""
    names = ["ghostface_fer2013", *compiled_mtcnn.INPUTS]
    assert list(making.make(tmp_path, names)) == names
    for name, entry in ready_files.entries(tmp_path).items():
        folder = compiled_mtcnn.FOLDER if name in compiled_mtcnn.INPUTS else bundled.FOLDER
        known = ready_files.entries(folder)[name]
        for key in ("file", "source", "source_sha256", "licence"):
            assert entry[key] == known[key]
        new, old = (
            lite_runner.LiteNetwork(ready_files.read(each, name)) for each in (tmp_path, folder)
        )
        assert new.input_shape == old.input_shape
        shape = (4, *(side or 31 for side in new.input_shape))
        low, high = (0, 255) if folder == bundled.FOLDER else (-1, 1)
        pictures = np.random.default_rng(0).uniform(low, high, shape)
        np.testing.assert_allclose(new(pictures), old(pictures), atol=1e-5)


def test_a_name_of_no_network_is_refused():
    with pytest.raises(ValueError, match=r"ghostface_ferplus, .*Received: ghostface_ferpls"):
        list(making.sources(["mtcnn_rnet", "ghostface_ferpls"]))


@pytest.mark.slow
def test_a_network_that_differs_is_not_written(monkeypatch, tmp_path):
    monkeypatch.setattr(making, "TOLERANCE", 1e-12)
    with pytest.raises(ValueError, match="'mtcnn_rnet' must give what TensorFlow gives"):
        making.make(tmp_path, ["mtcnn_rnet"])
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_no_text_is_named():
    with pytest.raises(ValueError, match=r"`model` must be a text\. Received: model=array"):
        ready_network("fer2013", np.array(["ghostface"] * 3))
