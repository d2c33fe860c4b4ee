"""What is lost by an export, on answers that are known."""

import keras
import numpy as np
import pytest
from scipy.stats import binom

from fer_models.export import accuracy_lost

IMAGES = np.eye(3, dtype="float32")[np.arange(15) % 3]
LABELS = np.arange(15) % 3


@pytest.fixture(scope="module")
def model():
    """Says of each image the class that it holds."""
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Identity()(inputs))


def test_lost_points_and_their_interval(model):
    found = accuracy_lost(model, lambda x: np.eye(3)[np.zeros(len(x), int)], IMAGES, LABELS)
    assert (found.keras, found.exported, found.faces) == (1, pytest.approx(1 / 3), 15)
    assert found.lost_points == pytest.approx(100 * 2 / 3)
    # Ten of fifteen lost: of 17 faces 10.5 are lost and 0.5 won. The lower end is the farther one.
    low = 100 * 10 / 17 - 196 * ((11 - 10**2 / 17) / 17**2) ** 0.5
    assert found.lost_points - found.margin_points == pytest.approx(low)
    assert found.to_dict()["faces"] == 15


def test_nothing_lost_is_no_certainty(model):
    found = accuracy_lost(model, lambda x: x, IMAGES, LABELS)
    assert found.lost_points == 0
    assert found.margin_points == pytest.approx(196 / 17)


def test_the_interval_holds_what_is_truly_lost(model):
    """Of 200 faces, each of which loses its answer once in 200 times."""
    said, labels = np.eye(3, dtype="float32")[np.zeros(200, int)], np.zeros(200, int)
    covered = 0
    for count in range(9):
        after = np.eye(3)[(np.arange(200) < count).astype(int)]
        found = accuracy_lost(model, lambda x, after=after: after, said, labels)
        if abs(found.lost_points - 0.5) <= found.margin_points:
            covered += binom.pmf(count, 200, 0.005)
    assert covered >= 0.95


def test_too_few_faces(model):
    for images, labels in ((IMAGES[:1], LABELS[:1]), (IMAGES, LABELS[:4])):
        with pytest.raises(ValueError, match="two faces or more"):
            accuracy_lost(model, lambda x: x, images, labels)
