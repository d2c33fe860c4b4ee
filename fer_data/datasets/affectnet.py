"""AffectNet: faces from the web, each with an expression, valence and arousal."""

import functools
import io
import math
from pathlib import PurePosixPath

import numpy as np
import tensorflow_datasets as tfds

from fer_data import picture
from fer_data.datasets.boxed_picture import read_box
from fer_data.datasets.emotion_builder import EmotionBuilder
from fer_data.datasets.text_tables import csv_rows
from fer_data.file_limits import UnreadableError
from fer_data.zip_members import DAMAGED

# The owners' columns; some copies of their second table have no header.
COLUMNS = (
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height"),
    *("facial_landmarks", "expression", "valence", "arousal"),
)
TABLES = {"training.csv": "train", "validation.csv": "validation"}
FOLDERS = {"train_set": "train", "val_set": "validation"}
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# Errors of files that are missing, damaged or made to harm. A header of many nested brackets makes
# Python's parser raise MemoryError.
_WRONG = (*DAMAGED, KeyError, MemoryError, OverflowError, ValueError, UnreadableError)


class AffectNet(EmotionBuilder):
    """AffectNet, annotated by hand: faces from the web, eight expressions, valence and arousal.

    Reads either of the owners' two layouts:

    - `training.csv` and `validation.csv` with the pictures of `Manually_Annotated_Images`, of which
      the owners' box of the face is cut out;
    - `train_set` and `val_set`, each with `images/0.jpg` and `annotations/0_exp.npy`, `0_val.npy`
      and `0_aro.npy`. These pictures show the face alone.

    `validation` is the owners' validation set; they did not publish their test set. Pictures of
    "none", "uncertain" and "no face" are left out with their valence and arousal, and so are those
    of contempt unless `contempt=True`. The automatically annotated part of AffectNet is not read.
    Features: see `EmotionBuilder`; `valence` and `arousal`, float32 in [-1, 1].

    Args:
        **kwargs: See `EmotionBuilder`; the options that cut faces are refused.

    Reference:
        Mollahosseini, Hasani and Mahoor, "AffectNet: A Database for Facial Expression, Valence, and
        Arousal Computing in the Wild", IEEE Transactions on Affective Computing, 2019.
    """

    name = "affectnet"
    kinds = ("boxed",)
    expected = (
        "AffectNet: training.csv and validation.csv with Manually_Annotated_Images/, or train_set/ "
        "and val_set/ with images/ and annotations/; folders or a zip archive"
    )

    def _find(self, **options):
        super()._find(**options)
        paths = {name: PurePosixPath(name) for name in self._source.names}
        self._tables = {
            name: TABLES[path.name] for name, path in paths.items() if path.name in TABLES
        }
        self._annotated = {
            name: FOLDERS[path.parts[-3]]
            for name, path in paths.items()
            if path.match("*_set/annotations/*_exp.npy") and path.parts[-3] in FOLDERS
        }
        self._need(self._tables or self._annotated)
        if self._tables and self._annotated:
            raise ValueError(
                "`path` must hold AffectNet in one of its two layouts, or half of it would not be "
                f"read. Received: {self._source.where(min(self._tables))} and "
                f"{self._source.where(min(self._annotated))}"
            )

    def _extra_features(self):
        number = tfds.features.Scalar(np.float32)
        return {**super()._extra_features(), "valence": number, "arousal": number}

    def _pictures(self, report):
        used: set[str] = set()
        listed = self._listed if self._tables else self._in_folders
        items = list(listed(report, used))
        self._ignore(report, used)
        return items

    def _listed(self, report, used):
        """Yield the items of the tables."""
        # The tables name folder and file: 689/737db2483489148d.jpg.
        places = {
            "/".join(PurePosixPath(name).parts[-2:]): name
            for name in self._source.names
            if name.lower().endswith(picture.SUFFIXES)
        }
        seen = set()
        for table, split in self._tables.items():
            used.add(table)
            for line, row in csv_rows(self._source, table, COLUMNS):
                where = f"{self._source.where(table)}:{line}"
                path = row.get(COLUMNS[0], "")
                name = places.get(path)
                if name is not None:
                    used.add(name)
                label = self._label(report, where, row.get("expression", ""))
                if label is None:
                    continue
                if name is None or name in seen:
                    reason, rule = ("bad_row", "listed twice") if name else ("missing", "not there")
                    self._bad(report, reason, where, f"{path[:200]!r} is {rule}")
                    continue
                try:
                    x, y, width, height = (int(float(row[column])) for column in COLUMNS[1:5])
                    affect = _affect(row["valence"], row["arousal"])
                except (KeyError, OverflowError, ValueError) as error:
                    self._bad(report, "bad_row", where, f"{type(error).__name__}: {error}")
                    continue
                seen.add(name)
                item = self._item(name, label, split=split)
                box = (x, y, x + width, y + height)
                item.read = functools.partial(read_box, self._source, name, self.channels, box)
                item.extra |= affect
                yield item

    def _in_folders(self, report, used):
        """Yield the items of the folders of annotations."""
        pictures = {
            str(PurePosixPath(name).with_suffix("")): name
            for name in self._source.names
            if name.lower().endswith(picture.SUFFIXES)
        }
        for annotation, split in self._annotated.items():
            path = PurePosixPath(annotation)
            stem = path.name.removesuffix("_exp.npy")
            files = {what: str(path.with_name(f"{stem}_{what}.npy")) for what in ("val", "aro")}
            name = pictures.get(str(path.parent.with_name("images") / stem))
            # The file of landmarks beside them is known too, though it is not read.
            used |= {annotation, *files.values(), str(path.with_name(f"{stem}_lnd.npy"))}
            if name is None:
                self._bad(report, "missing", self._source.where(annotation), "without a picture")
                continue
            used.add(name)
            try:
                code = str(int(self._number(annotation)))
                values = [self._number(files[what]) for what in ("val", "aro")]
            except _WRONG as error:
                detail = f"{type(error).__name__}: {error}"
                self._bad(report, "bad_label", self._source.where(annotation), detail)
                continue
            label = self._label(report, self._source.where(name), code)
            if label is None:
                continue
            try:
                affect = _affect(*values)
            except ValueError as error:
                self._bad(report, "bad_label", self._source.where(annotation), str(error))
                continue
            item = self._item(name, label, split=split)
            item.extra |= affect
            yield item

    def _number(self, name):
        """Return the one number in a `.npy` file, which may hold it as text."""
        file = io.BytesIO(self._source.read(name))
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"version {version} of NumPy's format")
        shape, _, dtype = _HEADERS[version](file)
        # Checked before memory is allocated for the size that the header states.
        if math.prod(shape) != 1 or dtype.hasobject or dtype.kind not in "uifU":
            raise ValueError(f"an array {shape} of {dtype}, and no number")
        return float(np.frombuffer(file.read(), dtype, 1)[0])


def _affect(valence, arousal):
    """Return valence and arousal as features; raise `ValueError` for a value out of range."""
    found = {"valence": float(valence), "arousal": float(arousal)}
    for name, value in found.items():
        if not -1 <= value <= 1:
            raise ValueError(f"{name} must lie in [-1, 1]: {value}")
    return {name: np.float32(value) for name, value in found.items()}
