"""Training that can be stopped at any moment and goes on from its last whole epoch."""

import functools
import json
import math
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from fer_data import files
from fer_models.training import generations
from fer_models.training.generations import Generation
from fer_models.training.runs import sha256_of

REMEMBERED = ("best", "best_epoch", "wait", "cooldown_counter", "stopped_epoch")
# Names of the files of a generation.
WEIGHTS, HISTORY, BEST = "model.weights.h5", "history.csv", "best"


class KeepState(keras.callbacks.Callback):
    """Keep everything that a training needs to go on, epoch by epoch, and give it back.

    That is the weights, the optimizer, where the random numbers of dropout and noise are, what
    other callbacks remember, the history and the best model. All of it is one generation: it is
    kept as a whole or not at all. Put this callback after all others that write a file or remember
    something.

    Args:
        folder: The state folder.
        callbacks: The callbacks to keep.
        whose: What tells this training from others, of JSON's types; see `pick_up`.
        stage: Number of the stage of the training, from 0.
        before: What the callbacks `remembered` of the stage before this one; None for nothing.
        history: File of a `CSVLogger` that appends; None for none.
        best: File of the best model or weights, written whole, such as by `BestFile`; None for
            none.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        callbacks: Iterable[keras.callbacks.Callback] = (),
        *,
        whose: Mapping[str, Any] | None = None,
        stage: int = 0,
        before: Sequence[Mapping[str, Any]] | None = None,
        history: str | os.PathLike[str] | None = None,
        best: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self.folder, self.kept = Path(folder), list(callbacks)
        self.whose, self.stage, self.before = whose or {}, stage, before
        self.history, self.best = history, best
        self._expected: int | None = None
        for each in self.kept:
            if getattr(each, "restore_best_weights", False):
                raise ValueError(
                    "`callbacks` must not have an `EarlyStopping` with `restore_best_weights`, "
                    "whose weights are not kept: let a `ModelCheckpoint` keep the best epoch. "
                    f"Received: {type(each).__name__}(restore_best_weights=True)"
                )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        found = generations.latest(self.folder)
        self._expected = found.epoch if found else 0
        if found is not None and found.facts["stage"] == self.stage:
            restore(self.model, found)
            give_back(self.kept, found.facts["callbacks"])
        elif self.before is not None:
            give_back(self.kept, self.before)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._expected not in (None, epoch):
            raise ValueError(
                f"`initial_epoch` must be {self._expected}, the epochs that {self.folder} holds "
                f"(`epochs_done`). Received: initial_epoch={epoch}"
            )
        self._expected = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        facts = {
            "stage": self.stage,
            "callbacks": remembered(self.kept),
            "seeds": seeds(self.model),
            "shapes": _shapes(self.model),
            "whose": self.whose,
        }
        generations.commit(self.folder, epoch + 1, facts, functools.partial(self._fill, epoch))

    def _fill(self, epoch, folder):
        self.model.save_weights(folder / WEIGHTS)
        if self.history is not None:
            last = _lines(Path(self.history))[-1:]
            if not last or last[0][0] != epoch:
                raise ValueError(
                    f"`history` must be the file of a `CSVLogger` that comes before `KeepState`, "
                    f"with a line for epoch {epoch}. Received: {str(self.history)!r}"
                )
            # A copy: the file grows.
            shutil.copyfile(self.history, folder / HISTORY)
        if self.best is not None and Path(self.best).exists():
            _share(self.best, folder / BEST)


class BestFile(keras.callbacks.ModelCheckpoint):
    """`ModelCheckpoint` of the best epoch whose file is always whole.

    Args:
        path: The file, ending in `.keras` or `.weights.h5`.
        **options: Arguments of `ModelCheckpoint`, but for `save_best_only` and `save_freq`.
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        self.path = Path(path)
        stem, _, ending = self.path.name.partition(".")
        self.unfinished = self.path.with_name(f".{stem}{files.UNFINISHED}.{ending}")
        super().__init__(self.unfinished, save_best_only=True, **options)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self.unfinished.unlink(missing_ok=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Nothing is better than NaN, which Keras takes for the best if it comes first.
        best: float | None = self.best  # type: ignore[has-type]
        if best is not None and math.isnan(best):
            self.best = None
        super().on_epoch_end(epoch, logs)
        if self.unfinished.exists():
            files.sync(self.unfinished)
            os.replace(self.unfinished, self.path)


def resumable(
    folder: str | os.PathLike[str],
    callbacks: Iterable[keras.callbacks.Callback] = (),
    *,
    whose: Mapping[str, Any] | None = None,
    history: str | os.PathLike[str] | None = None,
    best: str | os.PathLike[str] | None = None,
) -> list[keras.callbacks.Callback]:
    """Return `callbacks` and the one that makes a training resume from `folder`.

    Args:
        folder: Where the state is kept; empty or absent for a new training. It is left in
            place at the end: `epochs_done` then gives the number of epochs trained.
        callbacks: The training's own callbacks.
        whose: What tells this training from others, of JSON's types, such as its settings.
        history: File of a `CSVLogger(append=True)`; it is cut back to the epoch from which the
            training goes on.
        best: File that `BestFile` writes; it becomes that of the epoch, too.

    Returns:
        A list for `fit(callbacks=...)`.

    Raises:
        ValueError: If the folder holds the state of another training, or no whole one any more.

    Example:

    ```python
    callbacks = resumable("run/state", [keras.callbacks.EarlyStopping(patience=10)])
    model.fit(train, epochs=50, initial_epoch=epochs_done("run/state"), callbacks=callbacks)
    ```
    """
    callbacks = list(callbacks)
    pick_up(folder, whose=whose, history=history, best=best)
    keeper = KeepState(folder, callbacks, whose=whose, history=history, best=best)
    return [*callbacks, keeper]


def pick_up(
    folder: str | os.PathLike[str],
    *,
    whose: Mapping[str, Any] | None = None,
    history: str | os.PathLike[str] | None = None,
    best: str | os.PathLike[str] | None = None,
    begins: Collection[str] = (),
) -> Generation | None:
    """Return the last whole generation, after putting back the files that belong to it.

    Args:
        folder: The state folder; it may be absent.
        whose: What tells this training from others, by name, of JSON's types. A state that was
            kept with something else is refused.
        history: File of a `CSVLogger`, which gets the rows of the generation's epochs.
        best: File of the best model, which becomes that of the generation.
        begins: Names of lists in `whose` of which one may be longer, if both begin alike.

    Returns:
        The generation, or None where no epoch was finished yet.

    Raises:
        ValueError: If the state is another training's, none of its generations is whole, or it is
            gone while the history is not.
    """
    state = Path(folder)
    found = generations.latest(state)
    if found is None:
        if history is not None:
            _check_not_lost(Path(history), state)
            trim_history(history, 0)
        return None
    held = found.facts["whose"]
    given = json.loads(json.dumps(dict(whose or {})))
    for name in begins:
        common = min(len(given[name]), len(held.get(name, ())))
        given[name], held = given[name][:common], {**held, name: held.get(name, [])[:common]}
    differing = [name for name, value in given.items() if held.get(name) != value]
    if differing:
        raise ValueError(
            f"{state} must be free or hold a training of the same recipe and model; "
            f"{', '.join(differing)} differ. Give another folder, or {generations.anew(state)}"
        )
    for name, target in ((HISTORY, history), (BEST, best)):
        if target is not None and name in found.files:
            _put_back(found.folder / name, found.files[name], Path(target))
    if history is not None and HISTORY not in found.files:
        trim_history(history, found.epoch)
    return found


def epochs_done(
    folder: str | os.PathLike[str], history: str | os.PathLike[str] | None = None
) -> int:
    """Return how many whole epochs the training kept in `folder` has done; 0 without one.

    Args:
        folder: The state folder; it may be absent.
        history: File of a `CSVLogger`, which shows whether a state that is absent was there; None
            for none.

    Raises:
        ValueError: If there were epochs, and what was kept of them is damaged or gone.
    """
    found = generations.latest(Path(folder))
    if found is None and history is not None:
        _check_not_lost(Path(history), Path(folder))
    return found.epoch if found else 0


def is_over(found: Generation | None, epochs: int) -> bool:
    """Return whether a training has done `epochs` epochs or was stopped early.

    Args:
        found: What `pick_up` returned.
        epochs: Number of epochs.
    """
    return found is not None and (found.epoch >= epochs or has_stopped(found))


def has_stopped(found: Generation | None) -> bool:
    """Return whether a training was stopped early by a callback.

    Args:
        found: What `pick_up` returned.
    """
    return found is not None and any(
        each["state"].get("stopped_epoch") for each in found.facts["callbacks"]
    )


def restore(model: keras.Model, found: Generation) -> None:
    """Give a compiled model everything that a generation holds of it.

    Args:
        model: The model.
        found: What `pick_up` returned.

    Raises:
        ValueError: If the generation is of another model.
    """
    # Keras's trainer for JAX has built it by now. Built twice, a loss scale has variables twice.
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    held, own = found.facts["shapes"], _shapes(model)
    if held != own:
        raise ValueError(
            f"{found.folder} must hold the weights of this model, of {len(own)} variables. "
            f"Received: those of a model of {len(held)} variables, or of other shapes. "
            f"Give another folder, or {generations.anew(found.folder.parent)}"
        )
    model.load_weights(found.folder / WEIGHTS)
    give_back_seeds(model, found.facts["seeds"])


def remembered(callbacks: Iterable[keras.callbacks.Callback]) -> list[dict[str, Any]]:
    """Return what callbacks remember between epochs, of JSON's types.

    Args:
        callbacks: The callbacks.
    """
    return [
        {
            "kind": type(callback).__name__,
            "state": {
                name: _plain(value) for name, value in vars(callback).items() if name in REMEMBERED
            },
        }
        for callback in callbacks
    ]


def give_back(
    callbacks: Sequence[keras.callbacks.Callback], states: Sequence[Mapping[str, Any]]
) -> None:
    """Give callbacks what others of the same kinds `remembered`.

    Args:
        callbacks: The callbacks.
        states: What `remembered` returned.

    Raises:
        ValueError: If they are of other kinds.
    """
    own, held = [type(each).__name__ for each in callbacks], [each["kind"] for each in states]
    if own != held:
        raise ValueError(
            f"`callbacks` must be of the kinds that the training was begun with, {held}. "
            f"Received: {own}"
        )
    for callback, state in zip(callbacks, states, strict=True):
        vars(callback).update(state["state"])


def trim_history(path: str | os.PathLike[str], epochs: int) -> None:
    """Cut the rows of a `CSVLogger` file from epoch `epochs` on, which will be trained again.

    Args:
        path: The file; it may be absent.
        epochs: Number of epochs to keep.

    Raises:
        ValueError: If a row before has no number of an epoch.
    """
    path = Path(path)
    if not path.exists():
        return
    lines = _lines(path)
    kept = [line for number, line in lines[1:] if number < epochs]
    with path.open(newline="", encoding="utf-8") as file:
        now = file.read()
    text = "".join([lines[0][1], *kept]) if kept else ""
    if text != now:
        with files.whole_file(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8", newline="")


def seeds(model: keras.Model) -> list[Any]:
    """Return where the random numbers of a model's dropout and noise layers are.

    Args:
        model: The model.
    """
    return [keras.ops.convert_to_numpy(v).tolist() for v in _seed_variables(model)]


def give_back_seeds(model: keras.Model, seeds: Sequence[Any]) -> None:
    """Let the random numbers of a model go on from where they were.

    Args:
        model: The model.
        seeds: What `seeds` returned.
    """
    for variable, value in zip(_seed_variables(model), seeds, strict=True):
        variable.assign(value)


def _seed_variables(model):
    # They are no weights to Keras, and in none of its files.
    return [v for v in model.variables if v.path.endswith("seed_generator_state")]


def _shapes(model):
    held = (*model.weights, *model.optimizer.variables, *_seed_variables(model))
    return [list(variable.shape) for variable in held]


def _check_not_lost(path, state):
    """Raise where a history tells of epochs that no state keeps any more."""
    # One line is there where the first epoch was not committed any more.
    epochs = len(_lines(path)) - 1 if path.exists() else 0
    if epochs > 1:
        raise ValueError(
            f"{path} has {epochs} epochs, and {state}, from which they would go on, is gone. "
            f"Put it back, or {generations.anew(state)}"
        )


def _lines(path):
    """Return the whole lines of a history with their epochs, the header first."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = file.read().splitlines(keepends=True)
    except ValueError as error:
        raise ValueError(f"{path} must be a CSV file. Received: {error}") from error
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    found = [(-1, line) for line in lines[:1]]
    for place, line in enumerate(lines[1:], 2):
        number = line.partition(",")[0].strip()
        if not (number.isascii() and number.isdecimal()):
            raise ValueError(
                f"{path} must have the number of an epoch in each line. "
                f"Received: {line.strip()!r} in line {place}"
            )
        found.append((int(number), line))
    return found


def _put_back(source, digest, target):
    if not target.is_file() or sha256_of(target)[0] != digest:
        with files.whole_file(target) as unfinished:
            # No link: the file may be written to.
            shutil.copyfile(source, unfinished)


def _share(source, target):
    try:
        # Written whole whenever it changes, so both names have the same content for good.
        os.link(source, target)
    except OSError:
        # Some file systems know no links.
        shutil.copyfile(source, target)


def _plain(value):
    return value.item() if hasattr(value, "item") else value
