"""Answers that may be unsure: sets of classes that hold the true one as often as was stated."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import checked_array, checked_names, checked_rate
from fer_models.evaluation.intervals import Interval, binomial_interval
from fer_models.evaluation.probability_checks import (
    checked_labels_or_distributions,
    checked_probabilities,
)
from fer_models.zoo.set_rule import SetRule, set_scores

# The coverages that are fitted for bundled weights.
COVERAGES = (0.8, 0.9, 0.95)


@dataclasses.dataclass(frozen=True)
class SetScores:
    """Scores of sets of classes.

    Attributes:
        coverage: `Interval` of the share of sets that hold the true class, exact binomial.
        mean_size: Mean number of classes in a set.
        single: Share of the sets with one class: the answers that are sure.
        single_accuracy: `Interval` of the share of right answers among these; `None` without any.
        class_coverage: `Interval` of the coverage of each class that has examples, by name. The
            rule promises nothing for a single class.
        examples: Number of examples.
    """

    coverage: Interval
    mean_size: float
    single: float
    single_accuracy: Interval | None
    class_coverage: Mapping[str, Interval]
    examples: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings and dictionaries, ready for JSON."""
        return dataclasses.asdict(self)


@arguments.checked(
    labels=arguments.array((None,), kinds="ui"), probabilities=arguments.array(ranks=(2,))
)
def fit_sets(
    labels: ArrayLike, probabilities: ArrayLike, coverage: float = 0.9, method: str = "threshold"
) -> SetRule:
    """Fit a rule whose sets hold the true class with the stated coverage (split conformal).

    This holds for any classifier, however wrong its probabilities: if a new example is drawn as
    those here were, its set holds the true class with a probability of `coverage` or more, over the
    draw of both. That is an average over all examples. It need not hold for a single class, a group
    of people, or other pictures than these.

    Args:
        labels: Integers `(examples,)`, for examples on which neither the model nor its temperature
            was fitted. If a temperature was fitted on them, the sets may hold the true class a
            little less often than stated.
        probabilities: `(examples, classes)`, rows summing to one.
        coverage: Between 0 and 1.
        method: `"threshold"` gives the smallest sets on average; `"adaptive"` larger ones, whose
            coverage varies less between easy and hard examples.

    Returns:
        A `SetRule`.

    Raises:
        ValueError: If the arrays do not fit each other, an argument breaks its rule, or there are
            too few examples for the coverage.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> said = rng.dirichlet(np.ones(3), 500)
    >>> labels = np.array([rng.choice(3, p=row) for row in said])
    >>> rule = fit_sets(labels, said, coverage=0.9)
    >>> bool(rule(said)[np.arange(500), labels].mean() >= 0.9)
    True

    Reference:
        Angelopoulos and Bates, "Conformal Prediction: A Gentle Introduction", Foundations and
        Trends in Machine Learning, 2023, section 1.
    """
    coverage = checked_rate("coverage", coverage)
    probabilities = checked_probabilities(probabilities)
    count, classes = probabilities.shape
    truth, _ = checked_labels_or_distributions(labels, count, classes)
    scores = set_scores(probabilities, method)[np.arange(count), truth]
    # The decimal that was meant: 0.9 / (1 - 0.9) is above 9 in binary numbers.
    exact = Fraction(str(coverage))
    # The new example is one more among them: of n + 1, a share of `coverage` may lie above.
    rank = math.ceil((count + 1) * exact)
    if rank > count:
        raise ValueError(
            f"`labels` must be of {math.ceil(exact / (1 - exact))} examples or more for a coverage "
            f"of {coverage}. Received: {count}"
        )
    return SetRule(coverage, float(np.sort(scores)[rank - 1]), method, count)


@arguments.checked(class_names=arguments.sequence(arguments.scalar))
def score_sets(
    labels: ArrayLike, inside: ArrayLike, class_names: Sequence[str] | None = None
) -> SetScores:
    """Say how often sets hold the true class, and how large they are.

    Args:
        labels: Integers `(examples,)`, other ones than the rule was fitted on.
        inside: Booleans `(examples, classes)`, as a `SetRule` gives them.
        class_names: Names in class order; `None` calls them "0", "1", ...

    Returns:
        `SetScores`.

    Raises:
        ValueError: If the arrays do not fit each other.

    Example:

    >>> found = score_sets([0, 1], [[True, False], [True, True]], ("happy", "sad"))
    >>> found.coverage.value, found.mean_size, found.single
    (1.0, 1.5, 0.5)
    """
    inside = checked_array("inside", inside, (None, None), kinds="b")
    count, classes = inside.shape
    labels, _ = checked_labels_or_distributions(labels, count, classes)
    names = map(str, range(classes)) if class_names is None else class_names
    names = checked_names("class_names", names, classes)
    covered = inside[np.arange(count), labels]
    sizes = inside.sum(axis=1)
    single = sizes == 1
    of_class = {name: covered[labels == number] for number, name in enumerate(names)}
    return SetScores(
        coverage=_share(covered),
        mean_size=float(sizes.mean()),
        single=float(single.mean()),
        single_accuracy=_share(covered[single]) if single.any() else None,
        class_coverage={name: _share(found) for name, found in of_class.items() if len(found)},
        examples=count,
    )


@arguments.checked(
    labels=arguments.array((None,), kinds="ui"), probabilities=arguments.array(ranks=(2,))
)
def cross_fitted_sets(
    labels: ArrayLike, probabilities: ArrayLike, coverage: float = 0.9, method: str = "threshold"
) -> np.ndarray:
    """Return sets of each example by a rule that was fitted on the other half of the examples.

    Their `score_sets` hold for new examples too. Sets by a rule that was fitted on the same
    examples would score too well. The halves are the examples at even and at odd places.

    Args:
        labels: As for `fit_sets`.
        probabilities: As for `fit_sets`.
        coverage: As for `fit_sets`.
        method: As for `fit_sets`.

    Returns:
        Booleans `(examples, classes)`.

    Raises:
        ValueError: As for `fit_sets`, on each half.
    """
    probabilities = checked_probabilities(probabilities)
    labels, _ = checked_labels_or_distributions(labels, *probabilities.shape)
    halves = np.arange(len(labels)) % 2
    inside = np.zeros(probabilities.shape, bool)
    for half in (0, 1):
        rule = fit_sets(labels[halves != half], probabilities[halves != half], coverage, method)
        inside[halves == half] = rule(probabilities[halves == half])
    return inside


def set_table(
    labels: ArrayLike,
    probabilities: ArrayLike,
    class_names: Sequence[str],
    coverages: Sequence[float] = COVERAGES,
    method: str = "threshold",
) -> dict[str, Any]:
    """Return rules for several coverages and their cross-fitted scores, ready for a model card.

    Args:
        labels: As for `fit_sets`.
        probabilities: As for `fit_sets`.
        class_names: Names in class order.
        coverages: The coverages, each between 0 and 1.
        method: As for `fit_sets`.

    Returns:
        Dictionary with the `method`, the number of `examples`, and `rules`: for each coverage its
        `limit`, and the `score_sets` of its `cross_fitted_sets` as `cross_fitted`.

    Raises:
        ValueError: As `fit_sets`.
    """
    rules = []
    for coverage in coverages:
        rule = fit_sets(labels, probabilities, coverage, method)
        inside = cross_fitted_sets(labels, probabilities, coverage, method)
        scores = score_sets(labels, inside, class_names)
        rules.append(
            {"coverage": rule.coverage, "limit": rule.limit, "cross_fitted": scores.to_dict()}
        )
    return {"method": method, "examples": len(np.asarray(labels)), "rules": rules}


def _share(held):
    return binomial_interval(int(held.sum()), len(held))
