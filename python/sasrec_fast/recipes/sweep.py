"""Tries options around a recipe, one run after another, and chooses by validation alone.

A plain loop: every result is a JSON file, and what a folder holds is not done again, so that a
sweep that was killed goes on from the epoch it was in. The test rows are never looked at.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sasrec_fast import checks
from sasrec_fast.recipes.catalogue import RECIPES, Recipe, Training
from sasrec_fast.recipes.progress import Progress
from sasrec_fast.recipes.run import claim, prepare_for, readable, run
from sasrec_fast.saving import replaced_file

MONITOR = "ndcg@10"
PARTS = ("prepare", "model", "training")
Options = dict[str, Any]
Grid = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Trial:
    """Options that were tried.

    Attributes:
        options: What differs from the recipe, by "model.dropout" and the like.
        runs: A record of each seed: "seed", "validation" (metrics of the best epoch),
            "best_epoch", "epochs" (a record of each), "seconds", "options" and "fingerprint", that
            of the data.
    """

    options: Options
    runs: list[dict[str, Any]]

    def mean(self, metric: str = MONITOR) -> float:
        """Of a validation metric, over the seeds."""
        values = [float(run["validation"][metric]) for run in self.runs]
        return math.fsum(values) / len(values)

    def standard_error(self, metric: str = MONITOR) -> float:
        """Of that mean over seeds; NaN for one seed."""
        values, mean = [float(run["validation"][metric]) for run in self.runs], self.mean(metric)
        if len(values) < 2:
            return math.nan
        variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
        return math.sqrt(variance / len(values))


@dataclass(frozen=True)
class Sweep:
    """Every trial of a sweep; printed as a table, the best first.

    Attributes:
        recipe: What the options are changes of.
        trials: In the order of the grid.
    """

    recipe: Recipe
    trials: list[Trial]

    @property
    def best(self) -> Trial:
        """That of the highest mean validation NDCG@10, the first of equal ones."""
        return max(self.trials, key=Trial.mean)

    @property
    def best_recipe(self) -> Recipe:
        """The recipe with the options of the best trial."""
        return _changed(self.recipe, self.best.options)

    def __str__(self) -> str:
        names = list(dict.fromkeys(name for trial in self.trials for name in trial.options))
        head = [*names, "seeds", "NDCG@10", "±", "HR@10", "best epoch", "minutes"]
        rows = [head]
        for trial in sorted(self.trials, key=Trial.mean, reverse=True):
            shown = [_shown(trial.options.get(name, "")) for name in names]
            error = trial.standard_error()
            epochs = " ".join(f"{run['best_epoch']}/{len(run['epochs'])}" for run in trial.runs)
            minutes = sum(run["seconds"] for run in trial.runs) / len(trial.runs) / 60
            means = [f"{trial.mean(name):.4f}" for name in (MONITOR, "hit_rate@10")]
            spread = "" if math.isnan(error) else f"{error:.4f}"
            figures = [str(len(trial.runs)), means[0], spread, means[1], epochs, f"{minutes:.1f}"]
            rows.append([*shown, *figures])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = (zip(row, widths, strict=True) for row in rows)
        return "\n".join("  ".join(f"{c:>{w}}" for c, w in line).rstrip() for line in lines)


def sweep(
    recipe: str | Recipe,
    grid: Grid,
    data: Any,
    folder: str | os.PathLike[str],
    *,
    seeds: Sequence[int] = (0,),
    callback: Progress | None = None,
) -> Sweep:
    """Run a recipe with every combination of some options, and compare them by validation.

    The best is that of the highest validation NDCG@10, a mean over the seeds. The test rows are
    not looked at: test `Sweep.best_recipe` by `run`, once, when all has been chosen.

    Args:
        recipe: A name in `RECIPES`, or a `Recipe`.
        grid: Values by "prepare.", "model." or "training." and an option's name, of which every
            combination is tried: `{"model.dropout": [0.2, 0.5], "training.epochs": [30]}`. Or a
            list of the combinations to try: `[{}, {"model.dropout": 0.5}]`; `{}` is the recipe.
        data: `Prepared`, as it is; or what `prepare` takes, or a .txt file of sequences, prepared
            with the options of each trial.
        folder: Holds the results, a JSON file a run, and the run under way. Where it holds results
            of this recipe and data they are taken, so that a sweep goes on, or grows.
        seeds: Of the runs of each trial.
        callback: Told of each run before it begins, and how it goes on.

    Returns:
        The trials; `print` shows them as a table.

    Raises:
        ValueError: There is no such recipe or option, the grid is empty, the folder holds a sweep
            of another recipe or of other data, or prepared data would have to be prepared again.
        TypeError: A grid of another kind, or data that can be read only once.

    Example:
        >>> import tempfile
        >>> import sasrec_fast as sf
        >>> recipe = sf.recipes.Recipe(
        ...     prepare={"max_sequence_length": 8},
        ...     model={"hidden_dim": 8, "num_layers": 1},
        ...     training=sf.recipes.Training(epochs=2, max_buckets=1),
        ... )
        >>> ratings = sf.datasets.synthetic(60, 100, interactions=(6, 10)).ratings
        >>> grid = {"training.learning_rate": [1e-4, 1e-2]}
        >>> done = sf.recipes.sweep(recipe, grid, ratings, tempfile.mkdtemp())
        >>> len(done.trials), sorted(done.best.options)
        (2, ['training.learning_rate'])
    """
    from sasrec_fast.preparing import Prepared

    if isinstance(recipe, str):
        recipe = RECIPES[checks.one_of("recipe", recipe, tuple(RECIPES))]
    combinations = _combinations(grid)
    seeds = [checks.integer("seeds", seed, 0) for seed in seeds]
    if not seeds:
        raise ValueError("seeds is empty; a trial has one run a seed")
    prepared = isinstance(data, Prepared)
    for options in combinations:
        again = [name for name in options if name.startswith("prepare.")]
        if prepared and again:
            raise ValueError(f"{again[0]} is in the grid, and the data is prepared: pass the table")
    if isinstance(data, Iterator):
        raise TypeError("data can be read only once, and each run prepares it: pass a table")
    folder, data = Path(folder), data if prepared else readable(data)
    claim(folder, recipe)
    planned = [(options, seed) for options in combinations for seed in seeds]
    records: dict[str, list[dict[str, Any]]] = {}
    for number, (options, seed) in enumerate(planned, 1):
        (callback or Progress()).trial(number, len(planned), options, seed)
        seeded = _changed(recipe, {**options, "training.seed": seed})
        try:
            here = data if prepared else prepare_for(seeded, data)
            record = _record(seeded, here, folder / _name(options, seed), options, callback)
        except Exception as error:
            error.add_note(f"in the trial {options} with seed {seed}")
            raise
        records.setdefault(_name(options), []).append(record)
    return Sweep(recipe, [Trial(options, records[_name(options)]) for options in combinations])


def _record(
    recipe: Recipe, data: Any, path: Path, options: Options, callback: Progress | None
) -> dict[str, Any]:
    """What became of a run, of now or of before."""
    result = path.with_suffix(".json")
    if result.exists():
        before: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        if before["fingerprint"] != data.fingerprint:
            raise ValueError(f"{result} is of other data: choose another folder")
        return before
    start = time.perf_counter()
    done = run(recipe, data, callback=callback, folder=path)
    record = {
        "options": options,
        "seed": recipe.training.seed,
        "validation": done.validation,
        "best_epoch": done.best["epoch"],
        "seconds": max(time.perf_counter() - start, sum(e["seconds"] for e in done.epochs)),
        "fingerprint": data.fingerprint,
        "epochs": done.epochs,
    }
    with replaced_file(result) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(path)
    return record


def _combinations(grid: Grid) -> list[Options]:
    """Options of each trial, each once."""
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            if isinstance(values, str | Mapping) or not isinstance(values, Sequence):
                received = checks.received(values)
                raise TypeError(f"{name} in the grid must be a list of values, received {received}")
        chosen = itertools.product(*grid.values())
        combinations = [dict(zip(grid, values, strict=True)) for values in chosen]
    elif isinstance(grid, Sequence) and all(isinstance(options, Mapping) for options in grid):
        combinations = [dict(options) for options in grid]
    else:
        raise TypeError(
            "grid is a mapping of lists, or a list of mappings, of options such as "
            f"'model.dropout'; received {checks.received(grid)}"
        )
    if not combinations:
        raise ValueError("the grid has no combination of options to try")
    for name in dict.fromkeys(name for options in combinations for name in options):
        _require_option(name)
    return list({_name(options): options for options in combinations}.values())


def _require_option(name: Any) -> None:
    part, _, option = str(name).partition(".")
    if part not in PARTS or not option:
        raise ValueError(
            f"{checks.received(name)} is no option: expected 'prepare.', 'model.' or 'training.' "
            "and a name"
        )
    known = [field.name for field in fields(Training)]
    if part == "training" and (option not in known or option == "seed"):
        raise ValueError(f"{name} is no option of a sweep; those of training are {known[:-1]}")


def _changed(recipe: Recipe, options: Options) -> Recipe:
    parts: dict[str, Options] = {part: {} for part in PARTS}
    for name, value in options.items():
        part, _, option = name.partition(".")
        parts[part][option] = value
    return recipe.changed(**parts)


def _name(options: Options, seed: int | None = None) -> str:
    """Of a trial, or of its run, by what decides it."""
    text = json.dumps(options, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return name if seed is None else f"{name}-seed-{seed}"


def _shown(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list | tuple) else str(value)
