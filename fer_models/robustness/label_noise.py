"""Labels made wrong on purpose, to measure their effect on a model."""

import numbers
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import as_array, as_numbers, check_integer, checked_labels

# Expressions that people confuse when they label faces.
CONFUSED_WITH = {
    "angry": "disgust",
    "disgust": "angry",
    "fear": "surprise",
    "surprise": "fear",
    "sad": "neutral",
    "neutral": "sad",
    "happy": "neutral",
    "contempt": "neutral",
}


@arguments.checked(seed=arguments.seed)
def flip_labels(
    labels: ArrayLike,
    rate: float,
    classes: int,
    *,
    transition: ArrayLike | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Replace a share of the labels by wrong ones.

    In every class the same share is replaced, to the nearest whole number of examples; which
    ones, and by what, is drawn at random.

    Args:
        labels: Integers `(examples,)`.
        rate: Share to replace, from 0 to 1.
        classes: Number of classes, 2 or more.
        transition: The new labels. `None`: any other class, all equally likely (symmetric noise). A
            matrix `(classes, classes)`: row `i` gives the probabilities of the new label where the
            old one is `i`; the diagonal is zero (class-dependent noise, see `emotion_transition`).
        seed: Integer from which all randomness follows.

    Returns:
        The new labels, int32 `(examples,)`, and which were replaced, bool `(examples,)`.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    >>> noisy, flipped = flip_labels([0, 1] * 10, 0.2, classes=2)
    >>> int(flipped.sum()), bool((noisy[flipped] != np.array([0, 1] * 10)[flipped]).all())
    (4, True)

    Reference:
        Natarajan et al., "Learning with Noisy Labels", NeurIPS 2013 (class-conditional noise);
        Patrini et al., "Making Deep Neural Networks Robust to Label Noise", CVPR 2017.
    """
    check_integer("classes", classes, 2)
    check_integer("seed", seed, 0)
    labels = as_array("labels", labels)
    if not labels.ndim or not len(labels):
        raise ValueError("`labels` must hold one label or more. Received: none")
    labels = checked_labels(labels, len(labels), classes)
    number = isinstance(rate, numbers.Real) and not isinstance(rate, bool)
    if not number or not 0 <= rate <= 1:
        raise ValueError(f"`rate` must be from 0 to 1. Received: rate={rate!r}")
    if transition is None:
        transition = (1 - np.eye(classes)) / (classes - 1)
    transition = _checked_transition(transition, classes)
    rng = np.random.default_rng([seed, classes])
    noisy, flipped = labels.copy(), np.zeros(len(labels), bool)
    for old in range(classes):
        places = np.flatnonzero(labels == old)
        chosen = rng.permutation(places)[: round(rate * len(places))]
        noisy[chosen] = rng.choice(classes, len(chosen), p=transition[old])
        flipped[chosen] = True
    return noisy, flipped


@arguments.checked(
    class_names=arguments.either(
        arguments.text, arguments.sequence(arguments.text), rule="the names of the classes"
    )
)
def emotion_transition(class_names: Sequence[str]) -> np.ndarray:
    """Return the matrix of class-dependent noise between expressions that people confuse.

    Anger and disgust, fear and surprise, sadness and neutral become each other; happiness and
    contempt become neutral. A class of another name, or one of these whose counterpart is not among
    the classes, becomes the next class, and the last class the first.

    Args:
        class_names: Names of the classes in order, two or more, different.

    Returns:
        float64 `(classes, classes)`, rows summing to one, the diagonal zero.

    Raises:
        ValueError: If names are missing or repeated.

    Example:

    >>> emotion_transition(["fear", "surprise"]).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    names = [str(name) for name in class_names]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(
            f"`class_names` must be two or more, different. Received: class_names={names}"
        )
    matrix = np.zeros((len(names), len(names)))
    for place, name in enumerate(names):
        other = CONFUSED_WITH.get(name)
        matrix[place, names.index(other) if other in names else (place + 1) % len(names)] = 1
    return matrix


def _checked_transition(transition: ArrayLike, classes: int) -> np.ndarray:
    transition = as_numbers("transition", transition)
    fits = (
        transition.shape == (classes, classes)
        and np.isfinite(transition).all()
        and (transition >= 0).all()
        and np.allclose(transition.sum(axis=1), 1)
        and not np.diag(transition).any()
    )
    if not fits:
        raise ValueError(
            f"`transition` must be of shape {(classes, classes)}, of probabilities whose rows sum "
            f"to one, with zeros on the diagonal. Received: {transition.tolist()}"
        )
    # Sums of rounded or float32 probabilities are too far from one for NumPy's draw.
    return transition / transition.sum(axis=1, keepdims=True)
