"""The population of a membership study: whether it has faces of every class that is judged."""

from collections.abc import Sequence

import numpy as np

# The attack takes the threshold of a class from so many losses or more.
LEAST_OF_CLASS = 2


def check_classes(names: Sequence[str], judged: np.ndarray, population: np.ndarray) -> None:
    """Raise an error if the population has too few faces of a class that is judged.

    Args:
        names: Names of the classes.
        judged: Class numbers of the faces that attacks judge.
        population: Class numbers of the population's faces.

    Raises:
        ValueError: If a class of `judged` has fewer than two.
    """
    counts = np.bincount(population, minlength=len(names))
    short = [names[label] for label in np.unique(judged) if counts[label] < LEAST_OF_CLASS]
    if short:
        raise ValueError(
            f"The population must hold {LEAST_OF_CLASS} faces or more of every class that is "
            "judged, since the attack has a threshold for each. Take a larger `population`, or "
            f"another `seed`. Received: population={len(population)}, too few of "
            f"{', '.join(short)}"
        )
