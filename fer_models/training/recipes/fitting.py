"""The run of a recipe: its stages, one `model.fit` after the other, each resumable."""

import importlib.util
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras

from fer_data import files
from fer_data.pipelines.augmentation.policies import policy
from fer_models.training import fused_steps, resume
from fer_models.training.adversarial_training import AdversarialTrainer
from fer_models.training.dp_sgd import DPTrainer
from fer_models.training.recipes.averaging import AverageWeights, some_images
from fer_models.zoo.batch_norm import batch_norm_layers


@fused_steps.installed()
def fit(
    recipe: Any,
    model: keras.Model,
    train: Any,
    validation: Any,
    *,
    directory: str | os.PathLike[str] | None,
    steps_per_epoch: int | None,
    class_weight: Mapping[int, float] | None,
    callbacks: Iterable[keras.callbacks.Callback],
    verbose: int | str,
) -> keras.callbacks.History:
    """Train `model` through the stages of `recipe`; see `Recipe.fit`."""
    if recipe.dp is not None:
        model = DPTrainer(model, recipe.dp, recipe.batch_size)
    if recipe.adversarial is not None:
        model = AdversarialTrainer(model, recipe.adversarial)
    kept: dict[str, Any] = {}
    generation = None
    if directory is not None:
        directory = Path(directory)
        files.remove_unfinished(directory)
        kept = {
            "whose": _whose(recipe, model),
            "history": directory / "history.csv",
            # Without validation no epoch is the best.
            "best": None if validation is None else directory / "best.keras",
        }
        # With more epochs a training may get to stages that fewer would have left out.
        begins = ("stages",) if recipe.schedule.any_length else ()
        generation = resume.pick_up(_state(directory), begins=begins, **kept)
    whole = keras.callbacks.History()
    whole.set_model(model)
    whole.on_train_begin()
    done = generation.epoch if generation else 0
    seen = []
    if recipe.ema is not None and batch_norm_layers(student(model)):
        seen = _first_images(train, recipe.batch_size, steps_per_epoch)
    end, before = 0, None
    for number, stage in enumerate(recipe.stages):
        first, end = max(end, min(done, end + stage.epochs)), end + stage.epochs
        if generation is not None and number < generation.facts["stage"]:
            continue
        data = train(first) if callable(train) else train
        recipe.freeze(model, number)
        images, labels = data if isinstance(data, (tuple, list)) else (data, None)
        arrays = labels is not None
        steps = steps_per_epoch or _steps(images, recipe.batch_size if arrays else 1)
        model.compile(**recipe.compile_kwargs(steps, number))
        average = None if recipe.ema is None else AverageWeights(student(model), seen)
        watching = recipe.callbacks(None if validation is None else directory, number, average)
        if directory is None:
            keeping = [_GoOn(watching, before)]
        else:
            mine = generation is not None and number == generation.facts["stage"]
            if mine and resume.is_over(generation, end):
                resume.restore(model, generation)  # type: ignore[arg-type]
                # As `fit` ends: with the average of the weights in the place of the weights.
                model.optimizer.finalize_variable_values(model.trainable_variables)
                if average is not None:
                    average.settle()
                if resume.has_stopped(generation):
                    break
                before = generation.facts["callbacks"]  # type: ignore[union-attr]
                continue
            keeping = [
                resume.KeepState(_state(directory), watching, stage=number, before=before, **kept)
            ]
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
        with files.whole_file(directory / "last.keras") as unfinished:
            student(model).save(unfinished)
    return whole


def epochs_done(directory: str | os.PathLike[str]) -> int:
    """Return how many whole epochs of a run are kept in `directory`."""
    return resume.epochs_done(_state(directory), Path(directory) / "history.csv")


def _state(directory):
    return Path(directory) / "state"


class BestCheckpoint(resume.BestFile):
    """`BestFile` of the network alone, without its teacher or its trainer.

    Args:
        path: The file.
        average: The `SwapEMAWeights` of the same training, whose average is kept; None for none.
        **options: Arguments of `BestFile`.
    """

    def __init__(self, path: str | os.PathLike[str], average: Any = None, **options: Any) -> None:
        super().__init__(path, **options)
        self.average = average

    def set_model(self, model: keras.Model) -> None:
        super().set_model(student(model))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # What was validated is kept, and the weights that train are in the model again by now.
        if self.average is not None:
            self.average.on_test_begin()
        super().on_epoch_end(epoch, logs)
        if self.average is not None:
            self.average.on_test_end()


def student(model: keras.Model) -> keras.Model:
    """Return the network that trains: a distiller's student, a trainer's network, or the model."""
    if isinstance(model, (AdversarialTrainer, DPTrainer)):
        return model.network
    return model.student if isinstance(model, keras.distillation.Distiller) else model


def mixes(augmentation: Any) -> bool:
    """Return whether an augmentation makes one image of two."""
    return policy(augmentation).mixup is not None


def _whose(recipe, model):
    """Return what tells a training from others."""
    content = recipe.to_dict()
    # More epochs may be asked for, as long as those that were are the same.
    if recipe.schedule.any_length:
        for stage in content["stages"]:
            del stage["epochs"]
    return {**content, "parameters": model.count_params()}


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
    directory.mkdir(parents=True, exist_ok=True)
    logs = [keras.callbacks.CSVLogger(directory / "history.csv", append=True)]
    # Keras writes for TensorBoard through TensorFlow.
    if importlib.util.find_spec("tensorflow") is not None:
        logs.append(keras.callbacks.TensorBoard(directory / "tensorboard", write_graph=False))
    return logs


class _GoOn(keras.callbacks.Callback):
    """Gives callbacks, which begin anew with every `fit`, what they knew after the one before."""

    def __init__(self, callbacks, states):
        super().__init__()
        self.kept, self.states = callbacks, states

    def on_train_begin(self, logs=None):
        if self.states:
            resume.give_back(self.kept, self.states)
