"""SMIC-HS: 100 frames a second, 16 people, three classes; short clips or the long form."""

import re
from pathlib import PurePosixPath

from fer_data.datasets.clip_builder import ClipBuilder
from fer_data.datasets.clip_rows import (
    BadRow,
    clip_between,
    emotion_label,
    interval,
    number_of,
    only,
)
from fer_data.datasets.frame_folders import FrameFolders
from fer_data.datasets.spreadsheet import Row, no_header, with_header
from fer_data.labels import MICRO_EXPRESSION_CLASSES

COLUMNS = {
    "subject": ("Subject",),
    "filename": ("Filename", "File name"),
    "onset": ("OnsetF", "Onset"),
    "offset": ("OffsetF", "Offset"),
    "emotion": ("Emotion",),
    "first": ("FirstF",),
}


class SmicHs(ClipBuilder, skip_registration=True):
    """SMIC-HS: 164 spontaneous micro-expressions of 16 people at 100 frames a second.

    Reads, by `pictures`,

    - `"raw"`: `HS/s1/micro/negative/s1_ne_01/`, where the folders are the labels and each folder
      is one clip, from its first picture to its last;
    - `"cropped"`: the owners' cropped faces of the same,
      `SMIC_all_cropped/HS/s1/micro/negative/s1_ne_01/reg_00001.bmp`;
    - `"long"`: `SMIC-HS-E_annotation.xlsx` (Subject, Filename, OnsetF, OffsetF, Emotion, FirstF)
      and the folders of its clips, which begin before the onset: the frame with a given number
      stands at the place number - FirstF, counted from 0.

    SMIC gives no apex and no action units; its emotions are the classes. Clips below `non_micro`
    are left out, and so are the other cameras (VIS, NIR).

    Args:
        path: Folder or zip archive.
        **kwargs: See `fer_data.datasets.clip_builder.ClipBuilder`, and there the features.

    Reference:
        Li et al., "A Spontaneous Micro-expression Database: Inducement, Collection and Baseline",
        FG 2013.
    """

    name = "smic_hs"
    fps = 100.0
    longest = 100
    pictures_of = ("raw", "cropped", "long")
    sheet_pattern = r"SMIC-HS-E_annotation.*\.xlsx"
    expected = "SMIC-HS-E_annotation.xlsx"

    def _find(self):
        self._folders = FrameFolders(self._source, self._accept)
        if not len(self._folders):
            where = {
                "raw": "HS/s1/micro/negative/s1_ne_01/",
                "cropped": "SMIC_all_cropped/HS/s1/micro/negative/s1_ne_01/",
                "long": "SMIC-HS-E/s01/s1_ne_01/",
            }[self._pictures]
            raise ValueError(
                f'`path` must hold the pictures of SMIC-HS for pictures="{self._pictures}" in '
                f"folders such as {where}. Received: {self._source.root}, which has the folders "
                f"{self._source.folders()[:8]}"
            )

    def _accept(self, parts):
        other_camera = any(part in ("vis", "nir", "vis_long", "nir_long") for part in parts)
        cropped = any("crop" in part for part in parts)
        if other_camera or cropped != (self._pictures == "cropped"):
            return False
        return self._pictures == "long" or "micro" in parts

    def _rows(self, report):
        if self._pictures == "long":
            cells, where = self._sheet()
            rows = with_header(cells, where, COLUMNS)
            if rows is None:
                raise no_header(where, COLUMNS)
            return rows
        return [self._folder_row(folder) for folder in self._folders.all()]

    def _folder_row(self, folder):
        parts = [""] * 3 + list(PurePosixPath(folder).parts)
        subject, _, emotion, name = parts[-4:]
        cells = {"subject": subject, "emotion": emotion, "filename": name, "folder": folder}
        return Row(0, cells, self._source.where(folder))

    def _clip(self, row):
        subject, name = _subject(row.text("subject")), row.text("filename")
        emotion = row.text("emotion").casefold()
        if emotion not in MICRO_EXPRESSION_CLASSES:
            raise BadRow("unknown_emotion", f"emotion is {row.text('emotion')!r}")
        if self._pictures == "long":
            frames, folder, row = self._long_frames(row, name)
        else:
            folder = row.text("folder")
            frames = self._folders.frames(folder)
            row = _whole_folder(row, frames, folder)
        onset, _, offset, notes = interval(row, self._most_frames())
        # SMIC codes no apex: nothing is odd about a row without one.
        notes = [note for note in notes if note[0] != "no_apex"]
        clip, gaps = clip_between(
            row,
            frames,
            folder,
            (onset, -1, offset),
            id=f"smic_hs/{subject}/{name}",
            subject=f"smic_hs/{subject}",
            emotion=emotion,
            label=emotion_label(emotion),
            action_units="",
        )
        return clip, notes + gaps

    def _long_frames(self, row, name):
        """Return the frames of a folder of the long form under the row's numbers."""
        folder = only(self._folders.find(name), name, ("-e/", "long"))
        first = number_of(row, "first", "no_first_frame")
        if first is None:
            raise BadRow("no_first_frame", f"FirstF is {row.text('first')!r}")
        frames = self._folders.frames(folder).values()
        return {first + place: file for place, file in enumerate(frames)}, folder, row


def _subject(text):
    number = re.fullmatch(r"s?0*([0-9]+)", text, re.IGNORECASE)
    if number is None:
        raise BadRow("unknown_subject", f"subject is {text!r}")
    return f"s{number.group(1)}"


def _whole_folder(row, frames, folder):
    if not frames:
        raise BadRow("missing_frames", f"{folder} has no numbered pictures")
    numbers = list(frames)
    cells = {**row.cells, "onset": numbers[0], "offset": numbers[-1]}
    return Row(row.number, cells, row.where)
