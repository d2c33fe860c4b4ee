"""RetinaFace as a function from pictures to rows of numbers: ready on LiteRT, or in Keras.

A row belongs to an anchor: its score, the four numbers of its box and the ten of its points.
`fer_models.runtime.making` converted the Keras network with the public weights to the LiteRT file.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fer_data.compiled import lite_runner, ready_files
from fer_data.faces.compiled_mtcnn import FOLDER

NAME = "retinaface"
# The network keeps this many sizes of pictures ready, fewer of large ones.
MOST_SIZES = 8

Rows = Callable[[np.ndarray], np.ndarray]


def ready_rows(weights: str | os.PathLike[str] | None) -> Rows | None:
    """Return the ready network, or None where it does not hold these weights or LiteRT is missing.

    Args:
        weights: Name of an h5 file with the weights; None for the public ones.

    Returns:
        Function from float32 pictures `(n, height, width, 3)`, RGB in [0, 255], height and width
        multiples of 32, to float32 `(n, anchors, 15)`.

    Raises:
        ValueError: If the ready network's file is damaged.
    """
    if not (lite_runner.available() and _public(weights)):
        return None
    threads = lite_runner.threads_for_a_picture()
    return lite_runner.LiteNetwork(ready_files.read(FOLDER, NAME), threads, MOST_SIZES)


def _public(weights):
    """Return whether weights are those that the ready network was made from."""
    if weights is None:
        return True
    path = Path(weights)
    known = ready_files.entries(FOLDER)[NAME]["source_sha256"]
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == known


def keras_rows(weights: str | os.PathLike[str] | None) -> Rows:
    """Return our Keras network, on the device that Keras chooses.

    Args:
        weights: Name of an h5 file with the weights; None for the public ones, fetched once.

    Returns:
        A function like that of `ready_rows`.

    Raises:
        FileNotFoundError: If there is no file at `weights`.
        OSError: If the public weights cannot be fetched.
        ValueError: If the file does not hold the weights.
    """
    import keras

    from fer_data.faces.retinaface.network import retinaface_mobilenet025
    from fer_data.faces.retinaface.weights import find_weights, load_weights

    path = find_weights(weights)
    network = retinaface_mobilenet025()
    load_weights(network, path)
    # On a CPU TensorFlow's XLA makes this network many times slower; JAX has no other way.
    network.compile(jit_compile=keras.config.backend() != "tensorflow")

    return _KerasRows(network)


class _KerasRows:
    """A network whose outputs stand in one row for each anchor. It can be pickled."""

    def __init__(self, network):
        self._network = network

    def __call__(self, pictures):
        found = self._network.predict_on_batch(pictures)
        return np.concatenate([found["scores"][..., None], found["boxes"], found["points"]], -1)
