"""FER2013, with the FER+ votes where they are at hand."""

import functools
import os
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fer_data import picture
from fer_data.datasets.class_tree import find_splits, tree_items
from fer_data.datasets.local_builder import LocalBuilder
from fer_data.datasets.policy import Item
from fer_data.datasets.text_tables import csv_rows
from fer_data.labels import EMOTIONS, FERPLUS_VOTE_COLUMNS, canonical, is_emotion

SIZE = 48
# The two names that the table has at Kaggle. In the second, blanks stand before the columns' names.
TABLES = ("fer2013.csv", "icml_face_data.csv")
VOTES = "fer2013new.csv"
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
NO_VOTES = (-1.0,) * len(FERPLUS_VOTE_COLUMNS)

EXPECTED = (
    "expected fer2013.csv or icml_face_data.csv (columns emotion, pixels, Usage; beside it, if you "
    "have it, fer2013new.csv with the FER+ votes), or class folders train/<class>/ (and "
    "valid/<class>/, test/<class>/; labels.csv with the votes), or a zip archive of either"
)


class Fer2013(LocalBuilder):
    """FER2013: 48x48 grey faces from the web, seven expressions, with FER+ votes.

    Reads, in this order of preference, `fer2013.csv` or `icml_face_data.csv` (with
    `fer2013new.csv` beside it: FER+ votes joined by row); class folders `train`, `valid`, `test`
    (with `labels.csv`: votes joined by file name). Folders and zip archives read alike. Splits:
    train is Training, validation PublicTest, test PrivateTest. The copy on Kaggle has both test
    sets in one folder: that is `test`, and there is no validation split unless
    `validation_fraction` takes one from train.

    Features: `image` uint8 (H, W, 1), 48x48 in every known copy; `label` in the order of
    `EMOTIONS`; `id`, the row (`row00000`) or the path in the tree; `votes` float32 (10,), FER+
    counts in the order of `FERPLUS_VOTE_COLUMNS`, all -1 where unknown; `copy_in_train`, whether
    a pixel-identical picture stands in the training split (always false in train itself).

    Args:
        path: Folder, zip archive, or the `fer2013.csv` or `icml_face_data.csv` itself: of the files
            beside that, `fer2013new.csv` alone is read.
        **kwargs: See `LocalBuilder`.

    Reference:
        Goodfellow et al., "Challenges in Representation Learning", ICONIP 2013; Barsoum et al.,
        ICMI 2016 (FER+).
    """

    name = "fer2013"
    channels = 1

    def __init__(self, *, path: str | os.PathLike[str], **kwargs: Any) -> None:
        super().__init__(path=path, **kwargs)

    def _opened(self, path, limits, follow_links, data_dir, named=None, beside=()):
        table = Path(path).expanduser()
        if table.name.lower() in TABLES and table.is_file():
            # The votes lie beside it, where the user named it.
            path, named, beside = table.parent, table.name, (VOTES,)
        return super()._opened(path, limits, follow_links, data_dir, named, beside)

    def _find(self):
        names = sorted(self._source.names, key=lambda name: (name.count("/"), name))
        by_name = {PurePosixPath(name).name: name for name in reversed(names)}
        self._csv = next((by_name[name] for name in TABLES if name in by_name), None)
        self._votes_csv = by_name.get(VOTES)
        self._labels_csv = by_name.get("labels.csv")
        self._splits = None if self._csv else find_splits(self._source)
        if self._csv:
            _, first = next(csv_rows(self._source, self._csv), (0, {}))
            self._need_columns(self._csv, first, ("emotion", "pixels", "Usage"))
        elif not self._splits:
            raise ValueError(
                f"`path` must hold FER2013: {EXPECTED}. Received: {self._source.root}, which has "
                f"the files {self._source.files()[:8]} and the folders "
                f"{self._source.folders()[:8]}{self._source.refusals()}"
            )

    def _class_names(self):
        return EMOTIONS

    def _extra_features(self):
        return {
            "votes": tfds.features.Tensor(shape=(len(FERPLUS_VOTE_COLUMNS),), dtype=np.float32),
            "copy_in_train": tfds.features.Scalar(dtype=np.bool_),
        }

    def _items(self, report):
        return self._csv_items(report) if self._csv else self._tree_items(report)

    def _finish(self, items):
        train = {item.pixels for item in items if item.split == "train"}
        for item in items:
            item.extra["copy_in_train"] = item.split != "train" and item.pixels in train
            item.extra.setdefault("votes", np.array(NO_VOTES, dtype=np.float32))

    def _csv_items(self, report):
        votes = self._votes_by_row()
        used = {self._csv, self._votes_csv}
        report.ignored += [self._source.where(n) for n in self._source.names if n not in used]
        items = []
        count = 0
        for count, (line, row) in enumerate(csv_rows(self._source, self._csv), start=1):
            number = count - 1
            where = f"{self._source.where(self._csv)}:{line}"
            problem = _row_problem(row)
            if problem:
                report.read += 1
                self._policy.bad(report, problem[0], where, problem[1])
                continue
            split, label = USAGES[row["Usage"]], int(row["emotion"])
            item = Item(split, label, f"row{number:05d}", where, _pixel_reader(row["pixels"]))
            if votes is not None:
                if number >= len(votes) or votes[number][0] != row["Usage"]:
                    raise ValueError(
                        f"{self._source.where(self._votes_csv)} must have the rows of fer2013.csv "
                        f"in their order. Received: another usage, or no row, at line {line}"
                    )
                item.extra["votes"] = votes[number][1]
            items.append(item)
        if votes is not None and len(votes) != count:
            raise ValueError(
                f"{self._source.where(self._votes_csv)} must have as many rows as fer2013.csv. "
                f"Received: {len(votes)} rows for {count} pictures"
            )
        return items

    def _votes_by_row(self):
        if self._votes_csv is None:
            return None
        rows = []
        for _, row in csv_rows(self._source, self._votes_csv):
            if not rows:
                self._need_columns(self._votes_csv, row, ("Usage", *FERPLUS_VOTE_COLUMNS))
            rows.append((row["Usage"], self._vote_array(self._votes_csv, row)))
        return rows

    def _tree_items(self, report):
        def label_of(folder):
            # "contempt" is an emotion, but none of FER2013's.
            if not is_emotion(folder) or canonical(folder) not in EMOTIONS:
                raise KeyError(folder)
            return EMOTIONS.index(canonical(folder))

        items = tree_items(
            self._source, self._splits, label_of, self.channels, self._policy, report
        )
        if self._labels_csv is None:
            return items
        report.ignored.remove(self._source.where(self._labels_csv))
        return self._join_labels(items, report)

    def _join_labels(self, items, report):
        listed = {}
        for _, row in csv_rows(self._source, self._labels_csv):
            if not listed:
                needed = ("image", "usage", "fer2013_label", *FERPLUS_VOTE_COLUMNS)
                self._need_columns(self._labels_csv, row, needed)
            listed[row["image"]] = row
        kept = []
        for item in items:
            row = listed.pop(PurePosixPath(item.id).name, None)
            if row is None:
                report.keep("no_votes", item.where, "not in labels.csv")
            else:
                item.extra["votes"] = self._vote_array(self._labels_csv, row)
                if row["fer2013_label"] != EMOTIONS[item.label]:
                    detail = f"labels.csv says {row['fer2013_label']!r}"
                    where = item.where
                    if not self._policy.odd("on_conflict", report, "mislabelled", where, detail):
                        report.read += 1
                        continue
            kept.append(item)
        present = {PurePosixPath(name).name for name in self._source.names}
        for name, row in listed.items():
            # The list may hold a test set that the owner of this copy left out on purpose.
            if name not in present and USAGES.get(row["usage"]) in self._splits:
                report.read += 1
                self._policy.bad(report, "missing", name, "listed in labels.csv")
        return kept

    def _need_columns(self, name, row, columns):
        lacking = [column for column in columns if column not in row]
        if lacking:
            raise ValueError(
                f"{self._source.where(name)} must have rows with the columns {columns}; the first "
                f"row lacks {lacking}. Received: {list(row)}"
            )

    def _vote_array(self, name, row):
        try:
            return np.array([row[column] for column in FERPLUS_VOTE_COLUMNS], dtype=np.float32)
        except (KeyError, ValueError) as error:
            raise ValueError(
                f"{self._source.where(name)} must have ten numbers of votes in each row. "
                f"Received: {row}"
            ) from error


def _row_problem(row):
    if row.get("Usage") not in USAGES:
        return "unknown_usage", f"Usage is {row.get('Usage')!r}"
    if row.get("emotion") not in {str(i) for i in range(len(EMOTIONS))}:
        return "unknown_class", f"emotion is {row.get('emotion')!r}"
    if not row.get("pixels", "").strip():
        return "empty", "no pixels"
    return None


def _pixel_reader(text):
    """Parse the pixels at once (an eighth of the text's memory), report damage when read."""
    try:
        data = bytes(map(int, text.split()))
    except ValueError:
        data = None
    return functools.partial(_pixels, data)


def _pixels(data):
    if data is None:
        raise picture.UnreadableError("corrupt", "pixels must be integers from 0 to 255")
    if len(data) != SIZE * SIZE:
        raise picture.UnreadableError("corrupt", f"{len(data)} pixels instead of {SIZE * SIZE}")
    return np.frombuffer(data, dtype=np.uint8).reshape(SIZE, SIZE, 1)
