"""What is lost by an export, on answers that are known."""

import keras
import numpy as np
import pytest

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
    # Ten of fifteen lost: the half width of a share's interval, with n - 1.
    assert found.margin_points == pytest.approx(196 * (2 / 9 / 14) ** 0.5)
    assert found.to_dict()["faces"] == 15


def test_nothing_lost(model):
    found = accuracy_lost(model, lambda x: x, IMAGES, LABELS)
    assert found.lost_points == found.margin_points == 0


def test_too_few_faces(model):
    for images, labels in ((IMAGES[:1], LABELS[:1]), (IMAGES, LABELS[:4])):
        with pytest.raises(ValueError, match="two faces or more"):
            accuracy_lost(model, lambda x: x, images, labels)
