"""Settings of the study of private training on public features."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from fer_data.checks import check_integer, check_number

FULL: dict[str, Any] = {
    "seeds": 3,
    "epsilons": (8.0, 3.0, 1.0),
    "delta": 1e-5,
    "batch_size": 1024,
    "steps": 200,
    "learning_rates": (1.0, 3.0, 10.0),
    "canaries": 2048,
    "train": 4000,
    "validation": 1000,
    "size": None,
}
QUICK = {
    "seeds": 1,
    "epsilons": (8.0,),
    "delta": 1e-3,
    "batch_size": 64,
    "steps": 20,
    "learning_rates": (1.0, 3.0),
    "canaries": 64,
    "train": 140,
    "validation": 70,
    "size": 48,
}
# Without `features`.
DATA, TRUNK = "synthetic", "faceres"
# What says of which faces the features are, and by what.
OF_FACES = ("data", "path", "trunk", "trunk_weights", "size")
# More of these may be asked for later.
GRID = ("epsilons", "seeds")
# Of the training faces, to choose the learning rate on.
APART = 0.2


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrivateFeaturesSettings:
    """Settings of the study.

    Attributes:
        data: A name of `fer_data.pipelines.labelled_faces.FACES`; None for `"synthetic"`.
        path: Folder or archive of the data set; None for `"synthetic"`.
        trunk: A key of `fer_models.zoo.trunks.TRUNKS`; None for `"faceres"`.
        trunk_weights: File of the trunk's weights; None for random ones.
        features: File of features that `packed_features` wrote; `data`, `path`, `trunk`,
            `trunk_weights` and `size` are then None. None to compute the features.
        seeds: Number of repetitions.
        epsilons: The guarantees; a row without privacy is always added.
        delta: Delta of each guarantee, below 1 / (training faces + canaries): the audit trains on
            both.
        batch_size: Mean number of faces in a batch.
        steps: Number of batches.
        learning_rates: Rates of stochastic gradient descent to choose from; each epsilon takes the
            best on a part of the training faces.
        canaries: Number of canaries; a random half of them is added to the training faces of each
            audit.
        train: Number of drawn faces to train on.
        validation: Number of drawn faces to score on.
        size: Side of the faces for the trunk in pixels; None for the trunk's default.

    Raises:
        ValueError: If a setting breaks its rule.

    Example:

    >>> PrivateFeaturesSettings(epsilons=(3,)).rows
    {'no privacy': None, 'epsilon 3': 3}
    """

    data: str | None = None
    path: str | os.PathLike[str] | None = None
    trunk: str | None = None
    trunk_weights: str | os.PathLike[str] | None = None
    features: str | os.PathLike[str] | None = None
    seeds: int = FULL["seeds"]
    epsilons: Sequence[float] = FULL["epsilons"]
    delta: float = FULL["delta"]
    batch_size: int = FULL["batch_size"]
    steps: int = FULL["steps"]
    learning_rates: Sequence[float] = FULL["learning_rates"]
    canaries: int = FULL["canaries"]
    train: int = FULL["train"]
    validation: int = FULL["validation"]
    size: int | None = FULL["size"]

    def __post_init__(self) -> None:
        for name in ("seeds", "batch_size", "steps", "train", "validation"):
            check_integer(name, getattr(self, name), 1)
        check_integer("canaries", self.canaries, 16)
        for name in ("epsilons", "learning_rates"):
            values = tuple(dict.fromkeys(getattr(self, name)))
            if not values:
                raise ValueError(f"`{name}` must not be empty. Received: {name}=()")
            for value in values:
                check_number(name, value, 1e-6)
            # The dataclass is frozen for everyone else.
            object.__setattr__(self, name, values)
        if self.features is not None:
            self.check_no_faces()

    def check_no_faces(self) -> None:
        """Raise `ValueError` if the settings name faces or a trunk beside given features."""
        named = [name for name in OF_FACES if getattr(self, name) is not None]
        if named:
            raise ValueError(
                f"`{named[0]}` and `features` cannot go together: the features are computed "
                f"already. Received: {named[0]}={getattr(self, named[0])!r}"
            )

    @property
    def rows(self) -> dict[str, float | None]:
        """Epsilon of each row of the table, by the name of the row."""
        return {"no privacy": None} | {f"epsilon {each:g}": each for each in self.epsilons}

    def compared(self, given: bool = False) -> dict[str, Any]:
        """Return the settings that decide a training, besides its row and seed.

        Args:
            given: Whether features in memory are given.
        """
        left_out = (*GRID, "path", "trunk_weights", "features")
        own = dataclasses.asdict(self)
        if self.features is None and not given:
            own |= {"data": self.data or DATA, "trunk": self.trunk or TRUNK}
        return {name: value for name, value in own.items() if name not in left_out}
