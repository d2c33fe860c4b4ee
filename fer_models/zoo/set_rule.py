"""The classes that an answer leaves open: a rule of a threshold and probabilities."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fer_data.checks import as_numbers, check_choice

METHODS = ("threshold", "adaptive")


@dataclasses.dataclass(frozen=True)
class SetRule:
    """Says which classes an answer leaves open; `fer_models.evaluation.fit_sets` fits one.

    Attributes:
        coverage: Share of the sets that hold the true class, at least, on faces like those that the
            rule was fitted on.
        limit: The highest score, as of `set_scores`, that a class in a set may have.
        method: One of `METHODS`.
        examples: Number of examples that it was fitted on.
    """

    coverage: float
    limit: float
    method: str = "threshold"
    examples: int = 0

    def __call__(self, probabilities: ArrayLike) -> np.ndarray:
        """Return which classes are in the set of each answer; the likeliest class always is.

        Args:
            probabilities: `(examples, classes)`, rows summing to one.

        Returns:
            Booleans `(examples, classes)`, one or more of each row True.

        Raises:
            ValueError: If the method is unknown or the shape is another one.

        Example:

        >>> SetRule(0.9, limit=0.75)([[0.9, 0.06, 0.04], [0.5, 0.3, 0.2]])
        array([[ True, False, False],
               [ True,  True, False]])
        """
        scores = set_scores(probabilities, self.method)
        inside = scores <= self.limit
        inside[np.arange(len(scores)), np.argmax(np.asarray(probabilities), axis=1)] = True
        return inside

    @classmethod
    def of_card(cls, card: Mapping[str, Any], coverage: float) -> "SetRule | None":
        """Return the rule that a model card has for a coverage; None where it has no rules.

        Args:
            card: The content of the card.
            coverage: One for which a rule was fitted.

        Raises:
            ValueError: If the card has rules, and none for this coverage.
        """
        fitted = card.get("prediction_sets")
        if fitted is None:
            return None
        limits = {rule["coverage"]: rule["limit"] for rule in fitted["rules"]}
        if coverage not in limits:
            raise ValueError(
                f"The coverage of sets must be one of {sorted(limits)}, for which a rule was "
                f"fitted. Received: {coverage!r}"
            )
        return cls(coverage, limits[coverage], fitted["method"], fitted["examples"])


def set_scores(probabilities: ArrayLike, method: str = "threshold") -> np.ndarray:
    """Return how strange each class would be as the true one, from 0 to 1.

    Args:
        probabilities: `(examples, classes)`, rows summing to one.
        method: `"threshold"`: one less the class's probability. `"adaptive"`: the probability of
            the class and of all that are likelier.

    Returns:
        float64 `(examples, classes)`.

    Raises:
        ValueError: If the method is unknown or the shape is another one.

    Example:

    >>> set_scores([[0.5, 0.25, 0.25]])
    array([[0.5 , 0.75, 0.75]])

    Reference:
        Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued Classifiers with Bounded Error
        Levels", JASA 2019 (`"threshold"`); Romano, Sesia and Candès, "Classification with Valid
        and Adaptive Coverage", NeurIPS 2020, without its random part (`"adaptive"`).
    """
    check_choice("method", method, METHODS)
    values = as_numbers("probabilities", probabilities)
    if values.ndim != 2:
        raise ValueError(
            f"`probabilities` must be of shape (examples, classes). Received: shape={values.shape}"
        )
    if method == "threshold":
        return 1 - values
    order = np.argsort(-values, axis=1, kind="stable")
    scores = np.empty_like(values)
    np.put_along_axis(scores, order, np.cumsum(np.take_along_axis(values, order, 1), 1), 1)
    return np.minimum(scores, 1)
