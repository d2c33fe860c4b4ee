"""Scores on a split: of all faces, and of those that are no copies of training faces."""

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays, bar_model

from fer_data.pipelines.face_batches import FaceBatches
from fer_models.evaluation import score_split


@pytest.fixture(scope="module")
def batches():
    faces = bar_arrays()
    return FaceBatches(faces["image"], np.eye(3)[faces["label"]], 4)


def test_all_faces_are_scored(batches):
    found = score_split(bar_model(), batches, NAMES)
    assert list(found.reports) == ["all"]
    assert found.reports["all"].accuracy == 1
    assert [scores.name for scores in found.reports["all"].classes] == list(NAMES)
    np.testing.assert_array_equal(np.bincount(found.labels), [5, 5, 5])
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)


def test_copies_are_left_out_of_a_second_score(batches):
    copies = np.arange(15) >= 10
    found = score_split(bar_model(), batches, NAMES, copies)
    assert found.reports["all"].examples == 15
    assert found.reports["without copies of training faces"].examples == 10
    assert list(score_split(bar_model(), batches, NAMES, np.full(15, True)).reports) == ["all"]
    with pytest.raises(ValueError, match="`copies` must be of the 15 faces"):
        score_split(bar_model(), batches, NAMES, [True])


def test_a_data_set_of_keras_that_does_not_know_its_end(batches):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return len(batches)

        def __getitem__(self, index):
            return batches[index % len(batches)]

    assert score_split(bar_model(), Batches()).reports["all"].examples == 15
