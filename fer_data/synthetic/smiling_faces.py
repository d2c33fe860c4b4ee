"""Faces that smile by degrees: everything but the smile is the same, or changed on purpose."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_data import arguments
from fer_data.checks import check_integer
from fer_data.synthetic.action_units import check_unit_interval
from fer_data.synthetic.drawn_faces import sample_identity
from fer_data.synthetic.identity import Identity
from fer_data.synthetic.render import check_size, render
from fer_data.synthetic.scene import Light, Pose, Scene

# What is changed beside the smile, and its values. The action units of a mouth, and of cheeks in
# shares of the smile; how dense beard and moustache are; the skin's colour; the light.
MOUTHS = {"closed": {}, "open": {25: 0.8, 26: 0.2}}
CHEEKS = {"still": 0.0, "raised": 1.0}
BEARDS = {"none": 0.0, "full": 0.9}
SKINS = {"light": (240, 204, 178), "medium": (200, 148, 110), "dark": (122, 80, 56)}
LIGHTS = {
    "even": Light(direction=(0.0, -0.25, 1.0), ambient=0.6),
    "from the side": Light(direction=(-0.9, -0.3, 0.45), ambient=0.3),
}
FACTORS: dict[str, tuple[str, ...]] = {
    "mouth": tuple(MOUTHS),
    "cheeks": tuple(CHEEKS),
    "beard": tuple(BEARDS),
    "skin": tuple(SKINS),
    "light": tuple(LIGHTS),
}
_LIPS = np.array([0.97, 0.72, 0.72])


@dataclass(frozen=True, eq=False)
class SmilingFace:
    """A drawn face with a smile of known strength.

    Args:
        image: uint8 (size, size, 3), RGB.
        box: float32 (4,), (x, y, width, height) in pixels; the face lies in it as
            `fer_data.synthetic.drawn_faces.FRAMING` says.
        smile: Strength of action unit 12, the lip corner puller, 0 to 1.
        person: Number of the person.
        factors: What else is so in the picture: the value of each of `FACTORS`.
    """

    image: np.ndarray
    box: np.ndarray
    smile: float
    person: int
    factors: Mapping[str, str]


@arguments.checked(
    people=arguments.integer(1),
    levels=arguments.sequence(arguments.number()),
    seed=arguments.seed,
    size=arguments.integer(),
    factors=arguments.mapping(arguments.sequence(arguments.text)),
)
def graded_smiles(
    people: int,
    levels: Sequence[float],
    seed: int = 0,
    *,
    size: int = 96,
    factors: Mapping[str, Sequence[str]] = FACTORS,
) -> Iterator[SmilingFace]:
    """Yield the faces of some people at every strength of a smile and every mix of the factors.

    The people look into the camera, without glasses, before grey. They differ in shape, age, hair
    and asymmetry; skin, beard, mouth, cheeks and light are the same for all, one value after the
    other. The smile is action unit 12 alone, with unit 6 beside it where the cheeks are raised.
    An open mouth is as open at every strength of the smile.

    Args:
        people: How many people, 1 or more.
        levels: Strengths of the smile, each in [0, 1].
        seed: Integer from 0 up, the world that the people are from.
        size: Side of the pictures in pixels, 24 or more.
        factors: Which values of `FACTORS` to draw, by name; all of a factor that is not named.

    Yields:
        `SmilingFace`s: person by person, mix by mix, level by level.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    >>> faces = list(graded_smiles(1, (0.0, 1.0), size=48, factors={"beard": ["none"]}))
    >>> len(faces), faces[1].smile, faces[1].factors["mouth"]
    (48, 1.0, 'closed')
    """
    check_integer("people", people, 1)
    check_integer("seed", seed, 0)
    check_size(size)
    for level in levels:
        check_unit_interval("levels", level)
    wrong = {
        name: tuple(values)
        for name, values in factors.items()
        if name not in FACTORS or not values or not set(values) <= set(FACTORS[name])
    }
    if wrong or not len(levels):
        raise ValueError(
            f"`levels` must not be empty, and `factors` must name values of {FACTORS}. Received: "
            f"levels={levels!r}, and among the factors {wrong}"
        )
    chosen = {name: tuple(factors.get(name, values)) for name, values in FACTORS.items()}
    return _faces(people, tuple(levels), seed, size, chosen)


def _faces(people, levels, seed, size, chosen):
    for person in range(people):
        for values in itertools.product(*chosen.values()):
            mix = dict(zip(chosen, values, strict=True))
            identity = _with_traits(sample_identity(seed, person), mix)
            scene = Scene(pose=Pose(), light=LIGHTS[mix["light"]])
            for level in levels:
                units = {**MOUTHS[mix["mouth"]], 12: level, 6: CHEEKS[mix["cheeks"]] * level}
                image, landmarks = render(identity, units, scene, size)
                yield SmilingFace(image, _box(landmarks), float(level), person, mix)


def _box(landmarks):
    """Return the square that `detector_box` gives on average."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    side = 1.2 * (high - low).max()
    return np.array([*(low + high - side) / 2, side, side], np.float32)


def _with_traits(identity: Identity, mix: Mapping[str, str]) -> Identity:
    skin = np.array(SKINS[mix["skin"]], float)
    beard = BEARDS[mix["beard"]]
    return replace(
        identity,
        skin=skin,
        lips=skin * _LIPS,
        # As `Identity.sample` has it: brows stand out from the skin.
        brow_colour=np.clip(np.minimum(identity.hair_colour * 0.8, skin * 0.62), 8, 200),
        beard=beard,
        moustache=beard,
        glasses=None,
    )
