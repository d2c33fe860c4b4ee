"""A lower bound of epsilon, found by guessing which of many canaries a training has seen."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments, whole
from fer_data.checks import checked_array

# Shares of the canaries that are guessed to be in the training set.
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


@dataclasses.dataclass(frozen=True)
class EpsilonBound:
    """What an audit found.

    Attributes:
        epsilon: The lower bound, 0 or more: if the training kept a smaller epsilon at this delta,
            what was seen would have a probability of at most `1 - confidence`.
        gaussian: The lower bound if the training is also known to give away no more than the
            Gaussian mechanism of that epsilon and delta, as DP-SGD does nearly. Often larger.
        guesses: How many canaries were guessed to be in the training set, for `epsilon`.
        right: How many of these were.
        inside: Canaries in the training set.
        outside: Canaries outside.
        delta: Probability with which the guarantee may fail.
        confidence: Of each bound by itself: `epsilon` and `gaussian` need not hold both at once.
    """

    epsilon: float
    gaussian: float
    guesses: int
    right: int
    inside: int
    outside: int
    delta: float
    confidence: float


@arguments.checked(
    inside=arguments.array((None,), empty=True),
    outside=arguments.array((None,), empty=True),
    delta=arguments.number(1e-300, 0.5),
    confidence=arguments.number(0.5, 1 - 1e-9),
    shares=arguments.sequence(arguments.number(1e-9, 1), 1, 1000),
)
def epsilon_lower_bound(
    inside: ArrayLike,
    outside: ArrayLike,
    *,
    delta: float = 1e-5,
    confidence: float = 0.95,
    shares: Sequence[float] = SHARES,
) -> EpsilonBound:
    """Return a lower bound of epsilon from the scores of canaries.

    Each canary was put into the training set with probability one half, by itself, and then scored
    by the trained model: the higher, the more it looks like a member. The highest scores are
    guessed to be members, several shares of them, with the confidence divided by their number. If a
    training were private, only so many guesses could be right.

    The scores of several trainings of one kind may be joined: each has canaries of its own, and the
    bound holds for their sum.

    Args:
        inside: Scores of the canaries in the training set.
        outside: Scores of the others.
        delta: Probability with which the guarantee may fail, above 0.
        confidence: Of the bound, between 0.5 and 1.
        shares: Shares of the canaries to guess, chosen before the scores were seen.

    Returns:
        `EpsilonBound`.

    Raises:
        ImportError: If jax-privacy is not installed.
        ValueError: If an argument breaks its rule.

    Example:

    ```python
    found = epsilon_lower_bound(scores[member], scores[~member], delta=1e-5)
    print(found.epsilon, found.right, "of", found.guesses)
    ```

    Reference:
        Steinke, Nasr and Jagielski, "Privacy Auditing with One (1) Training Run", NeurIPS 2023;
        for `gaussian` Mahloujifar, Melis and Chaudhuri, "Auditing f-Differential Privacy in One
        Run", 2024.
    """
    inside = _scores("inside", inside)
    outside = _scores("outside", outside)
    auditor, explicit = _auditing(inside, outside)
    scores = np.sort(np.concatenate([inside, outside]))[::-1]
    doubt = (1 - confidence) / len(shares)
    best, gaussian = (0.0, 0, 0), 0.0
    for share in shares:
        least = scores[max(1, round(share * len(scores))) - 1]
        right, guesses = int((inside >= least).sum()), int((scores >= least).sum())
        found = auditor.epsilon_one_run(doubt, delta, threshold_strategy=explicit(least))
        best = max(best, (float(found), guesses, right))
        # More right guesses than wrong ones, or nothing is to be found.
        if 2 * right > guesses:
            found = auditor.epsilon_one_run_fdp(doubt, delta, threshold_strategy=explicit(least))
            gaussian = max(gaussian, float(found))
    return EpsilonBound(
        best[0], gaussian, best[1], best[2], len(inside), len(outside), delta, confidence
    )


def _scores(name: str, values: ArrayLike) -> np.ndarray:
    found = checked_array(name, values, (None,), empty=True)
    if not len(found):
        raise ValueError(
            f"`{name}` must hold one score or more: where chance put all canaries on the other "
            f"side, take more canaries. Received: {name} without scores"
        )
    return found.astype("float64")


def _auditing(inside, outside):
    try:
        from jax_privacy.auditing import CanaryScoreAuditor, Explicit
    except ImportError as error:
        raise ImportError(
            f"An audit of epsilon needs jax-privacy. {whole.how_to_install('dp')}"
        ) from error
    return CanaryScoreAuditor(inside, outside), Explicit
