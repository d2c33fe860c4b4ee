"""A stopped training goes on as if it had not been stopped."""

import keras
import numpy as np
import pytest

from fer_models.training import resume


class StopIn(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise KeyboardInterrupt


def training(folder, epochs, stop_in=None):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 5)).astype("float32"), rng.integers(0, 2, 64)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    early = keras.callbacks.EarlyStopping("loss", patience=3, min_delta=10.0)
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=2, min_delta=10.0, factor=0.5)
    log = keras.callbacks.CSVLogger(folder / "history.csv", append=True)
    callbacks = [log, *resume.resumable(folder / "state", [early, plateau])]
    done = resume.epochs_done(folder / "state")
    resume.trim_history(folder / "history.csv", done)
    if stop_in is not None:
        callbacks.insert(0, StopIn(stop_in))
    model.fit(x, y, 16, epochs, verbose=0, callbacks=callbacks, initial_epoch=done, shuffle=False)
    return model, early


@pytest.mark.parametrize("stop_in", [pytest.param(2, marks=pytest.mark.backend), 3])
def test_resumes_with_the_same_result(tmp_path, request, stop_in):
    if stop_in != 2:
        request.getfixturevalue("untraced")
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    whole, early = training(tmp_path / "whole", 20)
    with pytest.raises(KeyboardInterrupt):
        training(tmp_path / "broken", 20, stop_in)
    assert resume.epochs_done(tmp_path / "broken" / "state") == stop_in
    resumed, early_again = training(tmp_path / "broken", 20)
    assert early_again.stopped_epoch == early.stopped_epoch == 3
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert float(resumed.optimizer.learning_rate) == float(whole.optimizer.learning_rate)
    texts = [(tmp_path / name / "history.csv").read_text() for name in ("whole", "broken")]
    epochs = [[line.split(",")[0] for line in text.split()] for text in texts]
    assert epochs[0] == epochs[1] == ["epoch", "0", "1", "2", "3"]


@pytest.mark.usefixtures("untraced")
def test_a_training_that_stopped_early_is_over(tmp_path):
    training(tmp_path, 20)
    assert resume.is_over(tmp_path / "state", 20)
    assert not resume.is_over(tmp_path / "absent", 20)


@pytest.mark.backend
@pytest.mark.usefixtures("untraced")
def test_a_training_with_all_its_epochs_is_over(tmp_path):
    model, _ = training(tmp_path, 2)
    assert resume.is_over(tmp_path / "state", 2)
    assert not resume.is_over(tmp_path / "state", 3)
    other = keras.models.clone_model(model)
    other.compile("adam")
    resume.restore(other, tmp_path / "state")
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("untraced")
def test_a_damaged_record_falls_back_to_the_epoch_before(tmp_path):
    training(tmp_path, 3)
    state = tmp_path / "state"
    (state / resume.METADATA).write_text("")
    assert resume.epochs_done(state) == 2
    assert (state / resume.WEIGHTS).read_bytes() == (state / "latest.weights.h5.bkp").read_bytes()
    for name in (resume.METADATA, f"{resume.METADATA}.bkp"):
        (state / name).write_text("")
    (state / f"{resume.METADATA}.bkp").unlink()
    assert resume.epochs_done(state) == 0


@pytest.mark.usefixtures("untraced")
def test_callbacks_that_are_an_epoch_ahead_of_the_model_go_back(tmp_path):
    training(tmp_path, 3)
    state = tmp_path / "state"
    for name in (resume.METADATA, resume.WEIGHTS):
        (state / f"{name}.bkp").replace(state / name)
    _, early = training(tmp_path, 20)
    assert early.stopped_epoch == 3


@pytest.mark.usefixtures("untraced")
def test_a_first_backup_that_was_cut_off_is_forgotten(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / resume.WEIGHTS).write_bytes(b"half a file")
    training(tmp_path, 1)
    assert resume.epochs_done(tmp_path / "state") == 1


def test_nothing_done_yet(tmp_path):
    assert resume.epochs_done(tmp_path / "absent") == 0
    resume.trim_history(tmp_path / "absent.csv", 3)
    assert list(tmp_path.iterdir()) == []


def test_trim_history(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss\n0,1.0\n1,0.5\n2,0.4\n")
    resume.trim_history(path, 2)
    assert path.read_text() == "epoch,loss\n0,1.0\n1,0.5\n"
    resume.trim_history(path, 0)
    assert path.read_text() == ""
