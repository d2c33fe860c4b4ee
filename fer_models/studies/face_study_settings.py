"""The settings of the studies that train by `train_faces`: faces, size, and how long."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fer_data.checks import check_choice, check_integer

if TYPE_CHECKING:
    from fer_models.training.face_settings import FaceSettings

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
# Why a paper's figures do not stand beside ours, where the faces are drawn.
UNPUBLISHED = "Nobody published figures of drawn people, so none stand beside ours."
# Drawn training faces by default.
DRAWN = 2000


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceStudySettings:
    """Settings that the studies have in common; `resnet50_cbam_report` and `webcam_cnn` add theirs.

    Attributes:
        data: A name of `fer_data.pipelines.labelled_faces.FACES`.
        path: Folder, archive or packed file of the data set; None for `"synthetic"`. Kept as an
            absolute path.
        seeds: How often everything is repeated.
        train: Drawn training faces, for `"synthetic"` alone; None for `DRAWN`.
        size: Height and width of the faces in pixels.
        epochs: Epochs at most.
        batch_size: Faces a step.
        precision: In which the training computes, one of `PRECISIONS`.

    Raises:
        ValueError: If a setting breaks its rule.
    """

    RECIPE: ClassVar[str]

    data: str = "synthetic"
    path: str | os.PathLike[str] | None = None
    seeds: int
    train: int | None = None
    size: int
    epochs: int
    batch_size: int
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("seeds", "size", "epochs", "batch_size"):
            check_integer(name, getattr(self, name), 1)
        check_choice("precision", self.precision, PRECISIONS)
        drawn = self.data == "synthetic"
        if self.train is not None:
            check_integer("train", self.train, 7)
            if not drawn:
                raise ValueError(
                    "`train` is the number of drawn faces, for data='synthetic' alone. "
                    f"Received: train={self.train} and data={self.data!r}"
                )
        if (self.path is None) != drawn:
            raise ValueError(
                "`path` must name the data set (--path); drawn faces take none. "
                f"Received: path={self.path!r} and data={self.data!r}"
            )
        # The dataclass is frozen for everyone else.
        if self.path is not None:
            object.__setattr__(self, "path", str(Path(self.path).resolve()))
        elif self.train is None:
            object.__setattr__(self, "train", DRAWN)

    def compared(self) -> dict[str, Any]:
        """Return what decides the trainings; more seeds may be asked for later."""
        return {name: value for name, value in vars(self).items() if name != "seeds"}

    def published(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return published figures where they may stand beside ours: not beside drawn faces.

        Args:
            values: The figures of a paper, by name.
        """
        return {} if self.data == "synthetic" else values

    def training(
        self, seed: int, division: Mapping[str, Any] | None = None, **model: Any
    ) -> "FaceSettings":
        """Return the settings of one training.

        Args:
            seed: Of everything random.
            division: How `load_faces` divided the faces, such as `validation_from`, so that the
                record of the training says it; None for the data set's own splits.
            **model: Arguments of the model's builder, over the recipe's.
        """
        from fer_models.training.face_settings import FaceSettings

        names = ("data", "path", "train", "size", "epochs", "batch_size", "precision")
        return FaceSettings(
            recipe=self.RECIPE,
            seed=seed,
            model=model,
            **(division or {}),
            **{name: getattr(self, name) for name in names},
        )
