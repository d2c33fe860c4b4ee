"""Augmentation policies as data: `Augmentation`, with its `RandAug`, `Corruptions` and `MixUp`.

A policy can be written to a run's record and read back.
`fer_data.pipelines.augmentation.with_tensorflow` applies it in tf.data, and
`fer_data.pipelines.face_batches` without TensorFlow.
`fer_data.pipelines.augmentation.with_keras_cv` applies its RandAugment and MixUp by keras-cv.
"""

import dataclasses
import math
import numbers
from collections.abc import Mapping
from typing import Any, Self

from fer_data import arguments
from fer_data.checks import shown
from fer_data.pipelines.augmentation.corruption_policy import Corruptions

# Random Erasing: shares of the area, and the least ratio of the sides (the highest is its inverse).
ERASED_AREA, ERASED_RATIO = (0.02, 0.33), 0.3
# Random resized crops, as in torchvision: the highest ratio of the sides, and the most draws until
# one fits.
CROP_RATIO, CROP_TRIES = 4 / 3, 10
FILLS = ("reflect", "nearest", "wrap", "constant")
OPERATIONS = (
    "autocontrast",
    "equalize",
    "solarize",
    "color",
    "posterize",
    "contrast",
    "brightness",
    "sharpness",
    "rotate",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)
ENGINES = ("tensorflow", "keras_cv")
# Those of `OPERATIONS` that `keras_cv.layers.RandAugment` has, in its order.
KERAS_CV_OPERATIONS = (
    "autocontrast",
    "equalize",
    "solarize",
    "color",
    "contrast",
    "brightness",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)


def _fraction(name, value, upper=1.0, open_end=False):
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    inside = number and (0 <= value < upper if open_end else 0 <= value <= upper)
    if not inside:
        bracket = ")" if open_end else "]"
        raise ValueError(
            f"`{name}` must be a number in [0, {upper:g}{bracket}. Received: {name}={shown(value)}"
        )


def _check_settings(what, kind, settings):
    """Raise `ValueError` for settings that the class of a policy, or of its part, has not."""
    known = [field.name for field in dataclasses.fields(kind)]
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ValueError(f"The settings of {what} must be of {known}. Received: {unknown}")


@arguments.checked_class(names=arguments.sequence(arguments.plain))
@dataclasses.dataclass(frozen=True)
class RandAug:
    """RandAugment with the number of operations and the magnitude drawn for every image.

    Magnitudes are on a scale of 0 to 10 and map to operations as in torchvision's
    `RandAugment`: at 10 a rotation of 30 degrees, a shear of 0.3, a translation of 150/331 of the
    side, an enhancement factor of 1 ± 0.9, four bits kept, solarization of everything.

    Args:
        operations: `(least, most)` operations per image, both included; drawn uniformly.
        magnitude: `(least, most)` magnitude out of 10, both included; one integer per image.
        names: Operations to draw from, with replacement. `"color"` is left out on grey images,
            where it would do nothing.

    Reference:
        [Cubuk et al., 2020](https://arxiv.org/abs/1909.13719), with the ranges of
        "GhostFace" (Tang and Kok, 2022).
    """

    operations: tuple[int, int] = (0, 3)
    magnitude: tuple[int, int] = (2, 4)
    names: tuple[str, ...] = OPERATIONS

    def __post_init__(self) -> None:
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


def keras_cv_operations(rand_aug: RandAug) -> tuple[str, ...]:
    """Return the operations from which keras-cv's RandAugment draws for a `RandAug`.

    Args:
        rand_aug: A `RandAug`. With its default, all of `OPERATIONS`, keras-cv draws from the ten
            that it has; names that were chosen must be among them.

    Returns:
        A tuple of names.

    Raises:
        ValueError: If operations were chosen that keras-cv's RandAugment does not have.

    Example:

    >>> len(keras_cv_operations(RandAug())), keras_cv_operations(RandAug(names=("shear_x",)))
    (10, ('shear_x',))
    """
    if rand_aug.names == OPERATIONS:
        return KERAS_CV_OPERATIONS
    lacking = [name for name in rand_aug.names if name not in KERAS_CV_OPERATIONS]
    if lacking:
        raise ValueError(
            f"`names` must be of {KERAS_CV_OPERATIONS} with engine='keras_cv', whose RandAugment "
            f"has no others; leave them out, or use engine='tensorflow'. Received: {lacking}"
        )
    return rand_aug.names


@dataclasses.dataclass(frozen=True)
class MixUp:
    """MixUp of a fraction of the images with another image of the same batch.

    Args:
        fraction: Share of the images that are mixed, in `[0, 1]`; drawn image by image.
        alpha: The image's own weight is drawn from `Beta(alpha, alpha)`, image by image.
        blend: If given, a fixed weight in `[0, 1]` of the other image instead of a drawn weight:
            the other reading of the paper's "opacity 0.2".

    Reference:
        [Zhang et al., 2018](https://arxiv.org/abs/1710.09412), with the numbers of
        "GhostFace" (Tang and Kok, 2022).
    """

    fraction: float = 0.25
    alpha: float = 0.2
    blend: float | None = None

    def __post_init__(self) -> None:
        _fraction("fraction", self.fraction)
        number = isinstance(self.alpha, numbers.Real) and not isinstance(self.alpha, bool)
        if not number or not 0 < self.alpha < math.inf:
            raise ValueError(
                f"`alpha` must be a positive finite number. Received: alpha={shown(self.alpha)}"
            )
        if self.blend is not None:
            _fraction("blend", self.blend)


# Entries of a policy that are objects of their own.
PARTS: dict[str, Any] = {"rand_aug": RandAug, "corruptions": Corruptions, "mixup": MixUp}


@arguments.checked_class(fill=arguments.plain, engine=arguments.plain)
@dataclasses.dataclass(frozen=True)
class Augmentation:
    """An augmentation policy: the random changes of a training image, as plain data.

    Flip, rotation, shift and zoom are one affine map, so an image is resampled once (bilinear); a
    crop comes before it and resamples on its own. Every amount is drawn uniformly and for every
    image on its own.

    Args:
        flip: Probability of a horizontal flip, in `[0, 1]`.
        rotation: Largest rotation either way, as a fraction of a full turn, in `[0, 0.5]`.
        shift: Largest shift either way, as a fraction of height and width, in `[0, 1]`.
        zoom: The scale is drawn from `[1 - zoom, 1 + zoom]`, in `[0, 1)`.
        crop: If not 0, a random resized crop. Its area is drawn uniformly from this share of the
            image to the whole image; its aspect ratio is 3/4 to 4/3 times the image's. It is
            resized to the image's size. In `[0, 1]`.
        contrast: The distance to the image's mean of each channel is multiplied by a factor from
            `[1 - contrast, 1 + contrast]`, in `[0, 1]`.
        brightness: An offset from `[-brightness, brightness] * 255` is added, in `[0, 1]`.
        erase: Probability that a rectangle of 2 to 33 % of the area, of sides in a ratio of 0.3 to
            3.3, is filled with random pixels (Random Erasing), in `[0, 1]`.
        fill: Pixels outside the image: `"reflect"`, `"nearest"`, `"wrap"` or `"constant"` (black).
            RandAugment's geometry uses it as well.
        rand_aug: A `RandAug`, or `None`.
        mixup: A `MixUp`, or `None`.
        engine: The code that runs `rand_aug` and `mixup`: `"tensorflow"`, our own operations, or
            `"keras_cv"`, the layers of the package keras-cv (extra `[keras-cv]`), which has ten of
            the operations and its own magnitudes: see
            `fer_data.pipelines.augmentation.with_keras_cv`. All the rest is ours either way.
        corruptions: `Corruptions` of camera and storage, after all else but MixUp, or `None`.

    Example:

    >>> policy = Augmentation(flip=0.5, rotation=0.03, shift=0.1, mixup=MixUp())
    >>> Augmentation.from_dict(policy.to_dict()) == policy
    True

    Reference:
        Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
    """

    flip: float = 0.0
    rotation: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    crop: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    erase: float = 0.0
    fill: str = "reflect"
    rand_aug: RandAug | None = None
    mixup: MixUp | None = None
    engine: str = "tensorflow"
    corruptions: Corruptions | None = None

    def __post_init__(self) -> None:
        _fraction("flip", self.flip)
        _fraction("rotation", self.rotation, 0.5)
        _fraction("shift", self.shift)
        _fraction("zoom", self.zoom, open_end=True)
        _fraction("crop", self.crop)
        _fraction("contrast", self.contrast)
        _fraction("brightness", self.brightness)
        _fraction("erase", self.erase)
        if self.fill not in FILLS:
            raise ValueError(f"`fill` must be one of {FILLS}. Received: fill={self.fill!r}")
        for field, kind in PARTS.items():
            value = getattr(self, field)
            if value is not None and not isinstance(value, kind):
                raise ValueError(
                    f"`{field}` must be a {kind.__name__} or None. Received: {field}={value!r}"
                )
        if self.engine not in ENGINES:
            raise ValueError(f"`engine` must be one of {ENGINES}. Received: engine={self.engine!r}")
        if self.engine == "keras_cv" and self.rand_aug is not None:
            keras_cv_operations(self.rand_aug)

    @property
    def geometric(self) -> bool:
        """Whether the policy moves pixels by its affine map."""
        return bool(self.flip or self.rotation or self.shift or self.zoom)

    def to_dict(self) -> dict[str, Any]:
        """Return the policy as a dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Self:
        """Return the policy that `to_dict` described (tuples may have become lists).

        Raises:
            ValueError: For a setting that is unknown or breaks its rule.
        """
        config = dict(config)
        _check_settings("an augmentation", cls, config)
        for field, kind in PARTS.items():
            if isinstance(config.get(field), dict):
                _check_settings(f"`{field}`", kind, config[field])
                config[field] = kind(**config[field])
        return cls(**config)


_BASIC: dict[str, Any] = {"flip": 0.5, "rotation": 0.03, "shift": 0.1}
_FER2013 = Augmentation(flip=0.5, rotation=0.06, shift=0.1, zoom=0.1, contrast=0.3)

# "basic" and the next ones follow the paper, which does not give its amounts: these are about 10
# degrees and a tenth of the side. "fer2013" is the recipe of the plain FER2013 training run, and
# "corruptions" adds to it what camera and storage do.
PRESETS = {
    "none": Augmentation(),
    "basic": Augmentation(**_BASIC),
    "randaug": Augmentation(**_BASIC, rand_aug=RandAug()),
    "mixup": Augmentation(**_BASIC, mixup=MixUp()),
    "randaug+mixup": Augmentation(**_BASIC, rand_aug=RandAug(), mixup=MixUp()),
    "fer2013": _FER2013,
    "corruptions": dataclasses.replace(_FER2013, corruptions=Corruptions()),
}


def policy(augmentation: str | Mapping[str, Any] | Augmentation | None) -> Augmentation:
    """Return the `Augmentation` that a preset's name, a dictionary, a policy or `None` stands for.

    Args:
        augmentation: `None` (nothing), a name of `PRESETS`, a dictionary from
            `Augmentation.to_dict`, or an `Augmentation`.

    Raises:
        ValueError: For an unknown name or another type.

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
