"""Map of labels: the owners' classes of each data set, and the emotion that each stands for.

Data sets name their classes by numbers, by letters in file names, or by folders. `OWNERS_CLASSES`
translates these into the owners' words; `fer_data.labels.canonical` spells the emotions among them
in one way. Other classes get no label, and none is guessed: "calm" of RAVDESS does not become
neutral, because its owners distinguish the two. Contempt is in `EMOTIONS_WITH_CONTEMPT` but not in
`EMOTIONS`.
"""

from collections.abc import Mapping, Sequence

from fer_data import arguments
from fer_data.checks import check_choice
from fer_data.labels import EMOTIONS, canonical, is_emotion

# Folders of SFEW and CAER-S, in small letters.
_FOLDERS = {
    name: name
    for name in ("angry", "anger", "disgust", "fear", "happy", "neutral", "sad", "surprise")
}
# For each data set, the owners' name of a class by its code in their files.
OWNERS_CLASSES: Mapping[str, Mapping[str, str]] = {
    "affectnet": {
        "0": "neutral",
        "1": "happiness",
        "2": "sadness",
        "3": "surprise",
        "4": "fear",
        "5": "disgust",
        "6": "anger",
        "7": "contempt",
        "8": "none",
        "9": "uncertain",
        "10": "no face",
    },
    "ck_plus": {
        "0": "neutral",
        "1": "anger",
        "2": "contempt",
        "3": "disgust",
        "4": "fear",
        "5": "happy",
        "6": "sadness",
        "7": "surprise",
    },
    "jaffe": {
        "AN": "angry",
        "DI": "disgust",
        "FE": "fear",
        "HA": "happy",
        "NE": "neutral",
        "SA": "sad",
        "SU": "surprise",
    },
    "kdef": {
        "AF": "afraid",
        "AN": "angry",
        "DI": "disgusted",
        "HA": "happy",
        "NE": "neutral",
        "SA": "sad",
        "SU": "surprised",
    },
    "expw": {
        "0": "angry",
        "1": "disgust",
        "2": "fear",
        "3": "happy",
        "4": "sad",
        "5": "surprise",
        "6": "neutral",
    },
    "sfew": _FOLDERS,
    "caer_s": _FOLDERS,
    "ravdess": {
        "01": "neutral",
        "02": "calm",
        "03": "happy",
        "04": "sad",
        "05": "angry",
        "06": "fearful",
        "07": "disgust",
        "08": "surprised",
    },
    "crema_d": {
        "ANG": "anger",
        "DIS": "disgust",
        "FEA": "fear",
        "HAP": "happy",
        "NEU": "neutral",
        "SAD": "sad",
    },
}


@arguments.checked(dataset=arguments.choice(OWNERS_CLASSES), code=arguments.text)
def owners_class(dataset: str, code: str) -> str:
    """Return the owners' name of a class.

    Args:
        dataset: One of `OWNERS_CLASSES`.
        code: Code of the class in the owners' files: a number, letters of a file's name, or a
            folder in small letters.

    Returns:
        The owners' name, which need not be one of `fer_data.labels.EMOTIONS`.

    Raises:
        ValueError: If the data set or the code is unknown.

    Example:

    >>> owners_class("ravdess", "02")
    'calm'
    """
    check_choice("code", code, OWNERS_CLASSES[dataset])
    return OWNERS_CLASSES[dataset][code]


@arguments.checked(name=arguments.text, classes=arguments.names)
def label_of(name: str, classes: Sequence[str] = EMOTIONS) -> int | None:
    """Return the label of an owners' class; None if it is none of the classes.

    Args:
        name: Name that `owners_class` returned, or any other spelling of an emotion.
        classes: Canonical class names; the position of a name is its label.

    Returns:
        The label, or None.

    Example:

    >>> label_of("surprised"), label_of("calm"), label_of("contempt")
    (5, None, None)
    """
    spelt = canonical(name) if is_emotion(name) else name
    classes = tuple(classes)
    return classes.index(spelt) if spelt in classes else None


@arguments.checked(dataset=arguments.choice(OWNERS_CLASSES), classes=arguments.names)
def unmapped(dataset: str, classes: Sequence[str] = EMOTIONS) -> tuple[str, ...]:
    """Return the owners' classes that stand for none of the given classes.

    Their pictures are left out when the data set is prepared, and the report counts them.

    Args:
        dataset: One of `OWNERS_CLASSES`.
        classes: Canonical class names.

    Returns:
        The owners' names of these classes, in the owners' order.

    Raises:
        ValueError: If the data set is unknown.

    Example:

    >>> unmapped("affectnet")
    ('contempt', 'none', 'uncertain', 'no face')
    """
    names = OWNERS_CLASSES[dataset].values()
    return tuple(name for name in names if label_of(name, classes) is None)
