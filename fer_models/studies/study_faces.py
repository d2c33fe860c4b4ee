"""The faces of a study."""

import os

from fer_data import datasets
from fer_data.pipelines.labelled_faces import FACES, RENDERED, LabelledFaces, load_faces


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
