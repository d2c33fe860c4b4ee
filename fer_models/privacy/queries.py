"""Changed copies of a picture, as further queries to a model."""

from collections.abc import Callable, Sequence

import numpy as np

from fer_data import arguments

# Share of a side that a shifted copy moves by at most: 4 of 48 pixels, about Carlini's 4 of 32.
_SHIFT = 1 / 12


@arguments.checked(
    queries=arguments.either(
        arguments.integer(1, 10_000),
        arguments.sequence(arguments.function),
        rule="an integer of 1 or more, or a sequence of functions",
    ),
    seed=arguments.seed,
)
def augmentation_queries(
    queries: int | Sequence[Callable[[np.ndarray], np.ndarray]] = 1, seed: int = 0
) -> tuple[Callable[[np.ndarray], np.ndarray], ...]:
    """Return the functions that make the copies.

    A copy is made in the same way of every picture and for every model, so that the answers of
    the target and of the reference models to one query can be compared.

    Args:
        queries: 1 asks about the picture alone, 2 also about its mirror image, each further one
            about a copy shifted at random, every other one mirrored as well. Or functions from
            images to images of the same shape, `(batch, height, width, channels)` or
            `(batch, frames, height, width, channels)`, as a sequence.
        seed: Integer for the shifts. A longer list of queries begins with the shorter one.

    Returns:
        A tuple of functions.

    Raises:
        ValueError: If `queries` is neither a positive integer nor a sequence of functions.

    Example:

    >>> [query(np.arange(3.0).reshape(1, 1, 3, 1)).ravel() for query in augmentation_queries(2)]
    [array([0., 1., 2.]), array([2., 1., 0.])]

    Reference:
        Carlini et al., "Membership Inference Attacks From First Principles", S&P 2022
        (querying the target on augmentations).
    """
    if isinstance(queries, (int, np.integer)) and not isinstance(queries, bool) and queries >= 1:
        generator = np.random.default_rng(seed)
        shifts = generator.uniform(-_SHIFT, _SHIFT, (max(queries, 2), 2))
        made = [original, mirrored]
        made += [
            Shifted(down, right, mirror=i % 2 == 1) for i, (down, right) in enumerate(shifts[2:])
        ]
        return tuple(made[:queries])
    if isinstance(queries, (tuple, list)) and queries and all(callable(q) for q in queries):
        return tuple(queries)
    raise ValueError(
        "`queries` must be an integer of 1 or more, or a sequence of functions. "
        f"Received: queries={queries!r}"
    )


def seed_of_queries(
    queries: int | Sequence[Callable[[np.ndarray], np.ndarray]], seed: int
) -> int | None:
    """Return the seed that made the queries, or `None` for functions of the caller's own.

    Args:
        queries: As in `augmentation_queries`.
        seed: Likewise.
    """
    return int(seed) if isinstance(queries, (int, np.integer)) else None


def original(images: np.ndarray) -> np.ndarray:
    """Return the images as they are."""
    return images


def mirrored(images: np.ndarray) -> np.ndarray:
    """Return the images with left and right exchanged."""
    return images[..., ::-1, :]


class Shifted:
    """Shift by shares of height and width; gaps are filled with the edge's pixels.

    Args:
        down: Share of the height; negative for up.
        right: Share of the width; negative for left.
        mirror: Whether left and right are exchanged first.
    """

    def __init__(self, down: float, right: float, mirror: bool) -> None:
        self.down, self.right, self.mirror = float(down), float(right), mirror

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the images, `(..., height, width, channels)`, shifted."""
        images = mirrored(images) if self.mirror else images
        for axis, share in ((-3, self.down), (-2, self.right)):
            size = images.shape[axis]
            # At least a pixel, so that the copy differs from the picture.
            steps = int(np.copysign(max(1, round(abs(share) * size)), share))
            images = np.take(images, np.clip(np.arange(size) - steps, 0, size - 1), axis=axis)
        return images

    def __repr__(self) -> str:
        # All digits: the references of a study are told from others by them.
        return f"shifted by ({self.down!r}, {self.right!r})" + ", mirrored" * self.mirror
