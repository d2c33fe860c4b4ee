"""Square attack: squares of changed pixels, tried at random, without any gradient."""

import numbers
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import check_epsilon, check_integer
from fer_models.robustness.attack_loop import Attack, box_around
from fer_models.robustness.loss_gradients import InputGradients

if TYPE_CHECKING:
    import keras

# For 10,000 queries: the last query of each stage, and the divisor of the first share of the area.
_SCHEDULE = ((10, 1), (50, 2), (200, 4), (500, 8), (1000, 16), (2000, 32), (4000, 64),
             (6000, 128), (8000, 256), (10000, 512))  # fmt: skip


@arguments.checked(verbose=arguments.plain)
def square(
    model: "keras.Model | InputGradients",
    images: ArrayLike,
    labels: ArrayLike,
    epsilon: float,
    *,
    queries: int = 500,
    share: float = 0.8,
    seed: int = 0,
    batch_size: int = 64,
    verbose: int = 0,
) -> np.ndarray:
    """Try squares of pixels at the edge of the allowed box; keep those that help.

    It needs scores alone (a black box), so it also breaks models that only hide their gradients. An
    image is done as soon as the model errs on it.

    Args:
        model: As in `fgsm`.
        images: As in `fgsm`.
        labels: As in `fgsm`.
        epsilon: As in `fgsm`.
        queries: Images shown to the model for each face, 1 or more.
        share: Share of the area of the first squares, in (0, 1]; it falls with the queries.
        seed: Seed of everything random; each image has its own numbers, which do not depend on the
            other images.
        batch_size: As in `fgsm`.
        verbose: As in `fgsm`.

    Returns:
        float32 images as from `fgsm`.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    ```python
    adversarial = square(model, images, labels, epsilon=8, queries=1000)
    ```

    Reference:
        Andriushchenko et al., "Square Attack: a query-efficient black-box adversarial attack via
        random search", ECCV 2020, algorithms 1 and 2.
    """
    check_epsilon("epsilon", epsilon)
    check_integer("queries", queries, 1)
    check_integer("seed", seed, 0)
    number = isinstance(share, numbers.Real) and not isinstance(share, bool)
    if not number or not 0 < share <= 1:
        raise ValueError(f"`share` must be in (0, 1]. Received: share={share!r}")
    attack = Attack(model, images, labels, batch_size, verbose, f"Square, {epsilon}/255", queries)
    return attack.run(lambda part: _square(part, epsilon, queries, share, seed))


def side_of_square(query: int, queries: int, share: float, height: int, width: int) -> int:
    """Return the side in pixels of the square of a query, numbered from 0."""
    place = query / queries * 10000
    divisor = next(divisor for until, divisor in _SCHEDULE if place <= until)
    return int(np.clip(round(np.sqrt(share / divisor * height * width)), 1, min(height, width)))


def margins(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return by how much the score of the true class exceeds the largest other one."""
    rows = np.arange(len(scores))
    others = scores.copy()
    others[rows, labels] = -np.inf
    return scores[rows, labels] - others.max(-1)


def _square(part, epsilon, queries, share, seed):
    generators = [np.random.default_rng([seed, 1, number]) for number in part.numbers]
    low, high = box_around(part.images, epsilon)
    shape = part.images.shape[1:]
    # Channels stand first or last; the other two axes are rows and columns.
    first = shape[0] in (1, 3) and shape[-1] not in (1, 3)
    channels, height, width = shape if first else (shape[2], *shape[:2])
    stripe = (channels, 1, width) if first else (1, width, channels)

    def signs(active, shape):
        drawn = [generators[number].integers(0, 2, shape) for number in active]
        return np.stack(drawn).astype(bool)

    active = np.arange(len(part.images))
    best = np.where(signs(active, stripe), high, low)
    margin = margins(part.gradients.scores(best, part.batch_size), part.labels)
    part.result[:] = best
    active = active[margin >= 0]
    part.step()
    for query in range(1, queries):
        if not len(active):
            return
        side = side_of_square(query, queries, share, height, width)
        tried = best[active]
        up = signs(active, (channels,))
        for place, number in enumerate(active):
            top = generators[number].integers(0, height - side + 1)
            left = generators[number].integers(0, width - side + 1)
            rows, columns = slice(top, top + side), slice(left, left + side)
            where = (slice(None), rows, columns) if first else (rows, columns)
            sign = up[place][:, None, None] if first else up[place]
            tried[place][where] = np.where(sign, high[number][where], low[number][where])
        scores = part.gradients.scores(tried, part.batch_size)
        found = margins(scores, part.labels[active])
        better = found < margin[active]
        margin[active[better]] = found[better]
        best[active[better]] = tried[better]
        part.result[active] = best[active]
        active = active[margin[active] >= 0]
        part.step()
