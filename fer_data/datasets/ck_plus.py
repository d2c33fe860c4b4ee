"""CK+, the extended Cohn-Kanade data set: posed expressions from neutral to the peak."""

import collections
from pathlib import PurePosixPath
from typing import Any

from fer_data.checks import check_flag, check_integer
from fer_data.datasets.emotion_builder import EmotionBuilder
from fer_data.datasets.text_tables import text_lines

# S005_001_00000011.png: person, sequence, number of the frame.
FRAME = r"(S\d{3})_(\d{3})_(\d{8})\.(?:png|jpe?g)"
LABEL = r"(S\d{3})_(\d{3})_\d{8}_emotion\.txt"
NEUTRAL = "0"


class CkPlus(EmotionBuilder):
    """CK+: 593 sequences of 123 people, each from a neutral face to the peak of an expression.

    Reads the owners' layout: `cohn-kanade-images/S005/001/*.png`, and for the 327 sequences that
    have an emotion, `Emotion/S005/001/*_emotion.txt`. The last frames of such a sequence show the
    emotion, its first frame shows a neutral face, and the frames between are ignored. Sequences
    without an emotion are left out, and the report counts them. The pictures show the head and the
    room; the faces are cut here unless `pictures="uncut"`. All pictures are in `train`; fractions
    set whole people apart. Features: see `EmotionBuilder`.

    Args:
        peaks: Number of frames to take from the end of each sequence, at most its last half.
        neutral: Whether to take the first frame as a neutral face.
        **kwargs: See `EmotionBuilder`.

    Reference:
        Lucey et al., "The Extended Cohn-Kanade Dataset (CK+)", CVPR Workshops 2010.
    """

    name = "ck_plus"
    expected = (
        "CK+: cohn-kanade-images/S005/001/S005_001_00000001.png and so on, and "
        "Emotion/S005/001/S005_001_00000011_emotion.txt; folders or a zip archive"
    )

    def __init__(self, *, peaks: int = 3, neutral: bool = True, **kwargs: Any) -> None:
        check_integer("peaks", peaks, 1)
        check_flag("neutral", neutral)
        super().__init__(peaks=peaks, neutral=neutral, **kwargs)

    def _find(self, peaks, neutral, **options):
        super()._find(**options)
        self._peaks, self._neutral = peaks, neutral
        self._frames = collections.defaultdict(list)
        for name, match in self._named(FRAME).items():
            self._frames[match[1].upper(), match[2]].append((int(match[3]), name))
        self._labels = {}
        for name, match in self._named(LABEL).items():
            self._labels[match[1].upper(), match[2]] = name
        self._need(self._frames and self._labels)

    def _pictures(self, report):
        items = []
        for sequence in sorted(self._frames.keys() | self._labels.keys()):
            names = [name for _, name in sorted(self._frames.get(sequence, ()))]
            if sequence not in self._labels:
                where = self._source.where(str(PurePosixPath(names[0]).parent))
                report.read += 1
                report.drop("no emotion", where, "a sequence that the owners gave none")
            elif not names:
                where = self._source.where(self._labels[sequence])
                self._bad(report, "missing", where, "no frames of this sequence are there")
            else:
                items += self._of_sequence(report, sequence, names)
        used = {name for frames in self._frames.values() for _, name in frames}
        self._ignore(report, used | set(self._labels.values()))
        return items

    def _of_sequence(self, report, sequence, names):
        code = self._code(report, self._labels[sequence])
        if code is None:
            return []
        first, last = (names[0], names[1:]) if self._neutral else (None, names)
        # The first half of a short sequence is nearer to the neutral face.
        peaks = min(self._peaks, max(1, len(names) // 2))
        chosen = [(name, code) for name in last[-peaks:]]
        if first is not None:
            chosen.insert(0, (first, NEUTRAL))
        taken = {name for name, _ in chosen}
        report.ignored += [self._source.where(name) for name in names if name not in taken]
        items = []
        for name, own in chosen:
            label = self._label(report, self._source.where(name), own)
            if label is not None:
                items.append(self._item(name, label, subject=sequence[0]))
        return items

    def _code(self, report, name):
        """Return the number in a file such as "   3.0000000e+00"."""
        try:
            text = "".join(text_lines(self._source, name)).strip()
            return str(int(float(text)))
        except (OverflowError, ValueError) as error:
            self._bad(report, "bad_label", self._source.where(name), str(error))
            return None
