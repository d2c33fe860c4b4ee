"""A share of right answers with its interval."""

import dataclasses
from typing import Any

from fer_data import arguments


@arguments.checked_class(correct=arguments.integer(0), examples=arguments.integer(0))
@dataclasses.dataclass(frozen=True)
class Accuracy:
    """The number of right answers among all answers.

    Attributes:
        correct: Right answers.
        examples: All answers, 1 or more.

    Example:

    >>> print(Accuracy(90, 100))
    90.0 % (82.4 to 95.1)
    """

    correct: int
    examples: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.examples or self.examples < 1:
            raise ValueError(
                "`correct` must be from 0 to `examples`, and `examples` 1 or more. "
                f"Received: correct={self.correct}, examples={self.examples}"
            )

    @property
    def value(self) -> float:
        """The share, from 0 to 1."""
        return self.correct / self.examples

    @property
    def low(self) -> float:
        """Lower end of the exact 95 % interval of Clopper and Pearson."""
        return self._interval().low

    @property
    def high(self) -> float:
        """Upper end of the same interval."""
        return self._interval().high

    def _interval(self):
        from scipy.stats import binomtest

        return binomtest(self.correct, self.examples).proportion_ci(0.95, "exact")

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers, ready for JSON."""
        low, high = (float(end) for end in self._interval())
        return {
            "correct": self.correct,
            "examples": self.examples,
            "accuracy": self.value,
            "low": low,
            "high": high,
        }

    def __str__(self) -> str:
        low, high = self._interval()
        return f"{100 * self.value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
