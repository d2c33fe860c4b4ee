"""The faces of an audit: checked, and no training face where it must not be."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from fer_data.checks import as_array, check_scale
from fer_models.privacy import content_hashes, overlaps
from fer_models.privacy.overlap import OverlapError


@dataclasses.dataclass(frozen=True)
class Faces:
    """Faces of one set.

    Attributes:
        images: Array `(faces, height, width, channels)` in [0, 255].
        labels: Integers `(faces,)`.
        hashes: Content hashes.
    """

    images: np.ndarray = dataclasses.field(repr=False)
    labels: np.ndarray = dataclasses.field(repr=False)
    hashes: np.ndarray = dataclasses.field(repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def copies(self) -> int:
        """How many faces are copies of another one of the set."""
        return len(self) - len(set(self.hashes))

    def some(self, count: int, seed: int) -> np.ndarray:
        """Return the numbers of `count` faces, drawn without putting back, in order."""
        if count >= len(self):
            return np.arange(len(self))
        return np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False))


def checked_faces(
    name: str, pair: tuple[ArrayLike, ArrayLike], shape: tuple[int | None, ...], classes: int
) -> Faces:
    """Return `Faces` of `(images, labels)`, or raise `ValueError`.

    Args:
        name: Of the argument, for messages.
        pair: What was given.
        shape: Shape of one image as the model takes it; open sizes are None.
        classes: Number of classes.
    """
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(
            f"`{name}` must be a pair (images, labels). Received: a {type(pair).__name__}"
        )
    images, labels = (as_array(name, each) for each in pair)
    fits = images.ndim == 4 and all(
        theirs in (None, ours) for theirs, ours in zip(shape, images.shape[1:], strict=True)
    )
    if not fits or not len(images):
        raise ValueError(
            f"`{name}` must hold images of shape (faces, {', '.join(map(str, shape))}), one face "
            f"or more. Received: shape={images.shape}"
        )
    if images.dtype.kind not in "uif" or not np.isfinite(images).all():
        raise ValueError(f"`{name}` must hold finite numbers. Received: dtype={images.dtype}")
    if images.min() < 0 or images.max() > 255:
        raise ValueError(
            f"`{name}` must hold images in [0, 255]. Received: values from {images.min()} to "
            f"{images.max()}"
        )
    check_scale(name, images)
    if labels.shape == (len(images), classes):
        labels = labels.argmax(axis=-1)
    if labels.shape != (len(images),) or labels.dtype.kind not in "ui":
        raise ValueError(
            f"`{name}` must hold one integer label an image, {len(images)}. "
            f"Received: shape={labels.shape}, dtype={labels.dtype}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"`{name}` must hold labels from 0 to {classes - 1}. Received: {labels.min()} to "
            f"{labels.max()}"
        )
    return Faces(images, labels.astype(int), content_hashes(images))


def refuse_training_faces(sets: Mapping[str, Faces]) -> dict[tuple[str, str], int]:
    """Raise `OverlapError` where sets share faces that would make the audit worthless.

    Members, non-members and population must be disjoint, and no test face may be a member. The
    test faces may be non-members or of the population: the model knows neither.

    Args:
        sets: Dictionary of `Faces` by the names `members`, `non_members`, `population`, `test`.

    Returns:
        The harmless overlaps: a dictionary from pairs of names to counts.
    """
    found = overlaps({name: faces.hashes for name, faces in sets.items()})
    harmless = {pair: n for pair, n in found.items() if "test" in pair and "members" not in pair}
    bad = {pair: n for pair, n in found.items() if pair not in harmless}
    if bad:
        shared = ", ".join(f"{n} in both {a} and {b}" for (a, b), n in bad.items())
        raise OverlapError(
            "`members`, `non_members` and `population` must have no face in common, and `test` "
            f"none with `members`, or the audit measures nothing. Received: {shared}",
            bad,
        )
    return harmless
