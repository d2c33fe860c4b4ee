"""Settings of the study of exposed faces: treatments, faces, network and training."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from fer_data.checks import check_choice, check_integer, check_number, checked_rate

PLAIN, BARE = "plain", "bare"
BASES = (PLAIN, BARE)
# What a treatment adds to its base; several are joined by plus signs, after "bare" or alone.
PARTS = ("erasing", "mixup", "votes", "distilled", "pretrained")
DEFAULT = (PLAIN, "erasing", "mixup", "erasing+mixup", "votes", "distilled", "pretrained")
# What the last training of `ghostface:fer2013` adds to its augmentation, and its share of votes.
ERASING, MIXUP = {"erase": 0.5}, {"mixup": {"fraction": 0.5, "alpha": 0.4}}
VOTE_SHARE = 0.5
MODEL = {"width": 0.25, "stem_strides": 1, "noise_layers": 0}
FULL: dict[str, Any] = {
    "treatments": None,
    "seeds": 1,
    "models": 17,
    "members": 2000,
    "population": 1000,
    "recipe": "ghostface_small",
    "size": 48,
    "channels": 1,
    "epochs": 30,
    "batch_size": 64,
    "learning_rate": 0.002,
    "weight_decay": 0.05,
    "augmentation": "fer2013",
    "exposure_fpr": 0.01,
}
QUICK = {"models": 6, "members": 120, "population": 60, "size": 32, "epochs": 4, "batch_size": 24}
# What decides a model, besides its treatment, its seed and its number.
COMPARED = (
    "data",
    "members",
    "population",
    "recipe",
    "model",
    "size",
    "channels",
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "augmentation",
)
# LiRA fits a variance to models with a face, and one to models without it.
LEAST_MODELS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExposedFacesSettings:
    """Settings of the study.

    Attributes:
        data: A name of `fer_data.pipelines.labelled_faces.FACES`; its training faces are used.
        path: Folder, archive or packed file of the data set; None for `"synthetic"`.
        treatments: `"plain"`, the recipe alone; `"bare"`, the recipe without its augmentation;
            parts of `PARTS` added to the plain recipe, such as `"erasing+mixup"`, or to the bare
            one, such as `"bare+votes"`. None for those of `DEFAULT` that the data and `start`
            allow.
        seeds: Number of repetitions, each on another pool of faces.
        models: Models of each treatment and seed; each is attacked with the others as references.
        members: Faces that a model is trained on; the pool is twice as large.
        population: Number of further faces that no model is trained on, for RMIA.
        recipe: Name of the recipe.
        model: Arguments of the builder that replace those of `MODEL`, such as `{"width": 0.5}`.
        start: Arguments of the builder that name trained weights, for the part `"pretrained"`:
            `weights` of the whole network, or `trunk_weights`, whose batch norm gets the statistics
            of the population.
        size: Height and width of the faces in pixels.
        channels: 1 for grey, 3 for colour.
        epochs: Epochs of every training.
        batch_size: Faces in a step.
        learning_rate: Highest rate of AdamW's cosine schedule.
        weight_decay: Weight decay of AdamW.
        augmentation: Augmentation of the plain recipe: a preset's name, or amounts.
        exposure_fpr: Rate of false positives at which a face counts as found.
        sheet: Whether to show real faces on the sheet; only with the consent of all of them.

    Raises:
        ValueError: If a setting breaks its rule, or two contradict each other.

    Example:

    >>> ExposedFacesSettings(data="fer2013", path="faces.npz").chosen(voted=True)
    ('plain', 'erasing', 'mixup', 'erasing+mixup', 'votes', 'distilled')
    """

    data: str = "synthetic"
    path: str | os.PathLike[str] | None = None
    treatments: Sequence[str] | None = FULL["treatments"]
    seeds: int = FULL["seeds"]
    models: int = FULL["models"]
    members: int = FULL["members"]
    population: int = FULL["population"]
    recipe: str = FULL["recipe"]
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    start: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    size: int = FULL["size"]
    channels: int = FULL["channels"]
    epochs: int = FULL["epochs"]
    batch_size: int = FULL["batch_size"]
    learning_rate: float = FULL["learning_rate"]
    weight_decay: float = FULL["weight_decay"]
    augmentation: str | Mapping[str, Any] = FULL["augmentation"]
    exposure_fpr: float = FULL["exposure_fpr"]
    sheet: bool = False

    def __post_init__(self) -> None:
        for name in ("seeds", "population", "size", "epochs"):
            check_integer(name, getattr(self, name), 1)
        check_integer("models", self.models, LEAST_MODELS)
        check_integer("members", self.members, 2)
        check_integer("batch_size", self.batch_size, 2, self.members)
        check_choice("channels", self.channels, (1, 3))
        for name in ("learning_rate", "weight_decay"):
            check_number(name, getattr(self, name), 0)
        checked_rate("exposure_fpr", self.exposure_fpr)
        if (self.path is None) != (self.data == "synthetic"):
            raise ValueError(
                "`path` must name the data set (--path); drawn faces take none. "
                f"Received: path={self.path!r} and data={self.data!r}"
            )
        if self.treatments is None:
            return
        # The dataclass is frozen for everyone else.
        object.__setattr__(self, "treatments", tuple(dict.fromkeys(self.treatments)))
        for treatment in self.treatments:
            self._check_treatment(treatment)
        if not self.treatments:
            raise ValueError("`treatments` must name one or more. Received: treatments=()")

    def _check_treatment(self, treatment):
        own = parts(treatment)
        if "distilled" in own and base(treatment) not in self.treatments:
            raise ValueError(
                f"`treatments` must have {base(treatment)!r} with {treatment!r}, whose teachers "
                f"are its models. Received: treatments={self.treatments!r}"
            )
        if "pretrained" in own and not self.start:
            raise ValueError(
                "`start` must name trained weights (--start weights=FILE or trunk_weights=FILE) "
                f"for {treatment!r}. Received: start={{}}"
            )

    def compared(self) -> dict[str, Any]:
        """Return the settings that decide a model; the others may change in a later run."""
        return {name: getattr(self, name) for name in COMPARED}

    def chosen(self, voted: bool) -> tuple[str, ...]:
        """Return the treatments to train.

        Args:
            voted: Whether the faces come with votes.

        Raises:
            ValueError: If a given treatment needs votes and the faces have none.
        """
        if self.treatments is None:
            return tuple(
                each
                for each in DEFAULT
                if (voted or "votes" not in parts(each)) and (self.start or each != "pretrained")
            )
        voting = [each for each in self.treatments if "votes" in parts(each)]
        if voting and not voted:
            raise ValueError(
                "`treatments` with votes need data with votes (fer2013, ferplus). "
                f"Received: {', '.join(voting)} and data={self.data!r}"
            )
        return tuple(self.treatments)


def base(treatment: str) -> str:
    """Return the base of a treatment, `"plain"` or `"bare"`.

    Args:
        treatment: Name of the treatment.

    Example:

    >>> base("votes"), base("bare+votes")
    ('plain', 'bare')
    """
    return BARE if treatment.split("+")[0] == BARE else PLAIN


def is_treatment(name: str) -> bool:
    """Return whether a name is that of a treatment.

    Args:
        name: Any text.

    Example:

    >>> is_treatment("bare+votes"), is_treatment("mine")
    (True, False)
    """
    try:
        parts(name)
    except ValueError:
        return False
    return True


def parts(treatment: str) -> tuple[str, ...]:
    """Return what a treatment adds to its base.

    Args:
        treatment: `"plain"`, `"bare"`, or parts of `PARTS` joined by plus signs, which may begin
            with `"bare"`.

    Raises:
        ValueError: If it is none of these.

    Example:

    >>> parts("erasing+mixup"), parts("plain"), parts("bare+votes")
    (('erasing', 'mixup'), (), ('votes',))
    """
    if treatment in BASES:
        return ()
    own = tuple(treatment.removeprefix(f"{BARE}+").split("+"))
    if not set(own) <= set(PARTS) or len(set(own)) < len(own) or {"votes", "distilled"} <= set(own):
        raise ValueError(
            f"`treatments` must be {PLAIN!r}, {BARE!r}, or some of {', '.join(PARTS)} joined by "
            f"plus signs, perhaps after '{BARE}+'; votes and distilled both replace the labels and "
            f"cannot go together. Received: {treatment!r}"
        )
    return own
