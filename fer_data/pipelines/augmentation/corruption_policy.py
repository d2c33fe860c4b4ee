"""`Corruptions`, the entry of an augmentation policy for what camera and storage do to a picture.

Both executions of a policy, that of tf.data and that of NumPy, take kinds and amounts from here.
"""

import dataclasses

from fer_data import arguments
from fer_data.checks import check_number

# At a strength of 1, which is severity 4 of 5 of the corruptions of `fer_models.robustness`.
BLUR = 0.04  # standard deviation, share of the longer side
NOISE = 44.0  # standard deviation, grey levels
JPEG = 10.0  # quality; 100 at a strength of 0
DARKNESS = 0.15  # share of the light that is left
LOW_RESOLUTION = 1 / 6  # share of rows and columns that is left
SENSOR_NOISE = 3.0  # standard deviation in the dark, grey levels; does not fall with the light

#: The amount of each kind at a strength from 0 to 1, a number or an array.
AMOUNTS = {
    "blur": lambda strength: BLUR * strength,
    "noise": lambda strength: NOISE * strength,
    "jpeg": lambda strength: 100.0 * (JPEG / 100.0) ** strength,
    "darkness": lambda strength: DARKNESS**strength,
    "low_resolution": lambda strength: LOW_RESOLUTION**strength,
}
CORRUPTION_KINDS = tuple(AMOUNTS)


@arguments.checked_class(names=arguments.sequence(arguments.plain))
@dataclasses.dataclass(frozen=True)
class Corruptions:
    """Corruption of a fraction of the images, each in one way and by its own strength.

    Kind and strength are drawn uniformly. At a strength of 1 an image loses as much as at severity
    4 of 5 in `fer_models.robustness.corrupt`: a Gaussian blur of 4 % of the side, noise of 44 grey
    levels, JPEG of quality 10, 15 % of the light with 3 levels of noise, a sixth of rows and
    columns. At a strength of 0 nothing is lost, except by the noise in the dark and by the rounding
    of JPEG at quality 100.

    Brightness, contrast, sunglasses, masks and hands of `fer_models.robustness` are not among the
    kinds: they show how a network that was trained with this handles corruptions that it has not
    met. To hold out more kinds, name fewer in `names`.

    Args:
        fraction: Share of the images that are corrupted, in `[0, 1]`; drawn image by image.
        strength: The largest strength, in `[0, 1]`.
        names: Kinds to draw from: `"blur"`, `"noise"`, `"jpeg"`, `"darkness"`,
            `"low_resolution"`.

    Example:

    >>> Corruptions(fraction=0.3, names=("noise", "blur")).strength
    1.0

    Reference:
        Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions
        and Perturbations", ICLR 2019, for the kinds; the amounts are ours.
    """

    fraction: float = 0.5
    strength: float = 1.0
    names: tuple[str, ...] = CORRUPTION_KINDS

    def __post_init__(self) -> None:
        check_number("fraction", self.fraction, 0, 1)
        check_number("strength", self.strength, 0, 1)
        object.__setattr__(self, "names", tuple(self.names))
        unknown = [name for name in self.names if name not in CORRUPTION_KINDS]
        if unknown or not self.names:
            raise ValueError(
                f"`names` must be one or more of {CORRUPTION_KINDS}. Received: names={self.names}"
            )
