"""`sasrec-fast reproduce`: a recipe run from its data to a JSON and a picture of its curves."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sasrec_fast import plots
from sasrec_fast.cli.keras_loading import load_keras
from sasrec_fast.cli.screen import Screen, seconds
from sasrec_fast.datasets import synthetic
from sasrec_fast.reading import read_sequences
from sasrec_fast.recipes import RECIPES, Recipe
from sasrec_fast.saving import replaced_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

MISSED = 1
FOLDER_VARIABLE = "SASREC_FAST_DATA"
SMOKE_SHARE = 0.75
"""Of the best possible hit rate on made-up data, what a recipe's smoke version must reach."""


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Run a recipe once for each seed; write and print what it reached.

    Raises:
        SystemExit: It did not reach what it must; code 1, after everything is written.
    """
    recipe = RECIPES[arguments.recipe]
    output = arguments.output or Path("reproduced") / arguments.recipe
    if arguments.smoke:
        recipe, interactions = _smoke(recipe)
    else:
        path = _file(recipe, arguments.data)
        if path == arguments.data:  # other data, of which nothing was published
            recipe = replace(recipe, file=str(path), required={}, published={}, source="")
        interactions = _read(path, screen)
    if arguments.seeds:
        recipe = replace(recipe, seeds=tuple(dict.fromkeys(arguments.seeds)))
    screen.say(f"{arguments.recipe}: {recipe.summary}")
    output.mkdir(parents=True, exist_ok=True)
    load_keras(screen)
    from sasrec_fast.cli.recipe_run import run_seed

    runs = {
        f"seed {seed}": run_seed(recipe, interactions, seed, output / f"seed-{seed}", screen)
        for seed in recipe.seeds
    }
    summary = _summary(arguments.recipe, recipe, runs)
    _draw(runs, output / f"{arguments.recipe}.png", screen)
    with replaced_file(output / f"{arguments.recipe}.json") as path:
        path.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    _report(summary, runs, screen)
    screen.say(f"\nwritten: {output / arguments.recipe}.json")
    if not all(summary["reached"].values()):
        raise SystemExit(MISSED)


def _smoke(recipe: Recipe) -> tuple[Recipe, Any]:
    """The recipe in small, on made-up data whose best possible hit rate is what it is held to."""
    made = synthetic()
    needed = SMOKE_SHARE * made.best_hit_rate(10)
    small = {"hidden_dim": 64, "num_layers": 1, "num_heads": 1, "dropout": 0.2}
    training = replace(
        recipe.training, learning_rate=5e-3, batch_size=64, max_buckets=1, epochs=12, patience=12
    )
    prepare = {**recipe.prepare, "max_sequence_length": 40}
    if "windows" in prepare:
        prepare["windows"] = ("stride", 40)
    recipe = replace(
        recipe,
        summary=f"a small version of it on made-up data (best possible hit rate@10 "
        f"{made.best_hit_rate(10):.4f})",
        file="made-up data",
        prepare=prepare,
        model={**recipe.model, **small},
        training=training,
        candidates=None,
        required={"hit_rate@10": needed},
        published={},
        source="",
        seeds=(0,),
    )
    return recipe, made.ratings


def _file(recipe: Recipe, chosen: Path | None) -> Path:
    """The file of interactions: that of the recipe in a folder, or another file.

    Raises:
        FileNotFoundError: It does not exist.
    """
    folder = chosen or (
        Path(os.environ[FOLDER_VARIABLE]) if FOLDER_VARIABLE in os.environ else None
    )
    if folder is None:
        raise FileNotFoundError(
            f"this recipe reads {recipe.file}: name the folder that holds it with --data or "
            f"{FOLDER_VARIABLE}"
        )
    path = folder / recipe.file if folder.is_dir() else folder
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; this recipe reads {recipe.file}")
    return path


def _read(path: Path, screen: Screen) -> Any:
    """Sequences of a .txt file; what `prepare` reads stays a path."""
    if not path.name.endswith((".txt", ".txt.gz")):
        return path
    with screen.step(f"reading {path}"):
        return read_sequences(path)


def _summary(name: str, recipe: Recipe, runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Everything a reader needs to judge or repeat the runs."""
    tests = [run["test"] for run in runs.values()]
    means = {key: sum(test[key] for test in tests) / len(tests) for key in tests[0]}
    return {
        "recipe": name,
        **asdict(recipe),
        "mean": means,
        "reached": {key: means[key] >= least for key, least in recipe.required.items()},
        "seconds": sum(run["seconds"] for run in runs.values()),
        "runs": runs,
    }


def _report(summary: Mapping[str, Any], runs: Mapping[str, Any], screen: Screen) -> None:
    """A table of what was asked for, published and reached."""
    names = list(dict.fromkeys([*summary["required"], "hit_rate@10", "ndcg@10"]))
    heads = "".join(f"{name:>13}" for name in names)
    screen.say(f"\n{'test':13}{heads}   best epoch          time")
    first = next(iter(runs.values()))
    rows = {
        "required": summary["required"],
        "published": summary["published"],
        **first["baselines"],
        **{name: run["test"] for name, run in runs.items()},
    }
    if len(runs) > 1:
        rows["mean"] = summary["mean"]
    for name, metrics in rows.items():
        if metrics:
            cells = "".join(f"{metrics[n]:13.4f}" if n in metrics else " " * 13 for n in names)
            run = runs.get(name)
            more = f"{run['best_epoch']:13}{seconds(run['seconds']):>14}" if run else ""
            screen.say(f"{name:13}{cells}{more}".rstrip())
    for name, reached in summary["reached"].items():
        screen.say(
            f"{name} {summary['mean'][name]:.4f} of {summary['required'][name]:.4f} required: "
            f"{'reached' if reached else 'MISSED'}"
        )


def _draw(runs: Mapping[str, Mapping[str, Any]], path: Path, screen: Screen) -> None:
    """The learning curves, where matplotlib is installed."""
    history = {
        name: {key: [epoch[key] for epoch in run["epochs"]] for key in run["epochs"][0]}
        for name, run in runs.items()
    }
    try:
        figure = plots.learning_curves(history, metrics=["val_ndcg@10", "val_hit_rate@10"])
    except ImportError as missing:
        screen.say(f"note: no picture of the curves: {missing}")
        return
    with replaced_file(path) as temporary:
        figure.savefig(temporary, dpi=120)
