"""Recipes: complete options of training runs that reach published quality, and what runs them."""

from sasrec_fast.recipes.catalogue import DEFAULT, RECIPES, Recipe, Training

__all__ = [
    "DEFAULT",
    "RECIPES",
    "Recipe",
    "Training",
]
