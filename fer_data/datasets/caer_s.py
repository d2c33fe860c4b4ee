"""CAER-S: stills of television shows that show faces in their surroundings."""

from fer_data.datasets.class_tree import find_splits
from fer_data.datasets.emotion_builder import EmotionTree


class CaerS(EmotionTree):
    """CAER-S: about 70,000 stills of television shows, seven expressions.

    Reads the owners' layout: `train/Anger/*.png` and `test/Anger/*.png`. The stills show people in
    their surroundings; the largest face of each is cut here unless `pictures="uncut"`. The label
    belongs to the scene; if a still shows several people, the owners do not say whom it means. Nor
    do they say which stills come from one clip, so `validation_fraction` may put stills of one clip
    on both sides. Features: see `EmotionBuilder`.

    Args:
        **kwargs: See `EmotionBuilder`.

    Reference:
        Lee, Kim, Kim, Park and Sohn, "Context-Aware Emotion Recognition Networks", ICCV 2019.
    """

    name = "caer_s"
    expected = "CAER-S: train/Anger/*.png and test/Anger/*.png; folders or a zip archive"

    def _find(self, **options):
        super()._find(**options)
        self._splits = find_splits(self._source)
        self._need(self._splits and set(self._class_tops()) & set(self._splits["train"]))
