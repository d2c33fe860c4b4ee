"""Training that can be stopped at any moment and goes on from its last whole epoch."""

import csv
import json
import shutil
from pathlib import Path

import keras

from fer_data.files import write_text

STATE = ("best", "best_epoch", "wait", "cooldown_counter", "stopped_epoch")
# Names that `keras.callbacks.BackupAndRestore` gives its files.
WEIGHTS, METADATA = "latest.weights.h5", "training_metadata.json"


class CallbackState(keras.callbacks.Callback):
    """Keep what other callbacks and the model's dropout remember, and give it back on resuming.

    `keras.callbacks.BackupAndRestore` brings back the model's weights, the optimiser and the
    number of the epoch, but `EarlyStopping`, `ReduceLROnPlateau` and `ModelCheckpoint` would
    begin to count anew, and the random numbers of dropout and noise layers begin again where
    they began. Put this callback after the others and before `BackupAndRestore`.

    Args:
        callbacks: The callbacks to keep.
        folder: Folder of `BackupAndRestore`, where `callbacks.json` is kept too.
        after: Folder of a training before this one, whose callbacks were of the same kinds:
            where `folder` is empty, they go on from there.
    """

    def __init__(self, callbacks, folder, after=None):
        super().__init__()
        self.kept = list(callbacks)
        self.folder = Path(folder)
        self.after = after

    def on_train_begin(self, logs=None):
        state = _state(self.folder)
        if state:
            give_back_seeds(self.model, state["seeds"])
        elif self.after is not None:
            state = _state(self.after)
        if state:
            give_back(self.kept, state["callbacks"])

    def on_epoch_end(self, epoch, logs=None):
        # The epoch before stays too: the model's own backup comes after this one and may fail.
        kept = {key: state for key, state in _states(self.folder).items() if int(key) == epoch}
        kept[str(epoch + 1)] = {"callbacks": remembered(self.kept), "seeds": seeds(self.model)}
        write_text(self.folder / "callbacks.json", json.dumps(kept))


def remembered(callbacks):
    """Return what callbacks remember between epochs: a list of dictionaries of JSON's types."""
    return [
        {name: _plain(value) for name, value in vars(callback).items() if name in STATE}
        for callback in callbacks
    ]


def give_back(callbacks, states):
    """Give callbacks what others of the same kinds `remembered`."""
    for callback, state in zip(callbacks, states, strict=True):
        vars(callback).update(state)


def resumable(folder, callbacks=(), after=None):
    """Return `callbacks` and those that make a training resume from `folder`.

    Args:
        folder: Where the state is kept; empty or absent for a new training. It is left in
            place at the end: `epochs_done` then gives the number of epochs trained.
        callbacks: The training's own callbacks.
        after: Folder of a training before this one, whose callbacks go on in `callbacks`.

    Returns:
        A list for `fit(callbacks=...)`.

    Example:

    ```python
    callbacks = resumable("run/state", [keras.callbacks.EarlyStopping(patience=10)])
    model.fit(train, epochs=50, initial_epoch=epochs_done("run/state"), callbacks=callbacks)
    ```
    """
    folder = Path(folder)
    if not (folder / METADATA).exists():
        # Left by a first backup that was cut off; Keras would try to load it.
        (folder / WEIGHTS).unlink(missing_ok=True)
    return [
        *callbacks,
        CallbackState(callbacks, folder, after),
        keras.callbacks.BackupAndRestore(folder, double_checkpoint=True, delete_checkpoint=False),
    ]


def epochs_done(folder):
    """Return how many whole epochs the training kept in `folder` has done; 0 without one."""
    folder = Path(folder)
    path = folder / METADATA
    if not path.exists():
        return 0
    try:
        return json.loads(path.read_text())["epoch"]
    except ValueError:
        # Killed while it was written: the backup before it, weights and number together.
        for name in (WEIGHTS, METADATA):
            (folder / name).unlink(missing_ok=True)
            if (folder / f"{name}.bkp").exists():
                shutil.copy(folder / f"{name}.bkp", folder / name)
        return json.loads(path.read_text())["epoch"] if path.exists() else 0


def is_over(folder, epochs):
    """Return whether the training kept in `folder` has done `epochs` epochs or stopped early."""
    return epochs_done(folder) >= epochs or has_stopped(folder)


def has_stopped(folder):
    """Return whether the training kept in `folder` was stopped early by a callback."""
    state = _state(folder)
    return bool(state) and any(each.get("stopped_epoch") for each in state["callbacks"])


def restore(model, folder):
    """Give a compiled `model` the weights kept in `folder`, without training on."""
    model.optimizer.build(model.trainable_variables)
    model.load_weights(Path(folder) / WEIGHTS)
    state = _state(folder)
    if state:
        give_back_seeds(model, state["seeds"])


def trim_history(path, epochs):
    """Cut the rows of a `CSVLogger` file from epoch `epochs` on, which will be trained again."""
    path = Path(path)
    if not path.exists():
        return
    with path.open(newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    kept = [row for row in rows if int(row[0]) < epochs]
    if len(kept) < len(rows):
        lines = [",".join(row) for row in ([header, *kept] if kept else [])]
        write_text(path, "".join(f"{line}\n" for line in lines))


def _states(folder):
    path = Path(folder) / "callbacks.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _state(folder):
    """Return what was kept at the last whole epoch, or None."""
    return _states(folder).get(str(epochs_done(folder)))


def _seed_variables(model):
    # They are no weights to Keras, and in none of its files.
    return [v for v in model.variables if v.path.endswith("seed_generator_state")]


def seeds(model):
    """Return where the random numbers of a model's dropout and noise layers are."""
    return [keras.ops.convert_to_numpy(v).tolist() for v in _seed_variables(model)]


def give_back_seeds(model, seeds):
    """Let the random numbers of a model go on from where `seeds` says."""
    for variable, value in zip(_seed_variables(model), seeds, strict=True):
        variable.assign(value)


def _plain(value):
    return value.item() if hasattr(value, "item") else value
