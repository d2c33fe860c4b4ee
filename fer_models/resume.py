"""Training that can be stopped at any moment and goes on from its last whole epoch."""

import csv
import json
import os
import shutil
from pathlib import Path

import keras

STATE = ("best", "best_epoch", "wait", "cooldown_counter", "stopped_epoch")
# Names that `keras.callbacks.BackupAndRestore` gives its files.
WEIGHTS, METADATA = "latest.weights.h5", "training_metadata.json"


class CallbackState(keras.callbacks.Callback):
    """Keep what other callbacks remember between epochs, and give it back on resuming.

    `keras.callbacks.BackupAndRestore` brings back the model, the optimiser and the number of
    the epoch, but `EarlyStopping`, `ReduceLROnPlateau` and `ModelCheckpoint` would begin to
    count anew. Put this callback after them and before `BackupAndRestore`.

    Args:
        callbacks: The callbacks to keep.
        folder: Folder of `BackupAndRestore`, where `callbacks.json` is kept too.
    """

    def __init__(self, callbacks, folder):
        super().__init__()
        self.kept = list(callbacks)
        self.folder = Path(folder)

    def on_train_begin(self, logs=None):
        states = _callback_states(self.folder).get(str(epochs_done(self.folder)))
        for callback, state in zip(self.kept, states or [], strict=bool(states)):
            vars(callback).update(state)

    def on_epoch_end(self, epoch, logs=None):
        # The epoch before stays too: the model's own backup comes after this one and may fail.
        states = _callback_states(self.folder)
        kept = {key: state for key, state in states.items() if int(key) == epoch}
        kept[str(epoch + 1)] = [
            {name: _plain(value) for name, value in vars(callback).items() if name in STATE}
            for callback in self.kept
        ]
        write_text(self.folder / "callbacks.json", json.dumps(kept))


def resumable(folder, callbacks=()):
    """Return `callbacks` and those that make a training resume from `folder`.

    Args:
        folder: Where the state is kept; empty or absent for a new training. It is left in
            place at the end: `epochs_done` then gives the number of epochs trained.
        callbacks: The training's own callbacks.

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
        CallbackState(callbacks, folder),
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
    done = epochs_done(folder)
    states = _callback_states(Path(folder)).get(str(done), [])
    return done >= epochs or any(state.get("stopped_epoch") for state in states)


def restore(model, folder):
    """Give a compiled `model` the weights kept in `folder`, without training on."""
    model.optimizer.build(model.trainable_variables)
    model.load_weights(Path(folder) / WEIGHTS)


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


def write_text(path, text):
    """Write a file under a temporary name and rename it, so that no half file stands."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text)
    os.replace(unfinished, path)


def _callback_states(folder):
    path = folder / "callbacks.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _plain(value):
    return value.item() if hasattr(value, "item") else value
