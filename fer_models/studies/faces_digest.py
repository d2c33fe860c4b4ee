"""A hash by which a study knows its faces again."""

import hashlib
from collections.abc import Iterator
from typing import Any

from fer_data import picture
from fer_data.pipelines.labelled_faces import LabelledFaces


def faces_digest(faces: LabelledFaces) -> str:
    """Return a hash of the pixels and labels of all faces, split by split.

    The order of the faces in a split and the place where they lie do not matter, so the hash of a
    folder is that of the packed file made of it.

    Args:
        faces: The faces.

    Returns:
        A hexadecimal SHA-256.

    Example:

    >>> import dataclasses
    >>> import numpy as np
    >>> splits = {"test": {"image": np.zeros((2, 8, 8, 1), "uint8"), "label": np.array([0, 1])}}
    >>> faces = LabelledFaces(splits, {"test": 2}, ("happy", "sad"), "faces.npz", packed={})
    >>> turned = {name: values[::-1] for name, values in splits["test"].items()}
    >>> faces_digest(faces) == faces_digest(dataclasses.replace(faces, splits={"test": turned}))
    True
    """
    found = hashlib.sha256(repr(tuple(faces.class_names)).encode())
    for split in sorted(faces.splits):
        own = sorted(
            picture.pixel_hash(image) + int(label).to_bytes(4, "little")
            for image, label in _pairs(faces, split)
        )
        found.update(f"{split} {len(own)}".encode())
        for each in own:
            found.update(each)
    return found.hexdigest()


def _pairs(faces: LabelledFaces, split: str) -> Iterator[tuple[Any, Any]]:
    """Yield picture and label of each face, one at a time: they may not fit into memory."""
    if faces.packed is not None:
        yield from zip(faces.splits[split]["image"], faces.splits[split]["label"], strict=True)
        return
    for face in faces.dataset(split).as_numpy_iterator():
        yield face["image"], face["label"]
