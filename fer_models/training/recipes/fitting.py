"""The run of a recipe: its stages, one `model.fit` after the other, each resumable."""

import importlib.util
import json
import math
from pathlib import Path

import keras

from fer_data import files
from fer_data.pipelines.augmentation.policies import policy
from fer_models.training import resume
from fer_models.training.dp_sgd import DPTrainer
from fer_models.training.recipes.averaging import AverageWeights, some_images
from fer_models.zoo.batch_norm import batch_norm_layers


def fit(
    recipe, model, train, validation, *, directory, steps_per_epoch, class_weight, callbacks,
    verbose,
):  # fmt: skip
    """Train `model` through the stages of `recipe`; see `Recipe.fit`."""
    if recipe.dp is not None:
        model = DPTrainer(model, recipe.dp, recipe.batch_size)
    if directory is not None:
        _claim(Path(directory), recipe, model)
    whole = keras.callbacks.History()
    whole.set_model(model)
    whole.on_train_begin()
    done = 0
    if directory is not None:
        done = epochs_done(directory, len(recipe.stages))
        resume.trim_history(Path(directory) / "history.csv", done)
    seen = []
    if recipe.ema is not None and batch_norm_layers(student(model)):
        seen = _first_images(train, recipe.batch_size, steps_per_epoch)
    end, before = 0, None
    for number, stage in enumerate(recipe.stages):
        first, end = max(end, min(done, end + stage.epochs)), end + stage.epochs
        data = train(first) if callable(train) else train
        recipe.freeze(model, number)
        images, labels = data if isinstance(data, (tuple, list)) else (data, None)
        arrays = labels is not None
        steps = steps_per_epoch or _steps(images, recipe.batch_size if arrays else 1)
        model.compile(**recipe.compile_kwargs(steps, number))
        average = None if recipe.ema is None else AverageWeights(student(model), seen)
        # Without validation no epoch is the best.
        watching = recipe.callbacks(None if validation is None else directory, number, average)
        if directory is None:
            keeping = [_GoOn(watching, before)]
        else:
            state = _state(directory, number)
            if resume.is_over(state, end):
                resume.restore(model, state)
                # As `fit` ends: with the average of the weights in the place of the weights.
                model.optimizer.finalize_variable_values(model.trainable_variables)
                if average is not None:
                    average.settle()
                if resume.has_stopped(state):
                    break
                continue
            earlier = _state(directory, number - 1) if number else None
            keeping = resume.resumable(state, watching, earlier)[len(watching) :]
        # Left there by `BackupAndRestore` in the stage before, it overrules `initial_epoch`.
        model._initial_epoch = None
        history = model.fit(
            images,
            labels,
            batch_size=recipe.batch_size if arrays else None,
            validation_data=validation,
            initial_epoch=first,
            epochs=end,
            steps_per_epoch=steps_per_epoch,
            class_weight=class_weight,
            # The logs after those that add the learning rate to them.
            callbacks=[*callbacks, *watching, *_logs(directory), *keeping],
            # A data set shuffles itself, and Keras warns where it is asked to.
            shuffle=arrays and not callable(train),
            verbose=verbose,
        )
        for index, epoch in enumerate(history.epoch):
            whole.on_epoch_end(epoch, {k: v[index] for k, v in history.history.items()})
        before = resume.remembered(watching)
        if model.stop_training:
            break
    if directory is not None:
        student(model).save(Path(directory) / "last.keras")
    return whole


def epochs_done(directory, stages):
    """Return how many whole epochs of a run of so many stages are kept in `directory`."""
    return max(resume.epochs_done(_state(directory, stage)) for stage in range(stages))


def _state(directory, stage):
    return Path(directory) / "state" / str(stage + 1)


class BestCheckpoint(keras.callbacks.ModelCheckpoint):
    """`ModelCheckpoint` of the network alone, without its teacher or its DP trainer.

    Args:
        path: The file.
        average: The `SwapEMAWeights` of the same training, whose average is kept; None for none.
        **options: Arguments of `ModelCheckpoint`.
    """

    def __init__(self, path, average=None, **options):
        super().__init__(path, **options)
        self.average = average

    def set_model(self, model):
        super().set_model(student(model))

    def on_epoch_end(self, epoch, logs=None):
        # What was validated is kept, and the weights that train are in the model again by now.
        if self.average is not None:
            self.average.on_test_begin()
        super().on_epoch_end(epoch, logs)
        if self.average is not None:
            self.average.on_test_end()


def student(model):
    """Return the network that trains: a distiller's student, a DP trainer's, or the model."""
    if isinstance(model, DPTrainer):
        return model.network
    return model.student if isinstance(model, keras.distillation.Distiller) else model


def mixes(augmentation):
    """Return whether an augmentation makes one image of two."""
    return policy(augmentation).mixup is not None


def _claim(directory, recipe, model):
    """Note which training `directory` holds, or raise `ValueError` if it holds another."""
    content = recipe.to_dict()
    # More epochs may be asked for, as long as those that were are the same.
    for stage in content["stages"]:
        del stage["epochs"]
    content["parameters"] = model.count_params()
    content = json.loads(json.dumps(content))
    path = directory / "state" / "recipe.json"
    # What trained nothing holds nothing.
    if not path.exists() or not epochs_done(directory, len(recipe.stages)):
        files.write_text(path, json.dumps(content, indent=1))
        return
    held = json.loads(path.read_text())
    differing = [name for name in content if held.get(name) != content[name]]
    if differing:
        raise ValueError(
            f"`directory` must be free or hold a training of the same recipe and model; "
            f"{', '.join(differing)} differ. Received: directory={str(directory)!r}"
        )


def _first_images(train, batch_size, steps):
    data = train(0) if callable(train) else train
    if isinstance(data, (tuple, list)):
        images, labels = data
        parts = range(0, len(images), batch_size)
        data = [(images[at : at + batch_size], labels[at : at + batch_size]) for at in parts]
    return some_images(data) if steps is None else some_images(data, steps)


def _steps(data, batch_size):
    try:
        return math.ceil(len(data) / batch_size)
    except TypeError:
        return None


def _logs(directory):
    if directory is None:
        return []
    Path(directory).mkdir(parents=True, exist_ok=True)
    logs = [keras.callbacks.CSVLogger(Path(directory) / "history.csv", append=True)]
    # Keras writes for TensorBoard through TensorFlow.
    if importlib.util.find_spec("tensorflow") is not None:
        logs.append(keras.callbacks.TensorBoard(Path(directory) / "tensorboard", write_graph=False))
    return logs


class _GoOn(keras.callbacks.Callback):
    """Gives callbacks, which begin anew with every `fit`, what they knew after the one before."""

    def __init__(self, callbacks, states):
        super().__init__()
        self.kept, self.states = callbacks, states

    def on_train_begin(self, logs=None):
        if self.states:
            resume.give_back(self.kept, self.states)
