"""Batches of faces in memory without TensorFlow: augmented by OpenCV and NumPy, for any backend."""

import concurrent.futures
import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from fer_data.checks import as_array, as_numbers, check_flag, check_integer, checked_array
from fer_data.labels import EXPRESSION, VALENCE_AROUSAL
from fer_data.pipelines.augmentation.policies import Augmentation, policy
from fer_data.pipelines.augmentation.with_numpy import augmented

ALL_KNOWN = 1 - 1e-4


class FaceBatches(keras.utils.PyDataset):
    """Batches for `fit`, `evaluate` and `predict` from arrays of faces.

    It does what `fer_data.pipelines.images.pipeline` does after decoding, for machines where
    TensorFlow is not installed, such as one with a graphics card and JAX. In training all batches
    are full, since another size would be compiled anew; the remainder of an epoch is left out.
    Order and augmentation of an epoch follow from `seed` and the number of the epoch alone,
    whatever the number of `workers`. Give it to `fit` with `shuffle=False`: it shuffles itself.

    Flip, rotation, shift, zoom and crop are one affine map here, so a shift after a crop uncovers
    the rest of the picture, and `fill` is used only outside the picture.

    Args:
        images: uint8 `(faces, height, width, channels)`, channels 1 or 3.
        targets: float32 `(faces, classes)`, rows that sum to one.
        batch_size: Faces per batch.
        training: Whether to shuffle and augment.
        augmentation: As in `fer_data.pipelines.augmentation.policy`, without RandAugment, which is
            `fer_data.pipelines.augmentation.with_tensorflow`'s alone, and without keras-cv, which
            runs on TensorFlow.
        seed: Integer from which all randomness follows.
        initial_epoch: Number of the first epoch.
        passes: Number of times that an epoch goes through the faces.
        workers: Threads that prepare batches ahead.
        valence_arousal: float32 `(faces, 2)` in [-1, 1], NaN where unknown: further targets, for a
            model of `fer_models.with_valence_arousal`. MixUp mixes them like the others. None
            for none.

    Returns of `batches[i]`:
        `(images, targets)`: float32 `(batch, height, width, channels)` of whole numbers in
        `[0, 255]`, and float32 `(batch, classes)`; with `valence_arousal` a dictionary of targets,
        `{"expression": (batch, classes), "valence_arousal": (batch, 2)}`.

    Raises:
        ValueError: If an argument breaks its rule; the message names it.

    Example:

    >>> faces = np.zeros((10, 48, 48, 1), "uint8")
    >>> batches = FaceBatches(faces, np.eye(7)[np.arange(10) % 7], 4, True, "fer2013")
    >>> len(batches), batches[1][0].shape
    (2, (4, 48, 48, 1))
    """

    def __init__(
        self,
        images: np.ndarray,
        targets: np.ndarray,
        batch_size: int = 32,
        training: bool = False,
        augmentation: str | Mapping[str, Any] | Augmentation | None = None,
        seed: int = 0,
        initial_epoch: int = 0,
        passes: int = 1,
        workers: int = 1,
        valence_arousal: np.ndarray | None = None,
    ) -> None:
        # Keras's own workers keep batches of one epoch for the next (3.15, on JAX and PyTorch).
        super().__init__(workers=1)
        images, targets = as_array("images", images), as_numbers("targets", targets, "float32")
        check_flag("training", training)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
            raise ValueError(
                "`images` must be uint8 of shape (faces, height, width, 1 or 3). "
                f"Received: dtype={images.dtype}, shape={images.shape}"
            )
        if targets.ndim != 2 or len(targets) != len(images) or not len(images):
            raise ValueError(
                "`targets` must be (faces, classes), a row for each of `images`, one at least. "
                f"Received: targets of shape {targets.shape}, images of shape {images.shape}"
            )
        if valence_arousal is not None:
            valence_arousal = checked_array(
                "valence_arousal", valence_arousal, (len(images), 2), finite=False
            )
        check_integer("batch_size", batch_size, 1)
        check_integer("initial_epoch", initial_epoch, 0)
        check_integer("passes", passes, 1)
        check_integer("workers", workers, 1)
        self.policy = policy(augmentation)
        if self.policy.engine != "tensorflow":
            raise ValueError(
                "`augmentation` must not ask for keras-cv here, where NumPy computes it: leave "
                "`engine` out for our own MixUp, or keep it and use "
                "`fer_data.pipelines.images.pipeline` (`fer train` without a packed file). "
                f"Received: engine={self.policy.engine!r}"
            )
        if self.policy.rand_aug is not None:
            raise ValueError(
                "`augmentation` must have no RandAugment here: use "
                "`fer_data.pipelines.images.pipeline`. "
                f"Received: augmentation={augmentation!r}"
            )
        if training and self.policy.mixup is not None and batch_size < 2:
            raise ValueError(
                f"MixUp needs batches of two images and more. Received: batch_size={batch_size}"
            )
        self.images, self.targets, self.batch_size = images, targets, batch_size
        self.valence_arousal = valence_arousal
        self.training, self.seed = training, seed
        self.epoch, self.passes = initial_epoch, passes
        self.begun = False
        self.order = None, None
        self.threads = concurrent.futures.ThreadPoolExecutor(workers)
        self.ahead, self.window = {}, 2 * workers

    def __len__(self) -> int:
        if not self.training:
            return math.ceil(len(self.images) / self.batch_size)
        return max(self.passes * len(self.images) // self.batch_size, 1)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        if not self.training:
            part = self._part(index)
            return self.images[part].astype("float32"), self._split(self._rows(part))
        known, self.ahead = self.ahead, {}
        # The first batch of an epoch has not been started yet, nor one out of turn.
        for number in range(index, min(index + self.window, len(self))):
            place = (self.epoch, number)
            found = known.get(place)
            self.ahead[place] = found or self.threads.submit(self._batch, *place)
        return self.ahead.pop((self.epoch, index)).result()

    def _part(self, index):
        return slice(index * self.batch_size, (index + 1) * self.batch_size)

    def _batch(self, epoch, index):
        chosen = self._order(epoch)[self._part(index)]
        rng = np.random.default_rng((self.seed, epoch, 1 + index))
        images, rows = augmented(self.images[chosen], self._rows(chosen), self.policy, rng)
        return images, self._split(rows)

    def _rows(self, chosen):
        """Return all targets of faces in one row a face, so that MixUp mixes them alike."""
        if self.valence_arousal is None:
            return self.targets[chosen]
        values = self.valence_arousal[chosen]
        known = ~np.isnan(values)
        return np.concatenate(
            [self.targets[chosen], np.where(known, values, 0), known], axis=1, dtype="float32"
        )

    def _split(self, rows):
        if self.valence_arousal is None:
            return rows
        classes = self.targets.shape[1]
        expression, values, known = np.split(rows, [classes, classes + 2], axis=1)
        # Of a mixture all parts must be known.
        values = np.where(known > ALL_KNOWN, values, np.float32("nan"))
        return {EXPRESSION: expression, VALENCE_AROUSAL: values}

    def _order(self, epoch):
        # Threads may ask at once: each finds or makes the whole pair.
        known, order = self.order
        if known != epoch:
            rng = np.random.default_rng((self.seed, epoch))
            passes = [rng.permutation(len(self.images)) for _ in range(self.passes)]
            order = np.concatenate(passes)
            self.order = epoch, order
        return order

    def on_epoch_begin(self) -> None:
        """Go to the next epoch; Keras calls this before each one."""
        # Not at the end of an epoch: `fit` signals one also after a look at a batch at its start.
        self.epoch += self.begun
        self.begun = True
