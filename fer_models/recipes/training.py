"""The run of a recipe: its stages, one `model.fit` after the other, each resumable."""

from pathlib import Path

import keras

from fer_models import resume


def fit(
    recipe, model, train, validation, *, directory, steps_per_epoch, class_weight, callbacks,
    verbose,
):  # fmt: skip
    """Train `model` through the stages of `recipe`; see `Recipe.fit`."""
    whole = keras.callbacks.History()
    whole.set_model(model)
    whole.on_train_begin()
    done = 0
    if directory is not None:
        done = epochs_done(directory, len(recipe.stages))
        resume.trim_history(Path(directory) / "history.csv", done)
    end, before = 0, None
    for number, stage in enumerate(recipe.stages):
        first, end = max(end, min(done, end + stage.epochs)), end + stage.epochs
        data = train(first) if callable(train) else train
        recipe.freeze(model, number)
        model.compile(**recipe.compile_kwargs(steps_per_epoch or _length(data), number))
        # Without validation no epoch is the best.
        watching = recipe.callbacks(None if validation is None else directory, number)
        if directory is None:
            keeping = [_GoOn(watching, before)]
        else:
            state = _state(directory, number)
            if resume.is_over(state, end):
                resume.restore(model, state)
                if resume.has_stopped(state):
                    break
                continue
            earlier = _state(directory, number - 1) if number else None
            keeping = resume.resumable(state, watching, earlier)[len(watching) :]
        # Left there by `BackupAndRestore` in the stage before, it overrules `initial_epoch`.
        model._initial_epoch = None
        history = model.fit(
            data,
            validation_data=validation,
            initial_epoch=first,
            epochs=end,
            steps_per_epoch=steps_per_epoch,
            class_weight=class_weight,
            callbacks=[*callbacks, *_logs(directory), *watching, *keeping],
            # A data set shuffles itself, and Keras warns where it is asked to.
            shuffle=not (callable(train) or hasattr(data, "element_spec")),
            verbose=verbose,
        )
        for index, epoch in enumerate(history.epoch):
            whole.on_epoch_end(epoch, {k: v[index] for k, v in history.history.items()})
        before = resume.remembered(watching)
        if model.stop_training:
            break
    if directory is not None:
        model.save(Path(directory) / "last.keras")
    return whole


def epochs_done(directory, stages):
    """Return how many whole epochs of a run of so many stages are kept in `directory`."""
    return max(resume.epochs_done(_state(directory, stage)) for stage in range(stages))


def _state(directory, stage):
    return Path(directory) / "state" / str(stage + 1)


def _length(data):
    try:
        return len(data)
    except TypeError:
        return None


def _logs(directory):
    if directory is None:
        return []
    Path(directory).mkdir(parents=True, exist_ok=True)
    return [
        keras.callbacks.CSVLogger(Path(directory) / "history.csv", append=True),
        keras.callbacks.TensorBoard(Path(directory) / "tensorboard", write_graph=False),
    ]


class _GoOn(keras.callbacks.Callback):
    """Gives callbacks, which begin anew with every `fit`, what they knew after the one before."""

    def __init__(self, callbacks, states):
        super().__init__()
        self.kept, self.states = callbacks, states

    def on_train_begin(self, logs=None):
        if self.states:
            resume.give_back(self.kept, self.states)
