"""RAF-DB, the basic (single-label) part."""

import csv
import functools
import io
from pathlib import PurePosixPath

from fer_data.datasets.class_tree import find_splits, read_picture, tree_items
from fer_data.datasets.local_builder import LocalBuilder
from fer_data.datasets.policy import Item
from fer_data.labels import EMOTIONS, RAF_DB_CLASSES, canonical, is_emotion, remap_labels

LIST = "list_patition_label.txt"
PICTURES = {"aligned": "_aligned", "original": ""}

EXPECTED = (
    "expected EmoLabel/list_patition_label.txt beside Image/aligned/train_00001_aligned.jpg (or "
    "Image/original/train_00001.jpg), or the copy on Kaggle: DATASET/train/1/*.jpg and "
    "DATASET/test/1/*.jpg with train_labels.csv and test_labels.csv; folders or a zip archive"
)


class RafDb(LocalBuilder):
    """RAF-DB basic: real-world colour faces, seven expressions, 12,271 train and 3,068 test.

    Reads the owners' layout and the copy on Kaggle, as folders or zip archive. The labels 1 to 7
    of the files (surprise, fear, disgust, happiness, sadness, anger, neutral) become indices in
    the order of `EMOTIONS`, like every other data set's. There is no validation split unless
    `validation_fraction` takes one from train.

    Features: `image` uint8 (H, W, 3), aligned ones are 100x100; `label`; `id`, the name in the
    label list (`train_00001`) or the path in the Kaggle tree.

    Args:
        path: Folder or zip archive.
        pictures: `"aligned"` or `"original"`, in the owners' layout.
        **kwargs: See `LocalBuilder`.

    Reference:
        Li, Deng and Du, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for
        Expression Recognition in the Wild", CVPR 2017.
    """

    name = "raf_db"

    def _find(self, pictures="aligned"):
        if pictures not in PICTURES:
            raise ValueError(
                f"`pictures` must be one of {tuple(PICTURES)}. Received: pictures={pictures!r}"
            )
        self._suffix = PICTURES[pictures]
        self._list = self._one(LIST)
        self._splits = None if self._list else find_splits(self._source)
        if self._list:
            base = PurePosixPath(self._list).parent.parent
            self._folder = str(base / "Image" / pictures).removeprefix("./")
            if not self._source.files_below(self._folder):
                raise ValueError(
                    f"`path` must hold pictures in {self._source.where(self._folder)} (unpack "
                    f"{pictures}.zip there); {EXPECTED}. Received: no file in that folder"
                )
        elif not self._splits:
            raise ValueError(
                f"`path` must hold RAF-DB: {EXPECTED}. Received: {self._source.root}, which has "
                f"the files {self._source.files()[:8]} and the folders "
                f"{self._source.folders()[:8]}"
            )

    def _class_names(self):
        return EMOTIONS

    def _items(self, report):
        return self._listed_items(report) if self._list else self._tree_items(report)

    def _one(self, file_name):
        found = [n for n in self._source.sizes if PurePosixPath(n).name == file_name]
        return min(found, key=lambda name: name.count("/"), default=None)

    def _listed_items(self, report):
        items = []
        claimed = {self._list}
        lines = self._source.read(self._list).decode("utf-8-sig").splitlines()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            problem, stem, split, label = _parse(line)
            name = f"{self._folder}/{stem}{self._suffix}.jpg"
            if not problem and name in claimed:
                problem = f"{stem} is listed twice"
            if problem:
                report.read += 1
                where = f"{self._source.where(self._list)}:{number}"
                self._policy.bad(report, "bad_row", where, problem)
                continue
            where = self._source.where(name)
            if name not in self._source.sizes:
                report.read += 1
                self._policy.bad(report, "missing", where, f"listed in line {number} of {LIST}")
                continue
            claimed.add(name)
            read = functools.partial(read_picture, self._source, name, self.channels)
            items.append(Item(split, label, stem, where, read))
        for name in self._source.files_below(self._folder):
            if name not in claimed:
                report.read += 1
                self._policy.bad(report, "unlisted", self._source.where(name), f"not in {LIST}")
        in_folder = set(self._source.files_below(self._folder))
        report.ignored += [
            self._source.where(n) for n in self._source.sizes if n not in claimed | in_folder
        ]
        return items

    def _tree_items(self, report):
        items = tree_items(
            self._source, self._splits, _folder_label, self.channels, self._policy, report
        )
        for split in self._splits:
            labels_csv = self._one(f"{split}_labels.csv")
            if labels_csv:
                report.ignored.remove(self._source.where(labels_csv))
                items = self._checked(items, split, labels_csv, report)
        return items

    def _checked(self, items, split, labels_csv, report):
        """Compare the class folders of a split with its label list."""
        listed = self._labels(labels_csv)
        kept = []
        for item in items:
            if item.split != split:
                kept.append(item)
                continue
            said = listed.pop(PurePosixPath(item.id).name, None)
            if said is not None and said != item.label:
                detail = f"{labels_csv} says {EMOTIONS[said]}"
                where = item.where
                if not self._policy.odd("on_conflict", report, "mislabelled", where, detail):
                    report.read += 1
                    continue
            elif said is None:
                report.keep("unlisted", item.where, f"not in {labels_csv}")
            kept.append(item)
        present = {PurePosixPath(name).name for name in self._source.sizes}
        for name in listed:
            if name not in present:
                report.read += 1
                self._policy.bad(report, "missing", name, f"listed in {labels_csv}")
        return kept

    def _labels(self, labels_csv):
        text = io.StringIO(self._source.read(labels_csv).decode("utf-8-sig"), newline="")
        rows = list(csv.DictReader(text))
        try:
            return {row["image"]: _index(int(row["label"])) for row in rows}
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self._source.where(labels_csv)} must have the columns image and label (1 to "
                f"7). Received: the columns {list(rows[0]) if rows else []}; {error}"
            ) from error


def _index(number):
    """Turn RAF-DB's 1 to 7 into the index in `EMOTIONS`."""
    return int(remap_labels(number - 1, RAF_DB_CLASSES, EMOTIONS))


def _folder_label(folder):
    if folder in {str(i + 1) for i in range(len(RAF_DB_CLASSES))}:
        return _index(int(folder))
    if is_emotion(folder) and canonical(folder) in EMOTIONS:
        return EMOTIONS.index(canonical(folder))
    raise KeyError(folder)


def _parse(line):
    """Return `(problem, stem, split, label)` of a line such as `train_00001.jpg 5`."""
    parts = line.split()
    if len(parts) != 2:
        return f"{line!r} is not a name and a number", None, None, None
    stem = parts[0].rsplit(".", 1)[0]
    split = stem.split("_")[0]
    if split not in ("train", "test"):
        return f"{parts[0]!r} is neither train_* nor test_*", None, None, None
    if parts[1] not in {str(i + 1) for i in range(len(RAF_DB_CLASSES))}:
        return f"label {parts[1]!r} is not 1 to 7", None, None, None
    return None, stem, split, _index(int(parts[1]))
