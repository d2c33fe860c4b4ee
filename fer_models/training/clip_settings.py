"""Everything that decides a training on micro-expressions: clips, protocol, network, recipe."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_data.checks import check_choice, check_integer, check_number
from fer_data.faces.regions import CUTS
from fer_models.training import recipes
from fer_models.training.clip_data import COMPOSITE as COMPOSITE_OF
from fer_models.training.clip_data import REAL, SYNTHETIC, ClipSource, clip_sources
from fer_models.training.clip_folds import SELECT
from fer_models.training.cross_validation import COMPOSITE, LOSO, PROPORTIONS, PROTOCOLS, Scenario
from fer_models.training.recipes.recipe import Recipe
from fer_models.zoo.registry import CLIP_MODELS

DATA = (*REAL, SYNTHETIC, COMPOSITE)
RECIPE = "ha3dnet"
# What a few minutes of two cores can do with rendered people.
SMALL = {
    "frames": 10,
    "size": 32,
    "channels": 1,
    "batch_size": 8,
    "epochs": 12,
    "subjects": 10,
    "clips": 3,
}
SMALL_MODEL = {"filters": 8, "head": "grid", "dense_units": 32}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """Settings of a training on micro-expressions.

    None means the dissertation's value (Irawan, 2025), or for rendered people one that is small
    enough for minutes on two cores.

    Attributes:
        data: Names of the data sets: one or more of `REAL`, or `"synthetic"`, or `"composite"` for
            the three of MEGC 2019.
        path: Folder or archive of each data set, in the same order; None for `"synthetic"`.
        data_options: Arguments of the builders: `pictures` of all, `casme2.pictures` of one.
        protocol: `"loso"` leaves one subject out; `"composite"` does so with the clips of MEGC
            2019; `"80-10-10"` and `"70-15-15"` are random splits. None for `"loso"`; for
            `data="composite"` that.
        by_subject: Whether random splits divide people, not clips.
        allow_leaks: Whether people and copies of clips may stand on both sides.
        select: Which epoch is scored: `"last"` or `"validation"`; None for the protocol's own.
        validation: Share of the training part that chooses the epoch, people apart.
        listed: File of clip ids, one on each line: the challenge's own, for `"composite"`.
        model: Name of the network, of `fer_models.registry.CLIP_MODELS`.
        model_options: Arguments of its builder, such as `{"filters": 16}`.
        frames: Frames of every clip; None for the model's own.
        size: Height and width of a region, half of the face's; None for the model's own.
        channels: 1 for grey, 3 for colour; None for the model's own.
        regions: `"landmarks"` for regions that follow eyes, brows and mouth, `"grid"` for the
            same windows in every face.
        motion: Whether the network sees what changed since the first frame, not grey levels.
        epochs: Epochs; None for the recipe's.
        batch_size: Clips a step; None for the recipe's.
        learning_rate: Learning rate of Adam; None for the recipe's.
        augmentation: Whether to turn, crop and light clips.
        class_weights: Whether to weigh classes against their frequency.
        subjects: Rendered people.
        clips: Clips of each rendered person and class.
        seed: Of everything random.

    Raises:
        ValueError: If a setting breaks its rule, or two do not go together.

    Example:

    >>> settings = ClipSettings()
    >>> settings.protocol, settings.epochs, settings.subjects
    ('loso', 12, 10)
    """

    data: Sequence[str] = (SYNTHETIC,)
    path: Sequence[str | os.PathLike[str]] | None = None
    data_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    protocol: str | None = None
    by_subject: bool = False
    allow_leaks: bool = False
    select: str | None = None
    validation: float = 0.1
    listed: str | os.PathLike[str] | None = None
    model: str = "triple_path_ha3dnet"
    model_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    frames: int | None = None
    size: int | None = None
    channels: int | None = None
    regions: str = "landmarks"
    motion: bool = True
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    augmentation: bool = True
    class_weights: bool = True
    subjects: int | None = None
    clips: int | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        self._set(data=_listed(self.data), path=None if self.path is None else _listed(self.path))
        check_choice("model", self.model, tuple(CLIP_MODELS))
        check_choice("regions", self.regions, CUTS)
        self._check_data()
        self._fill()
        self._check_protocol()
        self._check_numbers()
        if self.path is not None:
            self._set(path=tuple(str(Path(path).expanduser().resolve()) for path in self.path))
        # The rules of a recipe and of the options of the data.
        self.scenario()
        self.sources()

    def _set(self, **values):
        # The dataclass is frozen for everyone else.
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_data(self):
        for name in self.data:
            check_choice("data", name, DATA)
        if COMPOSITE in self.data:
            if len(self.data) > 1:
                raise ValueError(
                    "`data` names no others beside 'composite', which stands for three. "
                    f"Received: data={' '.join(self.data)}"
                )
            self._set(data=COMPOSITE_OF, protocol=self.protocol or COMPOSITE)
        if not self.data or len(set(self.data)) < len(self.data):
            raise ValueError(f"`data` must name different sets. Received: {' '.join(self.data)}")
        if SYNTHETIC in self.data:
            if len(self.data) > 1:
                raise ValueError(
                    "`data` names no others beside 'synthetic': rendered people are not real. "
                    f"Received: data={' '.join(self.data)}"
                )
            if self.path or self.protocol == COMPOSITE:
                raise ValueError(
                    "data='synthetic' takes no `path` and no protocol 'composite'. "
                    f"Received: path={self.path}, protocol={self.protocol!r}"
                )
        elif len(self.path or ()) != len(self.data):
            raise ValueError(
                f"`path` must name {len(self.data)} folders, of {' '.join(self.data)} in this "
                "order: you obtain them from their owners. "
                f"Received: {len(self.path or ())} of them"
            )
        elif self.subjects is not None or self.clips is not None:
            raise ValueError(
                "`subjects` and `clips` are for data='synthetic' alone. "
                f"Received: data={' '.join(self.data)}"
            )

    def _fill(self):
        """Give every setting that is None its default."""
        entry, recipe = CLIP_MODELS[self.model], recipes.get(RECIPE)
        defaults = {
            "frames": entry.frames,
            "size": entry.input_shape[0],
            "channels": entry.input_shape[2],
            "epochs": recipe.epochs,
            "batch_size": recipe.batch_size,
            "learning_rate": recipe.learning_rate,
        }
        options = dict(self.model_options)
        if self.data == (SYNTHETIC,):
            defaults |= SMALL
            # A kernel of 15 frames needs more of them.
            defaults["frames"] = max(defaults["frames"], entry.frames if entry.frames > 16 else 0)
            options = SMALL_MODEL | options
        self._set(model_options=options, data_options=dict(self.data_options))
        for name, value in defaults.items():
            if getattr(self, name) is None:
                self._set(**{name: value})
        if self.protocol is None:
            self._set(protocol=LOSO)

    def _check_protocol(self):
        check_choice("protocol", self.protocol, PROTOCOLS)
        check_choice("select", self.select, (None, *SELECT))
        if self.listed is not None and self.protocol != COMPOSITE:
            raise ValueError(
                "`listed` is for the protocol 'composite' alone. "
                f"Received: protocol={self.protocol!r}"
            )
        if self.by_subject and self.protocol not in PROPORTIONS:
            raise ValueError(
                "`by_subject` is for the protocols 80-10-10 and 70-15-15; loso divides people "
                f"anyhow. Received: protocol={self.protocol!r}"
            )

    def _check_numbers(self):
        for name in ("frames", "size", "epochs", "batch_size", "subjects", "clips"):
            if (value := getattr(self, name)) is not None:
                check_integer(name, value, 1)
        check_choice("channels", self.channels, (1, 3))
        check_number("learning_rate", self.learning_rate, 0)
        check_number("validation", self.validation, 0, 1)
        if not 0 < self.validation < 1:
            raise ValueError(
                f"`validation` must be between 0 and 1. Received: validation={self.validation}"
            )
        check_integer("seed", self.seed, 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name, of JSON's types."""
        content = dataclasses.asdict(self)
        content["listed"] = None if self.listed is None else os.fspath(self.listed)
        return json.loads(json.dumps(content))

    def to_recipe(self) -> Recipe:
        """Return how to train."""
        recipe = recipes.get(RECIPE)
        return recipe.replace(
            model=self.model,
            model_options={"frames": self.frames, **self.model_options},
            input_shape=(self.size, self.size, self.channels),
            batch_size=self.batch_size,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            augmentation=recipe.augmentation if self.augmentation else "none",
            class_weights=self.class_weights,
        )

    def scenario(self) -> Scenario:
        """Return what is trained."""
        recipe = self.to_recipe()
        words = f"{self.protocol}, batch {recipe.batch_size}, {recipe.epochs} epochs"
        return Scenario(recipe, self.protocol, words=words)  # type: ignore[arg-type]

    def sources(self) -> list[ClipSource]:
        """Return the data sets to prepare."""
        options = dict(self.data_options)
        if self.data == (SYNTHETIC,):
            own = {"subjects": self.subjects, "clips": self.clips, "seed": self.seed}
            options = own | options
        composite = self.protocol == COMPOSITE
        return clip_sources(self.data, self.path, options, composite=composite)

    def listed_ids(self) -> list[str] | None:
        """Return the clip ids in the file `listed`, or None for no file."""
        if self.listed is None:
            return None
        with open(self.listed, encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]


def _listed(value):
    """Return one value or several as a tuple."""
    single = isinstance(value, (str, os.PathLike, int))
    return (value,) if single else tuple(value)
