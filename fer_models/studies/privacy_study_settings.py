"""The settings of the privacy study: rows, faces, network and training."""

import dataclasses
import fnmatch
import os
from collections.abc import Sequence
from typing import Any

from fer_data.checks import check_choice, check_integer, check_number, checked_rate

# Number of noise layers and augmentation: the recipe that trains so.
ROWS = {
    f"{noise}-{augmentation}": f"ghostface{suffix}{'_noise2' if noise == 2 else ''}"
    for noise in (1, 2)
    for augmentation, suffix in (
        ("none", "_none"),
        ("basic", ""),
        ("randaug", "_randaug"),
        ("mixup", "_mixup"),
    )
}
FULL: dict[str, Any] = {
    "rows": ("*",),
    "seeds": 5,
    "members": 2000,
    "population": 2000,
    "size": 48,
    "channels": None,
    "width": 0.25,
    "epochs": 16,
    "batch_size": 64,
    "learning_rate": 0.003,
    "weight_decay": 0.02,
    "queries": 1,
    "tolerated_fpr": 0.1,
    "seed": 1,
}
QUICK = {"members": 100, "population": 60, "size": 32, "epochs": 2, "batch_size": 25}
# What decides a model, besides its row and its number.
COMPARED = (
    "data",
    "size",
    "channels",
    "members",
    "population",
    "width",
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "queries",
    "seed",
)
WHOLE = ("members", "population", "size", "epochs", "batch_size", "queries")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrivacySettings:
    """Settings of the study.

    Attributes:
        data: A name of `fer_data.pipelines.labelled_faces.FACES`. Test faces are left alone.
        path: Folder or archive of the data set; None for `"synthetic"`.
        rows: Patterns (`fnmatch`) of the rows of `ROWS` to train.
        seeds: Models a row, each with its own half of the pool; LiRA needs five.
        members: Faces trained on; as many are not.
        population: Further faces, that no model sees.
        size: Height and width of the faces in pixels.
        channels: 1 for grey, 3 for colour; None for the data's own.
        width: Multiplier of GhostFace's channels.
        epochs: Epochs.
        batch_size: Faces a step.
        learning_rate: Of AdamW, the highest of a cosine.
        weight_decay: Of AdamW.
        queries: Copies of a face that the attacks ask about.
        tolerated_fpr: Share of false positives that the population attack tolerates.
        tensorflow_privacy: Whether the first seed's models meet that package's attacks as well.
        seed: Of the choice of faces; others follow from it.

    Raises:
        ValueError: If a setting breaks its rule.

    Example:

    >>> PrivacySettings(rows=("2-*",)).chosen_rows()
    ['2-none', '2-basic', '2-randaug', '2-mixup']
    """

    data: str = "synthetic"
    path: str | os.PathLike[str] | None = None
    rows: Sequence[str] = FULL["rows"]
    seeds: int = FULL["seeds"]
    members: int = FULL["members"]
    population: int = FULL["population"]
    size: int = FULL["size"]
    channels: int | None = FULL["channels"]
    width: float = FULL["width"]
    epochs: int = FULL["epochs"]
    batch_size: int = FULL["batch_size"]
    learning_rate: float = FULL["learning_rate"]
    weight_decay: float = FULL["weight_decay"]
    queries: int = FULL["queries"]
    tolerated_fpr: float = FULL["tolerated_fpr"]
    tensorflow_privacy: bool = False
    seed: int = FULL["seed"]

    def __post_init__(self) -> None:
        for name in (*WHOLE, "seeds"):
            check_integer(name, getattr(self, name), 1)
        check_choice("channels", self.channels, (None, 1, 3))
        checked_rate("tolerated_fpr", self.tolerated_fpr)
        for name in ("width", "learning_rate", "weight_decay"):
            check_number(name, getattr(self, name), 0)
        check_integer("seed", self.seed, 0)
        unknown = [pattern for pattern in self.rows if not fnmatch.filter(ROWS, pattern)]
        if unknown or not self.rows:
            raise ValueError(
                f"`rows` must be patterns that fit some of {', '.join(ROWS)}. "
                f"Received: {', '.join(unknown) or 'none'}"
            )

    def chosen_rows(self) -> list[str]:
        """Return the names of the rows to train, in their order."""
        return [row for row in ROWS if any(fnmatch.fnmatch(row, each) for each in self.rows)]
