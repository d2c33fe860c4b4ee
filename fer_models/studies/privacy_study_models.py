"""The models of the privacy study, and the answers of each for all faces."""

import dataclasses
import datetime
import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fer_data import files
from fer_data.pipelines.split_arrays import split_arrays
from fer_models import privacy
from fer_models.studies.population_classes import check_classes
from fer_models.studies.privacy_study_settings import ROWS, PrivacySettings
from fer_models.studies.study_faces import study_faces
from fer_models.training import recipes
from fer_models.training.recipes.recipe import Recipe
from fer_models.training.renewed_model import RenewedModel

RESULT, SIGNALS = "result.json", "signals.npz"
# So few that they count for nothing: all drawn faces are wanted in one place.
FEW = 7


@dataclasses.dataclass(frozen=True)
class ModelRun:
    """One model of the study.

    Attributes:
        row: Name of its row, of `fer_models.studies.privacy_study_settings.ROWS`.
        seed: Its number, from 1, which decides the half of the pool that it is trained on.
        folder: Folder of its answers.
    """

    row: str
    seed: int
    folder: Path

    @property
    def done(self) -> bool:
        """Whether it is trained and its answers are kept."""
        return (self.folder / RESULT).exists()

    def result(self) -> dict[str, Any]:
        """Return its recipe, training accuracy and seconds.

        Raises:
            ValueError: If the file is damaged, or of another model.
        """
        same = {"row": self.row, "seed": self.seed}
        return files.read_json(self.folder / RESULT, ["recipe", "training_accuracy"], same=same)

    def signals(self) -> privacy.Signals:
        """Return its answers for the pool, then for the population."""
        return privacy.Signals.load(self.folder / SIGNALS)


@dataclasses.dataclass(frozen=True, eq=False)
class Faces:
    """The faces of the study.

    Attributes:
        images: uint8, the pool.
        labels: Their classes.
        population: uint8, what no model sees.
        population_labels: Their classes.
        names: Names of the classes.
    """

    images: np.ndarray
    labels: np.ndarray
    population: np.ndarray
    population_labels: np.ndarray
    names: tuple[str, ...]

    def half(self, settings: PrivacySettings, seed: int) -> np.ndarray:
        """Return which faces of the pool the models of a seed are trained on, booleans."""
        return privacy.half_of_pool(settings.members, settings.seed, seed)

    def everything(self) -> tuple[np.ndarray, np.ndarray]:
        """Return images and labels of the pool, then of the population."""
        return (
            np.concatenate([self.images, self.population]),
            np.concatenate([self.labels, self.population_labels]),
        )

    def digest(self) -> str:
        """Return a hash of all pixels and labels."""
        found = hashlib.sha256()
        for values in self.everything():
            found.update(np.ascontiguousarray(values).tobytes())
        return found.hexdigest()


def load(
    settings: PrivacySettings, data_dir: str | os.PathLike[str] | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return images, labels and names of the classes of all faces but the test split's.

    Args:
        settings: The settings.
        data_dir: Where prepared data sets are kept.
    """
    faces = study_faces(
        settings.data,
        settings.path,
        data_dir=data_dir,
        size=settings.size,
        seed=settings.seed,
        train=2 * settings.members + settings.population,
        validation=FEW,
        test=FEW,
    )
    channels = settings.channels or _channels(faces)
    parts = [
        split_arrays(faces, split, size=(settings.size, settings.size), channels=channels)
        for split in sorted(set(faces.counts) - {"test"})
    ]
    images = np.concatenate([part.images for part in parts])
    return images, np.concatenate([part.labels for part in parts]), faces.class_names


def _channels(faces):
    split = faces.splits["train"]
    image = split["image"] if faces.packed is not None else split.element_spec["image"]
    return image.shape[-1] or 3


def recipe_of(settings: PrivacySettings, row: str, channels: int) -> Recipe:
    """Return how the models of a row are trained.

    Args:
        settings: The settings.
        row: Name of the row.
        channels: Of the faces.
    """
    recipe = recipes.get(ROWS[row])
    return recipe.replace(
        input_shape=(settings.size, settings.size, channels),
        model_options={**recipe.model_options, "width": settings.width},
        optimizer="adamw",
        learning_rate=settings.learning_rate,
        optimizer_options={"weight_decay": settings.weight_decay},
        schedule=recipes.Cosine(),
        batch_size=settings.batch_size,
        patience=None,
        epochs=settings.epochs,
    )


def model_seed(settings: PrivacySettings, row: str, seed: int) -> int:
    """Return the seed of a model's weights, noise and batches.

    Args:
        settings: The settings.
        row: Name of its row.
        seed: Its number.
    """
    state = np.random.SeedSequence([settings.seed, seed, list(ROWS).index(row)]).generate_state(1)
    return int(state[0] >> 1)


def check(settings: PrivacySettings, faces: Faces) -> None:
    """Raise an error for what would stop the study after hours: before anything is trained.

    Args:
        settings: The settings.
        faces: The faces.

    Raises:
        ValueError: If a network cannot be built, or the population has too few faces of a class.
    """
    check_classes(faces.names, faces.labels, faces.population_labels)
    # One row for each number of noise layers: the augmentations are none of the network's.
    for row in {row.split("-")[0]: row for row in settings.chosen_rows()}.values():
        recipe_of(settings, row, faces.images.shape[-1]).build(len(faces.names))


def train_all(
    settings: PrivacySettings, runs: Iterable[ModelRun], faces: Faces, progress: bool = True
) -> None:
    """Train the models that are not there yet, and keep the answers of each for all faces.

    Args:
        settings: The settings.
        runs: The models.
        faces: The faces.
        progress: Whether to show a bar.
    """
    from tqdm import tqdm

    steps = -(-settings.members // settings.batch_size)
    renewed: dict[int, RenewedModel] = {}
    everything = faces.everything()
    for run in tqdm(list(runs), desc="models", unit="", disable=None if progress else True):
        if run.done:
            continue
        begin = time.time()
        recipe = recipe_of(settings, run.row, faces.images.shape[-1])
        noise = recipe.model_options["noise_layers"]
        if noise not in renewed:
            renewed[noise] = RenewedModel(recipe, len(faces.names), steps)
        inside = faces.half(settings, run.seed)
        seed = model_seed(settings, run.row, run.seed)
        accuracy = _train(
            renewed[noise], recipe, faces.images[inside], faces.labels[inside], seed, steps
        )
        found = privacy.signals(
            renewed[noise].model,
            *everything,
            queries=settings.queries,
            batch_size=min(500, len(everything[1])),
            seed=settings.seed,
            progress=False,
        )
        found.save(run.folder / SIGNALS)
        result = {
            "row": run.row,
            "seed": run.seed,
            "recipe": recipe.to_dict(),
            "training_accuracy": accuracy,
            "seconds": round(time.time() - begin, 1),
            "date": datetime.date.today().isoformat(),
        }
        # Written last: with it the model counts as finished.
        files.write_json(run.folder / RESULT, result)


def _train(renewed, recipe, images, labels, seed, steps):
    """Train a network anew by a recipe of its own; return the training accuracy of each epoch."""
    from fer_data.pipelines import images as pipelines

    renewed.renew(seed)
    batches = pipelines.pipeline(
        (images, labels),
        classes=renewed.classes,
        training=True,
        seed=seed,
        repeat=True,
        **recipe.data_kwargs(),
    )
    history = renewed.model.fit(
        batches, steps_per_epoch=steps, epochs=recipe.epochs, shuffle=False, verbose=0
    )
    return history.history["accuracy"]
