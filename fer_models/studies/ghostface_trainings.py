"""The trainings behind the tables of GhostFace's paper."""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.pipelines.split_arrays import SplitArrays
from fer_models import evaluation
from fer_models.studies.ghostface_settings import FULL, GhostfaceSettings
from fer_models.studies.planned_runs import PlannedRun, finish_runs, plan_runs
from fer_models.studies.study_splits import StudySplits, load_splits
from fer_models.training import recipes, resume
from fer_models.training.recipes.recipe import Recipe
from fer_models.training.renewed_model import STATE, RenewedModel, clear_state
from fer_models.training.runs import Run

PACKAGES = ("tensorflow", "sklearn")


def finish_study(
    settings: GhostfaceSettings,
    compared: Mapping[str, Any],
    rows: Sequence[str],
    load: Callable[[], StudySplits],
    train: Callable[..., dict[str, Any]],
    output: Path,
    *,
    progress: bool = True,
) -> tuple[Run, StudySplits, dict[PlannedRun, dict[str, Any]]]:
    """Train every row by every seed that is not trained yet, in a folder that holds no other study.

    Args:
        settings: The settings.
        compared: What the folder must have in common with this study, its name among it.
        rows: Names of the rows.
        load: Function that returns the faces.
        train: Function of the settings, the `Trainings`, a `PlannedRun` and a function to call
            after every epoch, which does one training and returns its result.
        output: Folder of the study.
        progress: Whether to show a bar.

    Returns:
        The open record of the folder, the faces, and the result of every training.

    Raises:
        ValueError: If the folder holds another study.
    """
    # Before the data are read, which may take long.
    Run(output, compared).open()
    faces = load()
    record = Run(output, compared, {"faces": faces.digest()})
    record.open()
    record.begin(packages=PACKAGES)
    runs = plan_runs(rows, settings.seeds, output / "runs")
    results = finish_runs(
        runs,
        functools.partial(train, settings, Trainings(faces)),
        unit="epoch",
        progress=progress,
        steps=lambda run: epochs_left(settings, run.folder),
    )
    # Only now: a training whose result is not kept yet may have to go on from its state.
    for run in runs:
        clear_state(run.folder)
    return record, faces, results


def load_faces_for(
    settings: GhostfaceSettings,
    *,
    choosing: bool = True,
    data_dir: str | os.PathLike[str] | None = None,
) -> StudySplits:
    """Return the faces that the settings name.

    Args:
        settings: The settings.
        choosing: Whether to set faces apart to choose an epoch by.
        data_dir: Where prepared data sets are kept.
    """
    return load_splits(
        settings.data,
        settings.path,
        size=settings.size,
        channels=settings.channels,
        train=settings.train,
        choosing=choosing,
        data_dir=data_dir,
    )


def recipe_for(
    settings: GhostfaceSettings,
    name: str,
    image_shape: tuple[int, ...],
    augmentation: Any = None,
) -> Recipe:
    """Return a recipe of the paper with the settings of a study.

    Args:
        settings: The settings.
        name: Name of the recipe, such as `"ghostface_randaug"` or `"efficientface"`.
        image_shape: Height, width and channels of the faces.
        augmentation: A policy in the place of the recipe's own; None for that.
    """
    recipe = recipes.get(name)
    changes: dict[str, Any] = {"input_shape": tuple(image_shape), "epochs": settings.epochs}
    if recipe.model == "ghostface":
        changes |= {
            "model_options": {**recipe.model_options, "width": settings.width},
            "batch_size": settings.batch_size,
            "learning_rate": settings.learning_rate,
        }
    elif isinstance(recipe.schedule, recipes.Steps) and settings.epochs != FULL["epochs"]:
        # The steps keep their places in a shorter training.
        every = max(1, round(recipe.schedule.every * settings.epochs / recipe.epochs))
        changes["schedule"] = dataclasses.replace(recipe.schedule, every=every)
    if augmentation is not None:
        changes["augmentation"] = augmentation
    return recipe.replace(**changes)


class Trainings:
    """Networks that are trained anew, row by row, on the faces of a study.

    Args:
        faces: The faces.
    """

    def __init__(self, faces: StudySplits) -> None:
        self.faces = faces
        self._renewed: dict[str, RenewedModel] = {}

    def fit(
        self,
        recipe: Recipe,
        folder: Path,
        *,
        seed: int,
        on_epoch: Callable[[], Any] | None = None,
    ) -> tuple[RenewedModel, list[dict[str, float]]]:
        """Train a network by a recipe, or go on.

        Args:
            recipe: The recipe.
            folder: Where the training is kept.
            seed: Of the weights, the noise and the batches.
            on_epoch: Function that is called after every epoch.

        Returns:
            The network as it is after the last epoch, and the metrics of every epoch.
        """
        from fer_data.pipelines import images

        part, classes = self.faces.parts["train"], len(self.faces.names)
        steps = math.ceil(len(part) / recipe.batch_size)
        # What is compiled depends on the network and its optimizer, not on the augmentation.
        key = repr(dataclasses.replace(recipe, name="", augmentation="none").to_dict())
        if key not in self._renewed:
            self._renewed[key] = RenewedModel(recipe, classes, steps)
        renewed = self._renewed[key]
        # What is kept says which recipe it is of, whichever row was the first of this process.
        renewed.recipe = recipe
        history = renewed.fit(
            lambda epoch: images.pipeline(
                (part.images, part.labels),
                training=True,
                classes=classes,
                seed=seed,
                initial_epoch=epoch,
                repeat=True,
                **recipe.data_kwargs(),
            ),
            folder,
            seed=seed,
            steps_per_epoch=steps,
            validation=batches(recipe, self.faces.parts["validation"], classes),
            monitor="val_accuracy",
            on_epoch=on_epoch,
        )
        return renewed, history


def epochs_left(settings: GhostfaceSettings, folder: Path) -> int:
    """Return how many epochs a training still has before it, if nothing stops it early.

    Args:
        settings: The settings.
        folder: Where the training is kept.
    """
    return settings.epochs - resume.epochs_done(folder / STATE)


def batches(recipe: Recipe, part: SplitArrays, classes: int) -> Any:
    """Return the faces of a part in their order, as batches.

    Args:
        recipe: The recipe, for size and channels.
        part: The faces.
        classes: Number of classes.
    """
    from fer_data.pipelines import images

    options = {name: recipe.data_kwargs()[name] for name in ("size", "channels")}
    return images.pipeline((part.images, part.labels), classes=classes, batch_size=64, **options)


def predict(model: Any, recipe: Recipe, part: SplitArrays, classes: int) -> np.ndarray:
    """Return the probabilities `(faces, classes)` of a part.

    Args:
        model: The network.
        recipe: Its recipe.
        part: The faces.
        classes: Number of classes.

    Raises:
        ValueError: If the training diverged, so that an answer is not finite.
    """
    probabilities = model.predict(batches(recipe, part, classes), verbose=0)
    lost = int((~np.isfinite(probabilities)).any(axis=-1).sum())
    if lost:
        raise ValueError(
            f"A training by the recipe {recipe.name!r} diverged: the network has no finite answer "
            f"for {lost} of {len(probabilities)} faces. Take a smaller `learning_rate`, or more "
            f"faces or epochs. Received: learning_rate={recipe.learning_rate:g}, "
            f"epochs={recipe.epochs}"
        )
    return probabilities


def score(part: SplitArrays, probabilities: np.ndarray, names: Any) -> dict[str, float]:
    """Return accuracy and cross-entropy on a part, with and without copies of training faces.

    Args:
        part: The faces.
        probabilities: A network's answers for them.
        names: Names of the classes.
    """
    found = evaluation.classification_report(part.labels, probabilities, names)
    scores = {"accuracy": found.accuracy, "loss": found.loss}
    if part.copies is not None and not part.copies.all():
        new = ~part.copies
        apart = evaluation.classification_report(part.labels[new], probabilities[new], names)
        scores |= {"accuracy_without_copies": apart.accuracy, "loss_without_copies": apart.loss}
    return scores


def by_row(
    results: Mapping[Any, Mapping[str, Any]], value: Callable[[Mapping[str, Any]], float]
) -> dict[str, list[float]]:
    """Return one value of every result, by row.

    Args:
        results: What `finish_runs` gives.
        value: Function from a result to the value.
    """
    found: dict[str, list[float]] = {}
    for run, result in results.items():
        found.setdefault(run.row, []).append(float(value(result)))
    return found
