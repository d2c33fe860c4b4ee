"""KDEF: posed expressions of seventy people from five angles."""

from collections.abc import Sequence
from typing import Any

from fer_data.checks import check_choice, check_sequence
from fer_data.datasets.emotion_builder import EmotionBuilder

# AF01ANS.JPG: session, sex and number of the person, expression, angle.
NAME = r"([AB])([FM])(\d\d)(AF|AN|DI|HA|NE|SA|SU)(FL|HL|S|HR|FR)\.jpe?g"
ANGLES = {
    "FL": "full left profile",
    "HL": "half left profile",
    "S": "straight",
    "HR": "half right profile",
    "FR": "full right profile",
}
SEXES = {"F": "female", "M": "male"}
# Folder of averaged faces, which show no real people.
AVERAGED = "AKDEF"


class Kdef(EmotionBuilder):
    """KDEF: 35 women and 35 men who pose seven expressions twice, from five angles.

    Reads the owners' layout, `KDEF/AF01/AF01ANS.JPG`; `AKDEF` beside it is not read. The pictures
    show head and shoulders; the faces are cut here unless `pictures="uncut"`. All pictures are in
    `train`; fractions set whole people apart, with both of their sessions. Features: see
    `EmotionBuilder`; `group_sex`, `group_angle`.

    Args:
        angles: Angles to read, some of `ANGLES`; by default only faces turned to the camera. The
            report counts the pictures of other angles.
        **kwargs: See `EmotionBuilder`.

    Reference:
        Lundqvist, Flykt and Öhman, "The Karolinska Directed Emotional Faces - KDEF", 1998.
    """

    name = "kdef"
    groups = ("sex", "angle")
    expected = "KDEF: pictures named like AF01ANS.JPG, in folders or a zip archive"

    def __init__(self, *, angles: Sequence[str] = ("S",), **kwargs: Any) -> None:
        check_sequence("angles", angles)
        for angle in angles:
            check_choice("angles", angle, tuple(ANGLES))
        super().__init__(angles=sorted(set(angles)), **kwargs)

    def _find(self, angles, **options):
        super()._find(**options)
        self._angles = angles
        self._files = self._named(NAME)
        self._need(self._files)

    def _pictures(self, report):
        items = []
        for name, match in self._files.items():
            _, sex, number, code, angle = (part.upper() for part in match.groups())
            where = self._source.where(name)
            if angle not in self._angles:
                report.read += 1
                report.drop(f"angle {angle}", where, ANGLES[angle])
                continue
            label = self._label(report, where, code)
            if label is not None:
                groups = {"sex": SEXES[sex], "angle": ANGLES[angle]}
                items.append(self._item(name, label, subject=sex + number, groups=groups))
        self._oddly_named(report, self._files, apart=(AVERAGED,))
        return items
