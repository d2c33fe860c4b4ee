"""A lower bound of epsilon, from guesses which of many canaries a training has seen."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments, whole
from fer_data.checks import checked_array

# Shares of the canaries to guess as members.
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


@dataclasses.dataclass(frozen=True)
class EpsilonBound:
    """Result of an audit.

    Attributes:
        epsilon: Lower bound of epsilon, 0 or more. If the true epsilon at this delta were smaller,
            the scores would have a probability of at most `1 - confidence`.
        gaussian: Lower bound under the assumption that the training gives away no more than the
            Gaussian mechanism of that epsilon and delta, which is nearly true of DP-SGD. Often
            larger.
        guesses: Number of canaries that were guessed as members, for `epsilon`.
        right: Number of right guesses among them.
        inside: Number of canaries in the training set.
        outside: Number of canaries outside of it.
        delta: Probability with which the guarantee may fail.
        confidence: Confidence of each bound alone; `epsilon` and `gaussian` need not both hold.
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

    Each canary was put into the training set with probability one half, independently of the
    others, and then scored by the trained model; members should score higher. For each of `shares`
    the canaries with the highest scores are guessed as members. The best bound counts, at a
    confidence that is corrected for the number of shares. A small epsilon would limit how many
    guesses can be right.

    You may join the scores of several trainings of one kind, each with its own canaries; the bound
    holds for all together.

    Args:
        inside: Scores of the canaries in the training set.
        outside: Scores of the other canaries.
        delta: Probability with which the guarantee may fail, above 0.
        confidence: Confidence of the bound, between 0.5 and 1.
        shares: Shares of the canaries to guess as members, chosen before seeing the scores.

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
        # Without more right than wrong guesses there is no bound.
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
