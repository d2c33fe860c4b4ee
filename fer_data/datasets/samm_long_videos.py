"""SAMM Long Videos, with the emotions of the SAMM sheet; and SAMM itself."""

import os
from typing import Any

from fer_data.checks import check_choice
from fer_data.datasets.clip_builder import ClipBuilder
from fer_data.datasets.clip_rows import (
    BadRow,
    clip_between,
    emotion_label,
    interval,
    only,
)
from fer_data.datasets.frame_folders import FrameFolders
from fer_data.datasets.spreadsheet import (
    existing_file,
    file_stamp,
    find_sheet,
    no_header,
    read_cells,
    read_sheet,
    with_header,
    without_header,
)
from fer_data.labels import NO_LABEL

LONG_COLUMNS = {
    "subject": ("Subject",),
    "filename": ("Filename", "File name"),
    "onset": ("Onset", "Onset Frame"),
    "apex": ("Apex", "Apex Frame"),
    "offset": ("Offset", "Offset Frame"),
    "duration": ("Duration",),
    "kind": ("Type",),
    "action_units": ("Action Units", "AU"),
}
# The long sheet's columns from the left, and the rows above its data, where it names none.
LONG_ORDER = (
    *("subject", "filename", "inducement", "onset", "apex", "offset"),
    *("duration", "kind", "action_units", "notes"),
)
ROWS_ABOVE = 10
SHEET_COLUMNS = {
    "subject": ("Subject",),
    "filename": ("Filename", "File name"),
    "onset": ("Onset Frame", "Onset"),
    "apex": ("Apex Frame", "Apex"),
    "offset": ("Offset Frame", "Offset"),
    "duration": ("Duration",),
    "action_units": ("Action Units", "AU"),
    "emotion": ("Estimated Emotion", "Emotion"),
}
EMOTION_SHEET = r"SAMM.*Micro_FACS_Codes.*\.xlsx"
EXPRESSIONS = ("micro", "macro", "all")


class SammLongVideos(ClipBuilder, skip_registration=True):
    """SAMM Long Videos: micro- and macro-movements at 200 frames a second, grey.

    Reads, by `pictures`,

    - `"long"`: `SAMM_LongVideos_V*_Release.xlsx` (Subject, Filename, Inducement Code, Onset, Apex,
      Offset, Duration, Type, Action Units, Notes) and `SAMM_longvideos/006_1/*.jpg`. This sheet has
      no emotions: they come from the SAMM sheet, joined on the file name. A movement that the SAMM
      sheet lacks has no label (`no_emotion` in the report; all macro-movements).
    - `"clips"`: SAMM itself, `SAMM_Micro_FACS_Codes_v2.xlsx` and `006/006_1_2/006_05562.jpg`.

    Both have the same people, so both call them `samm/006` and so on. "Macro" is `macro`; "Micro"
    and "Micro - 1/2" are `micro`.

    Args:
        path: Folder or zip archive.
        samm_sheet: The SAMM sheet, where it does not lie below `path`.
        expressions: `"micro"`, `"macro"` or `"all"`.
        max_frames: Most frames; by default 200, a second, for micro-movements and no limit for
            macro-movements.
        **kwargs: See `fer_data.datasets.clip_builder.ClipBuilder`, and there the features.

    Reference:
        Yap, Kendrick and Yap, "SAMM Long Videos: A Spontaneous Facial Micro- and Macro-Expressions
        Dataset", FG 2020; Davison et al., "SAMM: A Spontaneous Micro-Facial Movement Dataset",
        IEEE Transactions on Affective Computing 9(1), 2018.
    """

    name = "samm_long_videos"
    fps = 200.0
    longest = 200
    pictures_of = ("long", "clips")
    sheet_pattern = r"SAMM_?LongVideos.*\.xlsx"
    expected = "SAMM_LongVideos_V*_Release.xlsx"

    def __init__(
        self,
        *,
        expressions: str = "micro",
        samm_sheet: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        check_choice("expressions", expressions, EXPRESSIONS)
        self._samm_path = None if samm_sheet is None else existing_file("samm_sheet", samm_sheet)
        super().__init__(expressions=expressions, samm_sheet=file_stamp(self._samm_path), **kwargs)
        self._original_state["samm_sheet"] = samm_sheet

    def _find(self, expressions, samm_sheet):
        self._expressions = expressions
        if self._pictures == "clips" and expressions != "micro":
            raise ValueError(
                '`expressions` must be "micro" for pictures="clips": SAMM has no others. '
                f"Received: expressions={expressions!r}"
            )
        self._folders = FrameFolders(self._source)
        if not len(self._folders):
            raise ValueError(
                "`path` must hold the pictures of SAMM Long Videos, SAMM_longvideos/006_1/*.jpg, "
                "or of SAMM, 006/006_1_2/*.jpg. Received: "
                f"{self._source.root}, which has the folders {self._source.folders()[:8]}"
            )

    def _rows(self, report):
        self._report = report
        rows = self._emotion_rows()
        if self._pictures == "clips":
            return rows
        self._emotions = {row.text("filename"): row.text("emotion") for row in rows}
        cells, where = self._sheet()
        return with_header(cells, where, LONG_COLUMNS) or without_header(
            cells, where, LONG_ORDER, skip=ROWS_ABOVE
        )

    def _emotion_rows(self):
        if self._samm_path is not None:
            data, where = read_sheet(self._samm_path), str(self._samm_path)
        else:
            name = find_sheet(
                self._source,
                EMOTION_SHEET,
                "SAMM_Micro_FACS_Codes_v2.xlsx (the option for it is `samm_sheet`)",
            )
            data, where = self._read(name), self._source.where(name)
        rows = with_header(read_cells(data, where), where, SHEET_COLUMNS)
        if rows is None:
            raise no_header(where, SHEET_COLUMNS)
        return rows

    def _clip(self, row):
        name = row.text("filename")
        subject = row.text("subject").zfill(3)
        kind = _kind(row) if self._pictures == "long" else "micro"
        if self._expressions not in ("all", kind):
            self._report.drop("not_asked_for", row.where, f"{kind}-movement")
            return None
        notes, emotion, label = [], row.text("emotion"), NO_LABEL
        if self._pictures == "long":
            emotion = self._emotions.get(name, "")
            if not emotion:
                notes.append(("no_emotion", f"the SAMM sheet has no {name}"))
        if emotion:
            label = emotion_label(emotion)
        elif self._pictures == "clips":
            raise BadRow("unknown_emotion", f"emotion is {emotion!r}")
        onset, apex, offset, odd = interval(row, self._most_frames(kind))
        folder = self._folder(subject, name)
        clip, gaps = clip_between(
            row,
            self._folders.frames(folder),
            folder,
            (onset, apex, offset),
            id=f"samm/{subject}/{name}",
            subject=f"samm/{subject}",
            emotion=emotion,
            label=label,
            action_units=row.text("action_units"),
            kind=kind,
        )
        return clip, notes + odd + gaps

    def _folder(self, subject, name):
        if self._pictures == "clips":
            return only(self._folders.find(subject, name), f"{subject}/{name}")
        video = "_".join(name.split("_")[:2])
        return only(self._folders.find(video), f"SAMM_longvideos/{video}", ("longvideos",))


def _kind(row):
    text = row.text("kind").casefold()
    for kind in ("micro", "macro"):
        if text.startswith(kind):
            return kind
    raise BadRow("unknown_kind", f"Type is {row.text('kind')!r}, not Macro or Micro")
