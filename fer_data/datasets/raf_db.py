"""RAF-DB, the basic (single-label) part."""

import functools
from pathlib import PurePosixPath
from typing import Any

from fer_data.datasets.class_tree import find_splits, read_picture, tree_items
from fer_data.datasets.cutting_builder import CuttingBuilder
from fer_data.datasets.policy import Item
from fer_data.datasets.preparation_report import Report
from fer_data.datasets.text_tables import csv_rows, text_lines
from fer_data.labels import EMOTIONS, RAF_DB_CLASSES, canonical, is_emotion, remap_labels

LIST = "list_patition_label.txt"
# By kind of picture: its folder below Image, and the end of its name.
PICTURES = {
    "aligned": ("aligned", "_aligned"),
    "original": ("original", ""),
    "uncut": ("original", ""),
}
# How the faces of originals are cut: the detector and the size of the GhostFace paper.
CUT: dict[str, Any] = {
    "detector": "retinaface",
    "detector_options": {},
    "size": 224,
    "on_miss": "skip_train",
}

EXPECTED = (
    "expected EmoLabel/list_patition_label.txt beside Image/aligned/train_00001_aligned.jpg (or "
    "Image/original/train_00001.jpg), or the copy on Kaggle: DATASET/train/1/*.jpg and "
    "DATASET/test/1/*.jpg with train_labels.csv and test_labels.csv; folders or a zip archive"
)


class RafDb(CuttingBuilder):
    """RAF-DB basic: real-world colour faces, seven expressions, 12,271 train and 3,068 test.

    Reads the owners' layout and the copy on Kaggle, as folders or zip archive. The labels 1 to 7
    of the files (surprise, fear, disgust, happiness, sadness, anger, neutral) become indices in
    the order of `EMOTIONS`, like every other data set's. There is no validation split unless
    `validation_fraction` takes one from train.

    Features: `image` uint8 (H, W, 3), aligned ones are 100x100; `label`; `id`, the name in the
    label list (`train_00001`) or the path in the Kaggle tree.

    The original pictures show more than the face. While the data are prepared, the largest face of
    each picture is found and cut, as recognition cuts it. The report lists the pictures in which
    several faces were found, and those in which none was. After an interruption the same call goes
    on with the pictures that are left.

    Args:
        path: Folder or zip archive.
        pictures: In the owners' layout: `"aligned"`, the faces that the owners have cut;
            `"original"`, the photos, of which the faces are cut here; `"uncut"`, the photos as they
            are, which is for other uses than training.
        detector: Detector for original pictures, one of `fer_data.faces.DETECTORS`; None for
            `"retinaface"`, as in the paper of GhostFace.
        detector_options: Options of the detector, as for `fer_data.faces.detector`, such as
            `{"weights": FILE}`.
        size: Height and width of the cut faces; None for 224, as in that paper.
        on_miss: What to do with an original picture in which no face is found. `"skip_train"`, the
            default, leaves out a training picture, because it would teach the background, and takes
            a test picture whole, because a test without the hard pictures flatters. `"skip"` leaves
            out both, `"whole"` takes both whole. The report lists these pictures.
        workers: Processes that find the faces, as for `fer_data.faces.cut_folder`.
        **kwargs: See `LocalBuilder`.

    Raises:
        ValueError: If an option breaks its rule, or the path does not hold the pictures.

    Reference:
        Li, Deng and Du, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for
        Expression Recognition in the Wild", CVPR 2017.
    """

    name = "raf_db"
    kinds = tuple(PICTURES)
    cut = CUT

    def __init__(self, *, pictures: str = "aligned", workers: int = 1, **kwargs: Any) -> None:
        super().__init__(pictures=pictures, workers=workers, **kwargs)

    def _find(self, **options):
        super()._find(**options)
        folder, self._suffix = PICTURES[self._kind]
        self._list = self._one(LIST)
        self._splits = None if self._list else find_splits(self._source)
        if self._list:
            base = PurePosixPath(self._list).parent.parent
            self._folder = str(base / "Image" / folder).removeprefix("./")
            if not self._source.files_below(self._folder):
                raise ValueError(
                    f"`path` must hold pictures in {self._source.where(self._folder)} (unpack "
                    f"{folder}.zip there); {EXPECTED}. Received: no file in that folder"
                    f"{self._source.refusals()}"
                )
        elif not self._splits:
            raise ValueError(
                f"`path` must hold RAF-DB: {EXPECTED}. Received: {self._source.root}, which has "
                f"the files {self._source.files()[:8]} and the folders "
                f"{self._source.folders()[:8]}{self._source.refusals()}"
            )
        elif self._kind != "aligned":
            raise ValueError(
                f"`pictures` must be 'aligned' where `path` holds no EmoLabel/{LIST}: the faces in "
                "class folders, Kaggle's and those of `fer crop raf_db`, are cut already. "
                f"Received: pictures={self._kind!r} and path={str(self._source.root)!r}"
            )

    def _class_names(self):
        return EMOTIONS

    def _items(self, report):
        if not self._list:
            return self._tree_items(report)
        items = self.listed_items(report)
        return items if self._cutting is None else self._cut_items(items, report)

    def _file_of(self, item):
        return self._name(item.id)

    def _name(self, stem):
        return f"{self._folder}/{stem}{self._suffix}.jpg"

    def _one(self, file_name):
        found = [n for n in self._source.names if PurePosixPath(n).name == file_name]
        return min(found, key=lambda name: name.count("/"), default=None)

    def listed_items(self, report: Report) -> list[Item]:
        """Return the `Item`s of the owners' list, noting in the `Report` what is not one."""
        items = []
        claimed = {self._list}
        for number, line in enumerate(text_lines(self._source, self._list), start=1):
            if not line.strip():
                continue
            problem, stem, split, label = _parse(line.strip())
            name = self._name(stem)
            if not problem and name in claimed:
                problem = f"{stem} is listed twice"
            if problem:
                report.read += 1
                where = f"{self._source.where(self._list)}:{number}"
                self._policy.bad(report, "bad_row", where, problem)
                continue
            where = self._source.where(name)
            if name not in self._source.names:
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
        claimed.update(self._source.files_below(self._folder))
        report.ignored += [self._source.where(n) for n in self._source.names if n not in claimed]
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
        present = {PurePosixPath(name).name for name in self._source.names}
        for name in listed:
            if name not in present:
                report.read += 1
                self._policy.bad(report, "missing", name, f"listed in {labels_csv}")
        return kept

    def _labels(self, labels_csv):
        rows = [row for _, row in csv_rows(self._source, labels_csv)]
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
