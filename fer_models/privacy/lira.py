"""LiRA, the likelihood ratio attack: each example against models with and without it."""

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import (
    checked_inside,
    checked_references,
    checked_values,
)

# Below this number, Carlini et al. found one variance for all examples better than one for each.
_ENOUGH_MODELS = 64
# Margins that a float32 softmax cuts off at one value have no variance.
_LEAST_DEVIATION = 1e-6


@arguments.checked(
    reference_margins=arguments.array(ranks=(2, 3), finite=False), fixed_variance=arguments.flag
)
def lira_online(
    margins: ArrayLike,
    reference_margins: ArrayLike,
    inside: ArrayLike,
    *,
    fixed_variance: bool | None = None,
) -> np.ndarray:
    """Compare how probable a margin is for models with the example and for models without it.

    For each example two normal distributions are fitted, to the margins of the reference models
    that were trained on it and of those that were not; the score is the log-likelihood ratio of
    the target's margin. Several queries count as independent (their log-likelihoods add up).

    Args:
        margins: Margins of the target model, log(p / (1 - p)), `(examples,)` or
            `(examples, queries)`.
        reference_margins: Margins of the reference models, `(models, examples)` or
            `(models, examples, queries)`.
        inside: Whether each reference model was trained on each example, booleans
            `(models, examples)`; each example needs two models of either kind.
        fixed_variance: Whether all examples share one variance for "in" and one for "out", the
            mean of theirs. `None`: with fewer than 64 models, as the paper advises.

    Returns:
        Scores `(examples,)`: log-likelihood ratios, above 0 where "in" is the more probable.

    Raises:
        ValueError: If shapes do not fit, values are not finite, or an example has fewer than two
            reference models of either kind.

    Example:

    >>> inside = np.array([[True], [True], [False], [False]])
    >>> references = np.array([[4.0], [6.0], [-1.0], [1.0]])
    >>> scores = lira_online([5.0], references, inside)
    >>> scores.tolist()
    [6.25]

    Reference:
        Carlini et al., "Membership Inference Attacks From First Principles", S&P 2022,
        algorithm 1. Its published code takes medians for means; the paper and this take means.
    """
    margins, references, inside = _checked(margins, reference_margins, inside)
    fixed = _is_fixed(fixed_variance, len(references))
    likelihood_in = _log_likelihood(margins, *_fit(references, inside, fixed, "on"))
    return likelihood_in - _log_likelihood(margins, *_fit(references, ~inside, fixed, "without"))


@arguments.checked(
    reference_margins=arguments.array(ranks=(2, 3), finite=False), fixed_variance=arguments.flag
)
def lira_offline(
    margins: ArrayLike,
    reference_margins: ArrayLike,
    inside: ArrayLike | None = None,
    *,
    fixed_variance: bool | None = None,
) -> np.ndarray:
    """Ask how improbable a margin as high as the target's is for models without the example.

    The attacker needs no model trained on the example: a normal distribution is fitted to the
    reference models without it, and the score is minus the logarithm of the one-sided p-value;
    those of several queries add up (as in Fisher's method, whose chi-squared does not hold here:
    the copies of one picture are not independent).

    Args:
        margins: As in `lira_online`.
        reference_margins: As in `lira_online`.
        inside: As in `lira_online`; models that were trained on an example are left out for it.
            `None`: no model was trained on any of them.
        fixed_variance: As in `lira_online`.

    Returns:
        Scores `(examples,)`, 0 or more; with one query exp(-score) is the p-value. Few models tell
        the mean only roughly, so that small p-values are then too frequent.

    Raises:
        ValueError: If shapes do not fit, values are not finite, or an example has fewer than two
            reference models without it.

    Example:

    >>> scores = lira_offline([0.0, 4.0], [[-1.0, -1.0], [1.0, 1.0]])
    >>> bool(np.isclose(np.exp(-scores[0]), 0.5)), bool(scores[1] > scores[0])
    (True, True)

    Reference:
        Carlini et al., S&P 2022 (the offline attack).
    """
    from scipy.stats import norm

    if inside is None:
        shape = np.shape(reference_margins)[:2]
        inside = np.zeros(shape, dtype=bool)
    margins, references, inside = _checked(margins, reference_margins, inside)
    fixed = _is_fixed(fixed_variance, len(references))
    mean, deviation = _fit(references, ~inside, fixed, "without")
    return -norm.logsf((margins - mean) / deviation).sum(axis=1)


def _checked(
    margins: ArrayLike, reference_margins: ArrayLike, inside: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    margins = checked_values("margins", margins)
    references = checked_references("reference_margins", reference_margins, *margins.shape)
    return margins, references, checked_inside(inside, references.shape[:2])


def _is_fixed(fixed_variance, models):
    return models < _ENOUGH_MODELS if fixed_variance is None else bool(fixed_variance)


def _fit(references, chosen, fixed, kind):
    """Return mean and standard deviation, `(examples, queries)`, over the chosen models."""
    counts = chosen.sum(axis=0)
    if counts.min() < 2:
        raise ValueError(
            f"Every example must have two reference models or more that were trained {kind} it. "
            f"Received: {int((counts < 2).sum())} examples with fewer"
        )
    where = np.broadcast_to(chosen[..., None], references.shape)
    mean = references.mean(axis=0, where=where)
    variance = references.var(axis=0, ddof=1, where=where)
    if fixed:
        # Weighted by degrees of freedom: the pooled variance around each example's own mean.
        variance = np.broadcast_to(np.average(variance, axis=0, weights=counts - 1), variance.shape)
    return mean, np.maximum(np.sqrt(variance), _LEAST_DEVIATION)


def _log_likelihood(margins, mean, deviation):
    from scipy.stats import norm

    return norm.logpdf(margins, mean, deviation).sum(axis=1)
