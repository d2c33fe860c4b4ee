"""One fold of a training on micro-expressions: resumed, scored, and kept for good."""

import csv
import json
import math
import os
import shutil

import keras
import numpy as np

from fer_data import files
from fer_models import evaluation
from fer_models.training import resume
from fer_models.zoo.registry import CLIP_MODELS

RESULT, MODEL = "result.json", "model.keras"


class Trainer:
    """A network that is trained anew for every fold.

    Tracing its training step takes as long as several epochs of a hundred clips, and is needed
    only once if the network stays and its weights change.

    Args:
        recipe: A `Recipe`.
        classes: Number of classes.
        motion: Whether the first frame is taken off every frame.
    """

    def __init__(self, recipe, classes, motion=True):
        self.recipe, self.classes, self.motion = recipe, classes, motion
        self.model = recipe.build(classes=classes, seed=0)
        self.model.compile(**recipe.compile_kwargs())
        self.model.optimizer.build(self.model.trainable_variables)
        self.unused = [keras.ops.convert_to_numpy(v) for v in self.model.optimizer.variables]

    def begin(self, seed):
        """Give the network the weights and the dropout that follow from a seed."""
        keras.utils.set_random_seed(seed)
        source = self.recipe.build(classes=self.classes, seed=seed)
        # All of them: the generators of the dropout are variables, but no weights.
        for mine, given in zip(self.model.variables, source.variables, strict=True):
            mine.assign(given)
        for mine, given in zip(self.model.optimizer.variables, self.unused, strict=True):
            mine.assign(given)
        # Left there by `BackupAndRestore` in the fold before, it overrules `initial_epoch`.
        self.model._initial_epoch = None

    def batches(self, data, places, **options):
        """Return the clips at these places as batches."""
        import tensorflow as tf

        from fer_data.pipelines import clips

        recipe = self.recipe
        labels = data.clips.labels[places]

        # One by one: the pipeline's cache is the only copy of what `data` holds.
        def examples():
            for place, label in zip(places, labels, strict=True):
                yield data.faces[place], label

        face = tf.TensorSpec(data.faces.shape[1:], tf.uint8)
        dataset = tf.data.Dataset.from_generator(
            examples, output_signature=(face, tf.TensorSpec((), tf.int64))
        ).apply(tf.data.experimental.assert_cardinality(len(places)))
        return clips.pipeline(
            dataset,
            frames=recipe.model_options["frames"],
            regions=paths_of(recipe),
            motion=self.motion,
            classes=self.classes,
            size=recipe.input_shape[0],
            channels=recipe.input_shape[2],
            batch_size=recipe.batch_size,
            **options,
        )

    def save(self, path):
        """Write the network, without its optimiser, under a temporary name and rename it."""
        alone = self.recipe.build(classes=self.classes, seed=0)
        alone.set_weights(self.model.get_weights())
        unfinished = path.with_name(f"unfinished_{path.name}")
        alone.save(unfinished)
        os.replace(unfinished, path)


def paths_of(recipe):
    """Return the number of regions that a recipe's network takes."""
    regions = CLIP_MODELS[recipe.model].regions
    return recipe.model_options.get("paths") or len(regions)


def seed_of(seed, number):
    """Return the seed of everything random in a fold."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)


def is_done(folder, keep_model):
    """Return whether a fold is finished: its result is there, and its model where it is wanted."""
    return (folder / RESULT).exists() and ((folder / MODEL).exists() or not keep_model)


def result_of(folder):
    """Return the result of a finished fold, after clearing away what only going on needs."""
    for name in ("state", "best.weights.h5"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return json.loads((folder / RESULT).read_text())


def epochs_done(folder, epochs, keep_model):
    """Return how many epochs of a fold are behind it."""
    return epochs if is_done(folder, keep_model) else resume.epochs_done(folder / "state")


def train(trainer, data, division, folder, *, seed, select, keep_model, tick):
    """Train a fold, or go on with it, and keep its result.

    Args:
        trainer: A `Trainer`.
        data: `Data`.
        division: The fold's `Division`.
        folder: Where it is kept. A fold that was stopped goes on from its last whole epoch.
        seed: Integer, of everything random in the fold.
        select: `"last"` for the last epoch, `"validation"` for that of the least loss on the
            validation part. The test part is first looked at when the epoch is chosen.
        keep_model: Whether to leave the model as `model.keras`.
        tick: Called after every epoch.

    Returns:
        The result, as it is in `result.json`.
    """
    from fer_data.protocols.weighting import class_weights

    recipe, parts, labels = trainer.recipe, division.parts, data.clips.labels
    state, history = folder / "state", folder / "history.csv"
    best = folder / "best.weights.h5"
    model = trainer.model
    trainer.begin(seed)
    first = resume.epochs_done(state)
    resume.trim_history(history, first)
    folder.mkdir(parents=True, exist_ok=True)
    if resume.is_over(state, recipe.epochs):
        resume.restore(model, state)
    else:
        watching = []
        if select == "validation":
            watching.append(
                keras.callbacks.ModelCheckpoint(
                    best, monitor="val_loss", save_best_only=True, save_weights_only=True
                )
            )
        weights = None
        if recipe.class_weights:
            weights = class_weights(labels[parts["train"]], trainer.classes)
        model.fit(
            trainer.batches(
                data, parts["train"], training=True, augmentation=recipe.augmentation, seed=seed,
                initial_epoch=first, repeat=True,
            ),
            validation_data=trainer.batches(data, parts["validation"]) if watching else None,
            initial_epoch=first,
            epochs=recipe.epochs,
            steps_per_epoch=math.ceil(len(parts["train"]) / recipe.batch_size),
            class_weight=weights,
            callbacks=[
                *watching,
                keras.callbacks.CSVLogger(history, append=True),
                *resume.resumable(state, watching)[len(watching) :],
                # After the backup: an epoch that is counted is kept.
                keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: tick()),
            ],
            shuffle=False,
            verbose=0,
        )  # fmt: skip
    with history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = recipe.epochs
    if select == "validation":
        losses = [float(row["val_loss"]) for row in rows]
        if not np.isfinite(losses).any():
            raise ValueError(f"the training in {folder} has no finite validation loss")
        kept = int(np.nanargmin(losses)) + 1
        model.load_weights(best)
    result = {
        "held_out": division.held_out,
        "seed": seed,
        "epoch": kept,
        "training_accuracy": float(rows[kept - 1]["accuracy"]),
        "train_counts": np.bincount(labels[parts["train"]], minlength=trainer.classes).tolist(),
    }
    if "validation" in parts:
        truth = labels[parts["validation"]]
        report = evaluation.classification_report(
            truth, predict(trainer, data, parts["validation"], folder), data.names
        )
        result["validation"] = {
            "accuracy": report.accuracy, "uf1": report.macro_f1, "loss": report.loss,
        }  # fmt: skip
    result |= {
        "ids": data.clips.ids[parts["test"]].tolist(),
        "subjects": data.clips.subjects[parts["test"]].tolist(),
        "labels": labels[parts["test"]].tolist(),
        "probabilities": predict(trainer, data, parts["test"], folder).tolist(),
    }
    if keep_model:
        trainer.save(folder / MODEL)
    # Last: it says that the fold is finished.
    files.write_text(folder / RESULT, json.dumps(result))
    return result_of(folder)


def predict(trainer, data, places, folder):
    """Return probabilities `(clips, classes)`."""
    found = trainer.model.predict(trainer.batches(data, places), verbose=0)
    if not np.isfinite(found).all():
        raise ValueError(
            f"the model of {folder} gives no finite probabilities: its training has diverged; "
            "take a smaller --learning-rate, in another --output"
        )
    return found
