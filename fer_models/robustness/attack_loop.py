"""The frame of every attack: checks, division into parts, faces that still hold, progress."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from fer_data.checks import (
    check_integer,
    checked_images,
    checked_labels,
)
from fer_models.robustness.loss_gradients import InputGradients

if TYPE_CHECKING:
    import keras

# Pixels held at a time: an attack keeps about ten arrays of this size.
_PIXELS = 2**23


class Attack:
    """Runs an attack on the images that the model names right, part by part.

    Args:
        model: Keras model or `InputGradients`.
        images, labels, batch_size: As in `fgsm`.
        verbose: 0 is silent, 1 shows progress.
        name: Name for the progress.
        steps: Most steps of the attack.
    """

    def __init__(
        self,
        model: "keras.Model | InputGradients",
        images: ArrayLike,
        labels: ArrayLike,
        batch_size: int,
        verbose: int,
        name: str,
        steps: int,
    ) -> None:
        gradients = as_gradients(model)
        images = checked_images(images, gradients.input_shape, whole=gradients.whole)
        # Further on only some of the images are looked at together.
        self.gradients = gradients.of_parts()
        self.images = images.astype("float32")
        self.labels = checked_labels(labels, len(images), self.gradients.classes)
        check_integer("batch_size", batch_size, 1)
        self.batch_size = batch_size
        self._verbose, self._name, self._steps = verbose, name, steps

    def run(self, attack: "Callable[[Part], Any]") -> np.ndarray:
        """Call `attack(part)` on every part and return all images."""
        result = self.images.copy()
        scores = self.gradients.scores(self.images, self.batch_size)
        right = np.flatnonzero(scores.argmax(-1) == self.labels)
        size = max(self.batch_size, _PIXELS // self.images[0].size)
        with tqdm(
            total=len(right) * self._steps,
            desc=self._name,
            unit=" steps",
            disable=not self._verbose,
        ) as progress:
            for start in range(0, len(right), size):
                part = Part(self, right[start : start + size], progress)
                attack(part)
                result[part.numbers] = part.result
                part.finish()
        return result


class Part:
    """The images that are attacked together.

    Attributes:
        numbers: Their places in the caller's array.
        images: float32, unchanged.
        labels: Their true classes.
        result: The attacked images, filled by the attack.
        gradients, batch_size: Those of the `Attack`.
    """

    def __init__(self, attack: Attack, numbers: np.ndarray, progress: Any) -> None:
        self.numbers = numbers
        self.images, self.labels = attack.images[numbers], attack.labels[numbers]
        self.result = self.images.copy()
        self.gradients, self.batch_size = attack.gradients, attack.batch_size
        self._progress, self._left = progress, len(numbers) * attack._steps

    def keep(self, active: np.ndarray, images: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Store results of the `active` images; return which the model still names right."""
        self.result[active] = images
        return scores.argmax(-1) == self.labels[active]

    def step(self) -> None:
        """Count one step of all images."""
        count = min(len(self.numbers), self._left)
        self._left -= count
        self._progress.update(count)

    def finish(self) -> None:
        """Count the steps that an early end left out."""
        self._progress.update(self._left)
        self._left = 0


def as_gradients(model: "keras.Model | InputGradients") -> InputGradients:
    """Return `model` if it is an `InputGradients`, else one made of it."""
    return model if isinstance(model, InputGradients) else InputGradients(model)


def box_around(images: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the largest value of every pixel, float32.

    They are rounded inward, so that no result is farther away than `epsilon`, not even in double
    precision.
    """
    exact = images.astype("float64")
    low, high = (exact - epsilon).astype("float32"), (exact + epsilon).astype("float32")
    low = np.where(exact - low > epsilon, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high - exact > epsilon, np.nextafter(high, np.float32(-np.inf)), high)
    return np.maximum(low, 0), np.minimum(high, 255)


def uniform_starts(part: Part, epsilon: float, seed: int) -> np.ndarray:
    """Return each image at a random place of its box, which does not depend on its part."""
    shifts = [
        np.random.default_rng([seed, number]).uniform(-epsilon, epsilon, image.shape)
        for number, image in zip(part.numbers, part.images, strict=True)
    ]
    return part.images + np.stack(shifts).astype("float32")
