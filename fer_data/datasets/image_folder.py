"""Any class-per-folder tree of pictures."""

import hashlib
import json
import os
from pathlib import PurePosixPath
from typing import Any

import tensorflow_datasets as tfds

from fer_data import picture
from fer_data.datasets.class_tree import SPLIT_FOLDERS, check_links, find_splits, tree_items
from fer_data.datasets.group_file import feature_name, read_groups
from fer_data.datasets.local_builder import LocalBuilder
from fer_data.datasets.policy import FilePolicy
from fer_data.file_limits import IMAGE_FOLDER, is_number
from fer_data.labels import EMOTIONS_WITH_CONTEMPT, canonical, is_emotion

CHANNELS = {"rgb": 3, "grayscale": 1}


class ImageFolder(LocalBuilder, skip_registration=True):
    """Pictures in class folders, `<class>/*.jpg` or `train/<class>/*.jpg`.

    The tree holds class folders directly (then all pictures are `train`, and
    `validation_fraction` and `test_fraction` take the other splits from it), or the folders
    train, validation (also val, valid) and test with class folders in them. Pictures may lie
    deeper below their class folder.

    Without `class_map` and `classes`, the folders name the classes. If every class folder is named
    after an emotion, in any known spelling, the classes are the emotions that occur, in the order
    of `EMOTIONS` (contempt last). Else they are the folder names, sorted (numbers of the digits 0
    to 9 by value, before the others).

    Args:
        path: Folder or zip archive.
        class_map: Dictionary from folder name to class name, `None` for a folder to leave out.
            Folders it lacks are of unknown class; `on_bad` decides on them.
        classes: Class names in label order, to fix this order or to include classes that do not
            occur. Without `class_map`, a folder gives the class of its own name, or else the one
            that is another spelling of the same emotion.
        color_mode: `"rgb"` or `"grayscale"`.
        groups: CSV file that names the group of the person in each picture, as for
            `fer_data.datasets.group_file.read_groups`. Each of its columns becomes a feature of the
            pictures, `group_` and the column's name, `""` where nothing is known.
        **kwargs: See `LocalBuilder`. Here `on_duplicate` and `on_conflict` default to `"drop"`.
    """

    name = "image_folder"
    default_policy = FilePolicy(on_duplicate="drop", on_conflict="drop")
    default_limits = IMAGE_FOLDER

    def __init__(
        self,
        *,
        path: str | os.PathLike[str],
        groups: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        # Named only where it is given, so that data prepared without it are found again.
        given: dict[str, Any] = {} if groups is None else {"groups": os.fspath(groups)}
        super().__init__(path=path, **given, **kwargs)

    def _find(self, class_map=None, classes=None, color_mode="rgb", groups=None):
        if color_mode not in CHANNELS:
            raise ValueError(
                f"`color_mode` must be one of {tuple(CHANNELS)}. "
                f"Received: color_mode={color_mode!r}"
            )
        self.channels = CHANNELS[color_mode]
        self._groups = None if groups is None else read_groups(groups)
        self._splits = find_splits(self._source)
        if self._splits is None:
            top = self._top()
            check_links(self._source, top)
            self._splits = {"train": [top]}
        folders = self._class_folders()
        self._map, self._spelled = _class_map(folders, class_map), {}
        if classes is None:
            self._classes = _class_order({name for name in self._map.values() if name is not None})
        else:
            self._classes = _given(classes)
            if class_map is None:
                plain, self._map = self._map, _matched(folders, self._classes)
                self._spelled = {
                    folder: name
                    for folder, name in self._map.items()
                    if name in self._classes and name != plain[folder]
                }
        present = {self._map.get(folder) for folder in folders} & set(self._classes)
        if len(present) < 2:
            raise ValueError(
                "`path` must hold pictures in at least two class folders, <class>/*.jpg or "
                f"train/<class>/*.jpg. Received: {self._source.root} with the class folders "
                f"{sorted(folders)}, which give the classes {sorted(present)}"
            )

    def _class_names(self):
        return self._classes

    def _items(self, report):
        def label_of(folder):
            name = self._map[folder]
            if name is None:
                return None
            if name not in self._classes:
                raise KeyError(folder)
            return self._classes.index(name)

        items = tree_items(
            self._source, self._splits, label_of, self.channels, self._policy, report
        )
        if self._groups is not None:
            self._add_groups(items, report)
        return items

    def _add_groups(self, items, report):
        found, unused = self._groups.of([item.id for item in items])
        for place, item in enumerate(items):
            known = {feature_name(column): values[place] for column, values in found.items()}
            item.extra |= known
            if not any(known.values()):
                report.keep("no_group", item.where, f"of no group in {self._groups.path}")
        for name in unused:
            report.drop("group_without_picture", name, f"a row of {self._groups.path}")

    def _extra_features(self):
        columns = () if self._groups is None else self._groups.columns
        return {feature_name(column): tfds.features.Text() for column in columns}

    def _identity(self):
        identity = super()._identity()
        if self._spelled:
            # These folders were once left out. Named only where there are some, so that other
            # prepared data are found again.
            identity["folders"] = self._spelled
        if self._groups is not None:
            # The prepared data depend on the file's content, not on its place.
            rows = json.dumps(self._groups.rows, sort_keys=True)
            identity["groups"] = hashlib.sha256(rows.encode()).hexdigest()
        return identity

    def _top(self):
        """Pass through single wrapping folders, as archives have them."""
        top = ""
        while len(self._source.folders(top)) == 1:
            only = self._source.folders(top)[0]
            if not self._source.folders(only):
                break
            top = only
        names = {PurePosixPath(folder).name.lower() for folder in self._source.folders(top)}
        if names & set(SPLIT_FOLDERS):
            raise ValueError(
                "`path` must have a train folder where it has folders for other splits. "
                f"Received: {self._source.root} with the folders {sorted(names)}"
            )
        return top

    def _class_folders(self):
        return {
            PurePosixPath(folder).name
            for tops in self._splits.values()
            for top in tops
            for folder in self._source.folders(top)
            if any(n.lower().endswith(picture.SUFFIXES) for n in self._source.files_below(folder))
        }


def _class_map(folders, class_map):
    if class_map is None:
        if all(is_emotion(folder) for folder in folders):
            return {folder: canonical(folder) for folder in folders}
        return {folder: folder for folder in folders}
    if not isinstance(class_map, dict) or not all(
        name is None or isinstance(name, str) for name in class_map.values()
    ):
        raise ValueError(
            "`class_map` must be a dictionary from folder name to class name or None. "
            f"Received: class_map={class_map!r}"
        )
    absent = sorted(set(class_map) - folders)
    if absent:
        raise ValueError(
            f"`class_map` must name folders of the tree; it has no {absent}. "
            f"Received: the class folders {sorted(folders)}"
        )
    return class_map


def _matched(folders, classes):
    """Return the class of each folder, by its name or by another spelling of the same emotion."""
    spelled = {canonical(name): name for name in classes if is_emotion(name)}
    return {
        folder: spelled.get(canonical(folder), folder)
        if folder not in classes and is_emotion(folder)
        else folder
        for folder in folders
    }


def _class_order(names):
    if names <= set(EMOTIONS_WITH_CONTEMPT):
        return tuple(name for name in EMOTIONS_WITH_CONTEMPT if name in names)
    return tuple(
        sorted(names, key=lambda name: (not is_number(name), is_number(name) and int(name), name))
    )


def _given(classes):
    if isinstance(classes, str) or len(set(classes)) < len(classes) or len(classes) < 2:
        raise ValueError(
            "`classes` must be two or more class names without repeats. "
            f"Received: classes={classes!r}"
        )
    return tuple(classes)
