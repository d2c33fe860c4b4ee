"""Batches of faces in memory without TensorFlow: augmented by OpenCV and NumPy, for any backend."""

import concurrent.futures
import math

import cv2
import keras
import numpy as np

from fer_data._checks import check_integer
from fer_data.augmentation import CROP_RATIO, CROP_TRIES, ERASED_AREA, ERASED_RATIO, policy

BORDERS = {
    "reflect": cv2.BORDER_REFLECT,
    "nearest": cv2.BORDER_REPLICATE,
    "wrap": cv2.BORDER_WRAP,
    "constant": cv2.BORDER_CONSTANT,
}


class FaceBatches(keras.utils.PyDataset):
    """Batches for `fit`, `evaluate` and `predict` from arrays of faces.

    It does what `fer_data.images.pipeline` does after decoding, for machines where TensorFlow is
    not installed, such as one with a graphics card and JAX. In training all batches are full, since
    every other size has to be compiled anew: what is left over at the end of an epoch is left out.
    Order and augmentation of an epoch follow from `seed` and the number of the epoch alone,
    whatever the number of `workers`. Give it to `fit` with `shuffle=False`: it shuffles itself.

    Flip, rotation, shift, zoom and crop are one affine map here, so what a shift uncovers after a
    crop is what the picture has there, and `fill` only outside the picture.

    Args:
        images: uint8 `(faces, height, width, channels)`, channels 1 or 3.
        targets: float32 `(faces, classes)`, rows that sum to one.
        batch_size: faces a batch.
        training: whether to shuffle and augment.
        augmentation: as in `fer_data.augmentation.policy`, without RandAugment, which is
            `fer_data.augment`'s alone.
        seed: integer from which all randomness follows.
        initial_epoch: number of the first epoch.
        passes: how often an epoch goes through the faces.
        workers: threads that prepare batches ahead.

    Returns of `batches[i]`:
        `(images, targets)`: float32 `(batch, height, width, channels)` of whole numbers in
        `[0, 255]`, and float32 `(batch, classes)`.

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
        images,
        targets,
        batch_size=32,
        training=False,
        augmentation=None,
        seed=0,
        initial_epoch=0,
        passes=1,
        workers=1,
    ):
        # Keras's own workers keep batches of one epoch for the next (3.15, on JAX and PyTorch).
        super().__init__(workers=1)
        images, targets = np.asarray(images), np.asarray(targets, dtype="float32")
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
        check_integer("batch_size", batch_size, 1)
        check_integer("initial_epoch", initial_epoch, 0)
        check_integer("passes", passes, 1)
        check_integer("workers", workers, 1)
        self.policy = policy(augmentation)
        if self.policy.rand_aug is not None:
            raise ValueError(
                "`augmentation` must have no RandAugment here: use `fer_data.images.pipeline`. "
                f"Received: augmentation={augmentation!r}"
            )
        if training and self.policy.mixup is not None and batch_size < 2:
            raise ValueError(
                f"MixUp needs batches of two images and more. Received: batch_size={batch_size}"
            )
        self.images, self.targets, self.batch_size = images, targets, batch_size
        self.training, self.seed = training, seed
        self.epoch, self.passes = initial_epoch, passes
        self.begun = False
        self.order = None, None
        self.threads = concurrent.futures.ThreadPoolExecutor(workers)
        self.ahead, self.window = {}, 2 * workers

    def __len__(self):
        if not self.training:
            return math.ceil(len(self.images) / self.batch_size)
        return max(self.passes * len(self.images) // self.batch_size, 1)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        if not self.training:
            part = self._part(index)
            return self.images[part].astype("float32"), self.targets[part]
        known, self.ahead = self.ahead, {}
        # The first batch of an epoch is not yet on its way, nor one out of turn.
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
        return augmented(self.images[chosen], self.targets[chosen], self.policy, rng)

    def _order(self, epoch):
        # Threads may ask at once: each finds or makes the whole pair.
        known, order = self.order
        if known != epoch:
            rng = np.random.default_rng((self.seed, epoch))
            passes = [rng.permutation(len(self.images)) for _ in range(self.passes)]
            order = np.concatenate(passes)
            self.order = epoch, order
        return order

    def on_epoch_begin(self):
        # Not at the end, which `fit` also tells after a look at a batch before the first epoch.
        self.epoch += self.begun
        self.begun = True


def augmented(images, targets, augmentation, rng):
    """Return one batch, every image augmented with its own random numbers.

    Args:
        images: uint8 `(batch, height, width, channels)`.
        targets: float32 `(batch, classes)`.
        augmentation: An `Augmentation`.
        rng: A NumPy random generator.

    Returns:
        `(images, targets)`, images float32 of whole numbers in `[0, 255]`.
    """
    pixels = images.astype("float32")
    if augmentation.geometric or augmentation.crop:
        pixels = _moved(pixels, augmentation, rng)
    batch = len(pixels)
    if augmentation.contrast:
        factor = 1 + augmentation.contrast * rng.uniform(-1, 1, (batch, 1, 1, 1))
        mean = pixels.mean(axis=(1, 2), keepdims=True)
        pixels = mean + (pixels - mean) * factor
    if augmentation.brightness:
        pixels = pixels + 255 * augmentation.brightness * rng.uniform(-1, 1, (batch, 1, 1, 1))
    if augmentation.erase:
        pixels = _erased(pixels, augmentation.erase, rng)
    if augmentation.mixup is not None:
        pixels, targets = _mixed(pixels, targets, augmentation.mixup, rng)
    return np.clip(np.round(pixels), 0, 255).astype("float32"), targets


def _moved(pixels, augmentation, rng):
    """Flip, rotation, shift, zoom and crop as one affine map, so that pixels are sampled once."""
    batch, height, width, _ = pixels.shape
    turn, down, right, scale = rng.uniform(-1, 1, (4, batch))
    angle = 2 * math.pi * augmentation.rotation * turn
    inverse = 1 / (1 + augmentation.zoom * scale)
    side = np.where(rng.random(batch) < augmentation.flip, -1, 1)
    cosine, sine = np.cos(angle) * inverse, np.sin(angle) * inverse
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = np.stack([augmentation.shift * width * right, augmentation.shift * height * down])
    # From the place in the output to that in the input.
    turned = np.array([[side * cosine, -side * sine], [sine, cosine]]).transpose(2, 0, 1)
    moved = middle - (turned @ (middle[:, None] + shift).T[:, :, None])[:, :, 0]
    if augmentation.crop:
        corner, share = _crops(augmentation.crop, batch, rng)
        turned = turned * share[:, :, None]
        moved = corner * (2 * middle) + moved * share
    matrices = np.concatenate([turned, moved[:, :, None]], axis=2)
    border = BORDERS[augmentation.fill]
    result = np.empty_like(pixels)
    for image, matrix, place in zip(pixels, matrices, result, strict=True):
        warped = cv2.warpAffine(
            image, matrix, (width, height), None, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, border
        )
        place[:] = warped.reshape(image.shape)
    return result


def _crops(least, batch, rng):
    """Draw corners and sizes `(batch, x and y)` of random resized crops, in shares of the sides."""
    area, ratio, left, top = rng.random((4, CROP_TRIES, batch))
    area = least + (1 - least) * area
    ratio = CROP_RATIO ** (2 * ratio - 1)
    wide, high = np.sqrt(area * ratio), np.sqrt(area / ratio)
    fits = (wide <= 1) & (high <= 1)
    chosen = fits.argmax(axis=0), np.arange(batch)
    # Where no try fits, the whole image.
    share = np.where(fits.any(axis=0), [wide[chosen], high[chosen]], 1.0).T
    corner = np.stack([left[chosen], top[chosen]], axis=1) * (1 - share)
    return corner, share


def _erased(pixels, probability, rng):
    """Random Erasing: random pixels in a rectangle, which is cut to fit where it is too long."""
    batch, height, width, _ = pixels.shape
    chosen, area, ratio, top, left = rng.random((5, batch))
    area = ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * area
    ratio = ERASED_RATIO ** (1 - 2 * ratio)
    high, wide = np.minimum(np.sqrt(area / ratio), 1), np.minimum(np.sqrt(area * ratio), 1)
    rows = _inside(height, top * (1 - high), high)[:, :, None, None]
    columns = _inside(width, left * (1 - wide), wide)[:, None, :, None]
    erased = rows & columns & (chosen < probability)[:, None, None, None]
    return np.where(erased, rng.uniform(0, 255, pixels.shape), pixels)


def _inside(length, start, share):
    """Tell of each of `length` pixels whether its middle is in the part, by image."""
    middles = (np.arange(length) + 0.5) / length
    return (middles >= start[:, None]) & (middles < (start + share)[:, None])


def _mixed(pixels, targets, mixup, rng):
    batch = len(pixels)
    mixed = rng.random(batch) < mixup.fraction
    # A roll by 1 to batch - 1 places: everybody gets another one than himself.
    places = rng.integers(1, max(batch, 2))
    weight = np.full(batch, 1 - (mixup.blend or 0.0))
    if mixup.blend is None:
        weight = rng.beta(mixup.alpha, mixup.alpha, batch)
    weight = np.where(mixed, weight, 1.0)
    pixels = _between(pixels, np.roll(pixels, places, axis=0), weight[:, None, None, None])
    targets = _between(targets, np.roll(targets, places, axis=0), weight[:, None])
    return pixels, targets.astype("float32")


def _between(own, other, weight):
    return other + (own - other) * weight
