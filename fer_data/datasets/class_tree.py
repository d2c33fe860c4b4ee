"""Class-per-folder trees: which folders are splits, which are classes, which files are pictures."""

import dataclasses
import itertools
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePosixPath

import numpy as np

from fer_data import picture
from fer_data.datasets.policy import FilePolicy, Item
from fer_data.datasets.preparation_report import Report
from fer_data.datasets.source import Source
from fer_data.file_limits import with_way_out
from fer_data.zip_members import DAMAGED

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "publictest": "validation",
    "test": "test",
    "testing": "test",
    "privatetest": "test",
}


def find_splits(source: Source) -> dict[str, list[str]] | None:
    """Find the split folders of a tree.

    The shallowest folder with a "train" folder is the top; single wrapping folders, as archives
    have them, are passed through.

    Args:
        source: `Source`.

    Returns:
        Dictionary from split to list of folders, `None` when there is no "train" folder.

    Raises:
        ValueError: If a split or a class folder is a link that is not followed.
    """
    level = [""]
    while level:
        for parent in level:
            check_links(source, parent, tuple(SPLIT_FOLDERS))
            splits = {}
            for folder in source.folders(parent):
                split = SPLIT_FOLDERS.get(PurePosixPath(folder).name.lower())
                if split:
                    splits.setdefault(split, []).append(folder)
            if "train" in splits:
                for folder in itertools.chain.from_iterable(splits.values()):
                    check_links(source, folder)
                return splits
        # Deeper only through wrapping folders: a class folder named "train" is no split.
        level = source.folders(level[0]) if len(level) == 1 else []
        level = level if len(level) == 1 else []
    return None


def check_links(source: Source, parent: str, names: Collection[str] | None = None) -> None:
    """Raise `ValueError` for a link to a folder that is not followed, where a class is expected.

    Args:
        source: `Source`.
        parent: The folder that holds the folders of classes or splits.
        names: Names that count, in small letters; `None` for all.
    """
    for name, (reason, detail) in source.refused.items():
        path = PurePosixPath(name)
        if (
            reason == "link_outside"
            and path.parent == PurePosixPath(parent)
            and (names is None or path.name.lower() in names)
            and os.path.isdir(source.root / name)
        ):
            raise ValueError(
                "`path` must hold its class folders itself, or they would be left out. "
                f"Received: {source.where(name)}, {detail}"
            )


def read_picture(source: Source, name: str, channels: int, smaller: bool = False) -> np.ndarray:
    """Read and decode one picture of a source.

    Args:
        source: `Source`.
        name: Name in the source.
        channels: 1 or 3.
        smaller: Whether a JPEG between the limits `pixels` and `jpeg_pixels` is decoded at a part
            of its size. Not for pictures in which places are given in pixels.

    Returns:
        uint8 array `(height, width, channels)`.

    Raises:
        picture.UnreadableError: If the file or the picture cannot be read, or is beyond a limit of
            the source.
    """
    try:
        data = source.read(name)
    except DAMAGED as error:
        raise picture.UnreadableError("unreadable", f"{type(error).__name__}: {error}") from error
    except picture.UnreadableError as error:
        raise with_way_out(error) from error
    limits = source.limits
    try:
        most = limits.jpeg_pixels if smaller else 0
        return picture.decode(data, channels, limits.pixels, jpeg_pixels=most)
    except picture.UnreadableError as error:
        raise with_way_out(error) from error


@dataclasses.dataclass(slots=True)
class PictureFile:
    """A function that reads a picture of a source; one of them is kept for every picture.

    Attributes:
        source, name, channels: As for `read_picture`.
    """

    source: Source
    name: str
    channels: int

    def __call__(self) -> np.ndarray:
        """Return the pixels; see `read_picture`."""
        return read_picture(self.source, self.name, self.channels, smaller=True)


def tree_items(
    source: Source,
    splits: Mapping[str, list[str]],
    label_of: Callable[[str], int | None],
    channels: int,
    policy: FilePolicy,
    report: Report,
    passed_over: Callable[[str], bool] = lambda folder: False,
) -> list[Item]:
    """List the pictures of a class-per-folder tree.

    Args:
        source: `Source`.
        splits: Dictionary from split to list of folders that hold the class folders.
        label_of: Function from class folder name to class index, to `None` for a class to leave
            out, or raising `KeyError` for an unknown one.
        channels: 1 or 3.
        policy: `FilePolicy`.
        report: `Report`.
        passed_over: Function that says, of the name of a folder beside the class folders, whether
            it holds other things; its files are ignored.

    Returns:
        List of `Item`; `id` is the path in the source.
    """
    items = []
    claimed = set()
    for split, folders in splits.items():
        for folder in folders:
            for class_folder in source.folders(folder):
                title = PurePosixPath(class_folder).name
                if passed_over(title):
                    continue
                names = source.files_below(class_folder)
                claimed.update(names)
                try:
                    label = label_of(title)
                except KeyError:
                    for name in names:
                        detail = f"folder {title!r} is no known class"
                        policy.bad(report, "unknown_class", source.where(name), detail)
                    report.read += len(names)
                    continue
                if label is None:
                    for name in names:
                        report.drop("left_out_class", source.where(name), f"class map: {title!r}")
                    report.read += len(names)
                    continue
                items += _class_items(source, split, label, names, channels, policy, report)
    report.ignored += [source.where(name) for name in source.names if name not in claimed]
    return items


def _class_items(source, split, label, names, channels, policy, report):
    for name in names:
        if not name.lower().endswith(picture.SUFFIXES):
            report.read += 1
            policy.bad(report, "not_a_picture", source.where(name), "by its file name")
            continue
        yield Item(split, label, name, source.where(name), PictureFile(source, name, channels))
