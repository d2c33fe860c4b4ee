"""ExpW, Expression in the Wild: faces in photos from the web."""

import collections
import functools
from pathlib import PurePosixPath

from fer_data import picture
from fer_data.datasets.boxed_picture import read_box
from fer_data.datasets.emotion_builder import EmotionBuilder
from fer_data.datasets.policy import Item
from fer_data.datasets.text_tables import text_lines

LIST = "label.lst"


class ExpW(EmotionBuilder):
    """ExpW: 91,793 faces in photos from the web, seven expressions.

    Reads the owners' layout: the photos below `image`, and `label/label.lst` with a line for each
    face: photo, number of the face, top, left, right, bottom, confidence of the box, label. The
    owners' box is cut out of the photo. All faces are in `train`. The owners do not say who is in
    a photo, so `subject` is the name of the photo: the faces of one photo stay in one split.
    Features: see `EmotionBuilder`.

    Args:
        **kwargs: See `EmotionBuilder`; the options that cut faces are refused.

    Reference:
        Zhang, Luo, Loy and Tang, "From Facial Expression Recognition to Interpersonal Relation
        Prediction", IJCV 2018.
    """

    name = "expw"
    kinds = ("boxed",)
    expected = "ExpW: label/label.lst and the photos below image/; folders or a zip archive"

    def _find(self, **options):
        super()._find(**options)
        lists = [name for name in self._source.names if PurePosixPath(name).name == LIST]
        self._list = min(lists, key=lambda name: (name.count("/"), name), default=None)
        self._photos = collections.defaultdict(list)
        for name in self._source.names:
            if name.lower().endswith(picture.SUFFIXES):
                self._photos[PurePosixPath(name).name].append(name)
        self._need(self._list and self._photos)

    def _pictures(self, report):
        items, seen = [], set()
        for number, line in enumerate(text_lines(self._source, self._list), start=1):
            if line.strip():
                item = self._face(report, f"{self._source.where(self._list)}:{number}", line, seen)
                items += [] if item is None else [item]
        self._ignore(
            report, {self._list, *(self._photos[item.extra["subject"]][0] for item in items)}
        )
        return items

    def _face(self, report, where, line, seen):
        """Return the `Item` of a line such as `a.jpg 0 80 10 90 160 41.2 3`, or None."""
        parts = line.split()
        try:
            photo, face, top, left, right, bottom, _, code = parts
            box = tuple(map(int, (left, top, right, bottom)))
        except ValueError:
            detail = "not a photo, six numbers and a label"
            self._bad(report, "bad_row", where, f"{line.strip()[:200]!r} is {detail}")
            return None
        if (photo, face) in seen:
            self._bad(report, "bad_row", where, f"face {face} of {photo} is listed twice")
            return None
        seen.add((photo, face))
        if photo not in self._photos:
            self._bad(report, "missing", where, f"there is no {photo}")
            return None
        name, *others = self._photos[photo]
        if others:
            self._bad(report, "ambiguous", where, f"several files are named {photo}: {name}, ...")
            return None
        label = self._label(report, where, code)
        if label is None:
            return None
        read = functools.partial(read_box, self._source, name, self.channels, box)
        about = self._about(photo, {})
        return Item("train", label, f"{photo}#{face}", where, read, about)
