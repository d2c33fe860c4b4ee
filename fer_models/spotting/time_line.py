"""The time line of a long video: windows, intervals, gaps."""

import array
import collections.abc
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data import arguments
from fer_data.files import write_table
from fer_models.spotting.motion import REGIONS
from fer_models.spotting.rule import Rule

_WHOLE = ("first", "last")
_SECONDS = ("start", "end", "onset", "apex", "offset")
_MOTION = ("motion", "back", "head")
_NUMBERS = (*_WHOLE, *_SECONDS, *_MOTION)
_NAMES = list(REGIONS)


@dataclasses.dataclass(frozen=True)
class Window:
    """The result for one window.

    Attributes:
        first, last: Numbers of its first and last frame in the video.
        start, end: Their times in seconds.
        onset, apex, offset: Seconds at which the motion begins, is greatest and is over.
        motion: Distance that a brow or lip corner moves away and back, in pixels of a face of 128;
            see `fer_models.spotting.motion`.
        back: Share of the way that it comes back, from 0 to 1.
        head: Distance that the nose moves, in the same pixels.
        region: Name of the region that moves.
        probabilities: Probability of each class by its name. The network has no class for "no
            expression", so it names one in every window.
        label: Name of the likeliest class.
        confidence: Its probability.
    """

    first: int
    last: int
    start: float
    end: float
    onset: float
    apex: float
    offset: float
    motion: float
    back: float
    head: float
    region: str
    probabilities: dict
    label: str
    confidence: float


@dataclasses.dataclass(frozen=True)
class Interval:
    """A time at which a micro-expression is likely, by the rule.

    Attributes:
        start, apex, end: Seconds: onset, apex and offset of the motion.
        threshold: Pixels of motion that the rule asks for here.
        window: The `Window` in which it was found.
    """

    start: float
    apex: float
    end: float
    threshold: float
    window: Window


@dataclasses.dataclass(frozen=True)
class Gap:
    """A time that no window covers.

    Attributes:
        first: Number of the first frame without a face; before a cut or a damaged part, of the
            last good frame.
        start: Its time in seconds.
        last: Number of the last frame without a face; after a cut or a damaged part, of the first
            good one.
        end: Its time in seconds.
        reason: `"no face"`, `"cut"`, or `"not decoded"`.
    """

    first: int
    start: float
    last: int
    end: float
    reason: str


@arguments.checked_class(class_names=arguments.sequence(arguments.text))
class TimeLine(collections.abc.Sequence):
    """The windows of a video in order, as numbers: some 100 bytes each, however large the frames.

    Args:
        class_names: Names of the network's classes.
        rule: `Rule` by which intervals are found.

    Attributes:
        gaps: List of `Gap`.
        frames: Number of frames that were searched.
        faces: Number of frames with a face.
        seconds: Time of the last one.

    Example:

    >>> line = TimeLine(("negative", "positive", "surprise"))
    >>> len(line), line.intervals()
    (0, [])
    """

    def __init__(self, class_names: Sequence[str], rule: Rule | None = None) -> None:
        self.class_names = tuple(class_names)
        self.rule = Rule() if rule is None else rule
        self.gaps = []
        self.frames = self.faces = 0
        self.seconds = 0.0
        self._numbers = array.array("d")
        self._width = len(_NUMBERS) + 1 + len(self.class_names)

    def add(self, event: Window | Gap) -> None:
        """Append a `Window` or a `Gap`."""
        if isinstance(event, Gap):
            self.gaps.append(event)
            return
        self._numbers.extend(getattr(event, name) for name in _NUMBERS)
        self._numbers.append(_NAMES.index(event.region))
        self._numbers.extend(event.probabilities[name] for name in self.class_names)

    def __len__(self) -> int:
        return len(self._numbers) // self._width

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"there are {len(self)} windows; asked for {place}")
        start = place % len(self) * self._width
        row = self._numbers[start : start + self._width]
        values = dict(zip(_NUMBERS, row, strict=False))
        values |= {name: int(values[name]) for name in _WHOLE}
        region = _NAMES[int(row[len(_NUMBERS)])]
        return window(values, region, row[len(_NUMBERS) + 1 :], self.class_names)

    def columns(self) -> dict[str, np.ndarray]:
        """Return the windows as a dictionary of arrays, `probabilities` as `(windows, classes)`."""
        rows = np.array(self._numbers, np.float64).reshape(-1, self._width)
        columns = dict(zip(_NUMBERS, rows.T, strict=False))
        return columns | {"probabilities": rows[:, len(_NUMBERS) + 1 :]}

    def intervals(self) -> list[Interval]:
        """Return the `Interval`s that the rule finds, in order."""
        columns = self.columns()
        limits = self.thresholds()
        found = [(self[place], float(limits[place])) for place in self.rule.spot(columns)]
        return [Interval(each.onset, each.apex, each.offset, limit, each) for each, limit in found]

    def thresholds(self) -> np.ndarray:
        """Return the motion that the rule asks of each window, `(windows,)`."""
        columns = self.columns()
        start, end = columns["start"], columns["end"]
        return self.rule.thresholds((start + end) / 2, columns["motion"], end - start)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write a CSV file with a row for each window."""
        spotted = set(self.rule.spot(self.columns()))
        limits = self.thresholds()
        header = [*_NUMBERS, "region", "threshold", "spotted", "label", *self.class_names]
        rows = (
            [
                *_shown(each),
                *(each.region, f"{limits[place]:.3f}", int(place in spotted), each.label),
                *(f"{each.probabilities[name]:.4f}" for name in self.class_names),
            ]
            for place, each in enumerate(self)
        )
        return write_table(path, header, rows)

    def write_intervals(self, path: str | os.PathLike[str]) -> Path:
        """Write a CSV file with a row for each interval."""
        header = ["start", "apex", "end", "motion", "threshold", "region", "label"]
        rows = (
            [
                *(f"{value:.3f}" for value in (each.start, each.apex, each.end)),
                *(f"{value:.3f}" for value in (each.window.motion, each.threshold)),
                *(each.window.region, each.window.label),
                *(f"{each.window.probabilities[name]:.4f}" for name in self.class_names),
            ]
            for each in self.intervals()
        )
        return write_table(path, [*header, *self.class_names], rows)


def window(
    values: Mapping[str, Any],
    region: str,
    probabilities: Sequence[float],
    class_names: Sequence[str],
) -> Window:
    """Return a `Window` of its numbers by name, its region and its probabilities `(classes,)`."""
    probabilities = [float(value) for value in probabilities]
    best = int(np.argmax(probabilities))
    return Window(
        **values,
        region=region,
        probabilities=dict(zip(class_names, probabilities, strict=True)),
        label=class_names[best],
        confidence=probabilities[best],
    )


def _shown(each):
    return [
        *(getattr(each, name) for name in _WHOLE),
        *(f"{getattr(each, name):.3f}" for name in (*_SECONDS, *_MOTION)),
    ]
