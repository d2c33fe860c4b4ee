"""JAFFE: posed expressions of ten Japanese women."""

from fer_data.datasets.emotion_builder import EmotionBuilder

# KA.AN1.39.tiff: person, expression and take, number of the picture.
NAME = r"([A-Z]{2})\.([A-Z]{2})\d*\.\d+\.tiff?"


class Jaffe(EmotionBuilder):
    """JAFFE: 213 grey pictures of ten Japanese women who pose seven expressions.

    Reads the owners' layout: `KA.AN1.39.tiff` and so on, in one folder. The pictures show the head;
    the faces are cut here unless `pictures="uncut"`. All pictures are in `train`; fractions set
    some of the ten people apart. Features: see `EmotionBuilder`; `group_sex`.

    Args:
        **kwargs: See `EmotionBuilder`.

    Reference:
        Lyons, Akamatsu, Kamachi and Gyoba, "Coding Facial Expressions with Gabor Wavelets",
        FG 1998.
    """

    name = "jaffe"
    groups = ("sex",)
    expected = "JAFFE: pictures named like KA.AN1.39.tiff, in a folder or a zip archive"

    def _find(self, **options):
        super()._find(**options)
        self._files = self._named(NAME)
        self._need(self._files)

    def _pictures(self, report):
        items = []
        for name, match in self._files.items():
            label = self._label(report, self._source.where(name), match[2].upper())
            if label is not None:
                person, group = match[1].upper(), {"sex": "female"}
                items.append(self._item(name, label, subject=person, groups=group))
        self._oddly_named(report, self._files)
        return items
