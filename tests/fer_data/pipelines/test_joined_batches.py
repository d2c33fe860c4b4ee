"""Batches of several data sets."""

import keras
import numpy as np
import pytest

from fer_data.pipelines.joined_batches import JoinedBatches, joined_pipeline, needs_tensorflow
from fer_data.pipelines.set_order import SetOrder

# A face's pixels are its number.
IMAGES = np.broadcast_to(np.arange(10, dtype="uint8")[:, None, None, None], (10, 8, 8, 1)).copy()
TARGETS = np.eye(10, dtype="float32")


def seen(batches):
    return [image[0, 0, 0] for images, _ in batches for image in np.asarray(images)]


def test_the_order_is_that_of_the_sets():
    order = SetOrder([7, 3], [1, 1], seed=5)
    batches = JoinedBatches(IMAGES, TARGETS, order, batch_size=2)
    assert len(batches) == 5
    for epoch in range(2):
        batches.on_epoch_begin()
        found = [batches[number] for number in range(5)]
        assert seen(found) == order(epoch).tolist()
        assert np.concatenate([t for _, t in found]).argmax(1).tolist() == order(epoch).tolist()
    later = JoinedBatches(IMAGES, TARGETS, order, batch_size=2, initial_epoch=1)
    assert seen(later[number] for number in range(5)) == order(1).tolist()


def test_another_number_of_faces():
    with pytest.raises(ValueError, match=r"`order` must be of the 10 faces\. Received: 4 faces"):
        JoinedBatches(IMAGES, TARGETS, SetOrder([3, 1]), batch_size=2)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data is TensorFlow's")
def test_tensorflow_gives_the_same_order_and_goes_on_the_same():
    order = SetOrder([7, 3], [1, 1], seed=5)
    batches = joined_pipeline(IMAGES, TARGETS, order, batch_size=4)
    found = list(batches.take(6).as_numpy_iterator())
    assert [len(images) for images, _ in found] == [4, 4, 2] * 2
    assert seen(found) == [*order(0).tolist(), *order(1).tolist()]
    assert found[0][1].argmax(1).tolist() == order(0)[:4].tolist()
    augmented = {"batch_size": 4, "augmentation": "mixup"}
    whole = list(joined_pipeline(IMAGES, TARGETS, order, **augmented).take(6).as_numpy_iterator())
    rest = joined_pipeline(IMAGES, TARGETS, order, initial_epoch=1, **augmented)
    for one, other in zip(whole[3:], rest.take(3).as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_what_needs_tensorflow():
    assert [needs_tensorflow(name) for name in ("none", "basic", "randaug+mixup")] == [0, 0, 1]
    assert needs_tensorflow({"mixup": {}, "engine": "keras_cv"})
