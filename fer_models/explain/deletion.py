"""Deletion and insertion: a check that the hottest places of a map matter to the model."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from fer_data import arguments
from fer_data.checks import as_numbers, check_integer
from fer_models.evaluation.layer_calls import trace_calls
from fer_models.explain.grad_cam import checked_classes, checked_inputs, visual_inputs
from fer_models.explain.layers import input_format


@dataclasses.dataclass(frozen=True, eq=False)
class DeletionInsertion:
    """Curves of `deletion_insertion` and the areas under them.

    Attributes:
        shares: Shares of the places deleted or inserted, from 0 to 1, `(steps + 1,)`.
        deletion: Probability of the class after deletion, `(examples, steps + 1)`.
        insertion: Probability of the class after insertion, likewise.
        deletion_auc: Area under each deletion curve, `(examples,)`; lower is better.
        insertion_auc: Area under each insertion curve; higher is better.
    """

    shares: np.ndarray = dataclasses.field(repr=False)
    deletion: np.ndarray = dataclasses.field(repr=False)
    insertion: np.ndarray = dataclasses.field(repr=False)
    deletion_auc: np.ndarray
    insertion_auc: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """Return the means over the examples as plain numbers and lists, ready for JSON."""
        return {
            "examples": len(self.deletion),
            "deletion_auc": float(self.deletion_auc.mean()),
            "insertion_auc": float(self.insertion_auc.mean()),
            "shares": self.shares.tolist(),
            "deletion": self.deletion.mean(axis=0).tolist(),
            "insertion": self.insertion.mean(axis=0).tolist(),
        }


@arguments.checked(blur=arguments.number(0), seed=arguments.seed)
def deletion_insertion(
    model: keras.Model,
    images: Any,
    heat_maps: Any,
    class_index: int | Sequence[int] | np.ndarray | None = None,
    steps: int = 32,
    blur: float = 0.1,
    seed: int = 0,
    batch_size: int = 64,
) -> DeletionInsertion:
    """Delete and insert the places of an image in the order of a heat map and watch the class.

    Deletion replaces the hottest places first by the image's mean colour; insertion puts them first
    into a blurred copy. If the map shows what the model looks at, the probability of the class
    falls fast in deletion and rises fast in insertion. Compare with the areas of maps of random
    numbers for the same images: alone the areas tell little, since some models change their answer
    at any change of the image.

    Args:
        model: Built Keras model that returns probabilities `(batch, classes)`.
        images: Images or clips as the model takes them, channels last. The places of a clip, and of
            several inputs, are put into one common order.
        heat_maps: The result of `grad_cam` for them.
        class_index: Class whose probability is followed: an integer or one for each example.
            `None` takes the predicted class of the unchanged example.
        steps: Number of steps from none to all places, 1 or more.
        blur: Standard deviation of the blur, as a share of the height.
        seed: Seed of the order of places that are equally hot.
        batch_size: Examples at a time.

    Returns:
        A `DeletionInsertion`.

    Raises:
        ValueError: If shapes do not fit, a number is out of range, the model takes its channels
            first, or it does not return probabilities.

    Example:

    ```python
    found = deletion_insertion(model, images, grad_cam(model, images))
    chance = deletion_insertion(model, images, np.random.default_rng(0).random(images.shape[:3]))
    print(found.deletion_auc.mean(), chance.deletion_auc.mean())
    ```

    Reference:
        Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box
        Models", BMVC 2018, section 4.2.
    """
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        check_integer(name, value, 1)
    if not 0 < blur <= 1:
        raise ValueError(f"`blur` must be above 0 and at most 1. Received: blur={blur!r}")
    specs = visual_inputs(model)
    check_channels_last(model, specs)
    arrays = checked_inputs(images, specs, model)
    maps = _checked_maps(heat_maps, arrays)
    count = len(arrays[0])
    if not count:
        raise ValueError("`images` must hold at least one example. Received: none")

    def predict(batch):
        parts = [
            keras.ops.convert_to_numpy(
                model.predict_on_batch(
                    keras.tree.pack_sequence_as(
                        specs, [array[start : start + batch_size] for array in batch]
                    )
                )
            )
            for start in range(0, count, batch_size)
        ]
        return np.concatenate(parts).astype("float64")

    first = predict(arrays)
    # So written that NaN fails it.
    sound = first.ndim == 2 and first.min() >= 0 and np.abs(first.sum(axis=1) - 1).max() <= 1e-2
    if not sound:
        raise ValueError(
            "Argument `model` must return probabilities (batch, classes) that sum to one. "
            f"Received: model={model.name!r}, whose outputs do not"
        )
    wanted = checked_classes(class_index, count, first.shape[1])
    wanted = np.where(wanted < 0, first.argmax(axis=1), wanted)
    ranks = _ranks(maps, seed)
    total = sum(rank.reshape(count, -1).shape[1] for rank in ranks)
    shares = np.linspace(0, 1, steps + 1)
    deleted = [array.mean(axis=_places(array), keepdims=True) for array in arrays]
    blurred = [_blurred(array, blur) for array in arrays]
    curves = {"deletion": [], "insertion": []}
    for share in shares:
        hottest = [(rank < round(share * total))[..., None] for rank in ranks]
        for name, pairs in (("deletion", (deleted, arrays)), ("insertion", (arrays, blurred))):
            changed = [np.where(hot, *pair) for hot, *pair in zip(hottest, *pairs, strict=True)]
            changed = [each.astype(arrays[0].dtype) for each in changed]
            curves[name].append(predict(changed)[np.arange(count), wanted])
    deletion, insertion = (np.stack(curve, axis=1) for curve in curves.values())
    return DeletionInsertion(
        shares=shares,
        deletion=deletion,
        insertion=insertion,
        deletion_auc=np.trapezoid(deletion, shares, axis=1),
        insertion_auc=np.trapezoid(insertion, shares, axis=1),
    )


def check_channels_last(model: keras.Model, specs: Any) -> None:
    """Raise `ValueError` if an input of the model has its channels first.

    Args:
        model: Built Keras model.
        specs: Its inputs, by `visual_inputs`.
    """
    calls = trace_calls(model, specs)
    shapes = [tuple(spec.shape) for spec in keras.tree.flatten(specs)]
    if any(input_format(calls, shape) == "channels_first" for shape in shapes):
        raise ValueError(
            "Argument `model` must take its channels last; models of channels_first are not "
            f"supported here. Received: model={model.name!r} with inputs of shape "
            f"{', '.join(str(shape[1:]) for shape in shapes)}"
        )


def _places(array):
    """Return the axes of height and width."""
    return tuple(range(array.ndim - 3, array.ndim - 1))


def _blurred(array, share):
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(array, share * array.shape[-3], axes=_places(array), mode="nearest")


def _ranks(maps, seed):
    """Return for each place how many places of its example are hotter, over all inputs."""
    flat = np.concatenate([each.reshape(len(each), -1) for each in maps], axis=1)
    generator = np.random.default_rng(seed)
    # Large areas of a map are exactly zero. Deletion in order of position would sweep them from top
    # to bottom, which would bias the result.
    ties = generator.permuted(np.broadcast_to(np.arange(flat.shape[1]), flat.shape), axis=1)
    order = np.lexsort((ties, -flat), axis=1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(flat.shape[1])[None], axis=1)
    ends = np.cumsum([each[0].size for each in maps])[:-1]
    return [
        part.reshape(each.shape)
        for part, each in zip(np.split(ranks, ends, axis=1), maps, strict=True)
    ]


def _checked_maps(heat_maps, arrays):
    if isinstance(heat_maps, dict):
        heat_maps = keras.tree.flatten(heat_maps)
    maps = heat_maps if isinstance(heat_maps, (list, tuple)) else [heat_maps]
    maps = [as_numbers("heat_maps", each) for each in maps]
    shapes, wanted = [each.shape for each in maps], [array.shape[:-1] for array in arrays]
    if shapes != wanted:
        raise ValueError(
            f"`heat_maps` must be of shape {wanted[0] if len(wanted) == 1 else wanted}, one value "
            f"for each place. Received: {shapes[0] if len(shapes) == 1 else shapes}"
        )
    if not all(np.isfinite(each).all() for each in maps):
        raise ValueError("`heat_maps` must be finite. Received: values that are not")
    return maps
