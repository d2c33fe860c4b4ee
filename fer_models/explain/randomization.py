"""Weight randomisation: a check that heat maps depend on what the model has learned."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from fer_data import arguments
from fer_data.checks import check_integer
from fer_models.explain.grad_cam import GradCAM, checked_inputs, visual_inputs


@dataclasses.dataclass(frozen=True, eq=False)
class WeightRandomization:
    """Correlations of a model's maps with those before, while its weights are randomised.

    Attributes:
        layers: Names of the layers in the order in which they were randomised, the last first.
        stages: Number of layers randomised at each comparison.
        correlation: Spearman's rank correlation of each example's map with its map before,
            `(stages, examples)`; near 0 once the map no longer depends on the weights, and `nan`
            where a map is constant.
    """

    layers: tuple
    stages: tuple
    correlation: np.ndarray = dataclasses.field(repr=False)

    def means(self) -> np.ndarray:
        """Return the mean correlation of each stage, leaving `nan` out; `nan` if all are."""
        known = ~np.isnan(self.correlation)
        sums = np.where(known, self.correlation, 0).sum(axis=1)
        counts = known.sum(axis=1)
        return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the means as plain numbers and lists, ready for JSON."""
        return {
            "layers": list(self.layers),
            "stages": list(self.stages),
            "correlation": [None if np.isnan(mean) else float(mean) for mean in self.means()],
            "constant_maps": np.isnan(self.correlation).sum(axis=1).tolist(),
        }


@arguments.checked(seed=arguments.seed, method=arguments.text)
def weight_randomization(
    model: keras.Model,
    images: Any,
    class_index: int | Sequence[int] | np.ndarray | None = None,
    layer: str | keras.Layer | Sequence[str | keras.Layer] | None = None,
    method: str = "grad_cam",
    stages: int | None = None,
    seed: int = 0,
    batch_size: int = 32,
) -> WeightRandomization:
    """Randomise a model's layers from the output down, and compare its heat maps with those before.

    The values of every weight of a layer are permuted, which keeps their distribution and removes
    what was learned. They stay permuted while the next layers follow (cascading randomisation). A
    map that explains the model changes. One that stays the same shows the edges of the image or the
    architecture, not what the model has learned.

    The model's weights change meanwhile and are put back at the end, also after an error: do not
    use the model until then.

    Args:
        model: As in `grad_cam`.
        images: As in `grad_cam`.
        class_index: As in `grad_cam`; `None` takes the class predicted before.
        layer: As in `grad_cam`.
        method: As in `grad_cam`.
        stages: Number of comparisons, evenly spread over the layers, the last with all layers
            randomised; `None` compares after every layer.
        seed: Seed of the permutations.
        batch_size: Examples at a time.

    Returns:
        A `WeightRandomization`.

    Raises:
        ValueError: As in `grad_cam`; if the model has no weights, or `stages` or `batch_size` is
            below 1.

    Example:

    ```python
    check = weight_randomization(model, images, stages=4)
    print(check.means())  # falls towards zero
    ```

    Reference:
        Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, section 3.1.
    """
    if stages is not None and (
        isinstance(stages, bool) or not isinstance(stages, int) or stages < 1
    ):
        raise ValueError(
            f"`stages` must be None or an integer of 1 or more. Received: stages={stages!r}"
        )
    check_integer("batch_size", batch_size, 1)
    explain = GradCAM(model, layer, method)
    layers = _with_weights(model)[::-1]
    if not layers:
        raise ValueError(
            f"Argument `model` must have weights. Received: model={model.name!r} without any"
        )
    count = len(layers) if stages is None else min(stages, len(layers))
    ends = np.unique(np.round(np.linspace(0, len(layers), count + 1)).astype(int))[1:]
    specs = visual_inputs(model)
    arrays = checked_inputs(images, specs, model)
    if not len(arrays[0]):
        raise ValueError("`images` must hold at least one example. Received: none")
    if class_index is None:
        batch = keras.tree.pack_sequence_as(specs, arrays)
        predicted = model.predict(batch, batch_size=batch_size, verbose=0)
        probabilities = keras.ops.convert_to_numpy(predicted)
        class_index = probabilities.argmax(axis=-1)
    before = _flat(explain(images, class_index, batch_size))
    generator = np.random.default_rng(seed)
    kept = model.get_weights()
    correlation = []
    try:
        for number, each in enumerate(layers, 1):
            each.set_weights([_permuted(values, generator) for values in each.get_weights()])
            if number in ends:
                after = _flat(explain(images, class_index, batch_size))
                correlation.append(
                    [_rank_correlation(*pair) for pair in zip(before, after, strict=True)]
                )
    finally:
        model.set_weights(kept)
    return WeightRandomization(
        layers=tuple(each.name for each in layers),
        stages=tuple(int(end) for end in ends),
        correlation=np.array(correlation, dtype="float64"),
    )


def _permuted(values, generator):
    return generator.permutation(values.ravel()).reshape(values.shape)


def _with_weights(model):
    """Return the model's layers that have weights, nested models opened, in order."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += _with_weights(layer)
        elif layer.weights:
            found.append(layer)
    # A layer that is used twice is randomised once.
    return list(dict.fromkeys(found))


def _flat(heat):
    maps = keras.tree.flatten(heat)
    return np.concatenate([each.reshape(len(each), -1) for each in maps], axis=1)


def _rank_correlation(first, second):
    from scipy.stats import spearmanr

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan
    return spearmanr(first, second).statistic
