"""The data of a training on micro-expressions: labelled clips of one length, in memory."""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fer_data import datasets, protocols
from fer_data.datasets import clip_table
from fer_data.pipelines.clips import fixed_clip, fixed_landmarks

# Data sets that people obtain from their owners.
REAL = ("casme2", "cas_me2", "cas_me3", "samm_long_videos", "smic_hs")
# The composite data set of MEGC 2019, in the order in which their folders are named.
COMPOSITE = ("casme2", "smic_hs", "samm_long_videos")
SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True)
class ClipSource:
    """A data set of clips to prepare.

    Attributes:
        name: A name of `REAL`, or `"synthetic"` for rendered people.
        path: Folder or archive of the data set; None for `"synthetic"`.
        options: Arguments of its builder, such as `{"pictures": "raw"}`.
    """

    name: str
    path: str | os.PathLike[str] | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def builder(self) -> str:
        """Name of the builder in `fer_data.datasets`."""
        return "synthetic_micro_expressions" if self.name == SYNTHETIC else self.name


@dataclasses.dataclass(frozen=True, eq=False)
class ClipData:
    """Clips with a label.

    Attributes:
        faces: uint8 `(clips, frames, 2 * size, 2 * size, 3)`, all brought to one length.
        clips: `fer_data.protocols.Clips`, in the same order.
        names: Names of the classes.
        facts: Their description for a report, of JSON's types.
        landmarks: float32 `(clips, 68, 2)`, of the first frame of each, in pixels of `faces`; or
            None where nobody knows them, which leaves only the grid of regions.
    """

    faces: np.ndarray
    clips: protocols.Clips
    names: tuple[str, ...]
    facts: Mapping[str, Any]
    landmarks: np.ndarray | None = None

    def digest(self) -> str:
        """Return a hash of which clips, labels and frames these are."""
        columns = (self.clips.ids, self.clips.subjects, self.clips.labels, self.clips.content)
        rows = zip(*columns, strict=True)  # type: ignore[arg-type]
        words = "\n".join(" ".join(map(str, row)) for row in rows)
        return hashlib.sha256(words.encode()).hexdigest()


def clip_sources(
    names: Sequence[str],
    paths: Sequence[str | os.PathLike[str]] | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    composite: bool = False,
) -> list[ClipSource]:
    """Return data sets of clips with the options of their builders.

    Args:
        names: Names of the data sets, of `REAL` or `"synthetic"`.
        paths: Folder or archive of each, in the same order; None for `"synthetic"` alone.
        options: Arguments of the builders: `pictures` of all, `casme2.pictures` of one.
        composite: Whether they are to be the composite data set of MEGC 2019, which takes the
            clips of SAMM, not its long videos.

    Returns:
        A list of `ClipSource`.

    Raises:
        ValueError: If there are not as many paths as names.

    Example:

    >>> found = clip_sources(["casme2", "smic_hs"], ["a", "b"], {"casme2.pictures": "raw"})
    >>> [source.options for source in found]
    [{'pictures': 'raw'}, {}]
    """
    places: list[Any] = [None] * len(names) if paths is None else list(paths)
    if len(places) != len(names):
        raise ValueError(
            f"`paths` must name {len(names)} folders, of {' '.join(names)} in this order. "
            f"Received: {len(places)}"
        )
    found = []
    for name, path in zip(names, places, strict=True):
        own = {"pictures": "clips"} if composite and name == "samm_long_videos" else {}
        for key, value in (options or {}).items():
            whose, dot, option = key.rpartition(".")
            if not dot or whose == name:
                own[option] = value
        found.append(ClipSource(name, path, own))
    return found


def load_clips(
    sources: Sequence[ClipSource],
    *,
    frames: int = 16,
    size: int = 64,
    data_dir: str | os.PathLike[str] | None = None,
    composite: bool = False,
    listed: Iterable[str] | None = None,
    progress: bool = True,
) -> ClipData:
    """Prepare data sets of clips, where they are not prepared yet, and read the labelled clips.

    Args:
        sources: The data sets. Their classes must have the same names.
        frames: Frames of every clip.
        size: Height and width of a region of a face, half of the face's own, in pixels.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        composite: Whether to take the clips of the composite data set of MEGC 2019 alone.
        listed: Ids of the clips of the challenge, with `composite`; None for its rules.
        progress: Whether to show a bar.

    Returns:
        `ClipData`.

    Raises:
        FileNotFoundError: If there is nothing at a path.
        ValueError: If there is no clip with a label, or the classes of two data sets differ.

    Example:

    ```python
    data = load_clips([ClipSource("casme2", "CASME2.zip")])
    data.faces.shape, data.names
    ```
    """
    import tensorflow as tf
    from tqdm import tqdm

    builders = [
        datasets.prepare(
            source.builder,
            path=source.path,
            data_dir=data_dir,
            **{"size": 2 * size, **source.options},
        )
        for source in sources
    ]
    table = clip_table.read(*builders)
    facts: dict[str, Any] = {}
    if composite:
        chosen_ones = protocols.megc_2019(table, listed=None if listed is None else list(listed))
        chosen = chosen_ones.places
        facts = {"counts": chosen_ones.counts, "differences": list(chosen_ones.differences)}
    else:
        chosen = table.labelled()
        if not len(chosen):
            words = " ".join(source.name for source in sources)
            raise ValueError(
                f"`sources` must have clips with a label. Received: {words}, with none"
            )
    clips, wanted = table.take(chosen), set(chosen.tolist())
    # One array of its final size: the clips of a data set fill most of a small memory.
    faces = np.empty((len(clips), frames, 2 * size, 2 * size, 3), np.uint8)
    landmarks = np.empty((len(clips), 68, 2), np.float32)
    place = number = 0
    with tqdm(total=len(table), desc="clips", unit="", disable=None if progress else True) as bar:
        for builder in builders:
            examples = builder.as_dataset(split="clips").prefetch(tf.data.AUTOTUNE)
            for example in examples.as_numpy_iterator():
                if number in wanted:
                    clip, numbers = example["frames"], example["frame_numbers"]
                    faces[place] = fixed_clip(clip, numbers, frames=frames, size=size)
                    points = fixed_landmarks(example["landmarks"], clip.shape[1], size=size)
                    landmarks[place] = points
                    place += 1
                number += 1
                bar.update()
    names = tuple(builders[0].info.features["label"].names)
    facts |= {
        "datasets": sorted(set(clips.datasets.tolist())),
        "clips": len(clips),
        "subjects": len(set(clips.subjects.tolist())),
        "classes": {name: int((clips.labels == i).sum()) for i, name in enumerate(names)},
        "unlabelled": int((table.labels < 0).sum()),
        "frames": frames,
        "sources": {source.name: {"size": 2 * size, **source.options} for source in sources},
    }
    return ClipData(faces, clips, names, facts, landmarks)
