"""Cut the faces out of RAF-DB's original pictures, into a tree of classes to train on."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from fer_data.checks import check_choice
from fer_data.datasets.cutting_builder import ON_MISS
from fer_data.datasets.preparation_report import Report
from fer_data.datasets.raf_db import CUT, RafDb
from fer_data.faces.cutting import Cutting, FindsFaces, cut_all
from fer_data.faces.folder import FolderCut, Miss, account
from fer_data.labels import EMOTIONS

SPLITS = ("train", "test")


@dataclasses.dataclass(frozen=True)
class SplitCut:
    """Counts of a split's pictures: cut, taken whole, left out.

    Attributes:
        pictures: Number of pictures that the list names and that are there.
        faces: Number of faces that were cut, by this call or an earlier one.
        whole: Number of pictures without a face that were taken whole.
        left_out: Number of pictures of which nothing was taken.
    """

    pictures: int
    faces: int
    whole: int
    left_out: int


@dataclasses.dataclass(frozen=True)
class RafDbCut(FolderCut):
    """Counts of RAF-DB's original pictures: cut, taken whole, left out.

    Attributes:
        splits: `SplitCut` by name of the split.
    """

    splits: dict[str, SplitCut]


def cut_raf_db(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str],
    detector: str | FindsFaces = CUT["detector"],
    *,
    size: int = CUT["size"],
    channels: int = 3,
    on_miss: str = CUT["on_miss"],
    follow_links: bool = False,
    workers: int = 1,
    progress: bool = True,
    **options: Any,
) -> RafDbCut:
    """Find the faces in RAF-DB's original pictures and cut them as recognition does.

    `train_00001.jpg` of class 5 becomes `train/sad/train_00001.png`: a tree that the data sets
    `raf_db` and `image_folder` read. The largest face of a picture is taken. `faces.csv` holds the
    place of each face in its picture. `misses.csv` lists the pictures without a face, the pictures
    that are missing, and the lines of the list that cannot be read.

    After an interruption the same call goes on. A picture whose file has changed is cut again, and
    one whose label has changed goes to its new class. Faces of earlier calls that no picture of
    the list gives now are deleted.

    Args:
        path: Folder or zip archive in the owners' layout, with `EmoLabel` and `Image/original`.
        target: Folder for the faces: a new one, an empty one, or one of an earlier call.
        detector: One of `fer_data.faces.DETECTORS`, or an object with `detect(image)`. The paper
            of GhostFace took RetinaFace.
        size: Height and width of the faces.
        channels: 1 for grey or 3 for RGB.
        on_miss: What becomes of a picture in which no face is found; see `RafDb`.
        follow_links: Whether links are followed that lead out of the folder.
        workers: As for `fer_data.faces.cut_folder`.
        progress: Whether to show it on standard error, where a person watches that.
        **options: Options of a detector given by name, as for `fer_data.faces.detector`.

    Returns:
        A `RafDbCut`.

    Raises:
        ImportError: If the detector's package is missing; the message names it.
        OSError: If the detector's weights cannot be fetched.
        ValueError: If an argument breaks its rule, the path does not hold the pictures, or the
            faces in `target` were cut by another rule.

    Example:

    ```python
    found = cut_raf_db("RAF", "raf_faces")
    print(found.splits["test"])
    ```
    """
    check_choice("on_miss", on_miss, ON_MISS)
    cutting = Cutting(detector, options, size, channels)
    cutting.check()
    builder = RafDb(path=path, pictures="uncut", follow_links=follow_links)
    report = Report(builder.name, str(path), {}, EMOTIONS)
    builder.note_refused(report)
    items = builder.listed_items(report)
    target = Path(target)
    photos = builder.photos_of(items, on_miss)
    rules = {"on_miss": on_miss}
    found = cut_all(photos, target, cutting, more_rules=rules, workers=workers, progress=progress)
    misses = [
        Miss(entry["file"], f"{reason}: {entry['detail']}")
        for reason, entries in report.dropped.items()
        for entry in entries
    ]
    splits = {}
    for split in SPLITS:
        own = [row for item, row in zip(items, found.outcomes, strict=True) if item.split == split]
        cut = sum(bool(row.face) and not row.reason for row in own)
        whole = sum(bool(row.face and row.reason) for row in own)
        splits[split] = SplitCut(len(own), cut, whole, len(own) - cut - whole)
    return RafDbCut(**account(target, cutting, found, misses), splits=splits)
