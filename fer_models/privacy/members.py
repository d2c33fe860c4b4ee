"""The division of pictures into members and non-members of an audit, with no copy on both sides."""

import dataclasses
from typing import Any

import numpy as np

from fer_data import arguments
from fer_data.checks import check_integer
from fer_models.privacy.signals import content_hashes


@dataclasses.dataclass(frozen=True, eq=False)
class MemberDivision:
    """The sets of an audit, as places; `divide_members` makes it.

    Attributes:
        members: Places among the training pictures, rising.
        non_members: Places among the others.
        population: Places among the others, apart from the non-members.
        free: Places of all others that are not copies of training pictures or of earlier ones.
        copies_of_training: How many of the others are copies of training pictures.
        copies_of_others: How many more of them are copies of each other.
    """

    members: np.ndarray
    non_members: np.ndarray
    population: np.ndarray
    free: np.ndarray
    copies_of_training: int
    copies_of_others: int


@arguments.checked(
    training=arguments.array((None,), kinds="uiUS", empty=True),
    others=arguments.array((None,), kinds="uiUS", empty=True),
    members=arguments.integer(1),
    non_members=arguments.integer(1),
    population=arguments.integer(0),
    seed=arguments.seed,
)
def divide_members(
    training: Any,
    others: Any,
    *,
    members: int = 2000,
    non_members: int = 2000,
    population: int = 1000,
    seed: int = 0,
) -> MemberDivision:
    """Draw the members, the non-members and the population of an audit at random.

    A training picture is never a non-member, even if it is also among the others: pictures with the
    same pixels count as one. If there are too few others for `non_members` and `population`, two
    thirds become non-members and the rest the population; more become non-members where a smaller
    rest is enough for the population. There are never more members than non-members.

    Args:
        training: Content hashes of all pictures that the model was trained on, as
            `content_hashes` gives them.
        others: Content hashes of pictures that it was not trained on, such as validation and test.
        members: Most members.
        non_members: Most non-members.
        population: Most pictures of the population; 0 for none.
        seed: Integer of 0 or more.

    Returns:
        `MemberDivision`.

    Raises:
        ValueError: If a number is out of range, there is no training picture, or fewer than two of
            the others are not copies.

    Example:

    >>> found = divide_members(["a", "b", "b", "c"], ["c", "d", "e", "e", "f"], population=1)
    >>> found.free.tolist(), found.copies_of_training, found.copies_of_others
    ([1, 2, 4], 1, 1)
    >>> len(found.members), len(found.non_members), len(found.population)
    (2, 2, 1)
    """
    check_integer("members", members, 1)
    check_integer("non_members", non_members, 1)
    check_integer("population", population, 0)
    check_integer("seed", seed, 0)
    training, others = np.asarray(training), np.asarray(others)
    if not len(training):
        raise ValueError("`training` must hold one picture or more. Received: none")
    known = np.isin(others, training)
    first = np.zeros(len(others), bool)
    first[np.unique(others, return_index=True)[1]] = True
    free = np.flatnonzero(first & ~known)
    if len(free) < 2:
        raise ValueError(
            "`others` must hold two or more different pictures that are not in `training`. "
            f"Received: {len(others)} pictures, of which {len(free)} qualify"
        )
    generator = np.random.default_rng(seed)
    drawn = generator.permutation(free)
    outside = min(non_members, max(len(free) - population, len(free) * 2 // 3))
    distinct = generator.permutation(np.unique(training, return_index=True)[1])
    return MemberDivision(
        members=np.sort(distinct[: min(members, outside)]),
        non_members=drawn[:outside],
        population=drawn[outside : outside + population],
        free=free,
        copies_of_training=int(known.sum()),
        copies_of_others=int((~first & ~known).sum()),
    )


@arguments.checked(
    count=arguments.integer(1),
    members=arguments.integer(1),
    population=arguments.integer(0),
    seed=arguments.seed,
)
def draw_pool(count: int, members: int, population: int, seed: int = 0) -> tuple[Any, Any]:
    """Draw a pool, of which each model of a study is trained on half, and a population apart.

    Args:
        count: How many different pictures there are.
        members: Half of the pool.
        population: Pictures that no model sees.
        seed: Integer of 0 or more.

    Returns:
        Places of the pool `(2 * members,)` and of the population `(population,)`.

    Raises:
        ValueError: If there are too few pictures, or a number is out of range.

    Example:

    >>> pool, population = draw_pool(100, members=40, population=20)
    >>> len(pool), len(population), len({*pool.tolist(), *population.tolist()})
    (80, 20, 100)
    """
    check_integer("members", members, 1)
    check_integer("population", population, 0)
    check_integer("seed", seed, 0)
    needed = 2 * members + population
    if count < needed:
        raise ValueError(
            f"`count` must be {needed:,} or more, for 2 x {members:,} pictures of the pool and "
            f"{population:,} of the population. Received: {count:,} different pictures"
        )
    order = np.random.default_rng([seed, 0]).permutation(count)[:needed]
    return order[: 2 * members], order[2 * members :]


@arguments.checked(members=arguments.integer(1), seed=arguments.seed, model=arguments.integer())
def half_of_pool(members: int, seed: int, model: int) -> np.ndarray:
    """Return which pictures of a pool a model of a study is trained on.

    It is a random half of the pool, so an attack can find nothing but the training. The other
    models of the study, half of which saw any given picture, serve as references.

    Args:
        members: Half of the pool.
        seed: Seed of the study, as for `draw_pool`.
        model: Number of the model, from 1.

    Returns:
        Booleans `(2 * members,)`.

    Reference:
        Carlini et al., "Membership Inference Attacks From First Principles", S&P 2022.

    Example:

    >>> int(half_of_pool(40, seed=0, model=1).sum())
    40
    """
    check_integer("model", model, 1)
    inside = np.zeros(2 * members, dtype=bool)
    inside[np.random.default_rng([seed, model]).permutation(len(inside))[:members]] = True
    return inside


@arguments.checked(images=arguments.array(ranks=(4,), finite=False))
def different_pictures(images: Any) -> np.ndarray:
    """Return the places of pictures that differ from all before them, mirrored or not.

    A mirror image is the same picture to a training with flips.

    Args:
        images: `(examples, height, width, channels)`.

    Example:

    >>> images = np.zeros((3, 1, 2, 1)) + [[[[0.0], [1.0]]]]
    >>> images[1] = images[1][:, ::-1]
    >>> images[2] = 7
    >>> different_pictures(images).tolist()
    [0, 2]
    """
    plain, mirrored = content_hashes(images), content_hashes(np.asarray(images)[:, :, ::-1])
    either = np.where(plain < mirrored, plain, mirrored)
    return np.sort(np.unique(either, return_index=True)[1])
