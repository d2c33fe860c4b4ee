"""A moving average of the weights, and statistics of batch norm that belong to it."""

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from fer_data import arguments
from fer_data.checks import REAL, as_array, check_integer, shown
from fer_models.training import resume
from fer_models.zoo.batch_norm import batch_norm_layers

# Enough for the statistics, and what may be held and waited for at most.
IMAGES, BATCHES, BYTES = 2048, 64, 2**28


@arguments.checked_class(
    network=arguments.instance(keras.Model, "a Keras model"), batches=arguments.sequence()
)
class AverageWeights(keras.callbacks.SwapEMAWeights):
    """`SwapEMAWeights` that gives batch norm the statistics of the averaged network.

    What batch norm has gathered in training belongs to the weights that train: under their average,
    which is less noisy, activations are distributed otherwise. So the averaged network sees some
    batches again, as in training, before it is validated, and when the training ends. In between
    the weights that train have their own statistics back. The batches are as they come, also where
    a trainer attacks them.

    Args:
        network: The `keras.Model` whose batch norm it is, of one input. Frozen layers keep their
            statistics.
        batches: Batches of training images, such as `some_images` gives.

    Example:

    ```python
    average = AverageWeights(model, some_images(train))
    model.compile(keras.optimizers.AdamW(use_ema=True, ema_momentum=0.999), loss)
    model.fit(train, validation_data=validation, epochs=9, callbacks=[average])
    ```

    Reference:
        Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
        UAI 2018, algorithm 1.
    """

    def __init__(self, network: keras.Model, batches: Sequence[np.ndarray]) -> None:
        super().__init__()
        self.network, self.batches = network, batches
        self.own: list[np.ndarray] | None = None
        self.trained: list[np.ndarray] = []
        self.forward = forward(network)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self.own = None

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_test_begin(logs)
        self.trained = statistics(self.network)
        self.settle()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        assign(self.network, self.trained)
        super().on_test_end(logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        # `fit` has put the average into the model. Measured anew: swapping the two before each
        # validation has rounded it, and a training that goes on from its end has not swapped.
        self.own = None
        self.settle()

    def settle(self) -> None:
        """Give the network, in which the average is, the statistics that belong to it."""
        if self.own is None:
            self.own = measured(self.network, self.batches, self.forward)
        assign(self.network, self.own)


def some_images(
    data: Iterable[Any] | keras.utils.PyDataset, steps: int = BATCHES
) -> list[np.ndarray]:
    """Return the first batches of images of training data, without their labels.

    Args:
        data: A data set of batches.
        steps: Batches of an epoch, where the data set never ends.

    Returns:
        A list of arrays: at most `steps`, 64 batches, 2,048 images and 256 MiB, but one batch at
        least.

    Raises:
        ValueError: If `data` can be read only once, has several inputs, or its batches are no
            images with labels.
    """
    check_integer("steps", steps, 1)
    numbered = isinstance(data, keras.utils.PyDataset)
    try:
        batches = (data[number] for number in range(len(data))) if numbered else iter(data)  # type: ignore[index, arg-type]
    except TypeError as error:
        raise ValueError(
            f"`train` must be a data set of batches. Received: train={shown(data)}"
        ) from error
    if batches is data:
        raise ValueError(
            "`train` must be a data set, arrays, or a function that makes a data set: the moving "
            f"average (`ema`) looks at the first batches again. Received: train={data!r}"
        )
    first = _images(next(batches, None))
    if isinstance(first, (tuple, list, dict)):
        raise ValueError(
            "`train` must have one input where a recipe has a moving average (`ema`). "
            f"Received: batches with {len(first)} inputs"
        )
    kept = [as_array("train", first)]
    if kept[0].dtype.kind not in REAL or not kept[0].ndim or not kept[0].size:
        raise ValueError(
            "`train` must have batches of images, numbers `(batch, height, width, channels)`. "
            f"Received: a batch of dtype={kept[0].dtype}, shape={kept[0].shape}"
        )
    count = min(steps, BATCHES, IMAGES // len(kept[0]), BYTES // kept[0].nbytes)
    others = itertools.islice(batches, max(count, 1) - 1)
    return kept + [as_array("train", _images(each)) for each in others]


def _images(batch):
    """Return the images of a batch."""
    if not isinstance(batch, (tuple, list)) or not batch:
        raise ValueError(
            "`train` must have batches that are tuples of images and labels, one at least. "
            f"Received: a batch {shown(batch)}"
        )
    return batch[0]


def statistics(network: keras.Model) -> list[np.ndarray]:
    """Return the moving means and variances of the batch norm that trains."""
    return [keras.ops.convert_to_numpy(variable).copy() for variable in _variables(network)]


def assign(network: keras.Model, values: Iterable[np.ndarray]) -> None:
    """Give the batch norm that trains other statistics."""
    for variable, value in zip(_variables(network), values, strict=True):
        variable.assign(value)


def measured(
    network: keras.Model, batches: Iterable[Any], forward: Callable[..., Any]
) -> list[np.ndarray]:
    """Return the statistics of the network as it is, the means of those of the batches."""
    norms = _norms(network)
    if not norms:
        return []
    before = [layer.momentum for layer in norms]
    # Dropout and noise go on as if nothing had been measured.
    seeds = resume.seeds(network)
    try:
        for layer in norms:
            # What it has after a batch is that batch's own.
            layer.momentum = 0.0
        found = forward(batches)
    finally:
        for layer, momentum in zip(norms, before, strict=True):
            layer.momentum = momentum
        resume.give_back_seeds(network, seeds)
    sizes = [len(images) for images in batches]
    return [np.average(each, axis=0, weights=sizes) for each in zip(*found, strict=True)]


def forward(network: keras.Model) -> Callable[..., Any]:
    """Return a function from batches to the statistics after each, compiled where that is known.

    Batch norm must have its momentum of 0 whenever it is called, which is compiled in.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        return _jax_forward(network)
    call = functools.partial(network, training=True)
    if backend == "tensorflow":
        import tensorflow as tf

        call = tf.function(call)

    def run(batches):
        found = []
        for images in batches:
            call(images)
            found.append(statistics(network))
        return found

    return run


def _jax_forward(network):
    import jax

    place = {id(variable): i for i, variable in enumerate(network.non_trainable_variables)}
    places = [place[id(variable)] for variable in _variables(network)]

    @jax.jit
    def call(trained, others, images):
        return network.stateless_call(trained, others, images, training=True)[1]

    def run(batches):
        trained = [variable.value for variable in network.trainable_variables]
        # Carried on, so that no batch has the dropout and the noise of another.
        others = [variable.value for variable in network.non_trainable_variables]
        found = []
        for images in batches:
            others = call(trained, others, images)
            found.append([np.asarray(others[place]) for place in places])
        return found

    return run


def _norms(network):
    return [layer for layer in batch_norm_layers(network) if layer.trainable]


def _variables(network):
    return [v for layer in _norms(network) for v in (layer.moving_mean, layer.moving_variance)]
