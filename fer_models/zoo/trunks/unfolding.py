"""Give batch norm that was folded into the weights its statistics again."""

import keras
import numpy as np

from fer_data import arguments
from fer_models.zoo.batch_norm import batch_norm_layers
from fer_models.zoo.channels import channel_axis
from fer_models.zoo.model_checks import a_model


@arguments.checked(model=a_model, images=arguments.array(ranks=(2, 3, 4), empty=True, finite=False))
def unfold_batch_norm(model: keras.Model, images: np.ndarray, batch_size: int = 64) -> None:
    """Give each batch norm of a model the statistics of some images, and keep its function.

    Published weights often have their batch norm folded: its moving mean is 0 and its moving
    variance 1, whatever the layer sees. Such a network is right in inference but not in training,
    where batch norm takes the statistics of the batch. Here the moving statistics become those of
    the images, and scale and offset change so that the outputs stay. Since the function stays the
    same, one pass over the images serves all layers.

    Args:
        model: A functional `keras.Model` of one input. Batch norms inside of composed layers are
            not reached.
        images: Images as the model takes them, `(images, height, width, channels)`; some hundred
            of those that it will be trained on.
        batch_size: Images in a step.

    Raises:
        ValueError: If the model is not functional or has several inputs; if a batch norm is not a
            layer of the model's own graph, is called several times, or has no scale or offset; or
            if there are no images.

    Example:

    >>> import fer_models
    >>> model = fer_models.pretrained_classifier(input_shape=(32, 32, 1))
    >>> unfold_batch_norm(model, np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 1)))
    >>> bool(np.asarray(model.get_layer("trunk_stem_norm").moving_mean).any())
    True
    """
    norms = batch_norm_layers(model)
    _check(model, norms, images)
    if not norms:
        return
    means, variances = _statistics(model, norms, images, batch_size)
    for norm, mean, variance in zip(norms, means, variances, strict=True):
        gamma, beta, old_mean, old_variance = (
            keras.ops.convert_to_numpy(v).astype("float64")
            for v in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
        )
        slope = gamma / np.sqrt(old_variance + norm.epsilon)
        norm.gamma.assign(slope * np.sqrt(variance + norm.epsilon))
        norm.beta.assign(beta + slope * (mean - old_mean))
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(variance)


def _check(model, norms, images):
    if len(getattr(model, "inputs", None) or ()) != 1:
        raise ValueError(
            "`model` must be functional, of one input. "
            f"Received: model of type {type(model).__name__}, name={model.name!r}"
        )
    own = {id(layer) for layer in model.layers}
    for norm in norms:
        if id(norm) not in own or len(norm._inbound_nodes) != 1:
            raise ValueError(
                "`model` must be functional, each batch norm a layer of its own graph that is "
                f"called once. Received: model={model.name!r} with {norm.path!r}"
            )
        if not (norm.scale and norm.center):
            raise ValueError(
                "`model` must have batch norms with scale and offset. Received: "
                f"model={model.name!r} with {norm.name!r}, scale={norm.scale}, "
                f"center={norm.center}"
            )
    if len(images) < 1 or np.ndim(images) != 4:
        raise ValueError(
            "`images` must be (images, height, width, channels), one at least. "
            f"Received: images of shape {np.shape(images)}"
        )


def _statistics(model, norms, images, batch_size):
    """Return mean and variance of the input of each batch norm, channel by channel."""
    axes = (0, 2, 3) if channel_axis() == 1 else (0, 1, 2)
    seen = [keras.ops.cast(norm.input, "float32") for norm in norms]
    watched = [keras.ops.mean(x, axes) for x in seen] + [keras.ops.var(x, axes) for x in seen]
    watcher = keras.Model(model.inputs[0], watched)
    found, sizes = [], []
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        values = watcher(np.asarray(batch, "float32"), training=False)
        found.append([keras.ops.convert_to_numpy(v).astype("float64") for v in values])
        sizes.append(len(batch))
    columns = [np.stack(column) for column in zip(*found, strict=True)]
    means, within = columns[: len(norms)], columns[len(norms) :]
    whole = [np.average(mean, 0, sizes) for mean in means]
    variances = [
        # The variance inside of the batches, plus that of their means.
        np.average(inside + (mean - all_of) ** 2, 0, sizes)
        for inside, mean, all_of in zip(within, means, whole, strict=True)
    ]
    return whole, variances
