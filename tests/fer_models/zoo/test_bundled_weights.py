"""The weights in the wheel: what their cards say of them is so."""

import inspect
import json

import keras
import numpy as np
import pytest
from helpers.layers import SLOW_OFF_TENSORFLOW, infer, to_numpy
from helpers.shared import ROOT, shared_path

import fer_models
from fer_models import registry
from fer_models.zoo import bundled

BUNDLED = [
    pytest.param(name, tag, id=f"{name}-{tag}")
    for name, entry in registry.MODELS.items()
    for tag in entry.weights
]


def test_the_promised_weights_are_there():
    assert {"fer2013", "ferplus"} <= registry.entry("ghostface").weights.keys()


@pytest.mark.parametrize(("name", "tag"), BUNDLED)
def test_card_is_whole_and_the_page_shows_it(name, tag):
    known = registry.weights(name, tag)
    path = bundled.weights_file(name, tag)
    assert path.stat().st_size == known.card["bytes"] < 4_000_000
    assert known.class_names == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    taken = inspect.signature(registry.entry(name).builder).parameters
    assert known.options.keys() <= taken.keys()
    card = fer_models.model_card(name, tag)
    assert card in (ROOT / "docs" / "weights.md").read_text()
    for machine in ("/work", "/tmp", "/root", "/home"):
        assert machine not in card


def test_a_tag_alone_is_the_default_models_or_that_of_the_only_model_that_has_it(
    tmp_path, monkeypatch
):
    card = {
        **dict.fromkeys(("file", "sha256", "licence"), ""),
        **{"class_names": [], "scores": {}, "input_shape": [], "options": {}},
    }
    for name in ("ghostface_a", "resnet18_a", "resnet18_b", "resnet18_c", "emotion_cnn_c"):
        model, _, tag = name.rpartition("_")
        content = json.dumps(card | {"model": model, "tag": tag})
        (tmp_path / f"{name}.json").write_text(content)
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    assert bundled.split("a") == ("ghostface", "a")
    assert bundled.split("b") == ("resnet18", "b")
    assert bundled.split("c") == ("ghostface", "c")
    assert bundled.split("d") == ("ghostface", "d")
    # Who asks for another model gets no third one.
    assert bundled.split("b", "emotion_cnn") == ("emotion_cnn", "b")
    assert bundled.located("b") == ("resnet18", "b")


# They differ in their weights alone. JAX compiles one for half a minute.
FIRST, *OTHERS = BUNDLED


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        pytest.param(*FIRST.values, id=FIRST.id, marks=SLOW_OFF_TENSORFLOW),
        *(pytest.param(*each.values, id=each.id, marks=pytest.mark.slow) for each in OTHERS),
    ],
)
def test_bundled_model_gives_probabilities(name, tag):
    model = registry.entry(name).builder(weights=tag)
    assert model.input_shape == (None, *registry.weights(name, tag).input_shape)
    faces = np.random.default_rng(0).integers(0, 256, (3, *model.input_shape[1:]))
    found = to_numpy(infer(model, faces.astype("float32")))
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    assert [len(names) for names in fer_models.decode_predictions(found)] == [3] * 3


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the data are TensorFlow's")
@pytest.mark.parametrize(("name", "tag"), BUNDLED)
def test_real_faces_give_the_accuracy_of_the_card(name, tag, tmp_path):
    from fer_data import datasets
    from fer_data.pipelines import images

    known = registry.weights(name, tag)
    path = shared_path("data/fer2013")
    builder = datasets.prepare(known.card["data"], path=path, data_dir=tmp_path)
    height, width, channels = known.input_shape
    faces = images.pipeline(
        builder.as_dataset(split="validation"), size=(height, width), channels=channels
    )
    report = fer_models.evaluation.evaluate(
        registry.entry(name).builder(weights=tag), faces, class_names=known.class_names, verbose=0
    )
    assert report.examples == known.scores["all"]["faces"]
    assert report.accuracy == pytest.approx(known.scores["all"]["accuracy"], abs=2e-3)
    assert report.calibration_error < 0.05
