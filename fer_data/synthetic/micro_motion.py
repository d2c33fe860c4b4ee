"""Micro-expressions: the landmarks of a still face moved by a pixel or three, and back again."""

from dataclasses import dataclass

import cv2
import numpy as np

# Displacement of iBUG landmarks in shares of the amplitude: (outwards, down), where outwards is
# away from the middle of the face. Spelt for the image's left side, mirrored to the right.
_LEFT = {
    # AU 1 and 2, brows up; AU 5, upper lids up a little.
    "surprise": {
        17: (0.0, -0.7), 18: (0.0, -0.9), 19: (0.0, -1.0), 20: (0.0, -1.0), 21: (0.0, -0.9),
        37: (0.0, -0.3), 38: (0.0, -0.3),
    },
    # AU 12, lip corners up and out; AU 6, lower lids up a little.
    "positive": {
        48: (0.55, -0.85), 60: (0.5, -0.75), 49: (0.3, -0.45), 59: (0.3, -0.4), 50: (0.1, -0.15),
        58: (0.1, -0.1), 40: (0.0, -0.25), 41: (0.0, -0.25),
    },
    # AU 4, brows down and together; AU 7, upper lids down a little.
    "negative": {
        17: (-0.1, 0.2), 18: (-0.25, 0.45), 19: (-0.4, 0.7), 20: (-0.55, 0.9), 21: (-0.65, 0.9),
        37: (0.0, 0.25), 38: (0.0, 0.25),
    },
}  # fmt: skip
# The landmark that mirrors each of the left ones.
_MIRROR = {
    17: 26, 18: 25, 19: 24, 20: 23, 21: 22, 37: 44, 38: 43, 40: 47, 41: 46,
    48: 54, 49: 53, 50: 52, 58: 56, 59: 55, 60: 64,
}  # fmt: skip
EXPRESSIONS = ("negative", "positive", "surprise")
ACTION_UNITS = {"negative": "4+7", "positive": "6+12", "surprise": "1+2+5"}
# Amplitudes are in pixels of a face of this size.
REFERENCE = 128
# The field is smooth: one sample in so many pixels gives it to a hundredth of a pixel.
_COARSE = 4
# Reach of a landmark's pull, as a share of the face's side: a brow does not move the mouth.
_REACH = 0.3


@dataclass(frozen=True, eq=False)
class MicroClip:
    """A micro-expression from onset to offset.

    Args:
        frames: uint8 (T, size, size, 3) RGB, the aligned face.
        landmarks: float32 (T, 68, 2), (x, y) pixels of every frame, iBUG order.
        expression: One of `EXPRESSIONS`.
        apex: Number of the frame where it is strongest.
        amplitude: Largest movement in pixels of a face of 128.
    """

    frames: np.ndarray
    landmarks: np.ndarray
    expression: str
    apex: int
    amplitude: float


def displacement(
    landmarks: np.ndarray, expression: str, sides: tuple[float, float] = (1.0, 1.0)
) -> np.ndarray:
    """Return the displacements of a face's landmarks, at an amplitude of one pixel.

    Args:
        landmarks: (68, 2), (x, y) pixels, iBUG order.
        expression: One of `EXPRESSIONS`.
        sides: Strengths of the image's left and right side.

    Returns:
        float64 (68, 2), pixels, turned as the face is.
    """
    left_eye, right_eye = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
    across = (right_eye - left_eye) / np.linalg.norm(right_eye - left_eye)
    down = np.array([-across[1], across[0]])
    moved = np.zeros((68, 2))
    for left, (outwards, downwards) in _LEFT[expression].items():
        moved[left] = sides[0] * (-outwards * across + downwards * down)
        moved[_MIRROR[left]] = sides[1] * (outwards * across + downwards * down)
    return moved


def envelope(count: int, apex: int) -> np.ndarray:
    """Return the strength of every frame: 0 at the onset, 1 at the apex, 0 at the offset.

    Args:
        count: Frames, 3 or more.
        apex: Number of the strongest frame, from 1 to `count - 2`.

    Returns:
        float64 (count,), smooth, in [0, 1].

    Example:

    >>> envelope(5, 2).round(6).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    frame = np.arange(count)
    phase = np.where(frame <= apex, frame / apex, (count - 1 - frame) / (count - 1 - apex))
    return np.sin(phase * np.pi / 2) ** 2


def displacement_field(landmarks: np.ndarray, moved: np.ndarray, size: int) -> np.ndarray:
    """Spread the displacements of landmarks over the face, smoothly and up to their reach.

    A radial basis function of compact support (Wendland's C2) runs through all displacements,
    those that are zero included, and through zeros along the border.

    Args:
        landmarks: (68, 2), (x, y) pixels of a face of `size`.
        moved: (68, 2), displacements in pixels.
        size: Side of the face, a multiple of 4.

    Returns:
        float32 (size, size, 2), displacement (x, y) of every pixel.
    """
    edge = np.linspace(0, size - 1, 9)
    border = [(x, y) for x in edge for y in edge if {x, y} & {0.0, size - 1.0}]
    # Landmarks outside of the face, as of a chin that is cut off, cannot be seen moving.
    inside = ((landmarks > 0) & (landmarks < size - 1)).all(1)
    centres = np.concatenate([landmarks[inside], border]).astype(np.float64)
    values = np.concatenate([moved[inside], np.zeros((len(border), 2))])
    reach = _REACH * size
    # Closed lips put two landmarks on one spot: a trace of smoothing keeps the system solvable.
    system = _wendland(_distances(centres, centres) / reach) + 1e-4 * np.eye(len(centres))
    weights = np.linalg.solve(system, values)
    axis = (np.arange(size // _COARSE) + 0.5) * _COARSE - 0.5
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    coarse = _wendland(_distances(grid, centres) / reach) @ weights
    coarse = coarse.reshape(len(axis), len(axis), 2).astype(np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def animate(
    face: np.ndarray,
    landmarks: np.ndarray,
    expression: str,
    rng: np.random.Generator,
    *,
    size: int = REFERENCE,
    frames: int = 24,
    amplitude: float = 2.0,
    head_motion: float = 0.4,
    noise: float = 1.5,
) -> MicroClip:
    """Make a clip of a micro-expression from one aligned face.

    Every frame is sampled once from the face, so give it larger than `size` (twice is right), or
    frames that moved are softer than the first one. The head sways by a smooth random shift and
    turn from frame to frame, none in the first one; the sensor's noise is new in every frame.

    Args:
        face: uint8 (side, side, 3), aligned by the eyes as `align_face` does.
        landmarks: (68, 2), (x, y) pixels of `face`.
        expression: One of `EXPRESSIONS`.
        rng: `numpy.random.Generator`.
        size: Side of the frames, a multiple of 4.
        frames: Frames from onset to offset, 3 or more.
        amplitude: Largest displacement in pixels of a face of 128; 0 for none.
        head_motion: Largest shift of the head likewise; it turns by as many half degrees.
        noise: Standard deviation of the noise, in grey levels.

    Returns:
        A `MicroClip`.
    """
    scale = size / face.shape[0]
    points = (np.asarray(landmarks, np.float64) + 0.5) * scale - 0.5
    pixel = size / REFERENCE
    sides = 1 + rng.uniform(-0.2, 0.2, 2)
    moved = displacement(points, expression, sides / sides.max()) * amplitude * pixel
    longest = max(np.linalg.norm(moved, axis=1).max(), 1e-9)
    moved *= amplitude * pixel / longest
    field = displacement_field(points, moved, size)
    apex = int(np.clip(round(rng.uniform(0.35, 0.65) * (frames - 1)), 1, frames - 2))
    strength = envelope(frames, apex)
    sway = _sway(frames, rng) * head_motion

    grid = np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32)] * 2), -1)
    centre = (size - 1) / 2
    clip = np.empty((frames, size, size, 3), np.uint8)
    places = np.empty((frames, 68, 2), np.float32)
    for number in range(frames):
        turn = np.deg2rad(sway[number, 2] / 2)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        shift = sway[number, :2] * pixel
        # The place of a pixel of this frame in the face at rest: first the head's way back, ...
        matrix = np.column_stack([rotation.T, centre - rotation.T @ (centre + shift)])
        back = cv2.transform(grid, matrix)
        # ... then the skin's. What moved to here began at `source + field(source)`.
        source = back - np.float32(strength[number]) * _at(field, back)
        source = back - np.float32(strength[number]) * _at(field, source)
        source = (source + np.float32(0.5)) / np.float32(scale) - np.float32(0.5)
        picture = cv2.remap(  # type: ignore[call-overload]
            face, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        if noise:
            grain = rng.standard_normal((size, size), dtype=np.float32) * np.float32(noise)
            picture = cv2.add(picture, cv2.merge([grain] * 3), dtype=cv2.CV_8U)
        clip[number] = picture
        shown = points + strength[number] * moved
        places[number] = (shown - centre) @ rotation.T + centre + shift
    return MicroClip(clip, places, expression, apex, float(amplitude))


def _at(field, places):
    return cv2.remap(field, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _sway(count, rng):
    """Return shift x, y and turn of every frame: slow, zero in the first frame, at most 1."""
    time = np.linspace(0, 1, count)[:, None]
    waves = [
        np.sin(2 * np.pi * (cycles * time + rng.uniform(size=3))) * rng.uniform(0.3, 1, 3)
        for cycles in (0.5, 1.0)
    ]
    sway = sum(waves)
    sway -= sway[0]
    return sway / np.maximum(np.abs(sway).max(0), 1) * rng.uniform(0.3, 1, 3)


def _distances(first, second):
    x, y = (first[:, None, axis] - second[None, :, axis] for axis in (0, 1))
    return np.sqrt(x * x + y * y)


def _wendland(distance):
    """Return Wendland's C2 function: 1 at 0, and 0 from 1 on."""
    # Squared twice: NumPy's fourth power takes ten times as long.
    near = np.square(np.square(np.maximum(1 - distance, 0)))
    return near * (4 * distance + 1)
