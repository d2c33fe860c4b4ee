"""One fold of a training on clips: gone on with after a stop, scored, and kept for good."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data import files
from fer_data.protocols.subjects import Division
from fer_data.protocols.weighting import class_weights
from fer_models import evaluation
from fer_models.training import resume
from fer_models.training.clip_data import ClipData
from fer_models.training.recipes.recipe import Recipe
from fer_models.training.renewed_model import HISTORY, STATE, RenewedModel, clear_state
from fer_models.zoo import class_names
from fer_models.zoo.registry import CLIP_MODELS

RESULT, MODEL = "result.json", "model.keras"
SELECT = ("last", "validation")
# What every result has.
HELD: tuple[str, ...] = ("held_out", "seed", "epoch", "training_accuracy", "train_counts")
HELD += ("ids", "subjects", "labels", "probabilities")


class ClipTrainer(RenewedModel):
    """A network of clips that is trained anew for every fold.

    Args:
        recipe: A `Recipe` of a network of `fer_models.registry.CLIP_MODELS`.
        names: Names of the classes.
        motion: Whether the first frame is taken off every frame.
        region_cut: `"landmarks"` or `"grid"`, as for `fer_data.pipelines.clips.pipeline`.
    """

    def __init__(
        self,
        recipe: Recipe,
        names: Sequence[str],
        motion: bool = True,
        region_cut: str = "landmarks",
    ) -> None:
        super().__init__(recipe, len(names))
        self.names, self.motion, self.region_cut = tuple(names), motion, region_cut

    def batches(self, data: ClipData, places: Sequence[int] | np.ndarray, **options: Any) -> Any:
        """Return the clips at these places as batches.

        Args:
            data: The clips.
            places: Places in `data`.
            **options: Arguments of `fer_data.pipelines.clips.pipeline`.

        Raises:
            ValueError: If regions are to follow landmarks that nobody knows.
        """
        import tensorflow as tf

        from fer_data.pipelines import clips

        recipe = self.recipe
        labels = data.clips.labels[places]

        spec = {
            "frames": tf.TensorSpec(data.faces.shape[1:], tf.uint8),
            "label": tf.TensorSpec((), tf.int64),
        }
        if data.landmarks is not None:
            spec["landmarks"] = tf.TensorSpec((68, 2), tf.float32)

        # One by one: the pipeline's cache is the only copy of what `data` holds.
        def examples():
            for place, label in zip(places, labels, strict=True):
                example = {"frames": data.faces[place], "label": label}
                if data.landmarks is not None:
                    example["landmarks"] = data.landmarks[place]
                yield example

        dataset = tf.data.Dataset.from_generator(examples, output_signature=spec)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(places)))
        return clips.pipeline(
            dataset,
            frames=data.faces.shape[1],
            regions=_paths_of(recipe),
            region_cut=self.region_cut,  # type: ignore[arg-type]
            motion=self.motion,
            classes=self.classes,
            size=recipe.input_shape[0],
            channels=recipe.input_shape[2],
            batch_size=recipe.batch_size,
            **options,
        )

    def serves(self, recipe: Recipe) -> bool:
        """Return whether the network can be trained by another recipe as it is.

        It can where network and optimiser are the same. Its step, once traced, is then used again:
        set `recipe`.

        Args:
            recipe: The other recipe.
        """
        same = ("name", "batch_size", "epochs", "augmentation", "class_weights")
        return self.recipe.replace(**{name: getattr(recipe, name) for name in same}) == recipe

    def predict(
        self, data: ClipData, places: Sequence[int] | np.ndarray, where: str = ""
    ) -> np.ndarray:
        """Return probabilities `(clips, classes)`.

        Args:
            data: The clips.
            places: Places in `data`.
            where: What the error names, such as a folder.

        Raises:
            ValueError: If they are not finite.
        """
        found = self.model.predict(self.batches(data, places), verbose=0)
        if not np.isfinite(found).all():
            raise ValueError(
                f"The model of {where or self.recipe.name} gives no finite probabilities: its "
                "training has diverged. Take a smaller learning rate, in another output folder"
            )
        return found

    def save(self, path: Path) -> None:
        """Write the network without its optimiser, with its classes and what it was shown."""
        alone = self.recipe.build(classes=self.classes, seed=0)
        alone.set_weights(self.model.get_weights())
        with files.whole_file(path) as unfinished:
            alone.save(unfinished)
            shown = {"region_cut": self.region_cut, "motion": self.motion}
            class_names.write(unfinished, self.names, shown)


def fold_seed(seed: int, number: int) -> int:
    """Return the seed of everything random in a fold.

    Args:
        seed: Of the whole training.
        number: Of the fold, from 0.
    """
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)


def fold_is_done(folder: Path, keep_model: bool = False) -> bool:
    """Return whether a fold's result is there, and its model where that is wanted."""
    return (folder / RESULT).exists() and ((folder / MODEL).exists() or not keep_model)


def fold_epochs_done(folder: Path, epochs: int, keep_model: bool = False) -> int:
    """Return how many of its epochs a fold has behind it."""
    return epochs if fold_is_done(folder, keep_model) else resume.epochs_done(folder / STATE)


def fold_result(
    folder: Path,
    *,
    seed: int | None = None,
    held_out: str | None = None,
    ids: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the result of a finished fold, after clearing away what only going on needs.

    Args:
        folder: Where the fold is kept.
        seed: Seed that it must have been trained with; None for any.
        held_out: Who must have been tested; None for anybody.
        ids: Which clips must have been tested, in their order; None for any.

    Raises:
        ValueError: If the result is damaged, or of another fold.
    """
    path = folder / RESULT
    wanted = {"seed": seed, "held_out": held_out}
    same = {name: value for name, value in wanted.items() if value is not None}
    result = files.read_json(path, HELD, same=same, remove=folder)
    if not _fits(result):
        raise ValueError(
            f"{path} must have a label, an id, a subject and probabilities of each clip; remove "
            f"{folder} to have the fold trained again. Received: others"
        )
    if ids is not None and result["ids"] != list(ids):
        raise ValueError(
            f"{path} must have the {len(ids)} clips that this fold tests now; the data set, or the "
            f"scikit-learn that divides it, is another one. Remove {folder} and its neighbours to "
            f"train all folds again. Received: {len(result['ids'])} clips, not the same"
        )
    clear_state(folder)
    return result


def _fits(result):
    """Return whether a result has all it should for each tested clip."""
    try:
        said = np.asarray(result["probabilities"], float)
        labels = np.asarray(result["labels"], int)
        counts = {len(result["ids"]), len(result["subjects"]), len(said)}
    except (TypeError, ValueError):
        return False
    return said.ndim == 2 and labels.ndim == 1 and counts == {len(labels)}


def train_fold(
    trainer: ClipTrainer,
    data: ClipData,
    division: Division,
    folder: Path,
    *,
    seed: int,
    select: str = "last",
    keep_model: bool = False,
    steps_per_epoch: int | None = None,
    on_epoch: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Train a fold, or go on with it, and keep its result.

    Args:
        trainer: A `ClipTrainer`.
        data: The clips.
        division: Which of them train, validate and test.
        folder: Where the fold is kept. One that was stopped goes on from its last whole epoch.
        seed: Integer, of everything random in the fold.
        select: `"last"` for the last epoch, `"validation"` for that of the least loss on the
            validation part. The test part is first looked at when the epoch is chosen.
        keep_model: Whether to leave the model as `model.keras`.
        steps_per_epoch: Steps of an epoch; None for as many as the training part has batches.
        on_epoch: Function that is called after every epoch.

    Returns:
        The result, as it is in `result.json`: ids, subjects, labels and probabilities of the
        tested clips, which epoch they are of, scores of training and validation.

    Raises:
        ValueError: If the training diverges.
    """
    recipe, parts, labels = trainer.recipe, division.parts, data.clips.labels
    if (folder / RESULT).exists() and not (folder / STATE).exists():
        # It is finished, and trained again for its model.
        (folder / HISTORY).unlink(missing_ok=True)
    chooses = select == "validation"
    weights = None
    if recipe.class_weights:
        weights = class_weights(labels[parts["train"]], trainer.classes)
    history = trainer.fit(
        lambda epoch: trainer.batches(
            data,
            parts["train"],
            training=True,
            augmentation=recipe.augmentation,
            seed=seed,
            initial_epoch=epoch,
            repeat=True,
        ),
        folder,
        seed=seed,
        steps_per_epoch=steps_per_epoch or math.ceil(len(parts["train"]) / recipe.batch_size),
        validation=trainer.batches(data, parts["validation"]) if chooses else None,
        monitor="val_loss" if chooses else None,
        class_weight=weights,
        on_epoch=on_epoch,
    )
    kept = len(history)
    if chooses:
        losses = [row["val_loss"] for row in history]
        if not np.isfinite(losses).any():
            raise ValueError(f"The training in {folder} has no finite validation loss")
        kept = int(np.nanargmin(losses)) + 1
        trainer.load_best(folder)
    result = {
        "held_out": division.held_out,
        "seed": seed,
        "epoch": kept,
        "training_accuracy": history[kept - 1]["accuracy"],
        "train_counts": np.bincount(labels[parts["train"]], minlength=trainer.classes).tolist(),
    }
    if "validation" in parts:
        report = evaluation.classification_report(
            labels[parts["validation"]],
            trainer.predict(data, parts["validation"], str(folder)),
            data.names,
        )
        result["validation"] = {
            "accuracy": report.accuracy,
            "uf1": report.macro_f1,
            "loss": report.loss,
        }
    result |= {
        "ids": data.clips.ids[parts["test"]].tolist(),
        "subjects": data.clips.subjects[parts["test"]].tolist(),
        "labels": labels[parts["test"]].tolist(),
        "probabilities": trainer.predict(data, parts["test"], str(folder)).tolist(),
    }
    if keep_model:
        trainer.save(folder / MODEL)
    # Last: it marks the fold as finished.
    files.write_json(folder / RESULT, result)
    return fold_result(folder)


def _paths_of(recipe):
    """Return the number of regions that a recipe's network takes."""
    regions = CLIP_MODELS[recipe.model].regions
    return recipe.model_options.get("paths") or len(regions)
