"""RMIA, the robust membership inference attack: each example is compared with a population."""

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import (
    checked_inside,
    checked_references,
    checked_values,
)


@arguments.checked(gamma=arguments.number(), a=arguments.number())
def rmia_online(
    probabilities: ArrayLike,
    reference_probabilities: ArrayLike,
    inside: ArrayLike,
    population_probabilities: ArrayLike,
    population_references: ArrayLike,
    *,
    gamma: float = 1.0,
    a: float | None = None,
) -> np.ndarray:
    """Return the share of a population that an example dominates, by models with and without it.

    The target's probability of the example's true class is divided by the mean of that of models
    with and without the example, (p_in + p_out) / 2. The score is the share of the population whose
    own ratio is at least `gamma` times smaller.

    Args:
        probabilities: True-class probability by the target, `(examples,)` or
            `(examples, queries)`. With several queries an example dominates where more than half
            of its copies do.
        reference_probabilities: The same by the reference models, `(models, examples)` or
            `(models, examples, queries)`.
        inside: Whether each reference model was trained on each example, booleans
            `(models, examples)`; each example needs one model of either kind.
        population_probabilities: True-class probability of the population by the target, `(z,)`;
            of several queries `(z, queries)` the first counts.
        population_references: The same by the reference models, `(models, z)` or
            `(models, z, queries)`. None of the models was trained on the population.
        gamma: Factor by which an example must dominate, 1 or more.
        a: Slope, from 0 to 1, of the line that replaces models trained on the population: their
            probability is taken as a * p_out + 1 - a. `None` fits the slope to the examples, for
            which the reference models give both sides. If it is too small, most examples dominate
            the whole population and cannot be told apart.

    Returns:
        Scores `(examples,)` from 0 to 1.

    Raises:
        ValueError: If shapes do not fit, probabilities are outside of [0, 1], an example lacks
            reference models, or `gamma` or `a` is out of range.

    Example:

    >>> score = rmia_online([0.9], [[0.9], [0.3]], np.array([[True], [False]]), [0.2, 0.4],
    ...                     [[0.2, 0.4], [0.2, 0.4]], a=1.0)
    >>> score.tolist()
    [1.0]

    Reference:
        Zarifzadeh, Liu and Shokri, "Low-Cost High-Power Membership Inference Attacks",
        ICML 2024.
    """
    values, references = _checked(probabilities, reference_probabilities)
    inside = checked_inside(inside, references.shape[:2])
    with_it, without_it = _mean(references, inside, "on"), _mean(references, ~inside, "without")
    average = (with_it + without_it) / 2
    a = _fitted_slope(with_it, without_it) if a is None else a
    known = _population_ratios(population_probabilities, population_references, len(references), a)
    return _dominated(values, average, known, gamma)


@arguments.checked(gamma=arguments.number(), a=arguments.number())
def rmia_offline(
    probabilities: ArrayLike,
    reference_probabilities: ArrayLike,
    population_probabilities: ArrayLike,
    population_references: ArrayLike,
    inside: ArrayLike | None = None,
    *,
    gamma: float = 1.0,
    a: float = 0.3,
) -> np.ndarray:
    """Return the share of a population that an example dominates, by models without it alone.

    As `rmia_online`, but the probability by models trained on the example is estimated by the
    straight line p_in = a * p_out + 1 - a. One reference model is enough.

    Args:
        probabilities: As in `rmia_online`.
        reference_probabilities: As in `rmia_online`.
        population_probabilities: As in `rmia_online`.
        population_references: As in `rmia_online`.
        inside: As in `rmia_online`; models that were trained on an example are left out for it.
            `None`: no model was trained on any of them.
        gamma: As in `rmia_online`.
        a: Slope of the line, from 0 to 1: 1 for models that do not memorise, smaller the more they
            do. 0.3 is the value in the authors' tool, ML Privacy Meter.

    Returns:
        Scores `(examples,)` from 0 to 1.

    Raises:
        ValueError: As in `rmia_online`.

    Example:

    >>> rmia_offline([0.9, 0.1], [[0.3, 0.3]], [0.2, 0.4], [[0.2, 0.4]], a=1.0).tolist()
    [1.0, 0.0]

    Reference:
        Zarifzadeh, Liu and Shokri, ICML 2024 (the offline attack).
    """
    values, references = _checked(probabilities, reference_probabilities)
    if inside is None:
        inside = np.zeros(references.shape[:2], dtype=bool)
    inside = checked_inside(inside, references.shape[:2])
    average = _with_line(_mean(references, ~inside, "without"), a)
    known = _population_ratios(population_probabilities, population_references, len(references), a)
    return _dominated(values, average, known, gamma)


def _checked(probabilities, reference_probabilities):
    values = _in_range("probabilities", checked_values("probabilities", probabilities))
    references = checked_references(
        "reference_probabilities", reference_probabilities, *values.shape
    )
    return values, _in_range("reference_probabilities", references)


def _population_ratios(probabilities, references, models, a):
    values = checked_values("population_probabilities", probabilities)
    values = _in_range("population_probabilities", values)
    references = checked_references("population_references", references, *values.shape)
    if len(references) != models:
        raise ValueError(
            f"`population_references` must come from the same {models} models. "
            f"Received: {len(references)}"
        )
    references = _in_range("population_references", references)
    return values[:, 0] / _with_line(references[..., 0].mean(axis=0), a)


def _dominated(values, average, known, gamma):
    if isinstance(gamma, bool) or not 1 <= gamma < np.inf:
        raise ValueError(f"`gamma` must be 1 or more. Received: gamma={gamma!r}")
    ratios = np.sort(values / average, axis=1)
    # More than half of the copies dominate where the median does, or the lower of the two.
    middle = ratios[:, (ratios.shape[1] - 1) // 2]
    return np.searchsorted(np.sort(known), middle / gamma, side="right") / len(known)


def _mean(references, chosen, kind):
    counts = chosen.sum(axis=0)
    if not counts.all():
        raise ValueError(
            f"Every example must have a reference model that was trained {kind} it. "
            f"Received: {int((counts == 0).sum())} examples with none"
        )
    where = np.broadcast_to(chosen[..., None], references.shape)
    return np.maximum(references.mean(axis=0, where=where), np.finfo("float64").tiny)


def _fitted_slope(with_it, without_it):
    """Return the slope of the line through (1, 1) that is nearest to `(without_it, with_it)`."""
    room = 1 - without_it
    return float(np.clip((room * (1 - with_it)).sum() / max((room**2).sum(), 1e-12), 0, 1))


def _with_line(outside, a):
    if isinstance(a, bool) or not 0 <= a <= 1:
        raise ValueError(f"`a` must be from 0 to 1. Received: a={a!r}")
    return np.maximum(((1 + a) * outside + 1 - a) / 2, np.finfo("float64").tiny)


def _in_range(name, values):
    if ((values < 0) | (values > 1)).any():
        raise ValueError(
            f"`{name}` must be from 0 to 1. Received: values from {values.min()} to {values.max()}"
        )
    return values
