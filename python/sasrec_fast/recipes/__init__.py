"""Recipes: complete options of training runs that reach published quality, and what runs them."""

from sasrec_fast.recipes.catalogue import DEFAULT, RECIPES, Recipe, Training
from sasrec_fast.recipes.progress import Progress
from sasrec_fast.recipes.run import Run, claim, prepare_for, readable, run
from sasrec_fast.recipes.suggestion import Suggestion, suggest
from sasrec_fast.recipes.sweep import Sweep, Trial, sweep

__all__ = [
    "DEFAULT",
    "RECIPES",
    "Progress",
    "Recipe",
    "Run",
    "Suggestion",
    "Sweep",
    "Training",
    "Trial",
    "claim",
    "prepare_for",
    "readable",
    "run",
    "suggest",
    "sweep",
]
