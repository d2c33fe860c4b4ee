"""The settings of the study of leaks: copies and folds, beside those of all studies of clips."""

import dataclasses
from typing import Any

from fer_data.checks import check_integer
from fer_models.studies.clip_study_settings import FULL as SHARED
from fer_models.studies.clip_study_settings import QUICK as SHARED_QUICK
from fer_models.studies.clip_study_settings import SYNTHETIC, ClipStudySettings

_OTHERS = {name: value for name, value in SHARED.items() if name != "protocols"}
FULL = {**_OTHERS, "copies": 3, "folds": 5}
QUICK = {
    **SHARED_QUICK,
    "seeds": 1,
    "epochs": (40,),
    "subjects": 6,
    "clips": 3,
    "copies": 2,
    "folds": 3,
}
# One that can learn by heart what it sees.
QUICK_MODEL = {"filters": 8, "head": "grid", "dense_units": 32, "dropout": 0.2}
# Of drawn people: clips of each person and class, in so many videos, and how far faces move, which
# is so little that looks tell more of a clip than its motion.
SMALL_CLIPS, SMALL_VIDEOS, SMALL_AMPLITUDE = 4, 2, (0.2, 0.8)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeakSettings(ClipStudySettings):
    """Settings of the study.

    Attributes:
        copies: Augmented copies of each clip, beside the clip itself.
        folds: Folds of each division; each example is tested in one.

    The others are those of `ClipStudySettings`, without the protocols.

    Raises:
        ValueError: If a setting breaks its rule.

    Example:

    >>> LeakSettings(copies=1).default_data_options()["synthetic.videos"]
    2
    """

    copies: int = FULL["copies"]
    folds: int = FULL["folds"]

    def __post_init__(self) -> None:
        if self.clips is None and SYNTHETIC in self.data:
            object.__setattr__(self, "clips", SMALL_CLIPS)
        super().__post_init__()
        check_integer("copies", self.copies, 1)
        check_integer("folds", self.folds, 2)

    def default_data_options(self) -> dict[str, Any]:
        """Return the default arguments of the builders."""
        videos = min(SMALL_VIDEOS, self.clips or SMALL_CLIPS)
        return {
            **super().default_data_options(),
            f"{SYNTHETIC}.videos": videos,
            f"{SYNTHETIC}.amplitude": SMALL_AMPLITUDE,
        }
