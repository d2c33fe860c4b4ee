"""The scenarios of Irawan (2025): twelve trainings a data set, and the ablation."""

import itertools
from collections.abc import Sequence

from fer_models.families.micro_expression_3d import HYBRID, VARIANTS
from fer_models.training.cross_validation import PROPORTIONS, Scenario
from fer_models.training.recipes.recipe import Recipe

BATCH_SIZES = (32, 64, 128)
EPOCHS = (128, 256)
# Name, what it adds, augmentation, class weights, hybrid attention.
ABLATION = (
    ("10_preprocessing", "image preprocessing alone", False, False, False),
    ("11_augmentation", "with augmentation", True, False, False),
    ("12_balancing", "with class balancing", False, True, False),
    ("13_both", "with both, without hybrid attention", True, True, False),
    ("14_everything", "everything", True, True, True),
)


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
            name=f"{protocol}_batch{size}_epochs{count}",
            words=f"{protocol}, batch {size}, {count} epochs",
        )
        for protocol, size, count in itertools.product(protocols, batch_sizes, epochs)
    ]


def ablation(recipe: Recipe, protocol: str) -> list[Scenario]:
    """Return experiments 10 to 14: what preprocessing, augmentation, balancing, attention add.

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
    [False, False, False, False, 'all']
    """
    attention = attention_of(recipe)
    if not set(HYBRID) & set(attention):
        raise ValueError(
            "The ablation takes the hybrid attention away, and the network must have some. "
            f"Received: {recipe.model} with attention={attention}"
        )
    if recipe.augmentation == "none" or not recipe.class_weights:
        raise ValueError(
            "The ablation itself says what is augmented and weighed: the recipe must do both. "
            f"Received: augmentation={recipe.augmentation!r}, "
            f"class_weights={recipe.class_weights}"
        )
    plain = tuple(kind for kind in attention if kind not in HYBRID)
    found = []
    for name, words, augmented, weighed, hybrid in ABLATION:
        options = {} if hybrid else {"attention": plain or False}
        changed = recipe.replace(
            augmentation=recipe.augmentation if augmented else "none",
            class_weights=weighed,
            model_options={**recipe.model_options, **options},
        )
        found.append(Scenario(changed, protocol, name, words))
    return found


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
