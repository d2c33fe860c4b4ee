"""The batches that a recipe trains on and is scored on, of the faces of a data set."""

import os
from collections.abc import Callable
from typing import Any

from fer_data.pipelines import face_arrays
from fer_data.pipelines.face_batches import FaceBatches
from fer_data.pipelines.joined_batches import JoinedBatches, joined_pipeline, needs_tensorflow
from fer_data.pipelines.joined_faces import JoinedFaces
from fer_data.pipelines.labelled_faces import LabelledFaces
from fer_data.pipelines.set_order import SetOrder
from fer_models.training.recipes.recipe import Recipe

# From whole batches to those of one process of several.
Share = Callable[[Any], Any]


def training_batches(
    recipe: Recipe,
    faces: LabelledFaces,
    classes: int,
    *,
    seed: int = 0,
    passes: int = 1,
    share: Share | None = None,
) -> Callable[[int], Any]:
    """Return the batches of the training faces, as `Recipe.fit` takes them.

    Args:
        recipe: The recipe.
        faces: The faces, with a split `"train"`.
        classes: Number of classes of the model.
        seed: Seed of order and augmentation.
        passes: How often an epoch goes through the faces.
        share: What one process of several takes of a `tf.data.Dataset` of whole batches; None for
            all of them.

    Returns:
        A function from the number of an epoch to the batches from there on: a `tf.data.Dataset`
        without end, or a `FaceBatches` of a packed file. Of several data sets it is a `FaceBatches`
        too, but for several processes and for an augmentation that is TensorFlow's alone.
    """
    if isinstance(faces, JoinedFaces):
        return _of_sets(recipe, faces, classes, seed, passes, share)
    if faces.packed is not None and share is None:
        arrays = faces.splits["train"]
        pictures = face_arrays.resized(
            arrays["image"], recipe.input_shape[:2], recipe.input_shape[2]
        )
        learned = face_arrays.targets(arrays, classes, recipe.labels, recipe.label_smoothing)
        affect = None if recipe.valence_arousal is None else face_arrays.valence_arousal(arrays)

        def of_arrays(epoch):
            return FaceBatches(
                pictures,
                learned,
                recipe.batch_size,
                training=True,
                augmentation=recipe.augmentation,
                seed=seed,
                initial_epoch=epoch,
                passes=passes,
                workers=min(8, os.cpu_count() or 1),
                valence_arousal=affect,
            )

        return of_arrays
    from fer_data.pipelines import images

    dataset = faces.dataset("train")

    def of_dataset(epoch):
        batches = images.pipeline(
            dataset,
            **recipe.data_kwargs(),
            classes=classes,
            seed=seed,
            training=True,
            initial_epoch=epoch * passes,
            repeat=True,
        )
        return share(batches) if share else batches

    return of_dataset


def _of_sets(recipe, faces, classes, seed, passes, share):
    if recipe.valence_arousal is not None:
        raise ValueError(
            "`valence_arousal` must be None with several data sets. "
            f"Received: valence_arousal={recipe.valence_arousal}, sets {list(faces.sets)}"
        )
    arrays = faces.splits["train"]
    counts = [each["train"] for each in faces.sets.values()]
    learned = face_arrays.targets(arrays, classes, recipe.labels, recipe.label_smoothing)
    options = {"batch_size": recipe.batch_size, "augmentation": recipe.augmentation}
    if share is None and not needs_tensorflow(recipe.augmentation):
        order = SetOrder(counts, faces.weights, seed, passes)
        options["workers"] = min(8, os.cpu_count() or 1)
        return lambda epoch: JoinedBatches(
            arrays["image"], learned, order, initial_epoch=epoch, **options
        )
    # Here each pass is an epoch of its own, so that its batches are as many as without sets.
    order = SetOrder(counts, faces.weights, seed)

    def of_dataset(epoch):
        first = epoch * passes
        batches = joined_pipeline(arrays["image"], learned, order, initial_epoch=first, **options)
        return share(batches) if share else batches

    return of_dataset


def scoring_batches(
    recipe: Recipe,
    faces: LabelledFaces,
    split: str,
    classes: int,
    share: Share | None = None,
    valence_arousal: bool = False,
) -> Any:
    """Return the batches of a split in their order, for validation and scores.

    Args:
        recipe: The recipe, for the size of the faces and of the batches.
        faces: The faces.
        split: Name of the split.
        classes: Number of classes of the model.
        share: As in `training_batches`.
        valence_arousal: Whether to give valence and arousal too, as a training with them needs.

    Returns:
        Batches `(images, one-hot labels)`, or of a dictionary with these and valence and arousal.
    """
    options: dict[str, Any] = {
        "size": tuple(recipe.input_shape[:2]),
        "channels": recipe.input_shape[2],
        "classes": classes,
        "batch_size": recipe.batch_size,
        "valence_arousal": valence_arousal,
    }
    if share is None:
        return faces.batches(split, **options)
    from fer_data.pipelines import images

    return share(images.pipeline(faces.dataset(split), **options))
