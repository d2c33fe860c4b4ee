"""The trainings of the study of label noise, each kept when it is finished."""

import dataclasses
import hashlib
import math
import os
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_data import files
from fer_data.pipelines.split_arrays import split_arrays
from fer_data.protocols import group_folds
from fer_models import robustness
from fer_models.privacy import content_hashes
from fer_models.studies.label_noise_settings import Cell, LabelNoiseSettings
from fer_models.studies.study_faces import fewer_faces, study_faces
from fer_models.training.face_settings import FaceSettings
from fer_models.training.face_training import build_model
from fer_models.training.recipes import Cosine
from fer_models.training.recipes.recipe import Recipe
from fer_models.training.renewed_model import RenewedModel, clear_state

RESULT, PREDICTIONS = "result.json", "predictions.npz"
EPOCHS = ("best", "last")
# Drawn faces to choose an epoch by and to score on, as a share of those to train on.
SHARE = 0.2
SEED = 1


@dataclasses.dataclass(frozen=True, eq=False)
class NoisyFaces:
    """The faces of the study, with the labels that the data set gives.

    Attributes:
        splits: uint8 images and labels by split: `"train"`, `"validation"`, perhaps `"test"`.
        names: Names of the classes.
        ids: Ids of the training faces.
    """

    splits: dict[str, tuple[np.ndarray, np.ndarray]]
    names: tuple[str, ...]
    ids: list[str]

    @property
    def scored(self) -> str:
        """Name of the split that models are scored on."""
        return "test" if "test" in self.splits else "validation"

    def digest(self) -> str:
        """Return a hash of all pixels and labels."""
        found = hashlib.sha256()
        for name in sorted(self.splits):
            for values in self.splits[name]:
                found.update(np.ascontiguousarray(values).tobytes())
        return found.hexdigest()


def recipe_of(settings: LabelNoiseSettings) -> Recipe:
    """Return how the models are trained; each cell has its own augmentation."""
    return _face_settings(settings).to_recipe()


def check_options(settings: LabelNoiseSettings, recipe: Recipe) -> None:
    """Raise `ValueError` where the network does not take an option.

    Args:
        settings: The settings.
        recipe: What `recipe_of` gives.
    """
    build_model(_face_settings(settings), recipe, classes=2)


def _face_settings(settings):
    names = ("recipe", "model", "epochs", "batch_size", "learning_rate", "size", "channels")
    # No early stop: the last epoch is what learns by heart.
    return FaceSettings(patience=0, seed=SEED, **{name: getattr(settings, name) for name in names})


def load(
    settings: LabelNoiseSettings, recipe: Recipe, data_dir: str | os.PathLike[str] | None = None
) -> NoisyFaces:
    """Return the faces that the settings name, at the size of the recipe.

    Args:
        settings: The settings.
        recipe: What `recipe_of` gives.
        data_dir: Where prepared data sets are kept.

    Raises:
        ValueError: If the data set has no validation split, or `train` does not fit its faces.
    """
    height, width, channels = recipe.input_shape
    few = max(7, round(SHARE * (settings.train or 0)))
    faces = study_faces(
        settings.data,
        settings.path,
        data_dir=data_dir,
        size=max(height, width),
        seed=SEED,
        train=settings.train or 0,
        validation=few,
        test=few,
    )
    if "validation" not in faces.counts:
        raise ValueError(
            f"The data set must have a validation split. Received: {sorted(faces.counts)}"
        )
    found = {
        name: split_arrays(faces, name, size=(height, width), channels=channels)
        for name in faces.counts
    }
    splits = {name: (part.images, part.labels) for name, part in found.items()}
    ids = list(map(_text, faces.column("train", "id"))) if _has_ids(faces) else None
    ids = ids or [str(place) for place in range(faces.counts["train"])]
    if settings.train is not None and settings.train < faces.counts["train"]:
        chosen = fewer_faces(splits["train"][1], settings.train)
        splits["train"] = tuple(values[chosen] for values in splits["train"])
        ids = [ids[place] for place in chosen]
    return NoisyFaces(splits, faces.class_names, ids)


def check_rates(settings: LabelNoiseSettings, faces: NoisyFaces) -> None:
    """Refuse rates that are too small for the faces, before anything is trained.

    Args:
        settings: The settings.
        faces: The faces.

    Raises:
        ValueError: If a rate above 0 makes no label wrong.
    """
    count = len(faces.splits["train"][1])
    for kind in settings.kinds:
        for rate in settings.rates:
            if rate > 0 and not flip(faces, kind, rate, 1)[1].any():
                raise ValueError(
                    "`rates` must each make at least one label wrong: give a larger share, or more "
                    f"faces. Received: {rate} of {count:,} faces, none wrong"
                )


def flip(faces: NoisyFaces, kind: str, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the training labels of a cell, and which of them are wrong.

    Args:
        faces: The faces.
        kind: `"symmetric"` or `"class_dependent"`.
        rate: Share of wrong labels.
        seed: Which labels.
    """
    transition = robustness.emotion_transition(faces.names) if kind == "class_dependent" else None
    labels = faces.splits["train"][1]
    return robustness.flip_labels(labels, rate, len(faces.names), transition=transition, seed=seed)


class Trainings:
    """One network that is trained on the faces of the study again and again.

    Args:
        recipe: What `recipe_of` gives.
        faces: The faces.
    """

    def __init__(self, recipe: Recipe, faces: NoisyFaces) -> None:
        self.recipe, self.faces = recipe, faces
        self._renewed: dict[int, RenewedModel] = {}

    def fit(
        self,
        data: tuple[np.ndarray, np.ndarray],
        augmentation: str,
        seed: int,
        folder: Path,
    ) -> tuple[RenewedModel, list[float]]:
        """Train, or go on.

        Args:
            data: Images and labels to train on.
            augmentation: A name of `fer_models.studies.label_noise_settings.AUGMENTATIONS`.
            seed: Of everything random.
            folder: Where the training is kept.

        Returns:
            The network as it is after the last epoch, and the validation accuracy of every epoch.
        """
        from fer_data.pipelines import images

        options = self.recipe.replace(augmentation=augmentation).data_kwargs()
        common = {name: options[name] for name in ("size", "channels", "batch_size")}
        classes = len(self.faces.names)
        steps = math.ceil(len(data[1]) / self.recipe.batch_size)
        # A fold has fewer steps than all faces, which matters to one schedule alone.
        kind = steps if isinstance(self.recipe.schedule, Cosine) else 0
        if kind not in self._renewed:
            self._renewed[kind] = RenewedModel(self.recipe, classes, steps)
        renewed = self._renewed[kind]
        history = renewed.fit(
            lambda epoch: images.pipeline(
                data,
                training=True,
                classes=classes,
                seed=seed,
                initial_epoch=epoch,
                repeat=True,
                **options,
            ),
            folder,
            seed=seed,
            steps_per_epoch=steps,
            validation=images.pipeline(self.faces.splits["validation"], classes=classes, **common),
            monitor="val_accuracy",
        )
        return renewed, [row["val_accuracy"] for row in history]


def train_cell(cell: Cell, trainings: Trainings, folder: Path) -> dict[str, Any]:
    """Train one cell of the table, unless it is there already.

    Args:
        cell: The cell.
        trainings: The network and the faces.
        folder: Where it is kept. A training that was stopped goes on from its last whole epoch.

    Returns:
        Its numbers, as they are in `result.json`.
    """
    done = folder / RESULT
    if done.exists():
        result = files.read_json(done, EPOCHS, same=dataclasses.asdict(cell), remove=folder)
        clear_state(folder)
        return result
    faces = trainings.faces
    pictures, labels = faces.splits["train"]
    noisy, flipped = flip(faces, cell.kind, cell.rate, cell.seed)
    renewed, accuracies = trainings.fit((pictures, noisy), cell.augmentation, cell.seed, folder)
    scored, truth = faces.splits[faces.scored]
    found = {}
    for epoch in reversed(EPOCHS):
        # The last epoch's weights are in the model already.
        if epoch == "best":
            renewed.load_best(folder)
        found[epoch] = {
            "test": predict(renewed.model, scored),
            "train": predict(renewed.model, pictures),
        }
    result = {
        **dataclasses.asdict(cell),
        "flipped": int(flipped.sum()),
        "best_epoch": int(np.argmax(accuracies)) + 1,
        "validation_accuracy": accuracies,
    }
    for epoch, shown in found.items():
        said = {split: p.argmax(-1) for split, p in shown.items()}
        heeded = said["train"] == noisy
        result[epoch] = {
            "accuracy": float((said["test"] == truth).mean()),
            "training_accuracy": float(heeded.mean()),
        }
        if flipped.any():
            result[epoch]["learnt_by_heart"] = float(heeded[flipped].mean())
            result[epoch]["corrected"] = float((said["train"] == labels)[flipped].mean())
    files.write_arrays(
        folder / PREDICTIONS,
        {f"{e}_{s}": p.astype("float16") for e, v in found.items() for s, p in v.items()},
    )
    files.write_json(done, result)
    # The predictions stand for the models.
    clear_state(folder)
    return result


def predictions(folder: Path) -> dict[str, np.ndarray]:
    """Return the probabilities that a finished cell keeps.

    Args:
        folder: Folder of the cell.

    Returns:
        `best_test`, `best_train`, `last_test` and `last_train`, `(faces, classes)` each.
    """
    names = [f"{epoch}_{split}" for epoch in EPOCHS for split in ("test", "train")]
    return files.read_arrays(folder / PREDICTIONS, names)


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return probabilities `(faces, classes)`."""
    return model.predict(images.astype("float32"), batch_size=256, verbose=0)


def out_of_sample(
    settings: LabelNoiseSettings, trainings: Trainings, labels: np.ndarray, folder: Path
) -> np.ndarray:
    """Return probabilities for the training faces, each by a model that has not seen it.

    Copies of a picture, mirrored or not, are in one part, or a copy would confirm a wrong label.

    Args:
        settings: The settings.
        trainings: The network and the faces.
        labels: The labels of the faces, some of which may be wrong.
        folder: Where they are kept.
    """
    from sklearn.model_selection import StratifiedKFold

    faces = trainings.faces
    pictures = faces.splits["train"][0]
    groups = _copies(pictures)
    # What an earlier version left had copies in several parts.
    mark = "" if groups is None else "_copies_together"
    done = folder / f"probabilities{mark}.npz"
    if not done.exists():
        found = np.zeros((len(labels), len(faces.names)))
        parts = (
            StratifiedKFold(settings.folds, shuffle=True, random_state=SEED).split(labels, labels)
            if groups is None
            else group_folds(labels, groups, settings.folds, SEED)
        )
        for number, (seen, unseen) in enumerate(parts):
            part = folder / f"fold{mark}_{number + 1}"
            renewed, _ = trainings.fit(
                (pictures[seen], labels[seen]), settings.augmentations[-1], SEED, part
            )
            renewed.load_best(part)
            found[unseen] = predict(renewed.model, pictures[unseen])
        files.write_arrays(done, {"probabilities": found})
        for part in folder.glob("fold*"):
            shutil.rmtree(part)
    return files.read_arrays(done, ["probabilities"])["probabilities"]


def _copies(pictures):
    """Return a number or name for each picture, the same for copies; None where there are none."""
    plain, mirrored = content_hashes(pictures), content_hashes(pictures[:, :, ::-1])
    groups = np.where(plain < mirrored, plain, mirrored)
    return groups if len(np.unique(groups)) < len(groups) else None


def _has_ids(faces):
    return "id" in faces.features("train")


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)
