"""The faces of a split as arrays, at the size of a model: what measuring a model takes."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

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
        copies: Which faces are copies of training faces, `(faces,)`; None where the data set does
            not say.
        landmarks: `(faces, 68, 2)` in pixels of `images`; None where the data set has none.
    """

    images: np.ndarray
    labels: np.ndarray
    copies: np.ndarray | None = None
    landmarks: np.ndarray | None = None

    def __len__(self):
        return len(self.labels)

    def some(self, places: ArrayLike) -> "SplitArrays":
        """Return the faces at some places, in the order of these."""
        return SplitArrays(
            **{
                name: None if values is None else values[np.asarray(places)]
                for name, values in vars(self).items()
            }
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
        faces: What `load_faces` gives.
        split: Name of the split.
        size: Height and width of the faces, as the model takes them.
        channels: 1 or 3.
        class_names: Names in the order that the labels shall have, such as the model's; None
            leaves them as they are in the data.
        places: Numbers of the faces wanted, of which the order does not matter; None for all.

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
    labels = np.concatenate(labels)
    copies = landmarks = None
    if "copy_in_train" in faces.features(split):
        copies = faces.column(split, "copy_in_train").astype(bool)[wanted]
    if "landmarks" in faces.features(split):
        landmarks = _landmarks(faces, split, size)[wanted]
    return SplitArrays(
        np.concatenate(images), labels if order is None else order[labels], copies, landmarks
    )


def split_batches(
    faces: LabelledFaces, split: str, *, size: tuple[int, int], channels: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the faces of a split a batch at a time, for those that do not fit into the memory.

    Args:
        faces: What `load_faces` gives.
        split: Name of the split.
        size: Height and width of the faces.
        channels: 1 or 3.

    Yields:
        uint8 images `(batch, height, width, channels)` and class numbers `(batch,)`.
    """
    check_split(faces, split)
    for _, images, labels in _batches(faces, split, size, channels):
        yield images, labels


def draw_places(count: int, wanted: int | None, seed: int = 0) -> np.ndarray:
    """Return the numbers of faces drawn at random without putting back, in rising order.

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


def class_order(data: Sequence[str], model: Sequence[str]) -> np.ndarray:
    """Return the number that each class of a data set has in a model.

    Args:
        data: Names of the data's classes, in their order.
        model: Names of the model's outputs, in theirs; it may have more.

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


def _mask(count, places):
    if places is None:
        return np.full(count, True)
    mask = np.zeros(count, bool)
    mask[np.asarray(places)] = True
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
    """Return the landmarks that come with faces, in the pixels of what the model sees."""
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
