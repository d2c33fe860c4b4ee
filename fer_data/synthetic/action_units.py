"""Expressions as action units: those that EMFACS assigns to each of the seven emotions."""

from collections.abc import Mapping

import numpy as np

from fer_data import arguments

#: Action units the face model knows, by FACS number, and what they do.
ACTION_UNITS = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    25: "lips part",
    26: "jaw drop",
    43: "eyes closed",
}

#: The units every picture of an emotion shows (EMFACS prototypes).
PROTOTYPES = {
    "angry": (4, 5, 7, 23),
    "disgust": (9, 15, 16),
    "fear": (1, 2, 4, 5, 20, 26),
    "happy": (6, 12),
    "sad": (1, 4, 15),
    "surprise": (1, 2, 5, 26),
    "neutral": (),
}

# Where units pull against each other, one wins: brows that are both raised and drawn together slant
# (fear, sadness) and do not stay in place. Shares of the picture's intensity.
_SHARES = {
    "angry": {5: 0.6, 7: 0.7},
    "disgust": {15: 0.6, 16: 0.8},
    "fear": {2: 0.75, 4: 0.4, 26: 0.55},
    "sad": {4: 0.4},
}

# Units people often add to a prototype: (unit, probability, largest strength). They make one
# emotion look different from picture to picture without turning it into another one.
_COMPANIONS = {
    "angry": ((17, 0.4, 0.5),),
    "disgust": ((10, 0.6, 0.8), (4, 0.4, 0.35), (7, 0.4, 0.4)),
    "fear": ((25, 0.5, 0.4),),
    "happy": ((25, 0.6, 1.0), (26, 0.3, 0.5)),
    "sad": ((17, 0.5, 0.6), (43, 0.4, 0.3)),
    "surprise": ((25, 0.4, 0.4),),
    "neutral": ((25, 0.12, 0.2), (43, 0.15, 0.2)),
}

# How far a unit may fall short of the picture's intensity, as a fraction of it.
_UNEVENNESS = 0.2


def check_unit_interval(name: str, value: float) -> None:
    """Raise `ValueError` unless `value` is a number in [0, 1]."""
    if not isinstance(value, (int, float, np.integer, np.floating)) or not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be a number in [0, 1]. Received: {name}={value!r}")


@arguments.checked(
    emotion=arguments.text,
    intensity=arguments.number(0, 1),
    rng=arguments.with_method("standard_normal", "a `numpy.random.Generator`"),
)
def action_units(
    emotion: str, intensity: float = 1.0, rng: np.random.Generator | None = None
) -> dict[int, float]:
    """Return the action units of an emotion.

    Args:
        emotion: One of `"angry"`, `"disgust"`, `"fear"`, `"happy"`, `"sad"`, `"surprise"`,
            `"neutral"`.
        intensity: Strength of the whole expression, 0 (invisible) to 1 (FACS level E).
        rng: `numpy.random.Generator`; when given, the units vary in strength around `intensity`
            and units that often come with the emotion join in. Without it the result is the
            bare prototype.

    Returns:
        Dictionary from FACS number to strength in [0, 1].

    Raises:
        ValueError: For an unknown emotion or an intensity outside [0, 1].

    Example:

    >>> from fer_data.synthetic import action_units
    >>> action_units("happy", 0.5)
    {6: 0.5, 12: 0.5}

    Reference:
        P. Ekman, W. Friesen, J. Hager, Facial Action Coding System (2002), EMFACS table.
    """
    if emotion not in PROTOTYPES:
        raise ValueError(
            f"`emotion` must be one of {sorted(PROTOTYPES)}. Received: emotion={emotion!r}"
        )
    check_unit_interval("intensity", intensity)
    shares = _SHARES.get(emotion, {})
    units = {unit: intensity * shares.get(unit, 1.0) for unit in PROTOTYPES[emotion]}
    if rng is None:
        return units
    # Every emotion draws as many numbers, so that a seed gives the same picture around the face.
    draws = iter(rng.random(16))
    for unit in units:
        units[unit] *= 1.0 - _UNEVENNESS * next(draws)
    # A neutral face has no intensity by which to scale its small extra units.
    strength = intensity if PROTOTYPES[emotion] else 1.0
    for unit, probability, largest in _COMPANIONS[emotion]:
        joins, amount = next(draws) < probability, next(draws)
        if joins:
            units[unit] = strength * largest * (0.4 + 0.6 * amount)
    if emotion == "disgust" and next(draws) < 0.4:
        del units[16]
    return units


def check_action_units(units: Mapping[int, float]) -> None:
    """Raise `ValueError` unless every key is a known unit and every strength in [0, 1]."""
    for unit, strength in units.items():
        if unit not in ACTION_UNITS:
            raise ValueError(
                f"`action_units` may hold the units {sorted(ACTION_UNITS)}. "
                f"Received: action_units={units!r}"
            )
        check_unit_interval(f"action_units[{unit}]", strength)
