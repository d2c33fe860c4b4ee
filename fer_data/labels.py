"""Emotions, their order in each data set, and the maps between the orders.

The default class order is FER2013's: `EMOTIONS`. Names are canonical here ("happy", not
"happiness"); `canonical` turns the spellings of the data sets into them.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
EMOTIONS_WITH_CONTEMPT = (*EMOTIONS, "contempt")

FER2013_CLASSES = EMOTIONS
RAF_DB_CLASSES = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
FERPLUS_CLASSES = (
    "neutral",
    "happy",
    "surprise",
    "sad",
    "angry",
    "disgust",
    "fear",
    "contempt",
)

FERPLUS_VOTE_COLUMNS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)

# What a face may have beside its class: numbers in [-1, 1]. And the keys of both, where the targets
# or the outputs of a model are a dictionary.
DIMENSIONS = ("valence", "arousal")
EXPRESSION, VALENCE_AROUSAL = "expression", "valence_arousal"

# The classes to which every micro-expression data set is reduced, in label order. Clips of none of
# them (the owners' "others") have the label NO_LABEL.
MICRO_EXPRESSION_CLASSES = ("negative", "positive", "surprise")
NO_LABEL = -1
# CAS(ME)^2 by the videos that were shown, the classes of Irawan (2025).
CAS_ME2_CLASSES = ("angry", "disgust", "happy")

CLASS_ORDERS = {
    "fer2013": FER2013_CLASSES,
    "raf_db": RAF_DB_CLASSES,
    "ferplus": FERPLUS_CLASSES,
    "casme2": MICRO_EXPRESSION_CLASSES,
    "cas_me2": MICRO_EXPRESSION_CLASSES,
    "cas_me3": MICRO_EXPRESSION_CLASSES,
    "samm_long_videos": MICRO_EXPRESSION_CLASSES,
    "smic_hs": MICRO_EXPRESSION_CLASSES,
}

_THREE_CLASSES = {
    **dict.fromkeys(("angry", "disgust", "fear", "sad", "contempt", "repression"), "negative"),
    "happy": "positive",
    "surprise": "surprise",
    "negative": "negative",
    "positive": "positive",
    "other": None,
    "others": None,
}

ALIASES = {
    "anger": "angry",
    "mad": "angry",
    "disgusted": "disgust",
    "disgusting": "disgust",
    "afraid": "fear",
    "fearful": "fear",
    "scared": "fear",
    "happiness": "happy",
    "joy": "happy",
    "smile": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "suprise": "surprise",
    "neutrality": "neutral",
    "contemptuous": "contempt",
}


@arguments.checked(name=arguments.text)
def canonical(name: str) -> str:
    """Return the canonical spelling of an emotion.

    Case and surrounding blanks do not count.

    Args:
        name: A spelling such as `"Happiness"`.

    Returns:
        One of `EMOTIONS_WITH_CONTEMPT`.

    Raises:
        ValueError: If the name is not a known emotion.

    Example:

    >>> canonical("Happiness")
    'happy'
    """
    key = str(name).strip().lower()
    key = ALIASES.get(key, key)
    if key not in EMOTIONS_WITH_CONTEMPT:
        raise ValueError(
            f"`name` must be an emotion of {EMOTIONS_WITH_CONTEMPT} or one of its other spellings "
            f"{tuple(ALIASES)}. Received: name={name!r}"
        )
    return key


def is_emotion(name: str) -> bool:
    """Return whether `canonical` knows the name.

    Args:
        name: Any string.

    Returns:
        `True` or `False`.
    """
    key = str(name).strip().lower()
    return ALIASES.get(key, key) in EMOTIONS_WITH_CONTEMPT


@arguments.checked(dataset=arguments.text)
def class_order(dataset: str) -> tuple[str, ...]:
    """Return the class names of a data set in the data set's own order.

    Args:
        dataset: `"fer2013"`, `"raf_db"`, `"ferplus"`, or a micro-expression data set:
            `"casme2"`, `"cas_me2"`, `"cas_me3"`, `"samm_long_videos"`, `"smic_hs"`.

    Returns:
        A tuple of canonical names.

    Raises:
        ValueError: If the data set is not known.

    Example:

    >>> class_order("raf_db")[0]
    'surprise'
    """
    if dataset not in CLASS_ORDERS:
        raise ValueError(
            f"`dataset` must be one of {tuple(CLASS_ORDERS)}. Received: dataset={dataset!r}"
        )
    return CLASS_ORDERS[dataset]


@arguments.checked(
    source=arguments.sequence(arguments.text),
    target=arguments.sequence(arguments.text),
    missing=arguments.either(
        arguments.choice(["raise"]), arguments.integer(-(2**63)), rule='"raise" or an integer'
    ),
)
def index_map(
    source: Sequence[str], target: Sequence[str], missing: Literal["raise"] | int = "raise"
) -> np.ndarray:
    """Return where each class of one order stands in another.

    Args:
        source: Sequence of class names, the order the labels are in.
        target: Sequence of class names, the order wanted.
        missing: `"raise"`, or the integer to give classes that `target` lacks
            (`-1` is the usual mark of "no label").

    Returns:
        int64 array of shape `(len(source),)`.

    Raises:
        ValueError: If names repeat, or `target` lacks a class and `missing="raise"`.

    Example:

    >>> index_map(("sad", "happiness"), EMOTIONS)
    array([4, 3])
    """
    source = _spell(source, "source")
    target = _spell(target, "target")
    lacking = [name for name in source if name not in target]
    if lacking and missing == "raise":
        raise ValueError(
            f"`target` must hold every class of `source`; it lacks {lacking}. "
            f"Received: source={source}, target={target}"
        )
    return np.array(
        [target.index(name) if name in target else missing for name in source], dtype=np.int64
    )


@arguments.checked(
    labels=arguments.array(kinds="ui", empty=True),
    source=arguments.sequence(arguments.text),
    target=arguments.sequence(arguments.text),
    missing=arguments.either(
        arguments.choice(["raise"]), arguments.integer(-(2**63)), rule='"raise" or an integer'
    ),
)
def remap_labels(
    labels: ArrayLike,
    source: Sequence[str],
    target: Sequence[str],
    missing: Literal["raise"] | int = "raise",
) -> np.ndarray:
    """Move integer labels from one class order to another.

    Args:
        labels: Integer array of any shape, values from 0 to `len(source) - 1`.
        source: The class names `labels` counts in.
        target: The class names wanted.
        missing: As in `index_map`; only classes that occur in `labels` count.

    Returns:
        int64 array of the shape of `labels`.

    Raises:
        ValueError: If a label lies outside `source`, or its class is not in `target`.

    Example:

    >>> remap_labels([0, 3], RAF_DB_CLASSES, EMOTIONS)
    array([5, 3])
    """
    labels = _indices(labels, len(source))
    if missing == "raise":
        table = index_map(source, target, missing=-1)
        lacking = sorted({source[i] for i in np.unique(labels) if table[i] < 0})
        if lacking:
            raise ValueError(
                f"`labels` must hold classes of `target` only; found {lacking}. "
                f"Received: target={tuple(target)}"
            )
    else:
        table = index_map(source, target, missing=missing)
    return table[labels]


@arguments.checked(names=arguments.sequence(), classes=arguments.sequence(arguments.text))
def to_indices(names: Iterable[str], classes: Sequence[str] = EMOTIONS) -> np.ndarray:
    """Turn class names into integer labels; other spellings of emotions are understood.

    Args:
        names: Sequence of names.
        classes: Class names, whose position is the label.

    Returns:
        int64 array of shape `(len(names),)`.

    Raises:
        ValueError: Naming every name that `classes` does not hold.

    Example:

    >>> to_indices(["happiness", "angry"])
    array([3, 0])
    """
    names = list(names)
    places = {name: i for i, name in enumerate(_spell(classes, "classes"))}
    spelt = [_spelling(name) for name in names]
    unknown = sorted(
        {str(raw) for raw, name in zip(names, spelt, strict=True) if name not in places}
    )
    if unknown:
        raise ValueError(
            f"`names` must be classes of {tuple(classes)}; unknown: {unknown}. "
            f"Received: {len(spelt)} names"
        )
    return np.array([places[name] for name in spelt], dtype=np.int64)


def three_class(emotion: str) -> int:
    """Return the label in `MICRO_EXPRESSION_CLASSES` of an emotion as its owners name it.

    Anger, contempt, disgust, fear, sadness and repression are negative, happiness is positive,
    surprise is surprise; "other" and "others" have no label. Case and blanks do not count.

    Args:
        emotion: A name such as `"Repression"`, or `"negative"` itself.

    Returns:
        0, 1, 2, or `NO_LABEL` (-1).

    Raises:
        ValueError: If no micro-expression data set uses the name.

    Example:

    >>> [three_class(name) for name in ("Repression", "happiness", "Surprise", "Others")]
    [0, 1, 2, -1]
    """
    key = str(emotion).strip().lower()
    key = canonical(key) if is_emotion(key) else key
    if key not in _THREE_CLASSES:
        raise ValueError(
            f"`emotion` must be one of {tuple(_THREE_CLASSES)} or another spelling of them. "
            f"Received: emotion={emotion!r}"
        )
    name = _THREE_CLASSES[key]
    return NO_LABEL if name is None else MICRO_EXPRESSION_CLASSES.index(name)


def _spelling(name):
    return canonical(name) if is_emotion(name) else str(name)


def _spell(names, argument):
    """Spell emotions canonically, leave other class names as they are, refuse repeats."""
    spelt = tuple(_spelling(name) for name in names)
    if not spelt or len(set(spelt)) < len(spelt):
        raise ValueError(
            f"`{argument}` must be class names without repeats. Received: {argument}={tuple(names)}"
        )
    return spelt


def _indices(labels: ArrayLike, count: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.size == 0:
        labels = labels.astype(np.int64)
    if labels.size and (labels.min() < 0 or labels.max() >= count):
        raise ValueError(
            f"`labels` must lie from 0 to {count - 1}. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    return labels
