"""How often each class is shown: answers for pictures with other shares than a network has seen."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import as_numbers, check_number

EVEN = "even"
# How far shares may be from one in sum.
CLOSE = 1e-3


@arguments.checked(
    probabilities=arguments.array(ranks=(2,), empty=True),
    known=arguments.array(ranks=(1,)),
    wanted=arguments.array(ranks=(1,)),
)
def shift_class_shares(probabilities: ArrayLike, known: ArrayLike, wanted: ArrayLike) -> np.ndarray:
    """Return probabilities for pictures in which the classes are shown more or less often.

    A network that has met few neutral faces expects few. By Bayes' rule each probability is
    multiplied by the new share of its class over the old one, and each row is divided by its sum.
    This is exact if faces of one class look alike in both sets, and the probabilities are
    calibrated.

    Args:
        probabilities: `(examples, classes)`, rows that sum to one.
        known: `(classes,)`, the shares of the classes in the data that the probabilities were
            calibrated on; above 0, in sum 1.
        wanted: `(classes,)`, the shares in the new pictures; 0 or more, in sum 1.

    Returns:
        float32 `(examples, classes)`, rows that sum to one. A row whose probabilities are all of
        classes with a wanted share of 0 gets the wanted shares.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    >>> shift_class_shares([[0.5, 0.5]], known=[0.75, 0.25], wanted=[0.5, 0.5]).round(2)
    array([[0.25, 0.75]], dtype=float32)

    Reference:
        Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
        Probabilities: A Simple Procedure", Neural Computation 14(1), 2002, equation 2.4.
    """
    rows = _checked_rows(probabilities)
    old = _checked_shares("known", known, rows.shape[1], positive=True)
    new = _checked_shares("wanted", wanted, rows.shape[1])
    shifted = rows * (new / old)
    total = shifted.sum(axis=1, keepdims=True)
    shifted = np.where(total > 0, shifted, new)
    return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)


@arguments.checked(
    probabilities=arguments.array(ranks=(2,)),
    known=arguments.array(ranks=(1,)),
    steps=arguments.integer(1),
)
def estimate_class_shares(
    probabilities: ArrayLike, known: ArrayLike, *, steps: int = 1000
) -> np.ndarray:
    """Return the shares of the classes in pictures without labels, from a network's answers.

    Expectation maximisation: the answers are shifted to the shares, and the means of the shifted
    answers are the next shares, until nothing changes. It needs some hundred pictures.

    Args:
        probabilities: `(examples, classes)`, the network's answers to them, rows that sum to one.
        known: As for `shift_class_shares`.
        steps: Number of steps, at most.

    Returns:
        float64 `(classes,)`, in sum 1; `wanted` of `shift_class_shares`.

    Raises:
        ValueError: If an argument breaks its rule, or there is no example.

    Example:

    >>> estimate_class_shares([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]], [0.5, 0.5]).round(2)
    array([0.68, 0.32])

    Reference:
        As for `shift_class_shares`, equation 2.9.
    """
    rows = _checked_rows(probabilities)
    shares = old = _checked_shares("known", known, rows.shape[1], positive=True)
    for _ in range(steps):
        shifted = rows * (shares / old)
        shifted /= shifted.sum(axis=1, keepdims=True)
        before, shares = shares, shifted.mean(axis=0)
        if np.abs(shares - before).max() < 1e-6:
            break
    return shares


def shares_of_card(card: Mapping[str, Any]) -> np.ndarray:
    """Return the shares of the classes in the faces that weights were calibrated on.

    Args:
        card: The content of a model card: its validation faces.
    """
    faces = np.array([entry["support"] for entry in card["classes"]], np.float64)
    return faces / faces.sum()


def named_shares(given: str | Mapping[str, float], class_names: Sequence[str]) -> np.ndarray:
    """Return shares in the order of the classes.

    Args:
        given: `"even"`, or the share of some classes by their names; the other classes divide
            what is left evenly.
        class_names: Names of the classes.

    Raises:
        ValueError: If a class is unknown, or the shares are not in `[0, 1]` and in sum at most 1,
            exactly 1 where all classes are named.

    Example:

    >>> named_shares({"neutral": 0.6}, ("happy", "sad", "neutral")).round(2).tolist()
    [0.2, 0.2, 0.6]
    """
    names = list(class_names)
    if isinstance(given, str) and given == EVEN:
        return np.full(len(names), 1 / len(names))
    if not isinstance(given, Mapping) or not given or not set(given) <= set(names):
        raise ValueError(
            f'`class_shares` must be "{EVEN}" or shares by names of the classes {names}. '
            f"Received: class_shares={given!r}"
        )
    for name, share in given.items():
        check_number(f"class_shares[{name!r}]", share, 0, 1)
    total, others = sum(given.values()), len(names) - len(given)
    if total > 1 + CLOSE or (not others and total < 1 - CLOSE):
        raise ValueError(
            f"`class_shares` must be in sum {'at most 1' if others else '1'}. "
            f"Received: {dict(given)}, in sum {total:g}"
        )
    rest = max(0.0, 1 - total) / others if others else 0.0
    shares = np.array([given.get(name, rest) for name in names], np.float64)
    return shares / shares.sum()


def _checked_rows(probabilities):
    rows = as_numbers("probabilities", probabilities)
    if (rows < 0).any() or (np.abs(rows.sum(axis=1) - 1) > CLOSE).any():
        raise ValueError("`probabilities` must be rows of numbers >= 0 that sum to one.")
    return rows.astype(np.float64)


def _checked_shares(name, shares, classes, positive=False):
    shares = as_numbers(name, shares).astype(np.float64)
    low = (shares <= 0).any() if positive else (shares < 0).any()
    if shares.shape != (classes,) or low or abs(shares.sum() - 1) > CLOSE:
        rule = "above 0" if positive else "of 0 or more"
        raise ValueError(
            f"`{name}` must be {classes} shares {rule} that sum to one, a share for each class. "
            f"Received: {name}={shares.tolist()}"
        )
    return shares / shares.sum()
