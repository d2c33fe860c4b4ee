"""SFEW 2.0, Static Facial Expressions in the Wild: stills of films."""

import re
from pathlib import PurePosixPath

from fer_data.datasets.emotion_builder import EmotionTree

SPLITS = {"train": "train", "val": "validation"}
ALIGNED = "aligned"


class Sfew(EmotionTree):
    """SFEW 2.0: stills of films, seven expressions; no person is in two of the owners' splits.

    Reads the owners' layout: the stills in `Train/Angry/*.png` and `Val/Angry/*.png`, or the
    owners' aligned faces in `Train_Aligned_Faces/Angry/*.png` and `Val_Aligned_Faces/Angry/*.png`,
    which may also lie inside `Train` and `Val`. The test pictures have no labels and are not read.
    Features: see `EmotionBuilder`.

    Args:
        **kwargs: See `EmotionBuilder`; the default of `pictures` is `"aligned"`.

    Reference:
        Dhall, Goecke, Lucey and Gedeon, "Static Facial Expression Analysis in Tough Conditions:
        Data, Evaluation Protocol and Benchmark", ICCV Workshops 2011.
    """

    name = "sfew"
    kinds = ("aligned", "original", "uncut")
    expected = (
        "SFEW 2.0: Train_Aligned_Faces/Angry/*.png and Val_Aligned_Faces/Angry/*.png, or with "
        '`pictures="original"` Train/Angry/*.png and Val/Angry/*.png; folders or a zip archive'
    )

    def _find(self, **options):
        super()._find(**options)
        self._splits: dict[str, list[str]] = {}
        for top in self._class_tops():
            parts = [part.lower() for part in PurePosixPath(top).parts]
            split = next((found for part in reversed(parts) if (found := _split(part))), None)
            aligned = any(ALIGNED in part for part in parts)
            if split is not None and aligned == (self._kind == "aligned"):
                self._splits.setdefault(split, []).append(top)
        self._need("train" in self._splits)

    def _passed_over(self, folder):
        return self._kind != "aligned" and ALIGNED in folder.lower()


def _split(folder):
    """Return the split that a folder such as `val_aligned_faces_new` stands for, or None."""
    found = re.match(r"(train|val)(?:$|_|idation|ing)", folder)
    return SPLITS[found[1]] if found else None
