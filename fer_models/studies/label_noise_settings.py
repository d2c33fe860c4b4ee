"""The settings of the study of label noise: faces, training, and how many labels are wrong."""

import dataclasses
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

from fer_data.checks import check_choice, check_integer

KINDS = ("symmetric", "class_dependent")
AUGMENTATIONS = ("none", "basic", "randaug", "mixup", "randaug+mixup")
FULL: dict[str, Any] = {
    "recipe": "ghostface_small",
    "train": None,
    "epochs": 15,
    "batch_size": None,
    "learning_rate": None,
    "size": None,
    "channels": None,
    "kinds": KINDS,
    "rates": (0.1, 0.2, 0.3),
    "augmentations": ("none", "randaug", "mixup", "randaug+mixup"),
    "seeds": 3,
    "folds": 3,
}
QUICK = {
    "train": 140,
    "epochs": 2,
    "batch_size": 20,
    "size": 32,
    "channels": 1,
    "rates": (0.3,),
    "augmentations": ("none", "randaug+mixup"),
    "seeds": 1,
    "folds": 2,
}
QUICK_MODEL = {"width": 0.25}
# Drawn training faces by default.
DRAWN = 2000
# More of these may be asked for later.
GRID = ("kinds", "rates", "augmentations", "seeds", "folds")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One training of the study.

    Attributes:
        kind: How labels are wrong, a name of `KINDS`.
        rate: The share of wrong labels.
        augmentation: A name of `AUGMENTATIONS`.
        seed: Of everything random.
    """

    kind: str
    rate: float
    augmentation: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.kind}_{self.rate:g}_{self.augmentation}_{self.seed}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelNoiseSettings:
    """Settings of the study; None takes the recipe's value.

    Attributes:
        data: A name of `fer_data.pipelines.labelled_faces.FACES`.
        path: Folder or archive of the data set; None for `"synthetic"`.
        recipe: Name of the recipe.
        train: Training faces, at most; None for all, and for `DRAWN` drawn ones.
        epochs: Of every training.
        batch_size: Faces a step.
        learning_rate: The highest.
        size: Height and width of the faces in pixels.
        channels: 1 for grey, 3 for colour.
        model: Arguments of the model's builder, such as `{"width": 0.5}`.
        kinds: Kinds of wrong labels, of `KINDS`.
        rates: Shares of wrong labels, between 0 and 1; without any is always trained.
        augmentations: Names of `AUGMENTATIONS`: the first is the plain one, the last the one
            against learning by heart.
        seeds: How often everything is repeated.
        folds: Parts for the ranking of suspects; 0 for none.

    Raises:
        ValueError: If a setting breaks its rule.

    Example:

    >>> settings = LabelNoiseSettings(rates=(0.2,), augmentations=("none",), seeds=1)
    >>> [cell.name for cell in settings.cells()]
    ['symmetric_0_none_1', 'symmetric_0.2_none_1', 'class_dependent_0.2_none_1']
    """

    data: str = "synthetic"
    path: str | os.PathLike[str] | None = None
    recipe: str = FULL["recipe"]
    train: int | None = FULL["train"]
    epochs: int = FULL["epochs"]
    batch_size: int | None = FULL["batch_size"]
    learning_rate: float | None = FULL["learning_rate"]
    size: int | None = FULL["size"]
    channels: int | None = FULL["channels"]
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    kinds: Sequence[str] = FULL["kinds"]
    rates: Sequence[float] = FULL["rates"]
    augmentations: Sequence[str] = FULL["augmentations"]
    seeds: int = FULL["seeds"]
    folds: int = FULL["folds"]

    def __post_init__(self) -> None:
        for name in ("kinds", "rates", "augmentations"):
            values = tuple(dict.fromkeys(getattr(self, name)))
            if not values and name != "rates":
                raise ValueError(f"`{name}` must not be empty. Received: {name}=()")
            # The dataclass is frozen for everyone else.
            object.__setattr__(self, name, values)
        if self.data == "synthetic" and self.train is None:
            object.__setattr__(self, "train", DRAWN)
        for name in ("train", "epochs", "batch_size", "size", "seeds"):
            if (value := getattr(self, name)) is not None:
                check_integer(name, value, 1)
        check_choice("channels", self.channels, (None, 1, 3))
        for kind in self.kinds:
            check_choice("kinds", kind, KINDS)
        for augmentation in self.augmentations:
            check_choice("augmentations", augmentation, AUGMENTATIONS)
        if not all(0 < rate < 1 for rate in self.rates):
            raise ValueError(
                f"`rates` must be between 0 and 1; 0 is always trained. Received: {self.rates}"
            )
        check_integer("folds", self.folds, 0)
        if self.folds == 1:
            raise ValueError("`folds` must be 0, or 2 and more. Received: folds=1")

    @property
    def worst(self) -> float:
        """The largest share of wrong labels; 0 without any."""
        return max(self.rates, default=0.0)

    def compared(self) -> dict[str, Any]:
        """Return what decides a training of the study, besides its cell."""
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name not in (*GRID, "path")
        }

    def cells(self) -> list[Cell]:
        """Return all trainings: the labels as they are once, then every kind and rate."""
        noise = [(KINDS[0], 0.0), *itertools.product(self.kinds, self.rates)]
        return [
            Cell(kind, rate, augmentation, seed)
            for (kind, rate), augmentation, seed in itertools.product(
                noise, self.augmentations, range(1, self.seeds + 1)
            )
        ]

    def ranking(self, rate: float) -> str:
        """Return the folder of a ranking of suspects, which names all that may change later.

        Args:
            rate: The share of wrong labels.
        """
        return f"suspects_{rate:g}_{self.augmentations[-1]}_{self.folds}"
