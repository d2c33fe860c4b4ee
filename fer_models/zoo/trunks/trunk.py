"""Describe a pre-trained trunk as data: `Trunk`."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trunk:
    """A pre-trained network without its last layers.

    Attributes:
        name: Its name in `fer_models.zoo.trunks`.
        network: The network in words.
        trained_on: What it learned, and from which pictures.
        source: Where to get the weights.
        licence: Terms of the weights, and of the pictures behind them.
        commercial: Whether those terms allow a product that is sold, in words.
        reference: The paper or the page of the network.
        size: Default height and width of an image.
        min_size: Smallest height and width of an image.
        features: Channels of the feature map.
        parameters: Trainable parameters.
        scaling: Function from RGB pixels of [0, 255] to what the network takes.
        body: Function from the scaled image to the feature map.
        names: Function that gives pairs: the name of an array's module in the file, and the name
            of the layer that it belongs to.
        suffix: How the name of the file ends that the source has.
        read: Function from that file to its arrays, by PyTorch's names and in its layouts.
    """

    name: str
    network: str
    trained_on: str
    source: str
    licence: str
    commercial: str
    reference: str
    size: int
    min_size: int
    features: int
    parameters: int
    scaling: Callable[[keras.KerasTensor], keras.KerasTensor] = dataclasses.field(repr=False)
    body: Callable[[keras.KerasTensor], keras.KerasTensor] = dataclasses.field(repr=False)
    names: Callable[[], list[tuple[str, str]]] = dataclasses.field(repr=False)
    suffix: str
    read: Callable[[Path], Arrays] = dataclasses.field(repr=False)


def norm_arrays(module: str, factor: np.ndarray, offset: np.ndarray, epsilon: float) -> Arrays:
    """Return a factor and an offset as the arrays of a batch norm, by PyTorch's names.

    Args:
        module: Name of the batch norm's module.
        factor: One number for each channel.
        offset: Likewise.
        epsilon: Of the batch norm.
    """
    zeros = np.zeros_like(offset)
    return {
        f"{module}.weight": factor,
        f"{module}.bias": offset,
        f"{module}.running_mean": zeros,
        f"{module}.running_var": zeros + (1 - epsilon),
    }
