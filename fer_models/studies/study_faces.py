"""The faces of a study."""

import os

import numpy as np

from fer_data import datasets
from fer_data.pipelines.labelled_faces import FACES, RENDERED, LabelledFaces, load_faces
from fer_data.protocols import stratified


def study_faces(
    data: str,
    path: str | os.PathLike[str] | None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    size: int,
    seed: int,
    train: int,
    validation: int,
    test: int,
    validation_fraction: float | None = None,
) -> LabelledFaces:
    """Return the faces of a data set, or as many drawn ones as a study needs.

    Args:
        data: A name of `fer_data.pipelines.labelled_faces.FACES`.
        path: Folder or archive of the data set; None for `"synthetic"`.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        size: Side of the faces that are wanted.
        seed: Of the drawn faces, and of the division of a data set that has none.
        train: Drawn faces to train on.
        validation: Drawn faces to choose an epoch by.
        test: Drawn faces to score on.
        validation_fraction: As in `load_faces`: 0 takes no validation faces out of the training
            faces.

    Returns:
        `LabelledFaces`.
    """
    if data != "synthetic":
        return load_faces(
            data,
            path,
            data_dir=data_dir,
            size=size,
            validation_fraction=validation_fraction,
            seed=seed,
        )
    counts = {"train": train, "validation": validation, "test": test}
    builder = datasets.prepare(
        FACES[data], path=path, data_dir=data_dir, seed=seed, size=max(size, RENDERED), **counts
    )
    return LabelledFaces(
        splits={name: builder.as_dataset(split=name) for name in counts},
        counts=counts,
        class_names=tuple(builder.info.features["label"].names),
        source=str(builder.data_path),
    )


def fewer_faces(labels: np.ndarray, train: int, seed: int = 0) -> np.ndarray:
    """Return the places of some training faces, with every class in its share.

    Args:
        labels: Class of every training face; there are more than `train`.
        train: Number of faces to keep.
        seed: Of the choice.

    Raises:
        ValueError: If so many cannot be kept, or left out, or a class would lose all its faces.

    Example:

    >>> fewer_faces(np.array([0, 0, 0, 0, 1, 1]), 3).shape
    (3,)
    """
    counts, total = np.unique(labels, return_counts=True)[1], len(labels)
    if counts.min() < 2:
        raise ValueError(
            f"`train` must be {total:,}, all training faces, where a class has a single one, which "
            f"cannot be both kept and left out. Received: train={train}"
        )
    if not len(counts) <= train <= total - len(counts):
        raise ValueError(
            f"`train` must be {total:,}, all training faces, or from {len(counts)} to "
            f"{total - len(counts):,}, so that as many are kept as there are classes, and as many "
            f"left out. Received: train={train}"
        )
    share = train / total
    chosen = stratified(labels, {"train": share, "rest": 1 - share}, seed=seed)["train"]
    if len(np.unique(labels[chosen])) < len(counts):
        raise ValueError(
            f"`train` must be larger: the rarest class has {counts.min():,} of {total:,} training "
            f"faces, and none would be kept. Received: train={train}"
        )
    return chosen
