"""CAS(ME)^2: 30 frames a second, 22 people, macro- and micro-expressions in long videos."""

import re
from typing import Any

from fer_data.checks import check_choice
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
from fer_data.datasets.spreadsheet import as_text, without_header
from fer_data.file_limits import is_number
from fer_data.labels import CAS_ME2_CLASSES, MICRO_EXPRESSION_CLASSES, canonical, is_emotion

COLUMNS = (
    *("subject", "filename", "onset", "apex", "offset"),
    *("action_units", "emotion", "kind", "self_report"),
)
EXPRESSIONS = ("micro", "macro", "all")
# The top folders of the owners, by what `pictures` is.
TOPS = {"selected": "selectedpic", "raw": "rawpic", "cropped": "cropped"}


class CasMe2(ClipBuilder, skip_registration=True):
    """CAS(ME)^2: 300 macro- and 57 micro-expressions of 22 people at 30 frames a second.

    Reads `CAS(ME)^2code_final.xlsx`, whose first sheet has no header (subject, name, onset, apex,
    offset, action units, emotion, macro- or micro-expression, self-report), whose second sheet
    gives the folder of each subject (`15` or `s15`, its number), and whose third gives the codes of
    the videos (`0101`, `disgust1`). `pictures` chooses the frames: `"selected"`,
    `selectedpic/s15/anger1_1/img557.jpg`; `"raw"`, the long videos
    `rawpic/s15/15_0101disgustingteeth/img557.jpg`; `"cropped"`, `cropped/15/anger1_1/img557.jpg`.

    An apex or offset of 0 is missing. Without an offset, a clip ends with its folder where the
    folder holds the expression alone (selected, cropped), else at its apex. Some folders of
    selected pictures do not have the row's frame numbers, but as many frames as the row, numbered
    from 1 (`img001.jpg`). They are read by position (`numbered_from_one` in the report), and
    `frame_numbers` are those of the row.

    Args:
        path: Folder or zip archive.
        expressions: `"micro"`, `"macro"` or `"all"`.
        classes: `"three"`: negative, positive, surprise, from the sheet's emotion; `"own"`: angry,
            disgust, happy, from the video that was shown, as in Irawan (2025).
        max_frames: Most frames; by default 30 for micro-expressions (a second; the longest that
            the owners have is 17) and 300 for macro-expressions.
        **kwargs: See `fer_data.datasets.clip_builder.ClipBuilder`, and there the features.

    Reference:
        Qu et al., "CAS(ME)^2: A Database for Spontaneous Macro-Expression and Micro-Expression
        Spotting and Recognition", IEEE Transactions on Affective Computing 9(4), 2018.
    """

    name = "cas_me2"
    fps = 30.0
    longest = 30
    longest_macro = 300
    pictures_of = ("selected", "raw", "cropped")
    sheet_pattern = r"(CAS\(ME\)\^?2)?code_final.*\.xlsx"
    expected = "CAS(ME)^2code_final.xlsx"

    def __init__(
        self, *, expressions: str = "micro", classes: str = "three", **kwargs: Any
    ) -> None:
        check_choice("expressions", expressions, EXPRESSIONS)
        check_choice("classes", classes, ("three", "own"))
        self._classes = classes
        super().__init__(expressions=expressions, classes=classes, **kwargs)

    def _find(self, expressions, classes):
        self._expressions = expressions
        top = TOPS[self._pictures]
        self._folders = FrameFolders(self._source, lambda parts: top in parts)
        if not len(self._folders):
            raise ValueError(
                f'`path` must hold the pictures of CAS(ME)^2 for pictures="{self._pictures}" in '
                f"the folder {top}. Received: {self._source.root}, which has the folders "
                f"{self._source.folders()[:8]}"
            )

    def _class_names(self):
        return CAS_ME2_CLASSES if self._classes == "own" else MICRO_EXPRESSION_CLASSES

    def _rows(self, report):
        cells, where = self._sheet()
        self._people = _people(self._sheet(1)[0])
        self._videos = _videos(self._sheet(2)[0]) if self._pictures == "raw" else {}
        self._report = report
        return without_header(cells, where, COLUMNS)

    def _clip(self, row):
        kind = _kind(row)
        if self._expressions not in ("all", kind):
            self._report.drop("not_asked_for", row.where, f"{kind}-expression")
            return None
        name = row.text("filename")
        code = number_of(row, "subject", "unknown_subject")
        if code not in self._people:
            raise BadRow("unknown_subject", f"the second sheet has no subject {code}")
        number = self._people[code]
        emotion = row.text("emotion")
        label = emotion_label(emotion)
        if self._classes == "own":
            label = _shown(name)
        frames, folder = self._frames(number, name)
        last = max(frames, default=None)
        alone = self._pictures != "raw"
        end = last if alone else number_of(row, "apex", "no_offset", ("0",))
        onset, apex, offset, notes = interval(row, self._most_frames(kind), ("0",), offset=end)
        frames, counted = _renumbered(frames, onset, offset, folder) if alone else (frames, [])
        clip, gaps = clip_between(
            row,
            frames,
            folder,
            (onset, apex, offset),
            id=f"cas_me2/s{number}/{name}",
            subject=f"cas_me2/s{number}",
            emotion=emotion,
            label=label,
            action_units=row.text("action_units"),
            kind=kind,
            self_report=row.text("self_report"),
        )
        return clip, notes + counted + gaps

    def _frames(self, number, name):
        if self._pictures != "raw":
            found = self._folders.find(f"s{number}", name) or self._folders.find(number, name)
            folder = only(found, f"{TOPS[self._pictures]}/s{number}/{name}")
            return self._folders.frames(folder), folder
        video = name.rsplit("_", 1)[0].casefold()
        if video not in self._videos:
            raise BadRow("unknown_video", f"the third sheet has no video {video!r}")
        code = self._videos[video]
        pattern = re.compile(rf"(.*/)?s?{number}/{number}_{code}[^/]*", re.IGNORECASE)
        found = [folder for folder in self._folders.all() if pattern.fullmatch(folder)]
        folder = only(found, f"rawpic/s{number}/{number}_{code}*")
        return self._folders.frames(folder), folder


def _kind(row):
    text = row.text("kind").casefold()
    for kind in ("micro", "macro"):
        if text.startswith(kind):
            return kind
    raise BadRow("unknown_kind", f"the expression is {row.text('kind')!r}, not macro or micro")


def _shown(name):
    """Return the class of the video that was shown, from a name such as anger1_1."""
    emotion = re.match("[a-z]*", name.casefold()).group()
    if not is_emotion(emotion) or canonical(emotion) not in CAS_ME2_CLASSES:
        raise BadRow("unknown_emotion", f"the name {name!r} begins with no known emotion")
    return CAS_ME2_CLASSES.index(canonical(emotion))


def _people(cells):
    """Return `{number in the first sheet: number in the folder's name}`, both from the second."""
    people = {}
    for row in cells:
        values = [as_text(value) for value in row if value is not None]
        if len(values) >= 2:
            folder = re.fullmatch(r"s?([0-9]+)", values[-2], re.IGNORECASE)
            if folder and is_number(values[-1]):
                people[int(values[-1])] = folder.group(1)
    return people


def _videos(cells):
    """Return `{video name: four-digit code}` of the third sheet."""
    videos = {}
    for row in cells:
        values = [as_text(value) for value in row if value is not None]
        if len(values) >= 2 and is_number(values[0]):
            videos[values[1].casefold()] = values[0].zfill(4)
    return videos


def _renumbered(frames, onset, offset, folder):
    """Give the frames the numbers of the row, where the folder counts from 1."""
    count = offset - onset + 1
    if onset in frames or list(frames) != list(range(1, count + 1)):
        return frames, []
    note = ("numbered_from_one", f"{folder} counts its {count} frames from 1")
    return {number + onset - 1: name for number, name in frames.items()}, [note]
