"""The rule that decides which windows are likely to hold a micro-expression."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from fer_data.checks import check_number


@dataclasses.dataclass(frozen=True)
class Rule:
    """The rule by which the motion in a window counts.

    A window is likely to hold a micro-expression if a brow or a lip corner moves away and comes
    back at least `back` of the way, while the nose moves by at most `head` pixels. The motion must
    be at least `least` pixels, and at least `times` the median of the windows that lie within
    `around / 2` seconds before and after this one and do not overlap it. In a video too short for
    such windows `least` alone decides. If windows overlap from onset to offset, only the one with
    the greatest motion is kept.

    All pixels are those of a face of 128. The numbers are our own choice: they were set on the
    synthetic data and viewed on two videos, not measured by a score.

    Args:
        least: Pixels, 0 or more.
        times: Factor, 0 or more; 0 for `least` alone.
        around: Seconds, above 0.
        head: Pixels, 0 or more.
        back: Share of the way, from 0 to 1: a motion that stays is not a micro-expression.

    Raises:
        ValueError: If a number is out of its range.
    """

    least: float = 0.3
    times: float = 2.5
    around: float = 10.0
    head: float = 3.0
    back: float = 0.5

    def __post_init__(self) -> None:
        check_number("least", self.least, 0)
        check_number("times", self.times, 0)
        check_number("around", self.around, 0)
        check_number("head", self.head, 0)
        check_number("back", self.back, 0, 1)
        if not self.around:
            raise ValueError(f"`around` must be above 0. Received: around={self.around!r}")

    def __str__(self) -> str:
        return (
            f"within a window a brow or lip corner moves away and at least {100 * self.back:g}% of "
            f"the way back, by {self.least:g} px or more of a face of 128 px and {self.times:g} "
            f"times the median of the windows within {self.around:g} s around that do not overlap "
            f"it, while the nose moves by {self.head:g} px at most"
        )

    def thresholds(
        self, middle: np.ndarray, motion: np.ndarray, length: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Return the motion above which each window counts, float64 `(windows,)`.

        Args:
            middle: Seconds of each window's middle, rising.
            motion: Its motion in pixels.
            length: Length of a window in seconds. Windows whose middles are nearer than that
                overlap it, itself included, and are left out of the median; where no others are
                left, `least` applies. 0 leaves none out.

        Example:

        >>> Rule().thresholds([0.25, 0.5, 2.0], [0.1, 2.0, 0.2], 0.5).round(2).tolist()
        [0.5, 0.5, 2.62]
        """
        middle, motion = np.asarray(middle, np.float64), np.asarray(motion, np.float64)
        low = np.searchsorted(middle, middle - self.around / 2)
        high = np.searchsorted(middle, middle + self.around / 2, side="right")
        # A window that only touches this one stays, whatever the rounding.
        apart = np.asarray(length, np.float64) - 1e-9
        before = np.searchsorted(middle, middle - apart)
        after = np.maximum(before, np.searchsorted(middle, middle + apart, side="right"))
        medians = []
        for a, b, c, d in zip(low, before, after, high, strict=True):
            others = np.concatenate([motion[a:b], motion[c:d]])
            medians.append(np.median(others) if len(others) else 0.0)
        return np.maximum(self.least, self.times * np.array(medians, np.float64))

    def spot(self, windows: Mapping[str, np.ndarray]) -> list[int]:
        """Return the numbers of the windows that are kept, rising.

        Args:
            windows: Dictionary of arrays of one length: `start` and `end` of each window, `onset`
                and `offset` in seconds, `motion` and `head` in pixels, `back` as a share.

        Example:

        >>> still = dict(start=0.1 * np.arange(8), end=0.1 * np.arange(8) + 0.5, head=np.zeros(8))
        >>> still |= dict(onset=still["start"], offset=still["end"], back=np.ones(8))
        >>> still["motion"] = np.full(8, 0.1)
        >>> still["motion"][3:5] = 0.8, 0.9
        >>> Rule().spot(still)
        [4]
        """
        motion = windows["motion"]
        start, end = windows["start"], windows["end"]
        limits = self.thresholds((start + end) / 2, motion, end - start)
        calm = (windows["head"] <= self.head) & (windows["back"] >= self.back)
        candidates = np.flatnonzero((motion >= limits) & calm)
        onset, offset = windows["onset"], windows["offset"]
        kept = []
        for window in candidates[np.argsort(-motion[candidates], kind="stable")]:
            if all(offset[window] < onset[k] or onset[window] > offset[k] for k in kept):
                kept.append(int(window))
        return sorted(kept)
