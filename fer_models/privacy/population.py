"""Population attack: a threshold for the loss, from pictures that are known non-members."""

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import as_array, checked_rate, checked_values

QUANTILES = ("linear", "empirical", "gaussian", "logit")


@arguments.checked(quantile=arguments.text)
def population(
    losses: ArrayLike,
    population_losses: ArrayLike,
    *,
    fpr: float = 0.1,
    quantile: str = "linear",
    labels: ArrayLike | None = None,
    population_labels: ArrayLike | None = None,
) -> np.ndarray:
    """Score examples by a threshold for the loss that few pictures of a population reach.

    The attacker has pictures of the same kind that the model was not trained on, and accepts to be
    wrong about a share `fpr` of them: the threshold is that quantile of their losses. The
    population must be disjoint from the members and the non-members of the audit.

    Args:
        losses: Losses of the examples to judge, `(examples,)` or `(examples, queries)`, of which
            the mean counts; in nats, 0 or more.
        population_losses: Losses of the population, in the same form.
        fpr: Tolerated share of false positives, between 0 and 1.
        quantile: How the quantile is found, see `loss_quantile`.
        labels: Classes of the examples, integers `(examples,)`: each class gets its own threshold.
            `None` for one threshold.
        population_labels: Classes of the population, with `labels`.

    Returns:
        Scores `(examples,)`: the threshold minus the loss. 0 and above means member.

    Raises:
        ValueError: If shapes do not fit, losses are negative or not finite, an argument is out of
            range, or the population has fewer than two examples of a class.

    Example:

    >>> scores = population([0.1, 3.0], np.linspace(0.0, 4.0, 101), fpr=0.1)
    >>> (scores >= 0).tolist()
    [True, False]

    Reference:
        Murakonda and Shokri, "ML Privacy Meter", HotPETs 2020; Ye et al., "Enhanced Membership
        Inference Attacks against Machine Learning Models", CCS 2022 (attack P).
    """
    losses = _mean_losses("losses", losses)
    known = _mean_losses("population_losses", population_losses)
    if (labels is None) != (population_labels is None):
        raise ValueError(
            "`labels` and `population_labels` must be given together. Received: "
            f"labels={'None' if labels is None else 'given'}, "
            f"population_labels={'None' if population_labels is None else 'given'}"
        )
    if labels is None:
        return loss_quantile(known, fpr, quantile) - losses
    labels = _checked_labels("labels", labels, len(losses))
    population_labels = _checked_labels("population_labels", population_labels, len(known))
    scores = np.empty_like(losses)
    for label in np.unique(labels):
        theirs = known[population_labels == label]
        if len(theirs) < 2:
            raise ValueError(
                "`population_losses` must hold two examples or more of every class that is "
                f"judged. Received: {len(theirs)} of class {label}"
            )
        scores[labels == label] = loss_quantile(theirs, fpr, quantile) - losses[labels == label]
    return scores


@arguments.checked(quantile=arguments.text)
def loss_quantile(losses: ArrayLike, fpr: float, quantile: str = "linear") -> float:
    """Return the loss under which a share `fpr` of a population lies.

    Args:
        losses: `(examples,)`, two or more, in nats, 0 or more.
        fpr: The share, between 0 and 1.
        quantile: `"empirical"` takes the loss observed at or below the quantile, `"linear"`
            interpolates between neighbours; `"gaussian"` fits a normal distribution to the losses,
            `"logit"` to log(p / (1 - p)) with p = exp(-loss), which is nearer to normal. The fitted
            ones can reach rates below one in the size of the population; there, `"gaussian"` may
            give a negative threshold, below every loss.

    Returns:
        The threshold as a float.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> loss_quantile(np.arange(101.0), 0.25)
    25.0

    Reference:
        Ye et al., CCS 2022; the functions of their ML Privacy Meter, release 1.0.
    """
    from scipy.stats import norm

    losses = _mean_losses("losses", losses)
    fpr = checked_rate("fpr", fpr)
    if len(losses) < 2:
        raise ValueError(f"`losses` must hold two examples or more. Received: {len(losses)}")
    if quantile not in QUANTILES:
        raise ValueError(f"`quantile` must be one of {QUANTILES}. Received: quantile={quantile!r}")
    if quantile == "linear":
        return float(np.quantile(losses, fpr))
    if quantile == "empirical":
        return float(np.quantile(losses, fpr, method="lower"))
    if quantile == "gaussian":
        return float(losses.mean() + norm.ppf(fpr) * losses.std())
    # A loss of 0 or near infinity has no finite logit: in float64 logits go to about 700 either
    # way.
    bounded = np.clip(losses, 1e-300, 700.0)
    margins = -bounded - np.log(-np.expm1(-bounded))
    margin = margins.mean() + norm.ppf(1 - fpr) * margins.std()
    return float(np.logaddexp(0.0, -margin))


def _mean_losses(name: str, losses: ArrayLike) -> np.ndarray:
    losses = checked_values(name, losses)
    if (losses < 0).any():
        raise ValueError(
            f"`{name}` must be 0 or more. Received: {int((losses < 0).sum())} that are not"
        )
    return losses.mean(axis=1)


def _checked_labels(name: str, labels: ArrayLike | None, count: int) -> np.ndarray:
    labels = as_array("labels", labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`{name}` must be {count} integers. "
            f"Received: dtype={labels.dtype}, shape={labels.shape}"
        )
    return labels
