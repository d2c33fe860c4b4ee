"""Valence and arousal in what the Recognizer gives, with a network that can be foretold."""

import json
import math

import keras
import numpy as np
import pytest

from fer_data.faces import Face, Framing
from fer_models import Recognizer, with_valence_arousal
from fer_models.recognizer import Expression, table
from fer_models.recognizer.results import expression

pytestmark = pytest.mark.backend
SIZE, NAMES = 16, ("dark", "bright")


def network():
    """Valence and arousal are plus and minus the tanh of the brightness of the upper half."""
    image = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Flatten()(image / 127.5 - 1)
    plain = keras.Model(image, keras.layers.Dense(2, "softmax", name="logits")(x))
    kernel = np.zeros((SIZE, SIZE, 2), np.float32)
    kernel[..., 1] = 1 / SIZE**2
    plain.get_layer("logits").set_weights([kernel.reshape(-1, 2), np.zeros(2)])
    model = with_valence_arousal(plain)
    upper = np.zeros((SIZE, SIZE, 2), np.float32)
    upper[: SIZE // 2] = np.array([1, -1]) * 2 / SIZE**2
    model.get_layer("valence_arousal_dense").set_weights([upper.reshape(-1, 2), np.zeros(2)])
    return model


class Whole:
    """Finds the whole picture."""

    def detect(self, image):
        height, width = image.shape[:2]
        return [Face((0, 0, width, height), 0.9, framing=Framing(1, 0, 0))]


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer(network(), Whole(), class_names=NAMES)


def picture(value):
    return np.full((48, 48, 3), value, np.uint8)


def felt(value):
    return math.tanh(value / 127.5 - 1)


def test_a_photo(recognizer):
    (face,) = recognizer.photo(picture(230))
    assert face.label == "bright"
    assert set(face.probabilities) == set(NAMES)
    assert face.valence == pytest.approx(felt(230), abs=1e-4)
    assert face.arousal == pytest.approx(-felt(230), abs=1e-4)
    known = json.loads(json.dumps(face.to_dict()))
    assert (known["valence"], known["arousal"]) == (face.valence, face.arousal)
    # Who asks for probabilities gets these alone.
    crops = np.full((3, SIZE, SIZE, 1), 230, np.uint8)
    assert recognizer.classify(crops).shape == (3, 2)
    rows, _ = recognizer.examine_faces([picture(230)], [Whole().detect(picture(230))])
    assert rows.shape == (1, 4)
    assert recognizer.examine_faces([], [])[0].shape == (0, 4)


def test_a_stream_is_smoothed_like_the_classes(recognizer):
    session = recognizer.session(smoothing=0.1, detect_every=0)
    (first,) = session.frame(picture(0), 0.0)
    (face,) = session.frame(picture(255), 0.1)
    assert face.track == first.track
    share = 1 - math.exp(-1)
    expected = felt(0) + share * (felt(255) - felt(0))
    assert face.valence == pytest.approx(expected, abs=1e-4)


def test_the_mirror_image_counts_half(recognizer):
    model = network()
    left = np.zeros((SIZE, SIZE, 2), np.float32)
    left[:, : SIZE // 2] = 2 / SIZE**2
    model.get_layer("valence_arousal_dense").set_weights([left.reshape(-1, 2), np.zeros(2)])
    photo = picture(0)
    photo[:, :24] = 255
    (face,) = Recognizer(model, Whole(), class_names=NAMES, flip=True).photo(photo)
    assert face.valence == pytest.approx(0, abs=1e-4)


def test_tables_have_columns_for_them(recognizer):
    plain = expression(Face((0, 0, 4, 4), 0.9), [0.25, 0.75], NAMES)
    assert isinstance(plain, Expression)
    assert (plain.valence, plain.arousal) == (None, None)
    found = table([recognizer.photo(picture(230)), [plain]], NAMES)
    assert found["valence"].tolist()[0] == pytest.approx(felt(230), abs=1e-4)
    assert found[["valence", "arousal"]].isna().to_numpy().tolist() == [[False] * 2, [True] * 2]
    assert found["arousal"].dtype == "float64"
    assert "valence" not in table([[plain]], NAMES, style="py-feat").columns
