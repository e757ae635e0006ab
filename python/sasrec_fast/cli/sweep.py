"""`sasrec-fast sweep`: options around a recipe, tried one after another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sasrec_fast.cli.drawing import Drawing
from sasrec_fast.cli.options import Flag, command, whole
from sasrec_fast.cli.reproduce import DATA, with_data
from sasrec_fast.cli.screen import load_keras
from sasrec_fast.recipes import DEFAULT, RECIPES, sweep

if TYPE_CHECKING:
    from sasrec_fast.cli.screen import Screen

GRID = 'a JSON file of values by option, {"model.dropout": [0.2, 0.5]}, or a list of combinations'
OPTIONS = {
    "grid": Flag(Path, GRID, ..., positional=True),
    "recipe": Flag(str, f"what they are changes of: {', '.join(RECIPES)}", DEFAULT),
    "data": Flag(Path, DATA),
    "output": Flag(Path, "for results; an interrupted sweep goes on there", Path("sweep")),
    "seeds": whole("of the runs of each combination, instead of 0", 0, kind=list[int]),
}


class Trials(Drawing):
    """A training run on the screen, after a line that says which one of a sweep it is."""

    def trial(self, number: int, total: int, options: Mapping[str, Any], seed: int) -> None:
        """Print it."""
        changes = ", ".join(f"{name} {value}" for name, value in options.items())
        self._screen.say(f"\nrun {number} of {total}: {changes or 'the recipe'}, seed {seed}")


@command({"Options": OPTIONS})
def sweep_command(arguments: Any, screen: Screen) -> None:
    """Try options around a recipe, and choose by validation."""
    name = arguments.recipe
    if name not in RECIPES:
        raise ValueError(f"--recipe {name}: the recipes are {', '.join(RECIPES)}")
    try:
        grid = json.loads(arguments.grid.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{arguments.grid} is no JSON: {error}") from None
    recipe, data = with_data(RECIPES[name], arguments.data)
    load_keras(screen)
    folder = arguments.output
    trials = Trials(screen, lambda *_: f"the same command goes on in {folder}")
    done = sweep(recipe, grid, data, folder, seeds=arguments.seeds or (0,), callback=trials)
    screen.say(f"\nvalidation, the best first\n{done}\n\nwritten: {folder}")
