"""One network that is trained anew, again and again, with a training step that is traced once."""

import csv
import inspect
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_data import files
from fer_models.training import resume
from fer_models.training.recipes.recipe import Recipe
from fer_models.zoo import registry

STATE, HISTORY, BEST = "state", "history.csv", "best.weights.h5"


class RenewedModel:
    """A network that begins anew for every fold or every seed of a study.

    Tracing a training step takes as long as several epochs of a small data set, and is needed only
    once if the network stays and its weights change.

    Args:
        recipe: Which network to build, and how to compile it: one stage, without moving average,
            differential privacy, adversarial training, and valence and arousal, and no layers
            frozen.
        classes: Number of classes.
        steps_per_epoch: Steps of an epoch; needed by a `Cosine` schedule only.

    Attributes:
        recipe: The recipe.
        classes: Number of classes.
        model: The compiled `keras.Model`.

    Raises:
        ValueError: If the recipe does more than that.

    Example:

    >>> from fer_models import recipes
    >>> recipe = recipes.get("emotion_cnn").replace(input_shape=(24, 24, 1))
    >>> renewed = RenewedModel(recipe, classes=2)
    >>> renewed.renew(seed=1)
    >>> first = renewed.model.get_weights()
    >>> renewed.renew(seed=2)
    >>> renewed.renew(seed=1)
    >>> all((one == other).all() for one, other in zip(first, renewed.model.get_weights()))
    True
    """

    def __init__(self, recipe: Recipe, classes: int, steps_per_epoch: int | None = None) -> None:
        freezes = recipe.freeze_batch_norm or recipe.stages[0].trainable is not None
        others = (recipe.ema, recipe.dp, recipe.adversarial, recipe.valence_arousal)
        if len(recipe.stages) > 1 or any(each is not None for each in others) or freezes:
            raise ValueError(
                "`recipe` must have one stage, no moving average, no differential privacy, no "
                "adversarial training, no valence and arousal and no frozen layers. "
                f"Received: {recipe.name!r} with {len(recipe.stages)} stages"
            )
        self.recipe, self.classes = recipe, classes
        self.model = self._built(seed=0)
        self.model.compile(**recipe.compile_kwargs(steps_per_epoch))
        self.model.optimizer.build(self.model.trainable_variables)
        self._unused = [keras.ops.convert_to_numpy(v) for v in self.model.optimizer.variables]

    def renew(self, seed: int) -> None:
        """Give the network the weights, dropout and noise that follow from a seed.

        Python's and NumPy's random numbers, from which Keras draws its own, begin anew too.

        Args:
            seed: Integer of 0 or more.
        """
        # As `keras.utils.set_random_seed`, which also makes TensorFlow forget what it compiled.
        random.seed(seed)
        np.random.seed(seed % 2**32)
        source = self._built(seed)
        # All of them: the generators of dropout and noise are variables, but no weights.
        for mine, given in zip(self.model.variables, source.variables, strict=True):
            mine.assign(given)
        for mine, given in zip(self.model.optimizer.variables, self._unused, strict=True):
            mine.assign(given)

    def fit(
        self,
        batches: Callable[[int], Any],
        folder: Path,
        *,
        seed: int,
        steps_per_epoch: int,
        validation: Any = None,
        monitor: str | None = None,
        class_weight: Mapping[int, float] | None = None,
        on_epoch: Callable[[], Any] | None = None,
    ) -> list[dict[str, float]]:
        """Train the network anew, or go on with a training that was stopped.

        It goes on from its last whole epoch, and ends as an unbroken one. The network then has the
        weights of the last epoch; `load_best` gives it those of the best.

        Args:
            batches: Function from the number of an epoch to the batches from there on, without
                end.
            folder: Where the training is kept.
            seed: Integer of 0 or more, of the network's weights, dropout and noise.
            steps_per_epoch: Steps of an epoch.
            validation: Batches, or None.
            monitor: Metric of the validation by which an epoch is the best; None keeps none.
            class_weight: Weights by class number.
            on_epoch: Function that is called after every epoch.

        Returns:
            The metrics of every epoch by name.

        Raises:
            ValueError: If the folder holds the state of another training, or no whole one any
                more.
        """
        recipe, state = self.recipe, folder / STATE
        self.renew(seed)
        kept: dict[str, Any] = {
            "whose": {**recipe.to_dict(), "seed": seed, "classes": self.classes},
            "history": folder / HISTORY,
            "best": None if monitor is None else folder / BEST,
        }
        generation = resume.pick_up(state, **kept)
        folder.mkdir(parents=True, exist_ok=True)
        files.remove_unfinished(folder)
        if resume.is_over(generation, recipe.epochs):
            resume.restore(self.model, generation)  # type: ignore[arg-type]
            return history_of(folder)
        first = generation.epoch if generation else 0
        watching = recipe.callbacks()
        if monitor is not None:
            mode = "min" if "loss" in monitor else "max"
            watching.append(
                resume.BestFile(folder / BEST, monitor=monitor, mode=mode, save_weights_only=True)
            )
        self.model.fit(
            batches(first),
            validation_data=validation,
            initial_epoch=first,
            epochs=recipe.epochs,
            steps_per_epoch=steps_per_epoch,
            class_weight=class_weight,
            callbacks=[
                *watching,
                keras.callbacks.CSVLogger(folder / HISTORY, append=True),
                resume.KeepState(state, watching, **kept),
                # After it: an epoch that is counted is kept.
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda epoch, logs: None if on_epoch is None else on_epoch()
                ),
            ],
            shuffle=False,
            verbose=0,
        )
        return history_of(folder)

    def _built(self, seed):
        builder = registry.entry(self.recipe.model).builder
        seeded = {"seed": seed} if "seed" in inspect.signature(builder).parameters else {}
        return self.recipe.build(classes=self.classes, **seeded)

    def load_best(self, folder: Path) -> None:
        """Give the network the weights of the best epoch of a training.

        Args:
            folder: Where the training is kept.
        """
        self.model.load_weights(folder / BEST)


def history_of(folder: Path) -> list[dict[str, float]]:
    """Return the metrics of every epoch of a training by name.

    Args:
        folder: Where `RenewedModel.fit` keeps it.
    """
    with (folder / HISTORY).open(newline="") as file:
        # Keras names the metrics of a validation also where there is none.
        return [
            {name: float(value) for name, value in row.items() if value != "NA"}
            for row in csv.DictReader(file)
        ]


def clear_state(folder: Path) -> None:
    """Delete what a finished training needs only to go on.

    Args:
        folder: Where `RenewedModel.fit` keeps it.
    """
    files.remove_folder(folder / STATE)
    (folder / BEST).unlink(missing_ok=True)
    files.remove_unfinished(folder)
