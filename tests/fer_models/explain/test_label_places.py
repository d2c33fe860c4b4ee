"""The label of a clip and its prediction stand apart, however few columns there are."""

import importlib

import keras
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from fer_models.explain import Gate, clip_explanation, clip_sheet, gate_sheet

CLIP = np.zeros((4, 8, 8, 1))


@pytest.fixture
def figures(monkeypatch):
    """Return the list of the figures that would be saved."""
    kept = []
    for name in ("clip_sheet", "clip_explanation", "gate_sheet"):
        module = importlib.import_module(f"fer_models.explain.{name}")
        monkeypatch.setattr(module, "save_figure", lambda figure, *_, **__: kept.append(figure))
    return kept


def overlap(figure, label, start):
    """Return whether the text `label` and the one that begins with `start` share a place."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = {text.get_text(): text.get_window_extent(renderer) for text in figure.texts}
    (said,) = (box for text, box in boxes.items() if text.startswith(start))
    assert 0 <= said.y0 <= said.y1 <= figure.bbox.height
    return bool(boxes[label].overlaps(said))


@pytest.mark.parametrize("columns", [1, 2])
def test_in_a_sheet(figures, columns):
    clip_sheet(CLIP, "clip.png", label="surprise", prediction="surprise 81%", columns=columns)
    assert not overlap(figures[0], "surprise", "surprise 81%")


@pytest.mark.parametrize("columns", [1, 2])
def test_in_a_sheet_of_the_gates_of_one_of_two_clips(figures, columns):
    values = np.random.default_rng(0).random((2, 4, 8, 8, 1))
    gate = Gate("gate", "Attention", values, (4, 8, 8, 1), (0,))
    said = {"labels": ["fear", "surprise"], "predictions": ["fear 90%", "surprise 81%"]}
    gate_sheet(np.stack([CLIP] * 2), [gate], "gates.png", **said, example=1, columns=columns)
    assert not overlap(figures[0], "surprise", "surprise 81%")
    assert not any("fear" in text.get_text() for text in figures[0].texts)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_in_an_explanation(figures, columns):
    keras.utils.set_random_seed(0)
    clip = keras.Input((4, 8, 8, 1), name="face")
    x = keras.layers.GlobalAveragePooling3D()(keras.layers.Conv3D(2, 3, padding="same")(clip))
    model = keras.Model(clip, keras.layers.Dense(2, activation="softmax")(x))
    names = ["negative", "surprise"]
    clip_explanation(model, CLIP, "c.png", class_names=names, label="surprise", columns=columns)
    assert not overlap(figures[0], "surprise", "predicted: ")
