"""Recipes: the training of each paper, as data that can be run. See `Recipe`."""

from fer_models.training.recipes.averaging import AverageWeights, some_images
from fer_models.training.recipes.papers import RECIPES, get
from fer_models.training.recipes.recipe import Published, Recipe, Stage
from fer_models.training.recipes.schedule import Constant, Cosine, Plateau, Steps

__all__ = [
    "RECIPES",
    "AverageWeights",
    "Constant",
    "Cosine",
    "Plateau",
    "Published",
    "Recipe",
    "Stage",
    "Steps",
    "get",
    "some_images",
]
