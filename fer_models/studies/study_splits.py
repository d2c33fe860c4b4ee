"""The faces of a table of a paper: to train on, to choose an epoch by, and to score on."""

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from fer_data.pipelines.split_arrays import SplitArrays, split_arrays
from fer_data.protocols.setting_apart import set_apart
from fer_models.studies.study_faces import fewer_faces, study_faces

# Drawn faces to score on, as a share of those to train on.
SHARE = 0.5
CHOOSING = 0.1


@dataclasses.dataclass(frozen=True, eq=False)
class StudySplits:
    """The faces of a table.

    Attributes:
        parts: The faces by part: `"train"`, `"test"`, and `"validation"` where one is wanted.
        names: Names of the classes.
        remarks: How the parts came about, a sentence each.
    """

    parts: Mapping[str, SplitArrays]
    names: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Height, width and channels of a face."""
        return self.parts["train"].images.shape[1:]

    def digest(self) -> str:
        """Return a hash of all pixels and labels."""
        found = hashlib.sha256()
        for name in sorted(self.parts):
            for values in (self.parts[name].images, self.parts[name].labels):
                found.update(np.ascontiguousarray(values).tobytes())
        return found.hexdigest()


def load_splits(
    data: str,
    path: str | os.PathLike[str] | None,
    *,
    size: int,
    channels: int | None = None,
    train: int | None = None,
    choosing: bool = True,
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 1,
) -> StudySplits:
    """Return the faces of a data set, divided as a table of a paper needs them.

    Test faces are those of the data set. FER2013 as it is shared in public has none; its validation
    faces are the test faces then. The epoch is chosen on a tenth of the training faces, never on
    test faces.

    Args:
        data: A name of `fer_data.pipelines.labelled_faces.FACES`.
        path: Folder, archive or packed file of the data set; None for `"synthetic"`.
        size: Height and width of the faces.
        channels: 1 for grey, 3 for colour; None for the data's own.
        train: Number of training faces, drawn with every class in its share; None for all.
        choosing: Whether to set faces apart to choose an epoch by.
        data_dir: Where prepared data sets are kept.
        seed: Of the drawing.

    Returns:
        `StudySplits`.

    Raises:
        ValueError: If the data set has neither test nor validation faces, or `train` does not fit
            its training faces.
    """
    wanted = train or 1000
    few = max(7, round(SHARE * wanted))
    # Faces to choose an epoch by come out of the training faces below, and only where wanted.
    faces = study_faces(
        data,
        path,
        data_dir=data_dir,
        size=size,
        seed=seed,
        train=wanted,
        validation=7,
        test=few,
        validation_fraction=0,
    )
    if channels is None:
        split = faces.splits["train"]
        image = split["image"] if faces.packed is not None else split.element_spec["image"]
        channels = image.shape[-1] or 3
    scored = next((name for name in ("test", "validation") if name in faces.counts), None)
    if scored is None:
        raise ValueError(
            "The data set must have test or validation faces to score on. "
            f"Received: {data!r} with {sorted(faces.counts)}"
        )
    remarks = []
    if scored != "test":
        remarks.append(
            f"{data} has no test faces here: its {faces.counts[scored]:,} validation faces are the "
            "test faces."
        )
    options: dict[str, Any] = {"size": (size, size), "channels": channels}
    parts = {"test": split_arrays(faces, scored, **options)}
    found = split_arrays(faces, "train", **options)
    if train is not None and train < len(found):
        remarks.append(f"{train:,} of {len(found):,} training faces, every class in its share.")
        found = found.some(fewer_faces(found.labels, train, seed))
    elif train is not None and train > len(found):
        raise ValueError(
            f"`train` must be at most {len(found):,}, the training faces of {data!r}. "
            f"Received: train={train}"
        )
    if choosing:
        goes = set_apart(
            [hashlib.sha256(image).hexdigest() for image in found.images],
            found.labels.tolist(),
            {"validation": CHOOSING},
            seed,
        )
        chosen = np.array([split == "validation" for split in goes])
        if not chosen.any():
            raise ValueError(
                "`train` must be larger, or more faces given: the epoch is chosen on a tenth of "
                "the different training faces of each class, which would be none. Received: "
                f"train={train}, {len(found):,} training faces"
            )
        parts |= {
            "train": found.some(np.flatnonzero(~chosen)),
            "validation": found.some(np.flatnonzero(chosen)),
        }
        remarks.append(
            f"The best epoch is chosen on {len(parts['validation']):,} of the training faces, "
            f"which leaves {len(parts['train']):,} to train on."
        )
    else:
        parts["train"] = found
    return StudySplits(parts, tuple(faces.class_names), tuple(remarks))
