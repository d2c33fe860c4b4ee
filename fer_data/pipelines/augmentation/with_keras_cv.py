"""RandAugment and MixUp by the layers of keras-cv, for policies with `engine="keras_cv"`.

keras-cv's layers draw from generators that they keep inside, and from TensorFlow's stateful
operations. Under a parallel `map` such numbers come in another order in every run. So the layers
get stateless numbers here, which follow from the seed of the batch. The batches are then the same
in every run, after a resumed epoch, on any number of workers, and on those of the tf.data service.
The changes of pixels and labels are keras-cv's own.

Its RandAugment differs from our own (`fer_data.pipelines.augmentation.RandAug`):

- Operations: its ten, without rotation, posterization and sharpness.
- Number: the layer that applies one operation is run as often as the policy asks for, and the
  number of operations is drawn uniformly for every image, as in the paper. keras-cv's own `rate`
  would make that number binomial.
- Magnitude: normal, about the middle of the policy's range and with the standard deviation of
  its integers; drawn for every operation, not once for an image. Contrast, brightness and
  translations take that middle as a limit and draw uniformly below it.
- Strength at one magnitude: shears are 3.3 times and translations 2.2 times as strong as ours;
  brightness is an offset, not a factor; solarization also brightens; colour only fades.
- Shears keep the upper left corner in place, not the middle.

Its MixUp takes a partner from a permutation of the batch, so that an image may meet itself. The
weight is drawn for every image. keras-cv mixes all images; here, images that are not chosen get the
weight 1.
"""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from fer_data.pipelines.augmentation.policies import (
    KERAS_CV_OPERATIONS,
    MixUp,
    RandAug,
    keras_cv_operations,
)
from fer_data.pipelines.augmentation.rand_augment import LEVELS, to_uint8

try:
    import keras_cv
except ImportError as error:
    raise ImportError(
        f"engine='keras_cv' needs keras-cv, which cannot be imported ({error}). "
        "Run: pip install \"fer-keras[keras-cv]\", or use engine='tensorflow'"
    ) from error


def rand_augment(images: tf.Tensor, rand_aug: RandAug, fill: str, seed: Any) -> tf.Tensor:
    """Apply keras-cv's RandAugment, every image with its own random numbers.

    Args:
        images: uint8 tensor `(batch, height, width, channels)`, channels 1 or 3. `"color"` is left
            out on grey images.
        rand_aug: What to draw from.
        fill: Pixels outside the image, one of `fer_data.pipelines.augmentation.FILLS`.
        seed: A pair of integers, as a tensor `(2,)` or a tuple: the same gives the same result.

    Returns:
        uint8 tensor of the same shape.

    Raises:
        ValueError: If `rand_aug` names operations that keras-cv's RandAugment does not have.

    Example:

    >>> rand_augment(tf.zeros((8, 64, 64, 1), tf.uint8), RandAug(), "reflect", (1, 2)).shape
    TensorShape([8, 64, 64, 1])

    Reference:
        [Cubuk et al., 2020](https://arxiv.org/abs/1909.13719), by keras-cv 0.9.
    """
    names = keras_cv_operations(rand_aug)
    if images.shape[-1] == 1:
        names = tuple(name for name in names if name != "color")
    if not names or rand_aug.operations[1] == 0:
        return images
    apply = _traced(rand_aug, names, fill, tuple(images.shape[1:]))
    return tf.ensure_shape(apply(images, tf.cast(seed, tf.int32)), images.shape)


@functools.lru_cache(maxsize=8)
def _traced(rand_aug, names, fill, shape):
    """Return a graph function, kept because keras-cv's layers take seconds to trace."""

    def apply(images, seed):
        how_many, each = tf.unstack(tf.random.split(seed, 2), num=2)
        batch = tf.shape(images)[0]
        least, most = rand_aug.operations
        count = tf.random.stateless_uniform((batch,), how_many, least, most + 1, tf.int32)
        layer = one_operation(rand_aug, names, fill)

        def one_round(place, pixels):
            sample = {
                "images": pixels,
                # An operation happens unless a number from [0, 1) is above the rate.
                "rates": tf.where(place < count, 1.0, -1.0),
                "seeds": tf.random.split(tf.random.fold_in(each, place), batch),
            }
            return place + 1, layer(sample)["images"]

        pixels = tf.cast(images, tf.float32)
        _, pixels = tf.while_loop(lambda place, pixels: place < most, one_round, (0, pixels))
        return to_uint8(pixels)

    signature = [tf.TensorSpec((None, *shape), tf.uint8), tf.TensorSpec((2,), tf.int32)]
    return tf.function(apply, input_signature=signature)


def one_operation(rand_aug: RandAug, names: tuple[str, ...], fill: str) -> "StatelessRandAugment":
    """Build keras-cv's RandAugment of one operation per image, with stateless random numbers.

    Args:
        rand_aug: Gives the magnitude.
        names: Operations, of `fer_data.pipelines.augmentation.policies.KERAS_CV_OPERATIONS`.
        fill: Pixels outside the image.

    Returns:
        A layer of dictionaries: `images`, float32 `(batch, height, width, channels)` in `[0, 255]`;
        `rates`, float32 `(batch,)`, the probability of the operation; `seeds`, int32 `(batch, 2)`.
        It returns such a dictionary. Use it in one graph only.

    Example:

    >>> layer = one_operation(RandAug(), ("equalize", "shear_x"), "reflect")
    >>> len(layer.layers)
    2
    """
    low, high = rand_aug.magnitude
    levels = np.arange(low, high + 1) / LEVELS
    layer = StatelessRandAugment(
        (0, 255),
        augmentations_per_image=1,
        magnitude=float(levels.mean()),
        magnitude_stddev=float(levels.std()),
    )
    chosen = [layer.layers[KERAS_CV_OPERATIONS.index(name)] for name in names]
    layer.layers = layer._random_choice.layers = chosen
    for part in (layer, layer._random_choice, *chosen):
        # The global policy may be half precision, which is too coarse for 256 levels.
        part.dtype_policy = "float32"
        part._random_generator = layer.draws
        if hasattr(part, "fill_mode"):
            part.fill_mode = fill
        for name, value in list(vars(part).items()):
            if isinstance(value, keras_cv.core.FactorSampler):
                setattr(part, name, _Sampler(value, layer.draws))
    return layer


class StatelessRandAugment(keras_cv.layers.RandAugment):
    """keras-cv's RandAugment, with a rate and a seed for every image."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.draws = _Draws()

    def _augment(self, sample):
        self.draws.begin(sample["seeds"])
        self.rate = sample["rates"]
        return {**sample, **super()._augment({"images": sample["images"]})}


class _Draws:
    """Stands in for the `tf.random.Generator` of keras-cv's layers, without a state.

    A number follows from the image's seed and from the place of the draw in the graph, which is
    traced once for all images.
    """

    def begin(self, seed):
        self.seed, self.place = seed, 0

    def _next(self):
        self.place += 1
        return tf.random.fold_in(self.seed, self.place)

    def uniform(self, shape, minval=0, maxval=None, dtype=tf.float32):
        return tf.random.stateless_uniform(shape, self._next(), minval, maxval, dtype)

    def normal(self, shape, mean=0.0, stddev=1.0, dtype=tf.float32):
        return tf.random.stateless_normal(shape, self._next(), mean, stddev, dtype)


class _Sampler(keras_cv.core.FactorSampler):
    """Draws as one of keras-cv's samplers does, by `_Draws`."""

    def __init__(self, sampler, draws):
        self.sampler, self.draws = sampler, draws

    def __call__(self, shape=(), dtype="float32"):
        told = self.sampler
        if isinstance(told, keras_cv.core.NormalFactorSampler):
            drawn = self.draws.normal(shape, told.mean, told.stddev, dtype)
            return tf.clip_by_value(drawn, told.min_value, told.max_value)
        if isinstance(told, keras_cv.core.UniformFactorSampler):
            return self.draws.uniform(shape, told.lower, told.upper, dtype)
        if isinstance(told, keras_cv.core.ConstantFactorSampler):
            return told(shape, dtype)
        raise ValueError(f"keras-cv draws by an unknown sampler. Received: {told!r}")


def mix(
    images: tf.Tensor, labels: tf.Tensor, mixup: MixUp, seed: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    """Apply keras-cv's MixUp to a fraction of the images.

    Args:
        images: uint8 tensor `(batch, height, width, channels)`.
        labels: Floating-point tensor `(batch, classes)`.
        mixup: The fraction, and how the weight is drawn.
        seed: A pair of integers, as a tensor `(2,)` or a tuple: the same gives the same result.

    Returns:
        `(images, labels)` of the same shapes and dtypes.

    Example:

    >>> images, labels = tf.zeros((4, 64, 64, 1), tf.uint8), tf.eye(4)
    >>> images, labels = mix(images, labels, MixUp(), (1, 2))

    Reference:
        [Zhang et al., 2018](https://arxiv.org/abs/1710.09412), by keras-cv 0.9.
    """
    layer = StatelessMixUp(mixup, tf.cast(seed, tf.int32))
    mixed = layer({"images": images, "labels": tf.cast(labels, tf.float32)})
    images = tf.ensure_shape(to_uint8(mixed["images"]), images.shape)
    return images, tf.ensure_shape(tf.cast(mixed["labels"], labels.dtype), labels.shape)


class StatelessMixUp(keras_cv.layers.MixUp):
    """keras-cv's MixUp of a fraction of the images, with stateless random numbers."""

    def __init__(self, mixup: MixUp, seed: tf.Tensor) -> None:
        super().__init__(alpha=mixup.alpha, dtype="float32")
        self.mixup = mixup
        self.choose, self.partner, self.drawn = tf.unstack(tf.random.split(seed, 3), num=3)

    def _mixup(self, images):
        batch = tf.shape(images)[0]
        partners = tf.random.experimental.stateless_shuffle(tf.range(batch), self.partner)
        if self.mixup.blend is None:
            weight = self._sample_from_beta(self.alpha, self.alpha, (batch,))
        else:
            weight = tf.fill((batch,), 1.0 - self.mixup.blend)
        mixed = tf.random.stateless_uniform((batch,), self.choose) < self.mixup.fraction
        weight = tf.where(mixed, weight, 1.0)
        own = tf.reshape(weight, (-1, 1, 1, 1))
        return own * images + (1.0 - own) * tf.gather(images, partners), weight, partners

    def _sample_from_beta(self, alpha, beta, shape):
        # In float32 both Gammas underflow to 0/0 at a small alpha.
        own, other = tf.unstack(tf.random.split(self.drawn, 2), num=2)
        a = tf.random.stateless_gamma(shape, own, alpha, dtype=tf.float64)
        b = tf.random.stateless_gamma(shape, other, beta, dtype=tf.float64)
        return tf.cast(tf.math.divide_no_nan(a, a + b), tf.float32)
