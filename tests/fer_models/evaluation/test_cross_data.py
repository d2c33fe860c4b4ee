"""Models on data sets: the matrix and its picture."""

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays, bar_model

from fer_data.pipelines.labelled_faces import LabelledFaces
from fer_models import with_valence_arousal
from fer_models.evaluation import CrossData, cross_data, plot_cross_data


def faces(names, **splits):
    arrays = {name: bar_arrays(seed) for name, seed in splits.items()}
    counts = {name: len(each["label"]) for name, each in arrays.items()}
    return LabelledFaces(arrays, counts, names, "bars", {})


@pytest.fixture(scope="module")
def models():
    shape = keras.Input((12, 12, 3))
    flat = keras.layers.Flatten()(shape[..., :1] / 255)
    blind = keras.Model(shape, keras.layers.Dense(4, activation="softmax")(flat))
    blind.set_weights([np.zeros((144, 4)), np.array([0.0, 5, 0, 0])])
    return {
        "sees": (bar_model(), NAMES),
        "says happy": (blind, ("sad", "happiness", "anger", "contempt")),
    }


@pytest.fixture(scope="module")
def data():
    return {
        "same": faces(NAMES, train=0, test=1),
        "ferplus|x": faces(("sad", "happy", "contempt"), train=2),
    }


@pytest.fixture(scope="module")
def found(models, data):
    told = []
    result = cross_data(models, data, resamples=20, batch_size=4, tell=told.append)
    assert sum(told) == 2 * (15 + 15)
    return result


def test_every_cell(found):
    assert found.models == ("sees", "says happy")
    assert found.data == ("same", "ferplus|x")
    sees, blind = found.scores["sees"], found.scores["says happy"]
    assert sees["same"].accuracy.value == 1
    # There the first bar is "sad", which the model calls "angry": of its two answers the better.
    assert sees["ferplus|x"].left_out == {"contempt": 5}
    assert sees["ferplus|x"].examples == 10
    assert sees["ferplus|x"].unused == ("angry",)
    assert blind["same"].accuracy.value == pytest.approx(1 / 3)
    assert blind["same"].classes == ("sad", "happiness", "anger")
    assert blind["ferplus|x"].left_out == {}


def test_words_and_numbers(found):
    text = found.to_markdown()
    assert "| sees | 100.0% (78.2% to 100.0%) |" in text
    assert "| | same | ferplus\\|x |" in text
    assert "- sees on ferplus\\|x: 10 faces of happy, sad; the model lacks, and" in text
    assert "contempt (5 faces); the data set lacks, and the answers were left out: angry." in text
    content = found.to_dict()
    assert content["scores"]["says happy"]["same"]["accuracy"]["value"] == pytest.approx(1 / 3)
    assert str(found) == text


def test_some_faces_of_a_split(models, data):
    splits = {"same": "train"}
    few = cross_data(models, data, splits=splits, count=4, resamples=2, seed=3)
    assert {each.examples for each in few.scores["sees"].values()} <= {2, 3, 4}
    assert few.scores["sees"]["same"].examples == 4


def test_of_a_model_with_valence_and_arousal_the_classes_are_scored(found, data):
    both = {"both": (with_valence_arousal(bar_model()), NAMES)}
    scores = cross_data(both, data, resamples=20, batch_size=4).scores["both"]
    assert scores == found.scores["sees"]


def two_outputs():
    image = keras.Input((12, 12, 1))
    return keras.Model(image, {"a": keras.layers.Flatten()(image), "b": image})


def test_the_picture(found, tmp_path, monkeypatch):
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text

    texts, frames = [], []
    save = Figure.savefig

    def watched(self, *args, **kwargs):
        texts.extend(text.get_text() for text in self.findobj(Text))
        frames.extend(
            patch
            for axes in self.axes
            for patch in axes.patches
            if isinstance(patch, Rectangle) and not patch.get_fill()
        )
        save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", watched)
    path = plot_cross_data(found, tmp_path / "a/b.png", {"sees": ["same"]}, title="bars")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert {"100.0%", "78.2% to 100.0%", "accuracy", "macro F1", "sees", "same", "bars"} <= set(
        texts
    )
    assert len(frames) == 3, "one in each panel"
    with pytest.raises(ValueError, match="`trained_on` must be one of"):
        plot_cross_data(found, tmp_path / "b.png", {"hears": ["same"]})
    with pytest.raises(ValueError, match="`found` must be a `CrossData`"):
        plot_cross_data({}, tmp_path / "b.png")


def test_dollar_signs_in_names_and_titles_are_no_formula(found, tmp_path):
    scores = CrossData({"a$b_$": {"c$d_$": found.scores["sees"]["same"]}}, 0.95)
    plot_cross_data(scores, tmp_path / "a.png", title="$e_$")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": {}}, "`models` must hold one model or more"),
        ({"models": {"a": 1}}, r"`models\['a'\]` must be a pair"),
        ({"models": {"a": (bar_model, NAMES)}}, r"`models\['a'\]` must be a built"),
        ({"models": {"a": (two_outputs(), NAMES)}}, r"`models\['a'\]` must have one output"),
        ({"data": {}}, "`data` must hold one data set or more"),
        ({"data": {"a": 1}}, r"`data\['a'\]` must be `LabelledFaces`"),
        ({"splits": {"other": "test"}}, "`splits` must be one of"),
        ({"splits": {"same": "dev"}}, "`split` must be one of"),
        ({"count": 0}, "`count`"),
        ({"tell": 1}, "`tell`"),
        ({"confidence": 2}, "`confidence`"),
    ],
)
def test_bad_arguments(models, data, change, message):
    with pytest.raises(ValueError, match=message):
        cross_data(**{"models": models, "data": data, "resamples": 2} | change)


def test_nothing_shared_names_model_and_set(models, data):
    other = {"pets": faces(("cat", "dog", "cow"), train=0)}
    with pytest.raises(ValueError, match=r"must share two classes.*\(sees on pets\)"):
        cross_data(models, data | other, resamples=2)
    parts = {"parts": faces(NAMES, a=0, b=1)}
    with pytest.raises(ValueError, match=r"`splits` must name one of \['a', 'b'\]"):
        cross_data(models, parts)
    assert cross_data(models, parts, splits={"parts": "b"}, resamples=2).data == ("parts",)
