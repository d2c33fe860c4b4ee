"""A stopped training goes on as if it had not been stopped."""

import shutil

import keras
import numpy as np
import pytest

from fer_models.training import generations, resume


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
    state, history = folder / "state", folder / "history.csv"
    best = resume.BestFile(folder / "best.weights.h5", monitor="loss", save_weights_only=True)
    kept = {"whose": {"seed": 0}, "history": history, "best": best.path}
    callbacks = [log, *resume.resumable(state, [early, plateau, best], **kept)]
    done = resume.epochs_done(state)
    if stop_in is not None:
        callbacks.insert(0, StopIn(stop_in))
    model.fit(x, y, 16, epochs, verbose=0, callbacks=callbacks, initial_epoch=done, shuffle=False)
    return model, early


def epochs_in(folder):
    rows = (folder / "history.csv").read_text().split()
    return [row.split(",")[0] for row in rows[1:]]


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
    assert epochs_in(tmp_path / "whole") == epochs_in(tmp_path / "broken") == ["0", "1", "2", "3"]


@pytest.mark.backend
@pytest.mark.usefixtures("untraced")
def test_an_optimizer_that_is_built_already_is_taken_as_it_is(tmp_path):
    """Keras's trainer for JAX builds it first; a loss scale built twice has two of everything."""

    def model():
        made = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, "softmax")])
        scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1))
        made.compile(scaled, "sparse_categorical_crossentropy")
        scaled.build(made.trainable_variables)
        return made

    first = model()
    kept = resume.resumable(tmp_path / "state", [], whose={})
    first.fit(np.ones((8, 5)), np.zeros(8), verbose=0, callbacks=kept)
    again = model()
    resume.restore(again, resume.pick_up(tmp_path / "state"))
    for a, b in zip(first.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("untraced")
def test_the_first_finite_loss_is_better_than_none(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    best = resume.BestFile(tmp_path / "best.weights.h5", monitor="loss", save_weights_only=True)
    best.set_model(model)
    best.on_train_begin()
    for epoch, loss in enumerate((float("nan"), 3.0, 2.0, float("nan"), 4.0)):
        model.layers[0].bias.assign([epoch])
        best.on_epoch_end(epoch, {"loss": loss})
    model.load_weights(best.path)
    assert float(model.layers[0].bias.numpy()[0]) == 2


def test_a_training_that_stopped_early_is_over(tmp_path):
    training(tmp_path, 20)
    assert resume.is_over(resume.pick_up(tmp_path / "state"), 20)
    assert not resume.is_over(resume.pick_up(tmp_path / "absent"), 20)


@pytest.mark.backend
@pytest.mark.usefixtures("untraced")
def test_a_training_with_all_its_epochs_is_over(tmp_path):
    model, _ = training(tmp_path, 2)
    found = resume.pick_up(tmp_path / "state")
    assert resume.is_over(found, 2)
    assert not resume.is_over(found, 3)
    other = keras.models.clone_model(model)
    other.compile("adam")
    resume.restore(other, found)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    wider = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    wider.compile("adam")
    with pytest.raises(ValueError, match="must hold the weights of this model"):
        resume.restore(wider, found)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training that stopped early after four epochs, and what it ended with."""
    always = property(lambda model: True, lambda model, value: None)
    with pytest.MonkeyPatch.context() as patch:
        if keras.backend.backend() == "tensorflow":
            patch.setattr(keras.Model, "run_eagerly", always)
        folder = tmp_path_factory.mktemp("whole")
        model, _ = training(folder, 20)
    return folder, model.get_weights(), (folder / "history.csv").read_bytes()


def damaged(whole, folder, damage):
    """Return a copy of the training of which something is damaged."""
    shutil.copytree(whole[0], folder)
    damage(folder)
    return folder


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(
    "name", [resume.WEIGHTS, resume.HISTORY, resume.BEST, generations.MANIFEST]
)
def test_whatever_is_lost_of_the_last_epoch_it_is_trained_again(whole, tmp_path, name):
    lost = tmp_path / "lost"
    damaged(whole, lost, lambda folder: (folder / "state" / "epoch-000004" / name).unlink())
    with pytest.warns(RuntimeWarning, match=rf"epoch-000004/{name}.*goes on from epoch 3"):
        model, early = training(lost, 20)
    assert early.stopped_epoch == 3
    for a, b in zip(whole[1], model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    # No epoch is there twice.
    assert (lost / "history.csv").read_bytes() == whole[2]
    assert resume.epochs_done(lost / "state") == 4


@pytest.mark.usefixtures("untraced")
def test_history_and_best_model_are_those_of_the_epoch_that_is_gone_on_with(whole, tmp_path):
    def damage(folder):
        (folder / "history.csv").write_text("epoch,loss\n0,9\n7,9\n")
        (folder / "best.weights.h5").write_bytes(b"half")
        (folder / ".best.unfinished.weights.h5").write_bytes(b"half")

    folder = damaged(whole, tmp_path / "run", damage)
    resume.pick_up(
        folder / "state", history=folder / "history.csv", best=folder / "best.weights.h5"
    )
    for name in ("history.csv", "best.weights.h5"):
        assert (folder / name).read_bytes() == (whole[0] / name).read_bytes()
    # A history that no generation keeps is cut.
    (folder / "other.csv").write_bytes(whole[2].replace(b"\n3,", b"\n9,"))
    generations.commit(folder / "state", 5, {"whose": {}}, lambda folder: None)
    resume.pick_up(folder / "state", history=folder / "other.csv")
    assert (folder / "other.csv").read_text().count("\n") == 4


def test_another_training_is_refused_by_name(whole):
    with pytest.raises(ValueError, match=r"seed differ.*--restart"):
        resume.pick_up(whole[0] / "state", whose={"seed": 1})
    # An option that there was not when it was begun.
    assert resume.pick_up(whole[0] / "state", whose={"seed": 0, "new": None}).epoch == 4
    found = resume.pick_up(whole[0] / "state")
    with pytest.raises(ValueError, match=r"begun with, \['EarlyStopping', .*Received: \['Early"):
        resume.give_back([keras.callbacks.EarlyStopping()], found.facts["callbacks"])


def test_a_history_without_its_state_is_told(whole, tmp_path):
    folder = damaged(whole, tmp_path / "run", lambda folder: shutil.rmtree(folder / "state"))
    with pytest.raises(ValueError, match=r"history\.csv has 4 epochs, and .*state.* is gone"):
        resume.pick_up(folder / "state", history=folder / "history.csv")
    # As the first epoch was not kept any more.
    (folder / "history.csv").write_text("epoch,loss\n0,1.0\n")
    assert resume.pick_up(folder / "state", history=folder / "history.csv") is None
    assert (folder / "history.csv").read_text() == ""


@pytest.mark.usefixtures("untraced")
def test_what_would_not_go_on_rightly_is_refused(whole, tmp_path):
    early = keras.callbacks.EarlyStopping(restore_best_weights=True)
    with pytest.raises(ValueError, match="`restore_best_weights`, whose weights are not kept"):
        resume.resumable(tmp_path / "state", [early])
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    x, y = np.zeros((4, 5), "float32"), np.zeros(4)
    folder = damaged(whole, tmp_path / "run", lambda folder: None)
    keeper = resume.KeepState(folder / "state")
    keeper.kept = [keras.callbacks.EarlyStopping(), keras.callbacks.ReduceLROnPlateau()]
    keeper.kept.append(resume.BestFile(folder / "best.weights.h5", save_weights_only=True))
    with pytest.raises(ValueError, match="`initial_epoch` must be 4"):
        model.fit(x, y, epochs=5, callbacks=[keeper], verbose=0)
    log = keras.callbacks.CSVLogger(tmp_path / "history.csv", append=True)
    keeper = resume.KeepState(tmp_path / "state", history=tmp_path / "history.csv")
    with pytest.raises(ValueError, match="`CSVLogger` that comes before"):
        model.fit(x, y, callbacks=[keeper, log], verbose=0)


def test_nothing_done_yet(tmp_path):
    assert resume.epochs_done(tmp_path / "absent") == 0
    resume.trim_history(tmp_path / "absent.csv", 3)
    assert list(tmp_path.iterdir()) == []


def test_trim_history(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss\n0,1.0\n1,0.5\n2,0.4\n")
    resume.trim_history(path, 2)
    assert path.read_text() == "epoch,loss\n0,1.0\n1,0.5\n"
    path.write_text("epoch,loss\n0,1.0\n1,0.5\n2,0.")
    resume.trim_history(path, 3)
    assert path.read_text() == "epoch,loss\n0,1.0\n1,0.5\n"
    resume.trim_history(path, 0)
    assert path.read_text() == ""
    path.write_text("epoch,loss\n0,1.0\nx,0.5\n2,0.4\n")
    with pytest.raises(ValueError, match=r"number of an epoch.*'x,0\.5' in line 3"):
        resume.trim_history(path, 1)
