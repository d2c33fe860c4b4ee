"""Trainings of the study of private features, and the canaries of their audits."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_data import files
from fer_data.pipelines.split_arrays import split_arrays
from fer_models.studies.planned_runs import PlannedRun
from fer_models.studies.private_features_settings import (
    APART,
    DATA,
    TRUNK,
    PrivateFeaturesSettings,
)
from fer_models.studies.study_faces import study_faces
from fer_models.training.private_fit import fit_private, private_mean
from fer_models.training.private_training import PrivateTraining
from fer_models.training.runs import sha256_of
from fer_models.training.trunk_features import FaceFeatures, read_features, trunk_features
from fer_models.zoo import trunks

FEATURES, SCORES = "features.npz", "canary_scores.npz"
# The norm of a canary, where that of a face is 1: its gradient is always clipped.
CANARY_NORM = 4.0
# Features have few strong directions, which forbid a high learning rate without it.
MOMENTUM = 0.9
# Of the mean of all faces' features: some hundredths of epsilon.
MEAN_NOISE = 32.0


def load_features(
    settings: PrivateFeaturesSettings,
    output: Path,
    data_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> FaceFeatures:
    """Return the features of the faces: from a file, from the folder of the study, or new.

    Args:
        settings: The settings.
        output: Folder of the study.
        data_dir: Folder for prepared data sets.
        progress: Whether to show a bar.
    """
    if settings.features is not None:
        return read_features(settings.features)
    weights = settings.trunk_weights
    data, trunk = settings.data or DATA, settings.trunk or TRUNK
    side = trunks.about(trunk).size if settings.size is None else settings.size
    about = {
        "data": data,
        "trunk": trunk,
        "size": side,
        "faces": _faces_of(settings),
        "weights_sha256": None if weights is None else sha256_of(weights)[0],
    }
    if (output / FEATURES).exists():
        kept = read_features(output / FEATURES)
        if dict(kept.about) == about:
            return kept
        raise ValueError(
            f"{output} holds the features of another trunk or other faces: choose another output "
            f"folder. Received: {dict(kept.about)}"
        )
    faces = study_faces(
        data,
        settings.path,
        data_dir=data_dir,
        size=side,
        seed=0,
        train=settings.train,
        validation=7,
        test=settings.validation,
        validation_fraction=0,
    )
    keras.utils.set_random_seed(0)
    found, labels = {}, {}
    for split in ("train", "test" if "test" in faces.splits else "validation"):
        arrays = split_arrays(faces, split, size=(side, side), channels=1)
        labels[split] = arrays.labels
        found[split] = trunk_features(
            arrays.images,
            trunk=trunk,
            trunk_weights=weights,
            size=side,
            progress=progress,
        )
    return FaceFeatures(found, labels, tuple(faces.class_names), about)


def _faces_of(settings):
    """Return what tells the faces from others: the digest of a file, a folder's place, numbers."""
    if settings.path is None:
        return {"train": settings.train, "validation": settings.validation}
    path = Path(settings.path)
    return sha256_of(path)[0] if path.is_file() else str(path.resolve())


def scored_split(features: FaceFeatures) -> str:
    """Return the name of the split on which accuracy is measured."""
    return "test" if "test" in features.features else "validation"


def unit(features: np.ndarray) -> np.ndarray:
    """Return the features of each face less their own mean, scaled to a norm of 1.

    Args:
        features: `(faces, features)`.
    """
    found = features - features.mean(1, keepdims=True)
    return (found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)).astype(
        "float32"
    )


class Trainings:
    """The trainings on the features of faces.

    Args:
        settings: The settings.
        features: The features, with a split `train` and one to score on.

    Raises:
        ValueError: If there are too many canaries for the features, or delta is too large for the
            faces and the canaries.
    """

    def __init__(self, settings: PrivateFeaturesSettings, features: FaceFeatures) -> None:
        self.settings = settings
        self.classes = len(features.class_names)
        split = scored_split(features)
        self.train = unit(features.features["train"]), features.labels["train"]
        self.scored = unit(features.features[split]), features.labels[split]
        self._check_audit(*self.train[0].shape)

    def _check_audit(self, faces, directions):
        """Refuse an audit that cannot be, which would show only after the other trainings."""
        settings = self.settings
        most, examples = directions * self.classes, faces + settings.canaries
        if settings.canaries > most:
            raise ValueError(
                f"`canaries` must be at most {most} for {directions} features and {self.classes} "
                f"classes. Received: canaries={settings.canaries}"
            )
        if settings.delta >= 1 / examples:
            raise ValueError(
                f"`delta` must be below 1 / {examples:,} = {1 / examples:.2g} for {faces:,} "
                f"training faces and {settings.canaries:,} canaries: give a smaller one, or fewer "
                f"canaries. Received: delta={settings.delta!r}"
            )

    def choose(self, run: PlannedRun) -> dict[str, Any]:
        """Return the best learning rate on a part of the training faces, and all scores.

        Args:
            run: Its row decides the epsilon.
        """
        x, y = self.train
        order = np.random.default_rng(0).permutation(len(y))
        apart, rest = np.split(order, [round(APART * len(y))])
        mean = self._mean(run, x[rest], seed=0)
        scores = {}
        for rate in self.settings.learning_rates:
            head, _ = self._fit(run, unit(x[rest] - mean), y[rest], rate, seed=0)
            scores[f"{rate:g}"] = _accuracy(head, unit(x[apart] - mean), y[apart])
        best = max(self.settings.learning_rates, key=lambda rate: scores[f"{rate:g}"])
        return {"learning_rate": best, "scores": scores}

    def fit(self, run: PlannedRun, rate: float) -> dict[str, Any]:
        """Train on all training faces, then again with canaries; return accuracy and guarantee.

        The scores of the canaries are kept in the run's folder.

        Args:
            run: The run.
            rate: Learning rate.
        """
        mean = self._mean(run, self.train[0], seed=2 * run.seed)
        (x, y), (scored, answers) = (
            (unit(values - mean), labels) for values, labels in (self.train, self.scored)
        )
        head, guarantee = self._fit(run, x, y, rate, seed=2 * run.seed)
        canaries, names, inside = self.canaries(x, run.seed)
        audited, again = self._fit(
            run,
            np.concatenate([x, canaries]),
            np.concatenate([y, names]),
            rate,
            seed=2 * run.seed + 1,
            absent=np.concatenate([np.zeros(len(y), bool), ~inside]),
        )
        # How far the answer for its label stands above the mean of all.
        logits = canaries @ audited.layers[-1].get_weights()[0]
        scores = logits[np.arange(len(names)), names] - logits.mean(1)
        arrays = {"inside": scores[inside], "outside": scores[~inside]}
        files.write_arrays(run.folder / SCORES, arrays)
        return {
            "learning_rate": rate,
            "accuracy": _accuracy(head, scored, answers),
            "training_accuracy": _accuracy(head, x, y),
            "accuracy_with_canaries": _accuracy(audited, scored, answers),
            "guarantee": guarantee,
            "guarantee_of_audit": again,
        }

    def canaries(self, x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return canaries, their labels, and which of them are put into the training set.

        They point in directions in which the faces vary least, at right angles to each other. If
        two share a direction, they have different labels.

        Args:
            x: The features of the training faces.
            seed: Of the labels, and of the choice.
        """
        count, generator = self.settings.canaries, np.random.default_rng([seed, 1])
        # The directions with the least of the faces come first.
        _, directions = np.linalg.eigh(x.T @ x)
        shared = min(self.classes, -(-count // len(directions)) * 2)
        most = -(-count // shared)
        places = np.arange(count) % most
        orders = generator.permuted(np.tile(np.arange(self.classes), (most, 1)), axis=1)
        labels = orders[places, np.arange(count) // most]
        found = CANARY_NORM * directions.T[places]
        return found.astype("float32"), labels, generator.random(count) < 0.5

    def _fit(self, run, x, y, rate, seed, absent=None):
        settings, private = self.settings, self.settings.rows[run.row]
        head = keras.Sequential(
            [
                keras.Input((x.shape[1],)),
                keras.layers.Dense(self.classes, "softmax", kernel_initializer="zeros"),
            ]
        )
        training = PrivateTraining(
            epsilon=private,
            delta=settings.delta,
            batch_size=settings.batch_size,
            steps=settings.steps,
            earlier=() if private is None else (MEAN_NOISE,),
            seed=1000 * (run.seed + 1) + seed,
        )
        optimizer = keras.optimizers.SGD(rate, momentum=MOMENTUM)
        return head, fit_private(head, x, y, training, optimizer=optimizer, absent=absent)

    def _mean(self, run, x, seed):
        noise = 0.0 if self.settings.rows[run.row] is None else MEAN_NOISE
        return private_mean(x, noise, seed=1000 * run.seed + seed)


def _accuracy(head, x, y):
    weights, bias = head.layers[-1].get_weights()
    return float(((x @ weights + bias).argmax(1) == y).mean())


def read_scores(run: PlannedRun) -> dict[str, np.ndarray]:
    """Return the scores of a run's canaries, `inside` and `outside` its training set."""
    return files.read_arrays(run.folder / SCORES, ("inside", "outside"))
