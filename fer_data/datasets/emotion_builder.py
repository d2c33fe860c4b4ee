"""Builder that the data sets of other laboratories share: one label map, people, groups."""

import abc
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import tensorflow_datasets as tfds

from fer_data import label_maps, picture
from fer_data.checks import check_flag
from fer_data.datasets.class_tree import PictureFile, tree_items
from fer_data.datasets.cutting_builder import CuttingBuilder
from fer_data.datasets.group_file import feature_name
from fer_data.datasets.policy import Item
from fer_data.labels import EMOTIONS, EMOTIONS_WITH_CONTEMPT


class EmotionBuilder(CuttingBuilder, skip_registration=True):
    """Builder of a data set whose classes `fer_data.label_maps` turns into the shared emotions.

    The classes are those of `EMOTIONS` in every data set, even if one of them does not occur, so
    that a model trained on one data set can be measured on another. Pictures of other classes are
    left out, and the report counts them by the owners' name of the class.

    Features: `image` uint8 (H, W, 3); `label`; `id`, the path of the file in the owners' layout;
    `subject`, the person in the picture, `""` if the owners do not say; `group_` and a name for
    each of `groups`, with the owners' value, `""` if they give none.

    `validation_fraction` and `test_fraction` set whole subjects apart, if the owners name them.

    Args:
        contempt: Whether contempt is an eighth class, after FER2013's seven.
        **kwargs: See `CuttingBuilder` and `LocalBuilder`.
    """

    # Names of the groups into which the owners divide people or pictures.
    groups: tuple[str, ...] = ()
    # Description of the folder or archive, for the error.
    expected = ""

    def __init__(self, *, contempt: bool = False, **kwargs: Any) -> None:
        check_flag("contempt", contempt)
        if contempt:
            # Passed on only if it is set, so that data prepared without it are found again.
            kwargs["contempt"] = True
        super().__init__(**kwargs)

    def _find(self, contempt=False, **options):
        self._contempt = contempt
        super()._find(**options)

    def _class_names(self):
        return EMOTIONS_WITH_CONTEMPT if self._contempt else EMOTIONS

    def _extra_features(self):
        names = ("subject", *map(feature_name, self.groups))
        return dict.fromkeys(names, tfds.features.Text())

    def _items(self, report):
        items = self._pictures(report)
        return items if self._cutting is None else self._cut_items(items, report)

    @abc.abstractmethod
    def _pictures(self, report):
        """Return the `Item`s of the uncut pictures, and note all other files in the report."""

    def _need(self, found):
        """Raise `ValueError` unless something of the data set was found."""
        if not found:
            raise ValueError(
                f"`path` must hold {self.expected}. Received: {self._source.root}, which has the "
                f"files {self._source.files()[:8]} and the folders {self._source.folders()[:8]}"
                f"{self._source.refusals()}"
            )

    def _ignore(self, report, used):
        """Count the unused files in the report."""
        report.ignored += [self._source.where(n) for n in self._source.names if n not in used]

    def _bad(self, report, reason, where, detail):
        report.read += 1
        self._policy.bad(report, reason, where, detail)

    def _label(self, report, where, code):
        """Return the label of an owners' class; None, and a count in the report, without one."""
        try:
            name = label_maps.owners_class(self.name, code)
        except ValueError:
            self._bad(report, "unknown_class", where, f"{code!r} is no class of {self.name}")
            return None
        label = label_maps.label_of(name, self._class_names())
        if label is None:
            report.read += 1
            report.drop(f"no class for {name}", where)
        return label

    def _item(
        self,
        name: str,
        label: int,
        *,
        split: str = "train",
        subject: str = "",
        groups: Mapping[str, str] | None = None,
    ) -> Item:
        """Return the `Item` of a picture file."""
        read = PictureFile(self._source, name, self.channels)
        return Item(
            split, label, name, self._source.where(name), read, self._about(subject, groups or {})
        )

    def _about(self, subject, groups):
        """Return the features of a picture for its person and groups."""
        about = {feature_name(group): groups.get(group, "") for group in self.groups}
        return {"subject": subject, **about}

    def _named(self, pattern: str) -> dict[str, re.Match[str]]:
        """Return the match of the pattern for each file whose name it matches, by name."""
        found = {}
        for name in self._source.names:
            match = re.fullmatch(pattern, PurePosixPath(name).name, re.IGNORECASE)
            if match:
                found[name] = match
        return found

    def _oddly_named(self, report, found, suffixes=picture.SUFFIXES, apart=()):
        """Report pictures or videos with unknown names as bad, and other unused files as ignored.

        Args:
            report: Report of the preparation.
            found: Names of the files that are used.
            suffixes: Endings of the names of pictures or videos.
            apart: Folders whose files are only ignored.
        """
        for name in self._source.names:
            if name in found:
                continue
            if name.lower().endswith(suffixes) and not set(PurePosixPath(name).parts) & set(apart):
                where = self._source.where(name)
                self._bad(report, "odd_name", where, "not named as the owners name theirs")
            else:
                report.ignored.append(self._source.where(name))


class EmotionTree(EmotionBuilder, skip_registration=True):
    """Builder of a data set whose folders are its classes; `_find` sets `_splits`."""

    _splits: Mapping[str, list[str]] | None

    def _pictures(self, report):
        known = label_maps.OWNERS_CLASSES[self.name]

        def label_of(folder):
            return label_maps.label_of(known[folder.lower()], self._class_names())

        items = tree_items(
            self._source,
            self._splits,
            label_of,
            self.channels,
            self._policy,
            report,
            self._passed_over,
        )
        for item in items:
            item.extra |= self._about("", {})
        return items

    def _passed_over(self, folder: str) -> bool:
        """Return whether a folder beside the class folders is known to hold other things."""
        return False

    def _class_tops(self) -> Iterator[str]:
        """Yield each folder that holds folders named after classes."""
        known = label_maps.OWNERS_CLASSES[self.name]
        tops = set()
        for name in self._source.names:
            folder = PurePosixPath(name).parent
            if folder.name.lower() in known:
                tops.add("" if str(folder.parent) == "." else str(folder.parent))
        yield from sorted(tops)
