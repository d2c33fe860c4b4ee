"""A network as its users see it: a function from faces to probabilities."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class FaceNetwork:
    """A network that names the expression of faces.

    Attributes:
        run: Function from float32 faces `(n, size, size, channels)` in [0, 255] to probabilities
            `(n, classes)`, or `(n, classes + 2)` with valence and arousal behind them.
        size: Height and width of a face.
        channels: 1 for grey faces, 3 for RGB.
        classes: Number of classes.
        class_names: Names of the classes in the order of the outputs, None if unknown.
        valence_arousal: Whether `run` gives valence and arousal, in [-1, 1], too.
    """

    run: Callable[[np.ndarray], np.ndarray]
    size: int
    channels: int
    classes: int
    class_names: tuple[str, ...] | None = None
    valence_arousal: bool = False
