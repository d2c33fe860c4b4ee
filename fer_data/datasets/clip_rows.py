"""From a row of the owners' list to a clip: the rules for what is missing, wrong or odd in it.

| what the row says | what becomes of it | reason in the report |
|---|---|---|
| no onset, or one that is no whole number | dropped | `no_onset` |
| no offset (empty, "/", 0 where 0 stands for missing) | dropped, unless the data set's own rule \
finds the end | `no_offset` |
| offset before onset | dropped | `negative_duration` |
| offset is the onset: one frame, no motion | dropped | `one_frame` |
| more frames than `max_frames` | dropped | `absurd_duration` |
| no apex ("/", empty, 0) | used, apex -1 | `no_apex` |
| apex before onset or after offset | used, apex -1 | `apex_outside` |
| a duration that is not offset - onset + 1 | used | `other_duration` |
| emotion that the data set does not have | dropped | `unknown_emotion` |
| "others", "Others", "Other" | used, label -1 | |
| onset or offset frame not on disk, or no folder | dropped | `missing_frames`, `missing_folder` |
| frames missing between them | used | `gap` |
| the same clip listed twice | the first is used | `listed_twice` |

Dropped rows raise instead with `on_bad="raise"`.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from fer_data.datasets.spreadsheet import Row
from fer_data.labels import MICRO_EXPRESSION_CLASSES, NO_LABEL, three_class

MISSING = ("", "/", "\\", "-", "--", "n/a", "na", "nan", "none", "null", "?")


class BadRow(Exception):  # noqa: N818 (the rows are bad, the program is not)
    """A row that gives no clip.

    Attributes:
        reason: Short name, a key of the report.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclasses.dataclass
class Clip:
    """A clip before it is prepared.

    Attributes:
        id: Data set, subject and clip, `"casme2/sub01/EP02_01f"`.
        subject: Data set and subject, `"casme2/sub01"`.
        where: The row, as the report names it.
        names: Its picture files in the source, in order.
        numbers: The owners' numbers of these frames.
        onset, offset: Numbers of its first and last frame.
        apex: Number of its apex, -1 if unknown.
        emotion: As the owners spell it, without blanks around it.
        label: Class index, -1 for none.
        action_units: As the owners code them.
        kind: `"micro"` or `"macro"`.
        self_report: What the person said to feel, as the owners spell it; `""` if not recorded.
        split: The one split that all clips are in; protocols divide it.
        pixels: Hash of its prepared frames, set when they are there.
    """

    id: str
    subject: str
    where: str
    names: tuple
    numbers: tuple
    onset: int
    offset: int
    apex: int
    emotion: str
    label: int
    action_units: str
    kind: str = "micro"
    self_report: str = ""
    split: str = "clips"
    pixels: str = ""


def whole(text: str, missing: Collection[str] = ()) -> int | None:
    """Return a cell's text as a whole number, `None` if the cell holds none.

    Args:
        text: As from `Row.text`.
        missing: Further spellings of "missing", such as `"0"`.

    Raises:
        ValueError: If it is something else.
    """
    if text.casefold() in MISSING or text in missing:
        return None
    # Python reads "4_6" as 46.
    number = float("nan" if "_" in text else text)
    if not number.is_integer():
        raise ValueError(f"{text!r} is no whole number")
    return int(number)


def number_of(row: Row, column: str, reason: str, missing: Collection[str] = ()) -> int | None:
    """Return the whole number in a row's cell, `None` if missing; `BadRow` for anything else."""
    try:
        return whole(row.text(column), missing)
    except (ValueError, OverflowError) as error:
        raise BadRow(reason, f"{column} is {row.text(column)!r}") from error


def clip_between(
    row: Row, frames: Mapping[int, str], folder: str, span: tuple[int, int, int], **known: Any
) -> tuple[Clip, list[tuple[str, str]]]:
    """Return the `Clip` of a row's frames from onset to offset, and notes on what is missing there.

    Args:
        row: `Row` that names the clip.
        frames: Dictionary of numbers to names of all frames of `folder`.
        folder: Where they lie, for messages.
        span: `(onset, apex, offset)`.
        **known: The other fields of the `Clip`.

    Raises:
        BadRow: If `frames_between` finds no clip.
    """
    onset, apex, offset = span
    names, numbers, gaps = frames_between(frames, onset, offset, folder)
    clip = Clip(
        where=row.where,
        names=names,
        numbers=numbers,
        onset=onset,
        apex=apex,
        offset=offset,
        **known,
    )
    return clip, gaps


def interval(
    row: Row, max_frames: int | None, missing: Collection[str] = (), offset: int | None = None
) -> tuple[int, int, int, list[tuple[str, str]]]:
    """Return `(onset, apex, offset, notes)` of a row, by the rules above.

    Args:
        row: `Row` with the columns onset, apex and offset, and perhaps duration.
        max_frames: Most frames that a clip may have, or `None`.
        missing: Further spellings of "missing".
        offset: The offset to take where the row has none, or `None`.

    Returns:
        Whole numbers, apex -1 if unknown, and a list of `(reason, detail)` that are worth a line
        in the report.

    Raises:
        BadRow: If the row gives no clip.
    """
    notes = []
    onset = number_of(row, "onset", "no_onset", missing)
    if onset is None:
        raise BadRow("no_onset", f"onset is {row.text('onset')!r}")
    end = number_of(row, "offset", "no_offset", missing)
    if end is None:
        if offset is None:
            raise BadRow("no_offset", f"offset is {row.text('offset')!r}")
        end = offset
        notes.append(("no_offset", f"offset is {row.text('offset')!r}; the clip ends at {offset}"))
    count = end - onset + 1
    if count < 1:
        raise BadRow("negative_duration", f"onset {onset}, offset {end}: {count} frames")
    if count == 1:
        raise BadRow("one_frame", f"onset and offset are {onset}")
    if max_frames is not None and count > max_frames:
        raise BadRow("absurd_duration", f"{count} frames, more than {max_frames}")
    apex, note = _apex(row, onset, end, missing)
    notes += note
    said = row.text("duration")
    if said and said.casefold() not in MISSING and said != str(count):
        notes.append(("other_duration", f"the row says {said}, its frames are {count}"))
    return onset, apex, end, notes


def emotion_label(emotion: str) -> int:
    """Return the three-class label of a row's emotion.

    Raises:
        BadRow: If no micro-expression data set has it.
    """
    try:
        return three_class(emotion)
    except ValueError as error:
        raise BadRow("unknown_emotion", f"emotion is {emotion!r}") from error


def frames_between(
    frames: Mapping[int, str], onset: int, offset: int, folder: str
) -> tuple[tuple[str, ...], tuple[int, ...], list[tuple[str, str]]]:
    """Return `(names, numbers, notes)` of the frames from onset to offset.

    Args:
        frames: `{number: file name}` of the folder.
        onset: Number of the first frame.
        offset: Number of the last frame.
        folder: How messages name the folder.

    Raises:
        BadRow: If the first or the last frame is not there.
    """
    absent = [number for number in (onset, offset) if number not in frames]
    if absent:
        there = f"{min(frames)} to {max(frames)}" if frames else "none"
        raise BadRow(
            "missing_frames", f"{folder} lacks {absent} of {onset} to {offset}; it has {there}"
        )
    numbers = tuple(number for number in frames if onset <= number <= offset)
    lacking = offset - onset + 1 - len(numbers)
    notes = [("gap", f"{folder} lacks {lacking} frames between")] if lacking else []
    return tuple(frames[number] for number in numbers), numbers, notes


def only(folders: Sequence[str], what: str, prefer: Sequence[str] = ()) -> str:
    """Return the one folder of a list.

    Args:
        folders: Folders that were found.
        what: What was looked for, for messages.
        prefer: Words; where there are several folders, those with such a word in their path.

    Raises:
        BadRow: If there is none, or more than one.
    """
    if not folders:
        raise BadRow("missing_folder", f"there is no folder {what}")
    for word in prefer:
        folders = [folder for folder in folders if word in folder.casefold()] or folders
    if len(folders) > 1:
        raise BadRow("ambiguous_folder", f"{what} is in several places: {folders[:4]}")
    return folders[0]


def count_labels(
    clips: Iterable[Clip], classes: Sequence[str] = MICRO_EXPRESSION_CLASSES
) -> dict[str, int]:
    """Return `{class name: number}` of clips, with those without a label under "no label"."""
    counts = {name: sum(clip.label == i for clip in clips) for i, name in enumerate(classes)}
    return {**counts, "no label": sum(clip.label == NO_LABEL for clip in clips)}


def _apex(row, onset, offset, missing):
    try:
        apex = whole(row.text("apex"), (*missing, "0"))
    except (ValueError, OverflowError):
        return -1, [("no_apex", f"apex is {row.text('apex')!r}")]
    if apex is None:
        return -1, [("no_apex", f"apex is {row.text('apex')!r}")]
    if not onset <= apex <= offset:
        return -1, [("apex_outside", f"apex {apex} is not in {onset} to {offset}")]
    return apex, []
