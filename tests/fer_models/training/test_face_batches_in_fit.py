"""What `fit` sees of faces in memory: every epoch whole, on every backend, from any epoch on."""

import keras
import numpy as np
import pytest

from fer_data.pipelines.face_batches import FaceBatches

pytestmark = pytest.mark.backend


class Seen(keras.layers.Layer):
    """Counts the faces by their first pixel, batch by batch."""

    def __init__(self, faces):
        super().__init__()
        self.faces = faces
        self.counts = self.add_weight(shape=(faces,), initializer="zeros", trainable=False)
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, images):
        which = keras.ops.cast(images[:, 0, 0, 0], "int32")
        new = keras.ops.sum(keras.ops.one_hot(which, self.faces), axis=0)
        self.counts.assign(self.counts + new)
        return keras.ops.mean(images, axis=(1, 2)) * self.scale


def counts_of(workers, first, epochs, faces=160, batch=4):
    """Return how often each face had been seen at the end of each epoch."""
    images = np.arange(faces, dtype="uint8").reshape(-1, 1, 1, 1) + np.zeros((1, 3, 3, 1), "uint8")
    data = FaceBatches(
        images, np.zeros((faces, 1)), batch, True, seed=1, initial_epoch=first, workers=workers
    )
    layer = Seen(faces)
    model = keras.Sequential([keras.Input((3, 3, 1)), layer])
    model.compile("sgd", "mse")
    found = []

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            found.append(keras.ops.convert_to_numpy(layer.counts).copy())

    model.fit(
        data, initial_epoch=first, epochs=epochs, verbose=0, shuffle=False, callbacks=[Keep()]
    )
    return found


@pytest.mark.parametrize("workers", [1, 8])
def test_every_epoch_sees_every_face_once(workers):
    for epoch, counts in enumerate(counts_of(workers, 0, 3), 1):
        np.testing.assert_array_equal(counts, epoch)


@pytest.mark.slow
def test_order_and_augmentation_do_not_depend_on_workers_or_interruptions():
    orders = []

    class Order(FaceBatches):
        def __getitem__(self, index):
            batch = super().__getitem__(index)
            orders[-1].append((index, float(batch[0].sum())))
            return batch

    images = np.random.default_rng(0).integers(0, 256, (160, 6, 6, 1), "uint8")
    for workers, first in ((1, 0), (8, 0), (8, 2)):
        orders.append([])
        model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.GlobalAveragePooling2D()])
        model.compile("sgd", "mse")
        data = Order(
            *(images, np.zeros((160, 1)), 4, True, "fer2013"),
            **{"seed": 3, "initial_epoch": first, "workers": workers},
        )
        model.fit(data, initial_epoch=first, epochs=3, verbose=0, shuffle=False)
    # Some backends look at batches before the first epoch.
    one, many, resumed = (
        order[-120 if start == 0 else -40 :] for order, start in zip(orders, (0, 0, 2), strict=True)
    )
    assert one == many
    assert resumed == one[80:]
