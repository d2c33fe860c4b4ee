"""Shares and the intervals in which they lie."""

import dataclasses

from fer_data import arguments
from fer_data.checks import checked_rate


@dataclasses.dataclass(frozen=True)
class Interval:
    """A figure and where it lies with the stated confidence.

    Attributes:
        value: The figure.
        low: Lower end of its interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@arguments.checked(successes=arguments.integer(0), trials=arguments.integer(1))
def binomial_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Return a share with its exact binomial interval (Clopper and Pearson).

    Args:
        successes: Integer from 0 to `trials`.
        trials: Integer of 1 or more.
        confidence: Between 0 and 1.

    Returns:
        An `Interval`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> interval = binomial_interval(0, 10)
    >>> interval.low, round(interval.high, 4)
    (0.0, 0.3085)

    Reference:
        Clopper and Pearson, Biometrika 1934.
    """
    from scipy.stats import binomtest

    if successes > trials:
        raise ValueError(f"`successes` must be at most `trials`. Received: {successes} of {trials}")
    exact = binomtest(int(successes), int(trials)).proportion_ci(
        checked_rate("confidence", confidence), method="exact"
    )
    return Interval(float(successes / trials), float(exact.low), float(exact.high))
