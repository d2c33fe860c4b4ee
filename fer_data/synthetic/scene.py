"""The scene around a person: pose in the picture, light, background, clothes and camera."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from fer_data import arguments
from fer_data.synthetic.action_units import check_unit_interval


@arguments.checked_class(
    yaw=arguments.number(-35, 35),
    pitch=arguments.number(-25, 25),
    roll=arguments.number(-45, 45),
    scale=arguments.number(0.1, 1),
    x=arguments.number(-2, 2),
    y=arguments.number(-2, 2),
    gaze=arguments.array((2,), low=-1, high=1),
)
@dataclass(frozen=True)
class Pose:
    """The place of the head in the picture, its turn, and its gaze.

    Args:
        yaw: Degrees, positive turns the face to the right of the picture.
        pitch: Degrees, positive turns it up.
        roll: Degrees, positive turns it clockwise.
        scale: Length of a face unit (a little over half a head's width) as a fraction of the
            picture's side.
        x, y: Shift of the head from its usual place, as fractions of the side.
        gaze: (x, y), where the eyes look, -1 to 1.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    scale: float = 0.385
    x: float = 0.0
    y: float = 0.0
    gaze: tuple = (0.0, 0.0)


@arguments.checked_class(
    direction=arguments.array((3,)),
    ambient=arguments.number(0, 1),
    exposure=arguments.number(0),
    tint=arguments.array((3,), low=0),
)
@dataclass(frozen=True)
class Light:
    """One lamp and the light all around.

    Args:
        direction: (x, y, z) towards the lamp in picture axes: x right, y down, z to the viewer.
        ambient: Share of the light that comes from everywhere, 0 to 1.
        exposure: Brightness of the whole picture, about 1.
        tint: RGB factors of the lamp's colour, about 1.
    """

    direction: tuple = (-0.35, -0.55, 0.75)
    ambient: float = 0.45
    exposure: float = 1.0
    tint: tuple = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if not np.linalg.norm(self.direction) > 0:
            raise ValueError(f"`direction` must not be zero. Received: direction={self.direction}")


@arguments.checked_class(
    blur=arguments.number(0),
    noise=arguments.number(0),
    jpeg=arguments.integer(1, 100),
    saturation=arguments.number(0, 1),
)
@dataclass(frozen=True)
class Camera:
    """The settings of the camera, see `photograph`.

    Args:
        blur: Standard deviation of the blur, in thousandths of the picture's side.
        noise: Standard deviation of the sensor's noise, in grey levels.
        jpeg: Quality of the JPEG compression, or None for none.
        saturation: 0 (grey) to 1.
    """

    blur: float = 0.0
    noise: float = 0.0
    jpeg: int | None = None
    saturation: float = 1.0


def _grey_background():
    return np.full((6, 6, 3), 120, np.uint8)


@arguments.checked_class(
    pose=arguments.instance(Pose, "a `Pose`"),
    light=arguments.instance(Light, "a `Light`"),
    camera=arguments.instance(Camera, "a `Camera`"),
    background=arguments.array((None, None, 3), kinds="u"),
    bars=arguments.array((None, 6), empty=True),
    clothes=arguments.array((3,), low=0, high=255),
    occluder=arguments.text,
    occluder_seed=arguments.seed,
)
@dataclass(frozen=True, eq=False)
class Scene:
    """Everything in a picture but the person and the expression.

    Args:
        pose, light, camera: See `Pose`, `Light`, `Camera`.
        background: uint8 (h, w, 3) RGB, stretched smoothly over the picture.
        bars: float (n, 6), background shapes: centre x, y, width, height as fractions of the
            side, tilt in degrees, grey level.
        clothes: RGB colour, float (3,).
        occluder: None or a name of `fer_data.synthetic.OCCLUDERS`.
        occluder_seed: Seeds colour and place of the occluder.
    """

    pose: Pose = field(default_factory=Pose)
    light: Light = field(default_factory=Light)
    camera: Camera = field(default_factory=Camera)
    background: np.ndarray = field(default_factory=_grey_background)
    bars: np.ndarray = field(default_factory=lambda: np.zeros((0, 6)))
    clothes: tuple = (70, 80, 100)
    occluder: str | None = None
    occluder_seed: int = 0

    @classmethod
    @arguments.checked(
        rng=arguments.with_method("standard_normal", "a `numpy.random.Generator`"),
        occlusion=arguments.number(0, 1),
    )
    def sample(cls, rng: np.random.Generator, occlusion: float = 0.0) -> Self:
        """Draw pose, light, background, clothes, camera and, rarely or often, an occluder.

        Args:
            rng: `numpy.random.Generator`.
            occlusion: Probability in [0, 1] that something covers a part of the face.

        Returns:
            A `Scene`.

        Raises:
            ValueError: When `occlusion` lies outside [0, 1].
        """
        from fer_data.synthetic.occlusion import OCCLUDERS

        check_unit_interval("occlusion", occlusion)
        normal = np.clip(rng.standard_normal(7), -2, 2) / 2
        scale = rng.uniform(0.325, 0.400)
        # The head may move as far as it fits into the picture with the mouth wide open.
        pose = Pose(
            yaw=20.0 * normal[0],
            pitch=11.0 * normal[1],
            roll=15.0 * normal[2],
            scale=scale,
            x=(0.37 - 0.80 * scale) * normal[3],
            y=(0.43 - 1.00 * scale) * normal[4],
            gaze=(0.7 * normal[5], 0.5 * normal[6]),
        )
        azimuth, height = rng.uniform(-1.2, 1.2), rng.uniform(-0.15, 0.95)
        warmth = rng.normal(0, 0.05)
        light = Light(
            direction=(np.sin(azimuth), -np.sin(height), 0.35 + np.cos(azimuth) * np.cos(height)),
            ambient=rng.uniform(0.28, 0.62),
            exposure=rng.uniform(0.72, 1.18),
            tint=(1 + warmth, 1.0, 1 - warmth),
        )
        camera = Camera(
            blur=rng.uniform(0.0, 6.5),
            noise=rng.uniform(1.0, 6.0),
            jpeg=int(rng.integers(55, 96)) if rng.random() < 0.5 else None,
        )
        base = rng.uniform(20, 225, 3) * 0.3 + rng.uniform(20, 225) * 0.7
        background = (
            base + rng.normal(0, rng.uniform(4, 34), (6, 6, 1)) + rng.normal(0, 7, (6, 6, 3))
        )
        count = rng.integers(0, 4)
        bars = np.stack(
            [
                rng.uniform(0, 1, count), rng.uniform(0, 1, count), rng.uniform(0.05, 0.5, count),
                rng.uniform(0.2, 1.2, count), rng.uniform(-45, 45, count),
                rng.uniform(20, 235, count),
            ],
            1,
        )  # fmt: skip
        covered = rng.random() < occlusion
        kind = OCCLUDERS[rng.integers(len(OCCLUDERS))]
        return cls(
            pose=pose,
            light=light,
            camera=camera,
            background=np.clip(background, 0, 255).astype(np.uint8),
            bars=bars,
            clothes=tuple(rng.uniform(15, 230, 3)),
            occluder=kind if covered else None,
            occluder_seed=int(rng.integers(2**31)),
        )
