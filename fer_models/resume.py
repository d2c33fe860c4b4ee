"""Training that can be stopped at any moment and goes on from its last whole epoch."""

import csv
import json
import os
from pathlib import Path

import keras

STATE = ("best", "best_epoch", "wait", "cooldown_counter", "stopped_epoch")


class CallbackState(keras.callbacks.Callback):
    """Keep what other callbacks remember between epochs, and give it back on resuming.

    `keras.callbacks.BackupAndRestore` brings back the model, the optimiser and the number of
    the epoch, but `EarlyStopping`, `ReduceLROnPlateau` and `ModelCheckpoint` would begin to
    count anew. Put this callback after them and before `BackupAndRestore`.

    Args:
        callbacks: The callbacks to keep.
        path: JSON file to keep them in.
    """

    def __init__(self, callbacks, path):
        super().__init__()
        self.kept = list(callbacks)
        self.path = Path(path)

    def on_train_begin(self, logs=None):
        if not self.path.exists():
            return
        states = json.loads(self.path.read_text())
        for callback, state in zip(self.kept, states, strict=True):
            vars(callback).update(state)

    def on_epoch_end(self, epoch, logs=None):
        states = [
            {name: _plain(value) for name, value in vars(callback).items() if name in STATE}
            for callback in self.kept
        ]
        write_text(self.path, json.dumps(states))


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
    return [
        *callbacks,
        CallbackState(callbacks, folder / "callbacks.json"),
        keras.callbacks.BackupAndRestore(folder, double_checkpoint=True, delete_checkpoint=False),
    ]


def epochs_done(folder):
    """Return how many whole epochs the training kept in `folder` has done; 0 without one."""
    path = Path(folder) / "training_metadata.json"
    return json.loads(path.read_text())["epoch"] if path.exists() else 0


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


def _plain(value):
    return value.item() if hasattr(value, "item") else value
