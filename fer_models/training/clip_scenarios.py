"""The scenarios of Irawan (2025): twelve trainings a data set, and the ablation."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fer_models.families.micro_expression_3d import HYBRID, VARIANTS
from fer_models.training import ha3dnet_published, recipes
from fer_models.training.cross_validation import PROPORTIONS, Scenario
from fer_models.training.ha3dnet_published import BATCH_SIZES, EPOCHS
from fer_models.training.recipes.recipe import Recipe

# How the dissertation's regions lie: they follow the landmarks.
REGIONS = "landmarks"
# Options of the builders that say where the files lie and how they are read, not what is read.
NOT_DECISIVE = ("sheet", "samm_sheet", "on_bad", "beam_runner", "beam_options")
# The others, as the dissertation trained.
DATA_OPTIONS = {
    "size": 128,
    "align": True,
    "detector": "mtcnn",
    "expressions": "micro",
    "on_duplicate": "keep",
    "on_conflict": "keep",
}
# What it does not take by the default of the builder: its own three classes, and the owners' faces
# of 280x340 pixels. These must be given.
SET_OPTIONS: dict[str, dict[str, str]] = {
    "cas_me2": {"classes": "own"},
    "casme2": {"pictures": "cropped"},
}
# Experiment: what it has, augmentation, class weights, hybrid attention.
ABLATION = {
    10: ("preprocessing and hybrid attention", False, False, True),
    11: ("with augmentation", True, False, True),
    12: ("with class balancing", False, True, True),
    13: ("with both, without hybrid attention", True, True, False),
    14: ("everything", True, True, True),
}


def grid(
    recipe: Recipe,
    protocols: Sequence[str] = PROPORTIONS,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    epochs: Sequence[int] = EPOCHS,
) -> list[Scenario]:
    """Return a scenario for every protocol, batch size and number of epochs.

    Args:
        recipe: What else is trained how.
        protocols: Names of `fer_models.training.cross_validation.PROTOCOLS`.
        batch_sizes: Clips a step.
        epochs: Epochs.

    Example:

    >>> from fer_models import recipes
    >>> scenarios = grid(recipes.get("ha3dnet"))
    >>> len(scenarios), scenarios[0].words
    (12, '80-10-10, batch 32, 128 epochs')
    """
    return [
        Scenario(
            recipe.replace(batch_size=size, epochs=count),
            protocol,
            name=grid_name(protocol, size, count),
            words=f"{protocol}, batch {size}, {count} epochs",
        )
        for protocol, size, count in itertools.product(protocols, batch_sizes, epochs)
    ]


def grid_name(protocol: str, batch_size: int, epochs: int) -> str:
    """Return the name of a scenario of `grid`.

    Args:
        protocol: A name of `fer_models.training.cross_validation.PROTOCOLS`.
        batch_size: Clips a step.
        epochs: Epochs.
    """
    return f"{protocol}_batch{batch_size}_epochs{epochs}"


def ablation(recipe: Recipe, protocol: str) -> list[Scenario]:
    """Return experiments 10 to 14: what augmentation, balancing and attention add.

    All have the preprocessing, and all but 13 the hybrid attention.

    Args:
        recipe: The last experiment, with everything.
        protocol: A name of `fer_models.training.cross_validation.PROTOCOLS`.

    Raises:
        ValueError: If the recipe has nothing to take away: no hybrid attention, no augmentation
            or no class weights.

    Example:

    >>> from fer_models import recipes
    >>> steps = ablation(recipes.get("ha3dnet"), "80-10-10")
    >>> [step.recipe.model_options.get("attention", "all") for step in steps]
    ['all', 'all', 'all', False, 'all']
    """
    attention = attention_of(recipe)
    if not set(HYBRID) & set(attention):
        raise ValueError(
            "The ablation takes the hybrid attention away, and the network must have some. "
            f"Received: {recipe.model} with attention={attention}"
        )
    if recipe.augmentation == "none" or not recipe.class_weights:
        raise ValueError(
            "The ablation itself sets what is augmented and weighed: the recipe must do both. "
            f"Received: augmentation={recipe.augmentation!r}, "
            f"class_weights={recipe.class_weights}"
        )
    plain = tuple(kind for kind in attention if kind not in HYBRID)
    found = []
    for number, (words, augmented, weighed, hybrid) in ABLATION.items():
        options = {} if hybrid else {"attention": plain or False}
        changed = recipe.replace(
            augmentation=recipe.augmentation if augmented else "none",
            class_weights=weighed,
            model_options={**recipe.model_options, **options},
        )
        name = f"experiment{number}_{grid_name(protocol, recipe.batch_size, recipe.epochs)}"
        found.append(Scenario(changed, protocol, name, f"{number}: {words}"))
    return found


def published_figures(
    dataset: str,
    options: Mapping[str, Any],
    split: str,
    recipe: Mapping[str, Any],
    *,
    regions: str | None,
) -> dict[str, float]:
    """Return what the dissertation publishes of exactly this training.

    That is a training by its own scenario on clips that are divided at random: its data set with
    its classes and, of CASME II, the owners' cropped faces, otherwise prepared by the defaults of
    the builder; regions that follow the landmarks; its network, batch and epochs of its best
    scenario. Its source gives batch and epochs of experiment 14 alone; those of 10 to 13 count as
    the same. Frames, which it does not give, may be any.

    Args:
        dataset: Name of the data set, as `ClipSource` has it.
        options: Arguments of its builder. With one that changes the clips, such as `pictures` or
            `on_duplicate="drop"`, this is no training of the dissertation.
        split: `"80-10-10"` or `"70-15-15"`.
        recipe: What `Recipe.to_dict` gives.
        regions: How the regions were cut, `"landmarks"` or `"grid"`; None if it is not known.

    Returns:
        `accuracy` and `f1`, shares of one; empty where this is no training of the dissertation.

    Example:

    >>> from fer_models import recipes
    >>> recipe = recipes.get("ha3dnet").replace(batch_size=64)
    >>> cut = {"pictures": "cropped"}
    >>> published_figures("casme2", cut, "80-10-10", recipe.to_dict(), regions="landmarks")
    {'accuracy': 0.9887, 'f1': 0.9887}
    >>> published_figures("casme2", cut, "80-10-10", recipe.to_dict(), regions="grid")
    {}
    """
    known = dataset in ha3dnet_published.TITLES and split in ha3dnet_published.SPLITS
    if not known or regions != REGIONS or not _are_its_clips(dataset, options):
        return {}
    batch_size, epochs = ha3dnet_published.best_scenario(dataset, split)
    best = recipes.get("ha3dnet").replace(batch_size=batch_size, epochs=epochs)
    given = _decisive(recipe)
    for number, scenario in zip(ABLATION, ablation(best, split), strict=True):
        if _decisive(scenario.recipe.to_dict()) == given:
            return ha3dnet_published.figures(dataset, split, number)
    return {}


def _are_its_clips(dataset, options):
    """Return whether options of a builder give the clips of the dissertation."""
    needed = SET_OPTIONS.get(dataset, {})
    if not needed.keys() <= options.keys():
        return False
    expected = {**DATA_OPTIONS, **needed}
    return all(
        value == expected.get(name) for name, value in options.items() if name not in NOT_DECISIVE
    )


def _decisive(recipe):
    """Return what makes a training the dissertation's, of the content of a recipe."""
    content = {name: value for name, value in recipe.items() if name not in ("name", "source")}
    content["model_options"] = {**content["model_options"], "frames": None}
    return json.loads(json.dumps(content))


def attention_of(recipe: Recipe) -> tuple[str, ...]:
    """Return the kinds of attention of a recipe's network of clips, in its order.

    Args:
        recipe: A recipe of a network of `fer_models.registry.CLIP_MODELS`.

    Example:

    >>> from fer_models import recipes
    >>> attention_of(recipes.get("ha3dnet"))
    ('spatial', 'temporal')
    """
    given = recipe.model_options.get("attention")
    if given is not None:
        return tuple(given or ())
    (variant,) = (each for each in VARIANTS if each.name == recipe.model)
    return variant.attention
