"""Faces by the thousand: `generate` draws people, expressions and scenes from one seed."""

import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np

from fer_data.faces.face import Framing
from fer_data.labels import EMOTIONS
from fer_data.synthetic.action_units import PROTOTYPES, action_units, check_unit_interval
from fer_data.synthetic.camera import photograph
from fer_data.synthetic.identity import Identity
from fer_data.synthetic.render import check_size, render
from fer_data.synthetic.scene import Scene

# Streams of random numbers that must not meet.
_IDENTITY, _FACE, _BOX = 1, 2, 4
_CHUNK = 64
# How the faces lie in their boxes, which are drawn as MTCNN draws its own.
FRAMING = Framing(0.96, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class DrawnFace:
    """A generated face.

    Args:
        image: uint8 (size, size, 3) RGB.
        landmarks: float32 (68, 2), (x, y) pixels, iBUG order.
        emotion: one of the seven.
        identity: integer, who it is.
        intensity: strength of the expression; 0 for neutral.
        box: float32 (4,), (x, y, width, height) in pixels, as inexact as a detector's; the face
            lies in it as `FRAMING` says.
    """

    image: np.ndarray
    landmarks: np.ndarray
    emotion: str
    identity: int
    intensity: float
    box: np.ndarray


@functools.lru_cache(maxsize=32)
def sample_identity(seed, index):
    """Person number `index` of the world `seed`."""
    return Identity.sample(np.random.default_rng([seed, _IDENTITY, index]))


def sample_face(seed, index, identity, emotion, *, size=96, occlusion=0.0, intensity=(0.6, 1.0),
                grey=False):  # fmt: skip
    """Draws face number `index` of person `identity` in the world `seed`.

    Args:
        seed, index, identity: integers from 0 up; the same numbers give the same picture.
        emotion: one of the seven.
        size: side of the picture in pixels, at least 24.
        occlusion: probability in [0, 1] that something covers a part of the face.
        intensity: (least, most) strength of the expression, each in [0, 1].
        grey: whether the picture is grey (its three channels alike).

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


def detector_box(landmarks, rng):
    """Returns a square around the face, off in place and size as a detector's is.

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


def generate(
    count,
    seed=0,
    *,
    size=96,
    emotions=EMOTIONS,
    identities=None,
    first=0,
    occlusion=0.0,
    intensity=(0.6, 1.0),
    grey=False,
    workers=1,
):
    """Yields generated faces, emotions in turn, people in turn.

    Every face depends on `seed` and its own number alone: the pictures are the same, bit for bit,
    however many workers draw them.

    Args:
        count: how many faces.
        seed: integer from 0 up, the world: its people and pictures.
        size: side of the pictures in pixels, at least 24.
        emotions: the emotions to draw, in turn.
        identities: range of the people's numbers; defaults to `range(max(1, count // 7))`.
        first: number of the first face; other numbers give other pictures.
        occlusion: probability in [0, 1] that something covers a part of a face.
        intensity: (least, most) strength of the expressions, each in [0, 1].
        grey: whether the pictures are grey (three channels alike).
        workers: processes that draw; 1 draws in this one. More need, as always with
            multiprocessing, a main module that can be imported.

    Yields:
        `DrawnFace` objects.

    Raises:
        ValueError: for a count, a size, a number of workers or of identities that is too small, an
            unknown emotion, and an occlusion or intensity outside [0, 1].

    Example:

    >>> from fer_data.synthetic import generate
    >>> faces = list(generate(7, seed=1, size=48))
    >>> faces[3].emotion, faces[3].image.shape
    ('happy', (48, 48, 3))
    """
    # Not a generator itself: bad arguments are told at once, not at the first face.
    check_count("count", count)
    check_count("workers", workers)
    check_size(size)
    check_seed(seed)
    check_unit_interval("occlusion", occlusion)
    check_intensity(intensity)
    if not emotions or any(emotion not in PROTOTYPES for emotion in emotions):
        raise ValueError(
            f"`emotions` must name some of {sorted(PROTOTYPES)}. Received: emotions={emotions!r}"
        )
    people = range(max(1, count // 7)) if identities is None else identities
    if len(people) < 1:
        raise ValueError(f"`identities` must not be empty. Received: identities={identities!r}")
    options = {"size": size, "occlusion": occlusion, "intensity": tuple(intensity), "grey": grey}
    return _faces(count, seed, tuple(emotions), people, first, options, workers)


def check_count(name, value):
    """Raises `ValueError` unless `value` is an integer of at least 1."""
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1. Received: {name}={value!r}")


def check_seed(seed):
    """Raises `ValueError` unless `seed` is an integer from 0 up."""
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"`seed` must be an integer from 0 up. Received: seed={seed!r}")


def check_intensity(intensity):
    """Raises `ValueError` unless `intensity` is (least, most), both in [0, 1]."""
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
        # A few chunks ahead of the reader: enough to keep everyone busy, little to hold.
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
