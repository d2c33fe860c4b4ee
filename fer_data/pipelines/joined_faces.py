"""Faces of several data sets joined into one: classes matched by name, faces of one size."""

import collections
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data import arguments, labels, picture
from fer_data.checks import check_choice, check_sequence, shown
from fer_data.pipelines.labelled_faces import FACES, LabelledFaces, load_faces
from fer_data.pipelines.split_arrays import split_arrays
from fer_data.protocols.setting_apart import AlreadyDividedError

# The joined classes: those that all sets have, or those that any set has.
CLASSES = ("shared", "all")
# Data sets without a path, because they are drawn.
DRAWN = ("synthetic",)


@dataclasses.dataclass(frozen=True, eq=False)
class JoinedFaces(LabelledFaces):
    """Faces of several data sets in memory, one set after the other; `join_faces` makes it.

    Attributes:
        sets: By name of a set, in order, the number of its faces in each split.
        left_out: By name of a set, the number of left out faces of each class.
        weights: How often the faces of each set are trained on, relative to each other, in the
            order of `sets`; None if every face comes once in a pass.
        about: By name of a set, how it was loaded, ready for JSON.
        lacking: By name of a split that only some sets have, and which is dropped, the sets without
            it.
    """

    sets: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    left_out: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    weights: tuple[float, ...] | None = None
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    lacking: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def set_of(self, split: str) -> np.ndarray:
        """Return the name of the set of each face of a split, in the order of the faces.

        Args:
            split: Name of the split.
        """
        return np.repeat(list(self.sets), [counts[split] for counts in self.sets.values()])

    def record(self) -> dict[str, Any]:
        """Return how each set was loaded, and how many of its faces were taken and left out."""
        return {
            name: {
                **self.about.get(name, {}),
                "faces": dict(counts),
                "left_out": dict(self.left_out[name]),
                "weight": None if self.weights is None else self.weights[place],
            }
            for place, (name, counts) in enumerate(self.sets.items())
        }


@arguments.checked(
    sets=arguments.mapping(
        arguments.instance(LabelledFaces, "`LabelledFaces`, as `load_faces` returns them")
    ),
    size=arguments.sequence(arguments.integer(1, 2**15), 2, 2),
    channels=arguments.choice((1, 3)),
    classes=arguments.choice(CLASSES),
    weights=arguments.sequence(arguments.number(0)),
    about=arguments.mapping(),
)
def join_faces(
    sets: Mapping[str, LabelledFaces],
    *,
    size: tuple[int, int],
    channels: int,
    classes: str = "shared",
    weights: Sequence[float] | None = None,
    about: Mapping[str, Any] | None = None,
) -> JoinedFaces:
    """Return the faces of several data sets as one data set.

    Classes are matched by name; all spellings of an emotion count as one class. They keep the order
    of the first set, followed by the classes that it lacks. Votes, valence and arousal, landmarks
    and boxes are dropped, because not all sets have them in the same form. All faces are held in
    memory at the given size. The feature `copy_in_train` marks each face outside training whose
    pixels at that size equal those of a training face of any set.

    Args:
        sets: The faces of two or more data sets, by name.
        size: Height and width that all faces are brought to.
        channels: 1 or 3.
        classes: `"shared"` takes the classes that all sets have, and leaves out the faces of
            others; `"all"` takes those of any set. A set has all classes that it names, even one
            without a face, such as surprise in CREMA-D. If the owners of a set did not ask for an
            emotion, faces that show it have other labels, which `"all"` cannot repair.
        weights: A number above 0 for each set: how often its faces are trained on, relative to the
            others. None: every face once in a pass, so that a large set counts more.
        about: What to record about each set, by name, ready for JSON.

    Returns:
        `JoinedFaces` with the splits that all sets have, `"train"` at least.

    Raises:
        ValueError: If an argument breaks its rule, fewer than two classes are left, or a split of a
            set has no face of these classes.

    Example:

    ```python
    sets = {"fer2013": load_faces("fer2013", "faces.npz"), "mine": load_faces("folder", "faces")}
    faces = join_faces(sets, size=(48, 48), channels=1, weights=(1, 3))
    print(faces.class_names, faces.left_out)
    ```
    """
    if len(sets) < 2:
        raise ValueError(f"`sets` must hold two data sets or more. Received: {sorted(sets)}")
    names = _class_names(sets, classes)
    chosen = _checked_weights(weights, len(sets))
    parts = [set(faces.counts) for faces in sets.values()]
    splits = [name for name in next(iter(sets.values())).counts if all(name in p for p in parts)]
    if "train" not in splits:
        raise ValueError(
            "`sets` must each have a split 'train'. "
            f"Received: { {name: sorted(faces.counts) for name, faces in sets.items()} }"
        )
    counts: dict[str, dict[str, int]] = {name: {} for name in sets}
    left: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in sets}
    joined = {}
    for split in splits:
        found = []
        for name, faces in sets.items():
            arrays, gone = _of_set(faces, split, names, size, channels)
            if not len(arrays["label"]):
                raise ValueError(
                    f"`sets[{name!r}]` must have a face of one of the classes {list(names)} in its "
                    f"split {split!r}. Received: none, of the classes {list(faces.class_names)}"
                )
            counts[name][split] = len(arrays["label"])
            left[name].update(gone)
            found.append(arrays)
        joined[split] = {
            feature: np.concatenate([arrays[feature] for arrays in found])
            for feature in ("image", "label", "copy_in_train")
        }
    _mark_copies(joined)
    return JoinedFaces(
        splits=joined,
        counts={split: len(arrays["label"]) for split, arrays in joined.items()},
        class_names=names,
        source=", ".join(faces.source for faces in sets.values()),
        packed={name: faces.packed for name, faces in sets.items()},
        sets=counts,
        left_out=left,
        weights=chosen,
        about=about or {},
        lacking={
            split: tuple(name for name, part in zip(sets, parts, strict=True) if split not in part)
            for split in sorted(set().union(*parts) - set(splits))
        },
    )


def load_joined_faces(
    data: Sequence[str],
    path: Sequence[str | os.PathLike[str] | None] | str | os.PathLike[str] | None = None,
    *,
    size: tuple[int, int],
    channels: int,
    classes: str = "shared",
    weights: Sequence[float] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    train: int | None = None,
    validation_fraction: float | None = None,
    seed: int = 1,
) -> JoinedFaces:
    """Load several data sets and join them; see `load_faces` and `join_faces`.

    Args:
        data: Names of the data sets, keys of `FACES`; a name may come twice, with two paths.
        path: Folder, archive or packed file of each data set; see `placed`.
        size: Height and width that all faces are brought to.
        channels: 1 or 3.
        classes: `"shared"` or `"all"`.
        weights: How often the faces of each set are trained on, relative to each other.
        data_dir: Folder for prepared data; None for the default of tensorflow-datasets.
        train: Number of training faces of the synthetic set; None for 7000.
        validation_fraction: Share of the training faces to set apart for validation, in sets
            without a validation split.
        seed: Seed of that split, and of synthetic faces.

    Returns:
        `JoinedFaces`.

    Raises:
        ValueError: As `load_faces` and `join_faces`; or if a set has no validation split.
    """
    paths = placed(data, path)
    sets, about = {}, {}
    for name, kind, place in zip(set_names(data, paths), data, paths, strict=True):
        options: dict[str, Any] = {"data_dir": data_dir, "size": max(size), "seed": seed}
        options |= {"train": train} if kind in DRAWN else {}
        fraction = None if kind in DRAWN else validation_fraction
        try:
            sets[name] = load_faces(kind, place, **options, validation_fraction=fraction)
        except AlreadyDividedError:
            fraction = None
            sets[name] = load_faces(kind, place, **options)
        if "validation" not in sets[name].counts:
            raise ValueError(
                f"{name} has no validation split, only {sorted(sets[name].counts)}: set a share of "
                "its training faces apart with `validation_fraction` (--validation-fraction), such "
                "as 0.1"
            )
        about[name] = {
            "data": kind,
            "path": None if place is None else str(place),
            "validation_fraction": fraction,
            "train": train if kind in DRAWN else None,
            "prepared": sets[name].source,
        }
    return join_faces(
        sets, size=size, channels=channels, classes=classes, weights=weights, about=about
    )


@arguments.checked(data=arguments.sequence(arguments.text, 1))
def placed(
    data: Sequence[str],
    path: Sequence[str | os.PathLike[str] | None] | str | os.PathLike[str] | None,
) -> tuple[str | os.PathLike[str] | None, ...]:
    """Return the path of each of several data sets.

    Args:
        data: Names of the data sets.
        path: A path for each data set in order, with None for drawn sets; or paths only for the
            sets that are not drawn.

    Returns:
        A path for each data set, None for a drawn one.

    Raises:
        ValueError: If the number of paths does not fit.

    Example:

    >>> placed(["fer2013", "synthetic", "folder"], ["faces.npz", "mine"])
    ('faces.npz', None, 'mine')
    """
    for name in data:
        check_choice("data", name, tuple(FACES))
    single = path is None or isinstance(path, (str, os.PathLike))
    if not single:
        check_sequence("path", path)
    given: list[Any] = [each for each in (path,) if each is not None] if single else list(path)  # type: ignore[arg-type]
    lying = [name for name in data if name not in DRAWN]
    if len(given) == len(data) and len(lying) < len(data):
        pairs = list(zip(given, data, strict=True))
        if all(each is None for each, name in pairs if name in DRAWN):
            given = [each for each, name in pairs if name not in DRAWN]
    if len(given) != len(lying) or not all(isinstance(each, (str, os.PathLike)) for each in given):
        raise ValueError(
            f"`path` must name a folder, archive or packed file for each of {lying}, in this "
            f"order. Received: path={shown(path)}"
        )
    following = iter(given)
    return tuple(None if name in DRAWN else next(following) for name in data)


@arguments.checked(
    data=arguments.sequence(arguments.text, 1),
    paths=arguments.sequence(arguments.optional(arguments.path), 1),
)
def set_names(
    data: Sequence[str], paths: Sequence[str | os.PathLike[str] | None]
) -> tuple[str, ...]:
    """Return a name for each of several data sets: its own, extended if it comes twice.

    Args:
        data: Names of the data sets.
        paths: The path of each data set.

    Example:

    >>> set_names(["fer2013", "folder", "folder"], ["faces.npz", "mine", "yours"])
    ('fer2013', 'folder mine', 'folder yours')
    """
    names = [
        name if data.count(name) == 1 or path is None else f"{name} {Path(path).stem}"
        for name, path in zip(data, paths, strict=True)
    ]
    if len(set(names)) < len(names):
        names = [f"{name} {place}" for place, name in enumerate(data, 1)]
    return tuple(names)


def _class_names(sets, classes):
    spelt = {name: [_spelling(each) for each in faces.class_names] for name, faces in sets.items()}
    every = list(dict.fromkeys(each for names in spelt.values() for each in names))
    if classes == "shared":
        every = [each for each in every if all(each in names for names in spelt.values())]
    if len(every) < 2:
        raise ValueError(
            f"`sets` must have two {classes} classes or more. "
            f"Received: { {name: list(faces.class_names) for name, faces in sets.items()} }"
        )
    return tuple(every)


def _spelling(name):
    return labels.canonical(name) if labels.is_emotion(name) else name


def _checked_weights(weights, count):
    if weights is None:
        return None
    if len(weights) != count or not all(weight > 0 for weight in weights):
        raise ValueError(
            f"`weights` must be a number above 0 for each of the {count} data sets. "
            f"Received: weights={shown(weights)}"
        )
    return tuple(float(weight) for weight in weights)


def _of_set(faces, split, names, size, channels):
    """Return the faces of a split with one of the classes, and a count of all others by class."""
    numbers = labels.index_map(faces.class_names, names, missing=labels.NO_LABEL)
    arrays = split_arrays(faces, split, size=size, channels=channels)
    found = numbers[arrays.labels]
    kept = found != labels.NO_LABEL
    gone = collections.Counter(faces.class_names[label] for label in arrays.labels[~kept].tolist())
    copies = np.zeros(len(found), bool) if arrays.copies is None else arrays.copies
    return {
        "image": arrays.images[kept],
        "label": found[kept],
        "copy_in_train": copies[kept],
    }, gone


def _mark_copies(splits):
    learned = {picture.pixel_hash(image) for image in splits["train"]["image"]}
    for name, arrays in splits.items():
        if name == "train":
            del arrays["copy_in_train"]
            continue
        copies = [picture.pixel_hash(image) in learned for image in arrays["image"]]
        arrays["copy_in_train"] |= np.array(copies, bool)
