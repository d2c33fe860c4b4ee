"""The order of the faces of several data sets in an epoch, by the weights of the sets."""

from collections.abc import Sequence

import numpy as np

from fer_data import arguments


class SetOrder:
    """Order of the faces in an epoch, for several sets that lie one after the other in memory.

    With weights an epoch has as many faces as all sets together, divided among the sets by weight.
    If a set has too few faces for its part, it is used several times, shuffled again each time. If
    it has more, each epoch draws other faces. The order depends on `seed` and the number of the
    epoch alone.

    Args:
        counts: Number of faces of each set.
        weights: A number above 0 for each set; None for every face once in a pass.
        seed: Integer of 0 or more.
        passes: Length of an epoch, as a multiple of the number of faces.

    Attributes:
        shares: Number of faces of each set in an epoch, at least one.

    Example:

    >>> order = SetOrder([6, 2], weights=[1, 1], seed=0)
    >>> order.shares, sorted(order(0).tolist())[4:]
    ((4, 4), [6, 6, 7, 7])
    """

    @arguments.checked(
        counts=arguments.sequence(arguments.integer(1), 1),
        weights=arguments.sequence(arguments.number(0)),
        seed=arguments.seed,
        passes=arguments.integer(1),
    )
    def __init__(
        self,
        counts: Sequence[int],
        weights: Sequence[float] | None = None,
        seed: int = 0,
        passes: int = 1,
    ) -> None:
        if weights is not None:
            arguments.sequence(least=len(counts), most=len(counts))("weights", weights)
            if not all(weight > 0 for weight in weights):
                raise ValueError(f"`weights` must be above 0. Received: weights={weights}")
        self.counts, self.seed, self.passes = tuple(counts), seed, passes
        self.shares = _shares(passes * sum(counts), counts if weights is None else weights)

    def __len__(self) -> int:
        return self.passes * sum(self.counts)

    def __call__(self, epoch: int) -> np.ndarray:
        """Return the order of an epoch, int64 `(passes * faces,)`.

        Args:
            epoch: Number of the epoch, from 0.
        """
        rng = np.random.default_rng((self.seed, epoch))
        starts = np.cumsum((0, *self.counts[:-1]))
        drawn = []
        for start, count, share in zip(starts, self.counts, self.shares, strict=True):
            rounds = [rng.permutation(count) for _ in range(-(-share // count))]
            drawn += [start + part for part in rounds[:-1]]
            drawn += [start + part[: share - count * (len(rounds) - 1)] for part in rounds[-1:]]
        return rng.permutation(np.concatenate(drawn))


def _shares(total, weights):
    """Return positive integers with a given sum, as close to the weights as possible."""
    exact = total * np.asarray(weights, "float64") / np.sum(weights, dtype="float64")
    shares = np.floor(exact).astype(int)
    largest = np.argsort(shares - exact, kind="stable")
    shares[largest[: total - shares.sum()]] += 1
    shares = np.maximum(shares, 1)
    while shares.sum() > total:
        shares[shares.argmax()] -= 1
    return tuple(shares.tolist())
