"""CREMA-D: actors who speak sentences with an expression, and the votes of viewers."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fer_data.checks import check_choice
from fer_data.datasets.text_tables import csv_rows
from fer_data.datasets.video_builder import VideoBuilder
from fer_data.file_limits import is_number
from fer_data.labels import FERPLUS_VOTE_COLUMNS

# 1001_DFA_ANG_XX.flv: actor, sentence, emotion, level.
NAME = r"(\d{4})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX?)\.(?:flv|mp4)"
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified", "X": "unspecified"}
PEOPLE, VOTES = "VideoDemographics.csv", "tabulatedVotes.csv"
# By the owners' letter of a vote: their class name, and the column of FER+.
LETTERS = {
    "A": ("ANG", "anger"),
    "D": ("DIS", "disgust"),
    "F": ("FEA", "fear"),
    "H": ("HAP", "happiness"),
    "N": ("NEU", "neutral"),
    "S": ("SAD", "sadness"),
}
# The rows of votes have numbers of six digits. The first digit says what the viewers got: the
# voice, the face without the voice, or both.
ROW, FACE = "row", "2"
LABELS = ("acted", "seen")
# Faulty videos, by the owners' README.
FAULTY = {
    "1076_MTI_SAD_XX": "an error picture",
    "1064_IEO_DIS_MD": "a minute with all expressions",
}


# Not registered: tensorflow-datasets has the sounds of CREMA-D under this name.
class CremaD(VideoBuilder, skip_registration=True):
    """CREMA-D: 91 actors who speak twelve sentences with six expressions, on video, with votes.

    Reads the owners' repository: `VideoFlash/1001_DFA_ANG_XX.flv`, `VideoDemographics.csv` and
    `processedResults/tabulatedVotes.csv`; if a table is missing, its features are empty. The votes
    are those of the viewers who saw the face without hearing the voice. Two videos that the owners
    call faulty are left out; if a clip has two files, the first is read. All frames are in `train`;
    fractions set whole actors apart. No clip shows surprise. Features: see `VideoBuilder`;
    `group_sex`, `group_age` (by ten years), `group_race`, `group_ethnicity`, `group_level`; `votes`
    float32 (10,), in the order of `FERPLUS_VOTE_COLUMNS`, all -1 where unknown.

    Args:
        labels: `"acted"`, the emotion that the actor was asked to show; `"seen"`, the emotion with
            most votes. Videos with a tie, or without votes, are then left out and counted.
        **kwargs: See `VideoBuilder`.

    Reference:
        Cao, Cooper, Keutmann, Gur, Nenkova and Verma, "CREMA-D: Crowd-sourced Emotional Multimodal
        Actors Dataset", IEEE Transactions on Affective Computing, 2014.
    """

    name = "crema_d"
    groups = ("sex", "age", "race", "ethnicity", "level")
    expected = (
        "CREMA-D: VideoFlash/1001_DFA_ANG_XX.flv and so on, in a folder, with "
        f"{PEOPLE} and processedResults/{VOTES}"
    )

    def __init__(self, *, labels: str = "acted", **kwargs: Any) -> None:
        check_choice("labels", labels, LABELS)
        super().__init__(labels=labels, **kwargs)

    def _find(self, labels, **options):
        super()._find(**options)
        self._seen = labels == "seen"
        self._files = self._named(NAME)
        by_name = {PurePosixPath(name).name: name for name in self._source.names}
        self._tables = {name: by_name[name] for name in (PEOPLE, VOTES) if name in by_name}
        self._need(self._files)
        if self._seen and VOTES not in self._tables:
            raise ValueError(
                f'`path` must hold processedResults/{VOTES} for `labels="seen"`. '
                f"Received: {self._source.root}, without"
            )

    def _extra_features(self):
        votes = tfds.features.Tensor(shape=(len(FERPLUS_VOTE_COLUMNS),), dtype=np.float32)
        return {**super()._extra_features(), "votes": votes}

    def _pictures(self, report):
        people, votes = self._people(), self._votes()
        if people is None:
            report.keep("no_people", str(self._source.root), f"there is no {PEOPLE}")
        if votes is None:
            report.keep("no_votes", str(self._source.root), f"there is no {VOTES}")
        items, seen = [], {}
        # If a clip comes in both formats, the owners' own, .flv, is first.
        for name in sorted(self._files, key=lambda name: (name[-4:].lower(), name)):
            match = self._files[name]
            actor, _, acted, level = (part.upper() for part in match.groups())
            where, clip = self._source.where(name), PurePosixPath(name).stem.upper()
            if clip in FAULTY:
                report.read += 1
                report.drop("faulty", where, f"{FAULTY[clip]}, as the owners say")
                continue
            if clip in seen:
                report.read += 1
                report.drop("same clip", where, f"{self._source.where(seen[clip])} is taken")
                continue
            seen[clip] = name
            own = (votes or {}).get(clip)
            code = _majority(own) if self._seen else acted
            if code is None:
                report.read += 1
                report.drop("no majority", where, f"votes: {own or 'none'}")
                continue
            label = self._label(report, where, code)
            if label is not None:
                groups = {**(people or {}).get(actor, {}), "level": LEVELS[level]}
                extra = {"votes": _columns(own)}
                items += self._frames(name, label, subject=actor, groups=groups, extra=extra)
        self._oddly_named(
            report, self._files.keys() | set(self._tables.values()), suffixes=(".flv",)
        )
        return items

    def _people(self):
        """Return the groups of each actor; None if there is no table of people."""
        if PEOPLE not in self._tables:
            return None
        return {
            row.get("ActorID", ""): {
                "sex": row.get("Sex", "").lower(),
                "age": _decade(row.get("Age", "")),
                "race": row.get("Race", ""),
                "ethnicity": row.get("Ethnicity", ""),
            }
            for _, row in csv_rows(self._source, self._tables[PEOPLE])
        }

    def _votes(self):
        """Return the votes on the face of each clip by letter; None if there is no table."""
        if VOTES not in self._tables:
            return None
        found = {}
        for line, row in csv_rows(self._source, self._tables[VOTES], unnamed=ROW):
            if row.get(ROW, "").startswith(FACE):
                try:
                    found[row["fileName"].upper()] = {each: int(row[each]) for each in LETTERS}
                except (KeyError, ValueError) as error:
                    raise ValueError(
                        f"{self._source.where(self._tables[VOTES])} must have the columns "
                        f"{(*LETTERS, 'fileName')}, with numbers of votes. "
                        f"Received: {row} in line {line}"
                    ) from error
        return found


def _majority(votes: Mapping[str, int] | None) -> str | None:
    """Return the code of the emotion with most votes; None for a tie or without votes."""
    most = max(votes.values(), default=0) if votes else 0
    first = [letter for letter, count in (votes or {}).items() if count == most]
    return LETTERS[first[0]][0] if most and len(first) == 1 else None


def _columns(votes):
    """Return votes in the order of FER+'s columns."""
    found = np.full(len(FERPLUS_VOTE_COLUMNS), -1 if votes is None else 0, np.float32)
    for letter, count in (votes or {}).items():
        found[FERPLUS_VOTE_COLUMNS.index(LETTERS[letter][1])] = count
    return found


def _decade(age):
    """Return the decade of an age: "50-59" for 51."""
    if not is_number(age):
        return ""
    low = int(age) // 10 * 10
    return f"{low}-{low + 9}"
