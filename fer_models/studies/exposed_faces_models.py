"""Models of the study of exposed faces, and the answers of each to all faces of its pool."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_data.pipelines.augmentation.policies import Augmentation, MixUp, policy
from fer_data.pipelines.face_batches import FaceBatches
from fer_data.pipelines.split_arrays import split_arrays
from fer_data.pipelines.vote_targets import vote_targets
from fer_models import privacy
from fer_models.studies.exposed_faces_settings import (
    BARE,
    BASES,
    ERASING,
    MIXUP,
    MODEL,
    VOTE_SHARE,
    ExposedFacesSettings,
    base,
    parts,
)
from fer_models.studies.planned_runs import PlannedRun
from fer_models.studies.study_faces import study_faces
from fer_models.training import fused_steps, recipes, runs
from fer_models.training.recipes.recipe import Recipe
from fer_models.training.renewed_model import RenewedModel
from fer_models.training.trained_on import is_same_set, sets_of
from fer_models.zoo import trunks
from fer_models.zoo.batch_norm import batch_norm_layers

SIGNALS = "signals.npz"
# Drawn faces for the splits that the study does not use.
FEW = 7
# These have the same training faces.
SAME_FACES = ("fer2013", "ferplus")


@dataclasses.dataclass(frozen=True, eq=False)
class Faces:
    """Training faces of a data set.

    Attributes:
        images: uint8 `(faces, height, width, channels)`.
        labels: Class numbers `(faces,)`.
        votes: Numbers of votes `(faces, columns)`, negative if unknown; None if the data have no
            votes.
        places: Number of each face in the training split.
        names: Names of the classes.
    """

    images: np.ndarray
    labels: np.ndarray
    votes: np.ndarray | None
    places: np.ndarray
    names: tuple[str, ...]

    def some(self, places: np.ndarray) -> "Faces":
        """Return the faces at some places."""
        return Faces(
            self.images[places],
            self.labels[places],
            None if self.votes is None else self.votes[places],
            self.places[places],
            self.names,
        )

    def digest(self) -> str:
        """Return a hash of all pixels, labels and votes."""
        found = hashlib.sha256()
        for values in (self.images, self.labels, self.votes):
            if values is not None:
                found.update(np.ascontiguousarray(values).tobytes())
        return found.hexdigest()


@dataclasses.dataclass(frozen=True, eq=False)
class Pool:
    """The faces of one seed.

    Attributes:
        faces: The pool; each model is trained on its own half of it.
        population: Faces that no model is trained on. For `votes` they help to fit the translation,
            and for a pre-trained trunk they give batch norm its statistics.
        inside: Which faces of the pool each model is trained on, booleans `(models, faces)`.
    """

    faces: Faces
    population: Faces
    inside: np.ndarray

    def everything(self) -> tuple[np.ndarray, np.ndarray]:
        """Return images and labels of the pool, then of the population."""
        return (
            np.concatenate([self.faces.images, self.population.images]),
            np.concatenate([self.faces.labels, self.population.labels]),
        )


@dataclasses.dataclass(frozen=True)
class ModelRun(PlannedRun):
    """One model of the study.

    Attributes:
        treatment: Name of its treatment.
        number: Its number, from 1, which decides its half of the pool.
    """

    treatment: str
    number: int

    def signals(self) -> privacy.Signals:
        """Return its answers for the pool, then for the population."""
        return privacy.Signals.load(self.folder / SIGNALS)


def load(
    settings: ExposedFacesSettings, data_dir: str | os.PathLike[str] | None = None
) -> tuple[Faces, int]:
    """Return the training faces of the data set without copies, and the number of copies.

    Args:
        settings: The settings.
        data_dir: Folder for prepared data sets.
    """
    found = study_faces(
        settings.data,
        settings.path,
        data_dir=data_dir,
        size=settings.size,
        seed=1,
        train=2 * settings.members + settings.population,
        validation=FEW,
        test=FEW,
        validation_fraction=0,
    )
    size = (settings.size, settings.size)
    arrays = split_arrays(found, "train", size=size, channels=settings.channels)
    votes = None
    if "votes" in found.features("train"):
        votes = np.asarray(found.column("train", "votes"), "float64")
    kept = privacy.different_pictures(arrays.images)
    everything = Faces(
        arrays.images, arrays.labels, votes, np.arange(len(arrays)), tuple(found.class_names)
    )
    return everything.some(kept), len(arrays) - len(kept)


def draw(settings: ExposedFacesSettings, faces: Faces, seed: int) -> Pool:
    """Draw the pool of a seed, its population and the half of each model.

    Args:
        settings: The settings.
        faces: Faces that `load` returned.
        seed: Number of the repetition, from 1.

    Raises:
        ValueError: If there are too few faces.
    """
    pool, apart = privacy.draw_pool(len(faces.labels), settings.members, settings.population, seed)
    # Each half is drawn by itself: were every face in exactly half of the models, the numbers of
    # references with it and without it would tell whether the target has seen it.
    inside = [
        privacy.half_of_pool(settings.members, seed, number)
        for number in range(1, settings.models + 1)
    ]
    return Pool(faces.some(pool), faces.some(apart), np.stack(inside))


def plan(settings: ExposedFacesSettings, treatments: Sequence[str], output: Path) -> list[ModelRun]:
    """Return all models: those of one number together, and teachers before their students.

    Args:
        settings: The settings.
        treatments: Names of the treatments.
        output: Folder of the study.
    """
    ordered = sorted(treatments, key=lambda each: each not in BASES)
    return [
        ModelRun(
            f"{treatment} {number}",
            seed,
            output / "runs" / f"seed{seed}" / treatment / f"model{number:02d}",
            treatment,
            number,
        )
        for seed in range(1, settings.seeds + 1)
        for number in range(1, settings.models + 1)
        for treatment in ordered
    ]


def augmentation_of(settings: ExposedFacesSettings, treatment: str) -> Augmentation:
    """Return the augmentation of a treatment.

    Args:
        settings: The settings.
        treatment: Name of the treatment.
    """
    own = parts(treatment)
    changes: dict[str, Any] = {}
    if "erasing" in own:
        changes |= ERASING
    if "mixup" in own:
        changes["mixup"] = MixUp(**MIXUP["mixup"])
    known = policy("none" if base(treatment) == BARE else settings.augmentation)
    return dataclasses.replace(known, **changes)


def recipe_of(settings: ExposedFacesSettings, treatment: str) -> Recipe:
    """Return the recipe of a treatment.

    Args:
        settings: The settings.
        treatment: Name of the treatment.
    """
    recipe = recipes.get(settings.recipe)
    options = {**recipe.model_options, **(MODEL if recipe.model == "ghostface" else {})}
    options |= settings.model
    if "pretrained" in parts(treatment):
        options |= settings.start
    return recipe.replace(
        input_shape=(settings.size, settings.size, settings.channels),
        model_options=options,
        optimizer="adamw",
        learning_rate=settings.learning_rate,
        optimizer_options={"weight_decay": settings.weight_decay},
        schedule=recipes.Cosine(),
        batch_size=settings.batch_size,
        stages=(recipes.Stage("all", settings.epochs),),
        freeze_batch_norm=False,
        labels="one_hot",
        label_smoothing=0.0,
        loss="categorical_crossentropy",
        augmentation=augmentation_of(settings, treatment).to_dict(),
        class_weights=False,
        ema=None,
        patience=None,
    )


def start_of(settings: ExposedFacesSettings) -> dict[str, Any]:
    """Return what is known of the starting weights of pre-trained models.

    Args:
        settings: The settings.

    Returns:
        The options, hashes of the files, and where batch norm gets its statistics if not from them.

    Raises:
        ValueError: If the weights were trained on the faces of the study, non-members included, or
            if statistics of other faces are asked for.
    """
    if settings.start.get("faces") is not None:
        raise ValueError(
            "`start` must not name `faces`: a trunk's batch norm gets the statistics of the "
            "study's own population, and those of members would be a leak of their own. "
            f"Received: faces={str(settings.start['faces'])!r}"
        )
    for name, value in settings.start.items():
        for known in _learned_from(value):
            both = settings.data in SAME_FACES and known["data"] in SAME_FACES
            same = both or is_same_set(known, settings.data, settings.path)
            if same and settings.data != "synthetic":
                raise ValueError(
                    "`start` must be weights that were not trained on these faces, or nobody is a "
                    f"non-member. Received: {name}={value!r}, which learned from "
                    f"{known['data']!r}, and data={settings.data!r}"
                )
    named = [str(value) for value in settings.start.values() if Path(str(value)).is_file()]
    start = {"options": dict(settings.start), "sha256": runs.sha256_of(*named)}
    if settings.start.get("trunk_weights") is not None:
        start["batch_norm"] = "statistics of the population"
    return start


def _learned_from(source: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the training data sets of weights, and of the weights that these started from."""
    if not isinstance(source, str) or not source:
        return
    yield from sets_of(source)
    record = Path(source).parent / runs.RECORD
    if Path(source).is_file() and record.is_file():
        for option in runs.read(record).get("recipe", {}).get("model_options", {}).values():
            if option != source:
                yield from _learned_from(option)


class Trainer:
    """Trains the models one after the other, in networks that are compiled once.

    Args:
        settings: The settings.
        pools: The pools by seed.
        planned: All models.
    """

    def __init__(
        self, settings: ExposedFacesSettings, pools: Mapping[int, Pool], planned: Sequence[ModelRun]
    ) -> None:
        self.settings, self.pools = settings, pools
        self.planned = {(run.treatment, run.seed, run.number): run for run in planned}
        self.start = start_of(settings)
        self._renewed: dict[bool, RenewedModel] = {}
        self._voted: dict[tuple[int, int], np.ndarray] = {}
        self._unfolded: dict[int, list[np.ndarray]] = {}

    def check(self, run: ModelRun) -> None:
        """Raise `ValueError` if a model cannot be trained, or began with other weights.

        Args:
            run: Which one.
        """
        if "votes" in parts(run.treatment) and not run.done:
            self._vote_targets(run)
        pretrained = "pretrained" in parts(run.treatment)
        if pretrained and run.done and run.result().get("start") != self.start:
            raise ValueError(
                f"{run.folder} must be of models that began as `start` says; remove "
                f"{run.folder.parent} to have them made again. Received: start={self.start}"
            )

    @fused_steps.installed()
    def train(self, run: ModelRun) -> dict[str, Any]:
        """Train a model and keep its answers.

        Args:
            run: Which one.

        Returns:
            Its recipe and the training accuracy of each epoch, ready for JSON.
        """
        pool, settings = self.pools[run.seed], self.settings
        recipe = recipe_of(settings, run.treatment)
        inside = pool.inside[run.number - 1]
        renewed = self._network(run.treatment, recipe, len(pool.faces.names))
        # The models of one number share their half, first weights and order of faces, so that
        # treatments can be compared model by model.
        seed = int(np.random.SeedSequence([run.seed, run.number]).generate_state(1)[0] >> 1)
        renewed.renew(seed)
        if "pretrained" in parts(run.treatment) and "batch_norm" in self.start:
            self._unfold(renewed.model, run.seed)
        batches = FaceBatches(
            pool.faces.images[inside],
            self._targets(run, pool, inside),
            recipe.batch_size,
            training=True,
            augmentation=recipe.augmentation,
            seed=seed,
        )
        history = renewed.model.fit(batches, epochs=recipe.epochs, shuffle=False, verbose=0)
        images, labels = pool.everything()
        found = privacy.signals(
            renewed.model, images, labels, batch_size=min(500, len(labels)), progress=False
        )
        found.save(run.folder / SIGNALS)
        result = {
            "recipe": recipe.to_dict(),
            "parameters": renewed.model.count_params(),
            "training_accuracy": history.history["accuracy"],
        }
        pretrained = "pretrained" in parts(run.treatment)
        return result | ({"start": self.start} if pretrained else {})

    def _unfold(self, model, seed):
        """Give a trunk the statistics of a population, which are the same for all of its models.

        Published trunks have their batch norm folded, and statistics of members would be a leak.
        """
        variables = [each for norm in batch_norm_layers(model) for each in norm.weights]
        if seed not in self._unfolded:
            trunks.unfold_batch_norm(model, self.pools[seed].population.images)
            self._unfolded[seed] = [keras.ops.convert_to_numpy(each) for each in variables]
        for variable, value in zip(variables, self._unfolded[seed], strict=True):
            variable.assign(value)

    def _network(self, treatment, recipe, classes):
        pretrained = "pretrained" in parts(treatment)
        if pretrained not in self._renewed:
            steps = max(self.settings.members // self.settings.batch_size, 1)
            self._renewed[pretrained] = RenewedModel(recipe, classes, steps)
        return self._renewed[pretrained]

    def _targets(self, run, pool, inside):
        labels, classes = pool.faces.labels[inside], len(pool.faces.names)
        own = parts(run.treatment)
        if "votes" in own:
            return self._vote_targets(run)
        if "distilled" in own:
            teacher = self.planned[base(run.treatment), run.seed, run.number]
            known = teacher.signals().probabilities[:, 0]
            return known[: len(inside)][inside].astype("float32")
        return np.eye(classes, dtype="float32")[labels]

    def _vote_targets(self, run):
        """Return targets translated from votes, with a translation fitted without non-members.

        It is fitted on the faces of the model and the population; the other faces would leak.
        """
        key = run.seed, run.number
        if key not in self._voted:
            pool = self.pools[run.seed]
            inside = pool.inside[run.number - 1]
            labels = np.concatenate([pool.faces.labels[inside], pool.population.labels])
            votes = np.concatenate([pool.faces.votes[inside], pool.population.votes])
            found = vote_targets(labels, votes, VOTE_SHARE, len(pool.faces.names))
            self._voted[key] = found[: inside.sum()]
        return self._voted[key]
