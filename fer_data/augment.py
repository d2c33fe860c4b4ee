"""Augmentation of batches of still faces: basic geometry and tone, RandAugment, MixUp.

A policy is data (`Augmentation`, with `RandAug` and `MixUp` inside it), so that it can be written
to a run's record and read back. `augment` applies it to a uint8 batch with stateless random
numbers: the same seed gives the same batch on any number of workers. keras-cv's and Keras's own
RandAugment keep a random generator inside, whose order of use depends on the scheduling of a
parallel `map`; that is why the operations stand here, on TensorFlow's kernels.
"""

import dataclasses
import math

import tensorflow as tf

from fer_data import _rand_augment

OPERATIONS = _rand_augment.OPERATIONS


def _fraction(name, value, upper=1.0, open_end=False):
    inside = 0 <= value < upper if open_end else 0 <= value <= upper
    if isinstance(value, (bool, str)) or not inside:
        bracket = ")" if open_end else "]"
        raise ValueError(
            f"`{name}` must be a number in [0, {upper:g}{bracket}. Received: {name}={value!r}"
        )


@dataclasses.dataclass(frozen=True)
class RandAug:
    """RandAugment with the number of operations and the magnitude drawn for every image.

    Magnitudes are on a scale of 0 to 10 and map to operations as in torchvision's
    `RandAugment`: at 10 a rotation of 30 degrees, a shear of 0.3, a translation of 150/331 of the
    side, an enhancement factor of 1 ± 0.9, four bits kept, solarization of everything.

    Args:
        operations: `(least, most)` operations an image, both included; drawn uniformly.
        magnitude: `(least, most)` magnitude out of 10, both included; one integer an image.
        names: operations to draw from, with replacement. `"color"` is left out on grey images,
            where it would do nothing.

    Reference:
        [Cubuk et al., 2020](https://arxiv.org/abs/1909.13719), with the ranges of
        "GhostFace" (Tang and Kok, 2022).
    """

    operations: tuple[int, int] = (0, 3)
    magnitude: tuple[int, int] = (2, 4)
    names: tuple[str, ...] = OPERATIONS

    def __post_init__(self):
        for field, upper in (("operations", None), ("magnitude", 10)):
            value = getattr(self, field)
            value = tuple(value) if isinstance(value, (tuple, list)) else (value,)
            object.__setattr__(self, field, value)
            valid = len(value) == 2 and all(type(v) is int for v in value)
            if not valid or not 0 <= value[0] <= value[1] <= (upper or value[1]):
                rule = "0 <= least <= most" + (f" <= {upper}" if upper else "")
                raise ValueError(
                    f"`{field}` must be two integers (least, most) with {rule}. "
                    f"Received: {field}={value}"
                )
        object.__setattr__(self, "names", tuple(self.names))
        unknown = [name for name in self.names if name not in OPERATIONS]
        if unknown or not self.names:
            raise ValueError(
                f"`names` must be one or more of {OPERATIONS}. Received: names={self.names}"
            )


@dataclasses.dataclass(frozen=True)
class MixUp:
    """MixUp of a fraction of the images with another image of the same batch.

    Args:
        fraction: share of the images that are mixed, in `[0, 1]`; drawn image by image.
        alpha: the image's own weight is drawn from `Beta(alpha, alpha)`, image by image.
        blend: if given, a fixed weight in `[0, 1]` of the other image instead of the drawn one:
            the other reading of the paper's "opacity 0.2".

    Reference:
        [Zhang et al., 2018](https://arxiv.org/abs/1710.09412), with the numbers of
        "GhostFace" (Tang and Kok, 2022).
    """

    fraction: float = 0.25
    alpha: float = 0.2
    blend: float | None = None

    def __post_init__(self):
        _fraction("fraction", self.fraction)
        if not 0 < self.alpha < math.inf:
            raise ValueError(
                f"`alpha` must be a positive finite number. Received: alpha={self.alpha}"
            )
        if self.blend is not None:
            _fraction("blend", self.blend)


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What may happen to a training image, as plain data.

    Flip, rotation, shift and zoom are one affine map, so an image is resampled once (bilinear); a
    crop comes before it and resamples for itself. Every amount is drawn uniformly and for every
    image on its own.

    Args:
        flip: probability of a horizontal flip, in `[0, 1]`.
        rotation: largest rotation either way, as a fraction of a full turn, in `[0, 0.5]`.
        shift: largest shift either way, as a fraction of height and width, in `[0, 1]`.
        zoom: the scale is drawn from `[1 - zoom, 1 + zoom]`, in `[0, 1)`.
        crop: if not 0, a random resized crop: a part of the image of this share of its area at
            least, drawn uniformly up to the whole, of an aspect ratio of 3/4 to 4/3 times its
            own, is brought back to the image's size. In `[0, 1]`.
        contrast: the distance to the image's mean of each channel is multiplied by a factor from
            `[1 - contrast, 1 + contrast]`, in `[0, 1]`.
        brightness: an offset from `[-brightness, brightness] * 255` is added, in `[0, 1]`.
        fill: what stands where the image does not reach: `"reflect"`, `"nearest"`, `"wrap"` or
            `"constant"` (black). RandAugment's geometry uses it as well.
        rand_aug: a `RandAug`, or `None`.
        mixup: a `MixUp`, or `None`.

    Example:

    >>> policy = Augmentation(flip=0.5, rotation=0.03, shift=0.1, mixup=MixUp())
    >>> Augmentation.from_dict(policy.to_dict()) == policy
    True
    """

    flip: float = 0.0
    rotation: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    crop: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    fill: str = "reflect"
    rand_aug: RandAug | None = None
    mixup: MixUp | None = None

    def __post_init__(self):
        _fraction("flip", self.flip)
        _fraction("rotation", self.rotation, 0.5)
        _fraction("shift", self.shift)
        _fraction("zoom", self.zoom, open_end=True)
        _fraction("crop", self.crop)
        _fraction("contrast", self.contrast)
        _fraction("brightness", self.brightness)
        if self.fill not in _rand_augment.FILLS:
            raise ValueError(
                f"`fill` must be one of {_rand_augment.FILLS}. Received: fill={self.fill!r}"
            )
        for field, kind in (("rand_aug", RandAug), ("mixup", MixUp)):
            value = getattr(self, field)
            if value is not None and not isinstance(value, kind):
                raise ValueError(
                    f"`{field}` must be a {kind.__name__} or None. Received: {field}={value!r}"
                )

    @property
    def geometric(self):
        return bool(self.flip or self.rotation or self.shift or self.zoom)

    def to_dict(self):
        """Returns the policy as a dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, config):
        """Returns the policy that `to_dict` described (tuples may have become lists)."""
        config = dict(config)
        unknown = set(config) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"Unknown augmentation settings. Received: {sorted(unknown)}")
        for field, kind in (("rand_aug", RandAug), ("mixup", MixUp)):
            if isinstance(config.get(field), dict):
                config[field] = kind(**config[field])
        return cls(**config)


_BASIC = {"flip": 0.5, "rotation": 0.03, "shift": 0.1}

# "basic" and what follows it are the paper's, whose amounts are lost: about 10 degrees and a tenth
# of the side. "fer2013" is the recipe of the plain FER2013 training run.
PRESETS = {
    "none": Augmentation(),
    "basic": Augmentation(**_BASIC),
    "randaug": Augmentation(**_BASIC, rand_aug=RandAug()),
    "mixup": Augmentation(**_BASIC, mixup=MixUp()),
    "randaug+mixup": Augmentation(**_BASIC, rand_aug=RandAug(), mixup=MixUp()),
    "fer2013": Augmentation(flip=0.5, rotation=0.06, shift=0.1, zoom=0.1, contrast=0.3),
}


def policy(augmentation):
    """Returns the `Augmentation` meant by a preset's name, a dictionary, a policy or `None`.

    Args:
        augmentation: `None` (nothing), a name of `PRESETS`, a dictionary from
            `Augmentation.to_dict`, or an `Augmentation`.

    Raises:
        ValueError: for an unknown name or another type.

    Example:

    >>> policy("basic").flip
    0.5
    """
    if augmentation is None:
        return PRESETS["none"]
    if isinstance(augmentation, Augmentation):
        return augmentation
    if isinstance(augmentation, dict):
        return Augmentation.from_dict(augmentation)
    if isinstance(augmentation, str) and augmentation in PRESETS:
        return PRESETS[augmentation]
    raise ValueError(
        f"`augmentation` must be an Augmentation, its dictionary, None or one of "
        f"{tuple(PRESETS)}. Received: augmentation={augmentation!r}"
    )


def augment(images, labels, augmentation, seed):
    """Augments one batch, every image with its own random numbers.

    Args:
        images: uint8 tensor `(batch, height, width, channels)`, channels 1 or 3.
        labels: float32 tensor `(batch, classes)` of class weights that sum to one; with no MixUp
            in the policy any tensor, which is passed through.
        augmentation: anything `policy` takes.
        seed: a pair of integers, as a tensor `(2,)` or a tuple: the same gives the same result.

    Returns:
        `(images, labels)` of the same shapes and dtypes.

    Example:

    >>> images = tf.zeros((8, 64, 64, 1), tf.uint8)
    >>> labels = tf.one_hot([0, 1, 2, 3, 4, 5, 6, 0], 7)
    >>> images, labels = augment(images, labels, "randaug+mixup", seed=(1, 2))
    """
    augmentation = policy(augmentation)
    images = tf.convert_to_tensor(images)
    labels = tf.convert_to_tensor(labels)
    if images.dtype != tf.uint8 or images.shape.rank != 4:
        raise ValueError(
            "`images` must be uint8 of shape (batch, height, width, channels). "
            f"Received: dtype={images.dtype.name}, shape={images.shape}"
        )
    basic_seed, rand_seed, mix_seed = tf.unstack(tf.random.split(tf.cast(seed, tf.int32), 3), num=3)
    images = _basic(images, augmentation, basic_seed)
    if augmentation.rand_aug is not None:
        images = _rand_augment.apply(images, augmentation.rand_aug, augmentation.fill, rand_seed)
    if augmentation.mixup is not None:
        images, labels = _mix(images, labels, augmentation.mixup, mix_seed)
    return images, labels


def _cropped(pixels, least, seed):
    """Random resized crops, with torchvision's rule: ten tries to draw one that fits inside."""
    batch, tries = tf.shape(pixels)[0], 10
    draws = tf.random.stateless_uniform((4, tries, batch), seed)
    area = least + (1.0 - least) * draws[0]
    ratio = tf.exp((2.0 * draws[1] - 1.0) * math.log(4.0 / 3.0))
    height, width = tf.sqrt(area / ratio), tf.sqrt(area * ratio)
    fits = (height <= 1.0) & (width <= 1.0)
    first = tf.argmax(fits, axis=0, output_type=tf.int32)
    chosen = tf.stack([first, tf.range(batch)], axis=1)
    # Where no try fits, the whole image.
    height, width = (
        tf.where(tf.reduce_any(fits, axis=0), tf.gather_nd(side, chosen), 1.0)
        for side in (height, width)
    )
    top = tf.gather_nd(draws[2], chosen) * (1.0 - height)
    left = tf.gather_nd(draws[3], chosen) * (1.0 - width)
    boxes = tf.stack([top, left, top + height, left + width], axis=1)
    size = pixels.shape[1:3]
    crops = tf.image.crop_and_resize(pixels, boxes, tf.range(batch), size)
    return tf.ensure_shape(crops, pixels.shape)


def _basic(images, augmentation, seed):
    toned = augmentation.contrast or augmentation.brightness
    if not (augmentation.geometric or augmentation.crop or toned):
        return images
    batch = tf.shape(images)[0]
    # One draw for all: seven uniform numbers an image.
    draws = tf.unstack(tf.random.stateless_uniform((7, batch), seed, -1.0, 1.0), num=7)
    flip, turn, down, right, scale, contrast, brightness = draws
    pixels = tf.cast(images, tf.float32)
    if augmentation.crop:
        pixels = _cropped(pixels, augmentation.crop, tf.random.fold_in(seed, 1))
    if augmentation.geometric:
        height, width = images.shape[1:3]
        pixels = _rand_augment.affine(
            pixels,
            angle=turn * (2 * math.pi * augmentation.rotation),
            shift_y=down * (augmentation.shift * height),
            shift_x=right * (augmentation.shift * width),
            scale=1.0 + scale * augmentation.zoom,
            flip=(flip + 1.0) / 2.0 < augmentation.flip,
            fill=augmentation.fill,
        )
    if augmentation.contrast:
        factor = _rand_augment.per_image(1.0 + contrast * augmentation.contrast)
        mean = tf.reduce_mean(pixels, axis=(1, 2), keepdims=True)
        pixels = mean + (pixels - mean) * factor
    if augmentation.brightness:
        pixels += _rand_augment.per_image(brightness * (255.0 * augmentation.brightness))
    return _rand_augment.to_uint8(pixels)


def _mix(images, labels, mixup, seed):
    if labels.shape.rank != 2 or not labels.dtype.is_floating:
        raise ValueError(
            "MixUp needs one-hot or soft labels: floating point of shape (batch, classes). "
            f"Received: dtype={labels.dtype.name}, shape={labels.shape}"
        )
    batch = tf.shape(images)[0]
    choose, partner, own, other = tf.unstack(tf.random.split(seed, 4), num=4)
    mixed = tf.random.stateless_uniform((batch,), choose) < mixup.fraction
    # A roll by 1 to batch - 1 places: everybody gets another one than himself.
    places = tf.random.stateless_uniform((), partner, 1, tf.maximum(batch, 2), tf.int32)
    if mixup.blend is not None:
        weight = tf.fill((batch,), 1.0 - mixup.blend)
    else:
        # Beta from two Gammas; in float32 both underflow to 0/0 at a small alpha.
        a = tf.random.stateless_gamma((batch,), own, mixup.alpha, dtype=tf.float64)
        b = tf.random.stateless_gamma((batch,), other, mixup.alpha, dtype=tf.float64)
        weight = tf.cast(tf.math.divide_no_nan(a, a + b), tf.float32)
    weight = tf.where(mixed, weight, 1.0)
    pixels = tf.cast(images, tf.float32)
    theirs = tf.roll(pixels, places, axis=0)
    pixels = theirs + (pixels - theirs) * _rand_augment.per_image(weight)
    weight = tf.cast(weight, labels.dtype)[:, None]
    labels = weight * labels + (1 - weight) * tf.roll(labels, places, axis=0)
    return _rand_augment.to_uint8(pixels), labels
