"""A person: all traits that stay the same from picture to picture."""

import functools
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from fer_data import arguments
from fer_data.synthetic import face_model

#: Hair styles of the renderer.
HAIR_STYLES = (
    "bald", "short", "side_part", "fringe", "long", "bob", "curly", "bun", "receding",
)  # fmt: skip

_SKIN_TONES = np.array(
    [(249, 224, 206), (240, 204, 178), (224, 180, 146), (200, 148, 110), (164, 113, 80),
     (122, 80, 56), (88, 58, 43)], np.float64,
)  # fmt: skip
_HAIR_COLOURS = np.array(
    [(24, 20, 20), (44, 32, 26), (74, 50, 34), (112, 78, 48), (178, 138, 84), (140, 66, 34),
     (150, 148, 146), (214, 212, 206)], np.float64,
)  # fmt: skip
_HAIR_ODDS = np.array([0.26, 0.24, 0.16, 0.10, 0.09, 0.05, 0.06, 0.04])
_IRIS_COLOURS = np.array(
    [(58, 36, 22), (84, 54, 30), (112, 88, 46), (84, 112, 84), (84, 122, 156), (110, 124, 136)],
    np.float64,
)  # fmt: skip
_IRIS_ODDS = np.array([0.34, 0.26, 0.14, 0.08, 0.11, 0.07])
_STYLE_ODDS = np.array([0.06, 0.21, 0.13, 0.09, 0.17, 0.10, 0.09, 0.07, 0.08])
_BEARDED_STYLES = ("bald", "short", "side_part", "receding", "curly", "fringe")

TEXTURE_SIZE = 96


@arguments.checked_class(
    seed=arguments.seed,
    shape=arguments.array((None,)),
    skin=arguments.array((3,), low=0, high=255),
    lips=arguments.array((3,), low=0, high=255),
    hair_colour=arguments.array((3,), low=0, high=255),
    brow_colour=arguments.array((3,), low=0, high=255),
    iris=arguments.array((3,), low=0, high=255),
    hair=arguments.text,
    hair_volume=arguments.number(0, 1),
    beard=arguments.number(0, 1),
    moustache=arguments.number(0, 1),
    glasses=arguments.text,
    glasses_colour=arguments.array((3,), low=0, high=255),
    age=arguments.number(0, 1),
    asymmetry=arguments.number(-1, 1),
)
@dataclass(frozen=True, eq=False)
class Identity:
    """A person of the renderer.

    Draw one with `Identity.sample(rng)`; change single traits with `dataclasses.replace`.

    Args:
        seed: Integer, seeds the fine structure (skin texture, strands of hair).
        shape: float (19,), coefficients of `face_model.SHAPE_UNITS` in standard deviations.
        skin, lips, hair_colour, brow_colour, iris: RGB colours, float (3,) in [0, 255].
        hair: One of `HAIR_STYLES`.
        hair_volume: Thickness of the hair, 0 to 1.
        beard: Density of the beard, 0 (none) to 1 (full); `moustache` likewise.
        glasses: None, `"round"` or `"square"`.
        age: 0 to 1, depth of folds and wrinkles.
        asymmetry: -1 to 1, which side of the face moves more.
    """

    seed: int
    shape: np.ndarray
    skin: np.ndarray
    lips: np.ndarray
    hair_colour: np.ndarray
    brow_colour: np.ndarray
    iris: np.ndarray
    hair: str = "short"
    hair_volume: float = 0.5
    beard: float = 0.0
    moustache: float = 0.0
    glasses: str | None = None
    glasses_colour: tuple = (30, 30, 30)
    age: float = 0.3
    asymmetry: float = 0.0

    def __post_init__(self) -> None:
        if np.shape(self.shape) != (len(face_model.SHAPE_UNITS),):
            raise ValueError(
                f"`shape` must hold {len(face_model.SHAPE_UNITS)} coefficients. "
                f"Received: shape with shape {np.shape(self.shape)}"
            )
        if self.hair not in HAIR_STYLES:
            raise ValueError(f"`hair` must be one of {HAIR_STYLES}. Received: hair={self.hair!r}")
        if self.glasses not in (None, "round", "square"):
            raise ValueError(
                f"`glasses` must be None, 'round' or 'square'. Received: glasses={self.glasses!r}"
            )

    @classmethod
    @arguments.checked(rng=arguments.with_method("standard_normal", "a `numpy.random.Generator`"))
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw a person.

        Args:
            rng: `numpy.random.Generator`.

        Returns:
            An `Identity`.

        Example:

        >>> import numpy as np
        >>> from fer_data.synthetic import HAIR_STYLES, Identity
        >>> Identity.sample(np.random.default_rng(1)).hair in HAIR_STYLES
        True
        """
        shape = np.clip(rng.standard_normal(len(face_model.SHAPE_UNITS)), -2, 2)
        tone = rng.beta(1.1, 1.4) * (len(_SKIN_TONES) - 1)
        low = min(int(tone), len(_SKIN_TONES) - 2)
        skin = _SKIN_TONES[low] + (tone - low) * (_SKIN_TONES[low + 1] - _SKIN_TONES[low])
        skin = np.clip(skin + rng.normal(0, 3, 3), 30, 252)
        dark = tone / (len(_SKIN_TONES) - 1)
        hair_odds = _HAIR_ODDS * np.where(np.arange(len(_HAIR_ODDS)) < 2, 1 + 4 * dark, 1.0)
        hair_odds[3:6] *= 1 - 0.95 * dark
        hair = rng.choice(len(_HAIR_COLOURS), p=hair_odds / hair_odds.sum())
        hair_colour = np.clip(_HAIR_COLOURS[hair] * rng.uniform(0.85, 1.15), 8, 235)
        iris_odds = _IRIS_ODDS * np.where(np.arange(len(_IRIS_ODDS)) < 2, 1 + 6 * dark, 1.0)
        iris = _IRIS_COLOURS[rng.choice(len(_IRIS_COLOURS), p=iris_odds / iris_odds.sum())]
        style = HAIR_STYLES[rng.choice(len(HAIR_STYLES), p=_STYLE_ODDS)]
        redness = np.array([0.97, 0.72, 0.72]) if rng.random() < 0.7 else np.array([0.9, 0.6, 0.62])
        lips = skin * (redness + rng.uniform(-0.05, 0.05))
        bearded = style in _BEARDED_STYLES and rng.random() < 0.42
        beard = rng.uniform(0.15, 0.95) if bearded else 0.0
        moustache = beard if bearded and rng.random() < 0.8 else 0.0
        if style in _BEARDED_STYLES and not bearded and rng.random() < 0.06:
            moustache = rng.uniform(0.6, 0.95)
        glasses = [None, "round", "square"][rng.choice(3, p=[0.84, 0.08, 0.08])]
        frame = [(28, 26, 26), (96, 62, 40), (130, 130, 134)][rng.choice(3)]
        return cls(
            seed=int(rng.integers(2**31)),
            shape=shape,
            skin=skin,
            lips=np.clip(lips, 20, 250),
            hair_colour=hair_colour,
            brow_colour=np.clip(np.minimum(hair_colour * 0.8, skin * 0.62), 8, 200),
            iris=np.clip(iris * rng.uniform(0.85, 1.15), 10, 200),
            hair=style,
            hair_volume=float(rng.random()),
            beard=float(beard),
            moustache=float(moustache),
            glasses=glasses,
            glasses_colour=frame,
            age=float(rng.beta(1.5, 2.0)),
            asymmetry=float(np.clip(rng.normal(0, 0.4), -1, 1)),
        )

    @functools.cached_property
    def controls(self) -> np.ndarray:
        """Neutral control points, float (C, 3)."""
        return face_model.TEMPLATE + np.tensordot(self.shape, face_model.SHAPE_BASIS, 1)

    @functools.cached_property
    def sections(self) -> np.ndarray:
        """Cross sections of the head, float (15, 4)."""
        return face_model.shaped_sections(self.shape)

    @functools.cached_property
    def texture(self) -> np.ndarray:
        """Mottled skin in face coordinates, float32 (96, 96), about 1."""
        rng = np.random.default_rng(self.seed)
        fine = rng.standard_normal((TEXTURE_SIZE, TEXTURE_SIZE), dtype=np.float32)
        coarse = rng.standard_normal((12, 12), dtype=np.float32)
        grown = cv2.resize(coarse, (TEXTURE_SIZE, TEXTURE_SIZE), interpolation=cv2.INTER_CUBIC)
        soft = cv2.GaussianBlur(fine, (0, 0), 0.7)
        return 1 + (0.030 + 0.03 * self.age) * soft + 0.022 * grown

    @functools.cached_property
    def strands(self) -> np.ndarray:
        """Random numbers of the hair strands, float (count, 3): place, depth, brightness."""
        return np.random.default_rng(self.seed + 1).random((24, 3))
