"""Any number of faces: `generate` draws people, expressions and scenes from one seed."""

import functools
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np

from fer_data import arguments
from fer_data.faces.face import Framing
from fer_data.labels import EMOTIONS
from fer_data.synthetic.action_units import PROTOTYPES, action_units
from fer_data.synthetic.camera import photograph
from fer_data.synthetic.identity import Identity
from fer_data.synthetic.render import check_size, render
from fer_data.synthetic.scene import Scene

# Streams of random numbers that must not meet.
_IDENTITY, _FACE, _BOX = 1, 2, 4
_CHUNK = 64
# The framing of faces in their boxes, which are like MTCNN's.
FRAMING = Framing(0.96, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class DrawnFace:
    """A generated face.

    Args:
        image: uint8 (size, size, 3) RGB.
        landmarks: float32 (68, 2), (x, y) pixels, iBUG order.
        emotion: One of the seven.
        identity: Number of the person.
        intensity: Strength of the expression; 0 for neutral.
        box: float32 (4,), (x, y, width, height) in pixels, as inexact as a detector's; its framing
            is `FRAMING`.
    """

    image: np.ndarray
    landmarks: np.ndarray
    emotion: str
    identity: int
    intensity: float
    box: np.ndarray


@arguments.checked(seed=arguments.seed, index=arguments.integer(0))
@functools.lru_cache(maxsize=32)
def sample_identity(seed: int, index: int) -> Identity:
    """Return person number `index` of the world `seed`."""
    return Identity.sample(np.random.default_rng([seed, _IDENTITY, index]))


@arguments.checked(
    seed=arguments.seed,
    index=arguments.integer(0),
    identity=arguments.integer(0),
    emotion=arguments.text,
    size=arguments.integer(),
    occlusion=arguments.number(0, 1),
    intensity=arguments.sequence(arguments.number(), 2, 2),
    grey=arguments.flag,
)
def sample_face(
    seed: int,
    index: int,
    identity: int,
    emotion: str,
    *,
    size: int = 96,
    occlusion: float = 0.0,
    intensity: tuple[float, float] = (0.6, 1.0),
    grey: bool = False,
) -> DrawnFace:
    """Draw face number `index` of person `identity` in the world `seed`.

    Args:
        seed: Number of the world, 0 or more. The same numbers give the same picture.
        index: Number of the face, 0 or more.
        identity: Number of the person, 0 or more.
        emotion: One of the seven.
        size: Side of the picture in pixels, at least 24.
        occlusion: Probability in [0, 1] that something covers a part of the face.
        intensity: (least, most) strength of the expression, each in [0, 1].
        grey: Whether the picture is grey (its three channels alike).

    Returns:
        A `DrawnFace`.
    """
    check_intensity(intensity)
    rng = np.random.default_rng([seed, _FACE, index])
    strength = float(rng.uniform(*intensity))
    units = action_units(emotion, strength, rng)
    scene = Scene.sample(rng, occlusion)
    if grey:
        scene = replace(scene, camera=replace(scene.camera, saturation=0.0))
    image, landmarks = render(sample_identity(seed, identity), units, scene, size)
    image = photograph(image, scene.camera, rng)
    shown = strength if PROTOTYPES[emotion] else 0.0
    box = detector_box(landmarks, np.random.default_rng([seed, _BOX, index]))
    return DrawnFace(image, landmarks, emotion, int(identity), shown, box)


def detector_box(landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a square around the face, as inexact in place and size as a detector's.

    Args:
        landmarks: (68, 2), (x, y) pixels.
        rng: NumPy generator. The side is 1.2 times the extent of the landmarks, give or take 8 %;
            the centre is off by up to 5 % of it either way.

    Returns:
        float32 (4,), (x, y, width, height) in pixels; may reach over the picture's edge.
    """
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    side = 1.2 * (high - low).max() * rng.uniform(0.92, 1.08)
    corner = (low + high - side) / 2 + side * rng.uniform(-0.05, 0.05, 2)
    return np.array([*corner, side, side], np.float32)


@arguments.checked(
    count=arguments.integer(1),
    seed=arguments.seed,
    size=arguments.integer(),
    emotions=arguments.sequence(arguments.text, 1),
    identities=arguments.sequence(arguments.integer(0), 1),
    first=arguments.integer(0),
    occlusion=arguments.number(0, 1),
    intensity=arguments.sequence(arguments.number(), 2, 2),
    grey=arguments.flag,
    workers=arguments.integer(1),
)
def generate(
    count: int,
    seed: int = 0,
    *,
    size: int = 96,
    emotions: Sequence[str] = EMOTIONS,
    identities: Sequence[int] | None = None,
    first: int = 0,
    occlusion: float = 0.0,
    intensity: tuple[float, float] = (0.6, 1.0),
    grey: bool = False,
    workers: int = 1,
) -> Iterator[DrawnFace]:
    """Yield generated faces, with emotions in turn and people in turn.

    Every face depends on `seed` and its own number alone: the pictures are the same, bit for bit,
    however many workers draw them.

    Args:
        count: How many faces.
        seed: Integer from 0 up, the world: its people and pictures.
        size: Side of the pictures in pixels, at least 24.
        emotions: The emotions to draw, in turn.
        identities: Range of the people's numbers; defaults to `range(max(1, count // 7))`.
        first: Number of the first face; other numbers give other pictures.
        occlusion: Probability in [0, 1] that something covers a part of a face.
        intensity: (least, most) strength of the expressions, each in [0, 1].
        grey: Whether the pictures are grey (three channels alike).
        workers: Processes that draw; 1 draws in this one. More need, as always with
            multiprocessing, a main module that can be imported.

    Yields:
        `DrawnFace` objects.

    Raises:
        ValueError: For a count, a size, a number of workers or of identities that is too small, an
            unknown emotion, and an occlusion or intensity outside [0, 1].

    Example:

    >>> from fer_data.synthetic import generate
    >>> faces = list(generate(7, seed=1, size=48))
    >>> faces[3].emotion, faces[3].image.shape
    ('happy', (48, 48, 3))
    """
    # Not a generator itself, so that bad arguments raise at once, not at the first face.
    check_size(size)
    check_intensity(intensity)
    if any(emotion not in PROTOTYPES for emotion in emotions):
        raise ValueError(
            f"`emotions` must name some of {sorted(PROTOTYPES)}. Received: emotions={emotions!r}"
        )
    people = range(max(1, count // 7)) if identities is None else identities
    options = {"size": size, "occlusion": occlusion, "intensity": tuple(intensity), "grey": grey}
    return _faces(count, seed, tuple(emotions), people, first, options, workers)


def check_count(name: str, value: int) -> None:
    """Raise `ValueError` unless `value` is an integer of at least 1."""
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1. Received: {name}={value!r}")


def check_seed(seed: int) -> None:
    """Raise `ValueError` unless `seed` is an integer from 0 up."""
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"`seed` must be an integer from 0 up. Received: seed={seed!r}")


def check_intensity(intensity: tuple[float, float]) -> None:
    """Raise `ValueError` unless `intensity` is (least, most), both in [0, 1]."""
    if np.shape(intensity) != (2,):
        raise ValueError(f"`intensity` must be (least, most). Received: intensity={intensity!r}")
    least, most = intensity
    if not 0 <= least <= most <= 1:
        raise ValueError(
            f"`intensity` must hold 0 <= least <= most <= 1. Received: intensity={intensity!r}"
        )


def _faces(count, seed, emotions, people, first, options, workers):
    tasks = []
    for start in range(0, count, _CHUNK):
        numbers = range(start, min(start + _CHUNK, count))
        tasks.append((seed, numbers, emotions, people, first, options))
    if workers == 1:
        for task in tasks:
            yield from _draw(task)
        return
    # Forking a process that runs TensorFlow's threads can hang; a fresh one cannot.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start_worker) as pool:
        # A few chunks ahead of the reader: enough to keep all workers busy, and little memory.
        ahead = []
        for task in tasks:
            ahead.append(pool.submit(_draw, task))
            if len(ahead) > 2 * workers:
                yield from ahead.pop(0).result()
        for future in ahead:
            yield from future.result()


def _start_worker():
    cv2.setNumThreads(1)


def _draw(task):
    seed, numbers, emotions, people, first, options = task
    return [
        sample_face(
            seed,
            first + number,
            people[(number // len(emotions)) % len(people)],
            emotions[number % len(emotions)],
            **options,
        )
        for number in numbers
    ]
