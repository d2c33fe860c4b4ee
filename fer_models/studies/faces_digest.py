"""A hash by which a study knows its faces again."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fer_data import picture
from fer_data.pipelines.labelled_faces import LabelledFaces
from fer_models.training.runs import RECORD, read


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


def compared_faces(
    output: str | os.PathLike[str],
    path: str | os.PathLike[str] | None,
    faces: Callable[[], LabelledFaces],
    *,
    finished: bool,
) -> dict[str, str]:
    """Return what the record of a study compares of its faces.

    What is finished does not need the data any more, wherever they are by now. Data that are here
    and have another name than those of the study are looked at all the same.

    Args:
        output: Folder of the study.
        path: Where the data are, by the settings.
        faces: Function that loads them.
        finished: Whether all trainings of the study are.
    """
    if finished and (Path(output) / RECORD).exists():
        held = read(output)["settings"].get("path")
        here = path is not None and os.path.exists(path)
        if not here or str(path) == str(held):
            return {}
    return {"faces": faces_digest(faces())}


def _pairs(faces: LabelledFaces, split: str) -> Iterator[tuple[Any, Any]]:
    """Yield picture and label of each face, one at a time: they may not fit into memory."""
    if faces.packed is not None:
        yield from zip(faces.splits[split]["image"], faces.splits[split]["label"], strict=True)
        return
    for face in faces.dataset(split).as_numpy_iterator():
        yield face["image"], face["label"]
