"""Batches of a recipe: the same from prepared and from packed faces, and whole epochs of them."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.bars import NAMES, bar_arrays

from fer_data.pipelines.labelled_faces import LabelledFaces
from fer_models.training.face_settings import FaceSettings
from fer_models.training.recipe_batches import scoring_batches, training_batches

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data does not know the backend"
)
ARRAYS = {name: bar_arrays(seed) for seed, name in enumerate(("train", "validation"))}
COUNTS = {"train": 15, "validation": 15}


@pytest.fixture
def recipe():
    return FaceSettings(size=16, channels=1, batch_size=4, augmentation="none").to_recipe()


def faces(packed):
    splits = ARRAYS
    if not packed:
        splits = {
            name: tf.data.Dataset.from_tensor_slices(arrays) for name, arrays in ARRAYS.items()
        }
    return LabelledFaces(splits, COUNTS, NAMES, "here", {} if packed else None)


@pytest.mark.parametrize("packed", [True, False])
def test_training_batches(recipe, packed):
    batches = training_batches(recipe, faces(packed), 4, seed=1, passes=2)
    each = batches(0)
    # Packed faces have epochs of full batches; the others come without end.
    assert packed == isinstance(each, keras.utils.PyDataset)
    if packed:
        assert len(each) == 7
        taken = [each[number] for number in range(7)]
    else:
        taken = list(itertools.islice(each, 8))
        # An epoch of two passes later.
        later = next(iter(batches(1)))[0]
        again = next(itertools.islice(iter(batches(0)), 8, 9))[0]
        np.testing.assert_array_equal(later, again)
    assert taken[0][0].shape == (4, 16, 16, 1)
    assert taken[0][1].shape == (4, 4)


def test_scoring_batches_and_shares(recipe):
    for packed in (True, False):
        images = np.concatenate([i for i, _ in scoring_batches(recipe, faces(packed), "train", 3)])
        assert images.shape == (15, 16, 16, 1)

    def first(batches):
        return batches.map(lambda images, labels: (images[:1], labels[:1]))

    for packed in (True, False):
        shared = scoring_batches(recipe, faces(packed), "train", 3, first)
        assert [len(images) for images, _ in shared] == [1, 1, 1, 1]
        mine = training_batches(recipe, faces(packed), 3, share=first)(0)
        assert len(next(iter(mine))[0]) == 1
