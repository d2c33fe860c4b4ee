"""The faces of a split as arrays at a model's size, for measuring the model."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import check_integer
from fer_data.faces.cut import cut_points
from fer_data.faces.face import Framing
from fer_data.labels import index_map
from fer_data.pipelines import face_arrays
from fer_data.pipelines.labelled_faces import LabelledFaces

_BATCH = 256


@dataclasses.dataclass(frozen=True, eq=False)
class SplitArrays:
    """Faces of one split.

    Attributes:
        images: uint8 `(faces, height, width, channels)`.
        labels: Class numbers `(faces,)`.
        copies: Which faces are copies of training faces, `(faces,)`; None if unknown.
        landmarks: `(faces, 68, 2)` in pixels of `images`; None where the data set has none.
    """

    images: np.ndarray
    labels: np.ndarray
    copies: np.ndarray | None = None
    landmarks: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def some(self, places: ArrayLike) -> "SplitArrays":
        """Return the faces at some places, in the order of these."""
        return SplitArrays(
            **{  # type: ignore[arg-type]
                name: None if values is None else values[np.asarray(places)]
                for name, values in vars(self).items()
            }
        )


@arguments.checked(
    faces=arguments.instance(LabelledFaces, "`LabelledFaces`, as `load_faces` returns them"),
    split=arguments.text,
    size=arguments.sequence(arguments.integer(1, 2**15), 2, 2),
    channels=arguments.choice((1, 3)),
    class_names=arguments.sequence(arguments.text),
    places=arguments.array((None,), kinds="ui", empty=True),
)
def split_arrays(
    faces: LabelledFaces,
    split: str,
    *,
    size: tuple[int, int],
    channels: int,
    class_names: Sequence[str] | None = None,
    places: ArrayLike | None = None,
) -> SplitArrays:
    """Return faces of a split as arrays.

    Args:
        faces: The result of `load_faces`.
        split: Name of the split.
        size: Height and width of the faces, as the model takes them.
        channels: 1 or 3.
        class_names: Names of the classes in the order that numbers the labels, such as the model's;
            None keeps the data's numbers.
        places: Numbers of the faces wanted, in any order; None for all.

    Returns:
        `SplitArrays`, in the order of the split.

    Raises:
        ValueError: If there is no such split, or a class of the data is not in `class_names`.

    Example:

    ```python
    faces = load_faces("folder", "my_faces")
    test = split_arrays(faces, "test", size=(48, 48), channels=1)
    report = evaluate(model, test.images, test.labels, faces.class_names)
    ```
    """
    check_split(faces, split)
    order = None if class_names is None else class_order(faces.class_names, class_names)
    wanted = _mask(faces.counts[split], places)
    images, labels = [], []
    for start, pictures, numbers in _batches(faces, split, size, channels):
        here = wanted[start : start + len(numbers)]
        images.append(pictures[here])
        labels.append(numbers[here])
    numbers = np.concatenate(labels)
    copies = landmarks = None
    if "copy_in_train" in faces.features(split):
        copies = faces.column(split, "copy_in_train").astype(bool)[wanted]
    if "landmarks" in faces.features(split):
        landmarks = _landmarks(faces, split, size)[wanted]
    return SplitArrays(
        np.concatenate(images), numbers if order is None else order[numbers], copies, landmarks
    )


@arguments.checked(
    faces=arguments.instance(LabelledFaces, "`LabelledFaces`, as `load_faces` returns them"),
    split=arguments.text,
    size=arguments.sequence(arguments.integer(1, 2**15), 2, 2),
    channels=arguments.choice((1, 3)),
)
def split_batches(
    faces: LabelledFaces, split: str, *, size: tuple[int, int], channels: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the faces of a split batch by batch, for splits that do not fit into memory.

    Args:
        faces: The result of `load_faces`.
        split: Name of the split.
        size: Height and width of the faces.
        channels: 1 or 3.

    Yields:
        uint8 images `(batch, height, width, channels)` and class numbers `(batch,)`.
    """
    check_split(faces, split)
    for _, images, labels in _batches(faces, split, size, channels):
        yield images, labels


@arguments.checked(
    count=arguments.integer(0),
    wanted=arguments.optional(arguments.integer(0)),
    seed=arguments.seed,
)
def draw_places(count: int, wanted: int | None, seed: int = 0) -> np.ndarray:
    """Return the numbers of faces drawn at random, without replacement, in rising order.

    Args:
        count: How many faces there are.
        wanted: How many to draw; None, or more than there are, for all.
        seed: Integer of 0 or more.

    Example:

    >>> draw_places(5, None).tolist(), len(draw_places(100, 3))
    ([0, 1, 2, 3, 4], 3)
    """
    check_integer("seed", seed, 0)
    if wanted is None or wanted >= count:
        return np.arange(count)
    check_integer("wanted", wanted, 0)
    return np.sort(np.random.default_rng(seed).permutation(count)[:wanted])


@arguments.checked(
    data=arguments.sequence(arguments.text), model=arguments.sequence(arguments.text)
)
def class_order(data: Sequence[str], model: Sequence[str]) -> np.ndarray:
    """Return the number that each class of a data set has in a model.

    Args:
        data: Names of the data's classes, in their order.
        model: Names of the model's outputs, in their order; there may be more of them.

    Raises:
        ValueError: If the model lacks a class of the data.

    Example:

    >>> class_order(("happy", "sad"), ("angry", "sad", "happy"))
    array([2, 1])
    """
    try:
        return index_map(data, model)
    except ValueError as error:
        raise ValueError(
            "The model must have every class of the data. "
            f"Received: {list(model)} of the model, {list(data)} of the data"
        ) from error


def check_split(faces: LabelledFaces, split: str) -> None:
    """Raise `ValueError` unless the data has a split of that name."""
    if split not in faces.counts:
        raise ValueError(f"`split` must be one of {sorted(faces.counts)}. Received: {split!r}")


@arguments.checked(counts=arguments.mapping(arguments.integer()))
def default_split(counts: Mapping[str, int]) -> str:
    """Return the split that tells how good a model is: test, else validation, else the only one.

    Args:
        counts: Number of faces by split.

    Raises:
        ValueError: If there are several, and none of these.
    """
    for name in ("test", "validation"):
        if name in counts:
            return name
    if len(counts) != 1:
        raise ValueError(
            f"`splits` must name one of {sorted(counts)}, where there is neither a test nor a "
            "validation split. Received: none"
        )
    return next(iter(counts))


def _mask(count, places):
    if places is None:
        return np.full(count, True)
    mask = np.zeros(count, bool)
    mask[np.asarray(places, dtype=int)] = True
    return mask


def _batches(faces, split, size, channels):
    """Yield the number of the first face, images and labels of each batch."""
    start = 0
    for images, labels in _pairs(faces, split, tuple(size), channels):
        yield start, images, labels
        start += len(labels)


def _pairs(faces, split, size, channels):
    if faces.packed is not None:
        arrays = faces.splits[split]
        for at in range(0, len(arrays["label"]), _BATCH):
            part = slice(at, at + _BATCH)
            images = face_arrays.resized(arrays["image"][part], size, channels)
            yield images, np.asarray(arrays["label"][part], "int32")
        return
    from fer_data.pipelines import images

    yield from images.pipeline(
        faces.splits[split],
        size=size,
        channels=channels,
        classes=len(faces.class_names),
        labels="sparse",
        dtype="uint8",
        batch_size=_BATCH,
        cache=False,
    ).as_numpy_iterator()


def _landmarks(faces, split, size):
    """Return the landmarks of faces, in pixels of the images that the model sees."""
    found = []
    for face in faces.splits[split].as_numpy_iterator():
        if "box" in face:
            framing = Framing(*face["framing"].tolist())
            found.append(cut_points(face["landmarks"], face["box"], size[0], framing=framing))
        else:
            rows, columns = face["image"].shape[:2]
            scale = np.array([size[1] / columns, size[0] / rows])
            found.append((face["landmarks"] + 0.5) * scale - 0.5)
    return np.stack(found)
