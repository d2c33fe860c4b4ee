"""A network that begins anew: from a seed alone, and gone on with after a stop."""

import keras
import numpy as np
import pytest
from helpers.small_networks import put_small_networks

from fer_models.training import recipes
from fer_models.training.renewed_model import RenewedModel, clear_state

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="training that resumes is tested on TensorFlow"
)


@pytest.fixture
def recipe(monkeypatch, untraced):
    put_small_networks(monkeypatch)
    return recipes.get("ghostface_small").replace(
        input_shape=(8, 8, 1), batch_size=4, epochs=3, patience=None
    )


def batches(epoch):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 8, 8, 1)).astype("float32")
    labels = np.eye(2, dtype="float32")[np.arange(8) % 2]
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(4).repeat()


def fit(renewed, folder, stop=None):
    epochs = []

    def on_epoch():
        epochs.append(len(epochs))
        if len(epochs) == stop:
            raise KeyboardInterrupt

    options = {"validation": batches(0).take(2), "monitor": "val_loss", "on_epoch": on_epoch}
    history = renewed.fit(batches, folder, seed=3, steps_per_epoch=2, **options)
    return history, len(epochs)


@pytest.mark.slow
def test_it_ends_the_same_whatever_was_trained_before_and_wherever_it_was_stopped(recipe, tmp_path):
    renewed = RenewedModel(recipe, classes=2, steps_per_epoch=2)
    whole, epochs = fit(renewed, tmp_path / "whole")
    weights = renewed.model.get_weights()
    assert (len(whole), epochs) == (3, 3)
    assert {"loss", "val_loss", "accuracy"} <= whole[0].keys()
    with pytest.raises(KeyboardInterrupt):
        fit(renewed, tmp_path / "broken", stop=2)
    again, epochs = fit(renewed, tmp_path / "broken")
    assert epochs == 1
    assert again == whole
    for one, other in zip(weights, renewed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # Done: its weights are given back, and nothing is trained.
    renewed.renew(seed=9)
    assert fit(renewed, tmp_path / "broken")[1] == 0
    np.testing.assert_array_equal(weights[0], renewed.model.get_weights()[0])
    # The best epoch's are another matter.
    renewed.load_best(tmp_path / "broken")
    loss = renewed.model.evaluate(batches(0), steps=2, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(min(row["val_loss"] for row in whole), rel=1e-5)
    clear_state(tmp_path / "broken")
    assert [path.name for path in (tmp_path / "broken").iterdir()] == ["history.csv"]


def test_recipes_that_do_more_are_refused(recipe):
    for changes in ({"ema": 0.9}, {"freeze_batch_norm": True}, {"valence_arousal": 0.5}):
        with pytest.raises(ValueError, match="`recipe` must have one stage"):
            RenewedModel(recipe.replace(**changes), classes=2)
