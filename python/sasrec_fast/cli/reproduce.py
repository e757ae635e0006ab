"""`sasrec-fast reproduce`: a recipe run from its data to a JSON and a picture of its curves."""

from __future__ import annotations

import json
import os
import platform
import warnings
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sasrec_fast.cli.drawing import Drawing
from sasrec_fast.cli.options import Flag, command, whole
from sasrec_fast.cli.reading import prepared
from sasrec_fast.cli.screen import load_keras, seconds
from sasrec_fast.errors import DataWarning
from sasrec_fast.recipes import DEFAULT, RECIPES, Recipe, claim, run
from sasrec_fast.saving import replaced_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sasrec_fast.cli.screen import Screen
    from sasrec_fast.recipes import Run

MISSED = 1
FOLDER_VARIABLE = "SASREC_FAST_DATA"
RESULT, MODEL = "result.json", "model.keras"
SMOKE_SHARE = 0.75
"""Of the best possible hit rate on made-up data, what a recipe's smoke version must reach."""


DATA = f"the folder of data, or a file of other data; instead of ${FOLDER_VARIABLE}"
OUTPUT = "for results and models, instead of reproduced/RECIPE; an interrupted run goes on there"
OPTIONS = {
    "recipe": Flag(str, f"one of {', '.join(RECIPES)}", DEFAULT, positional=True),
    "data": Flag(Path, DATA),
    "output": Flag(Path, OUTPUT),
    "seeds": whole("one run each, instead of 0", 0, kind=list[int]),
    "smoke": Flag(bool, "a small version on made-up data, within two minutes", False),
}


@command({"Options": OPTIONS})
def reproduce(arguments: Any, screen: Screen) -> None:
    """Run a recipe and compare with what was published."""
    name, seeds = arguments.recipe, arguments.seeds
    if name not in RECIPES:
        raise ValueError(f"RECIPE {name}: the recipes are {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    recipe, interactions = _smoke(recipe) if arguments.smoke else with_data(recipe, arguments.data)
    if seeds:
        recipe = replace(recipe, seeds=tuple(dict.fromkeys(seeds)))
    output = arguments.output or Path("reproduced") / name
    screen.say(f"{name}: {recipe.summary}")
    load_keras(screen)
    runs = {
        f"seed {seed}": _run(recipe, interactions, seed, output / f"seed-{seed}", screen)
        for seed in recipe.seeds
    }
    summary = _summary(name, recipe, runs)
    _draw(runs, output / f"{name}.png", screen)
    _write(output / f"{name}.json", summary)
    _report(summary, runs, screen)
    screen.say(f"\nwritten: {output / name}.json")
    if not all(summary["reached"].values()):
        raise typer.Exit(MISSED)


def _smoke(recipe: Recipe) -> tuple[Recipe, Any]:
    """The recipe in small, on made-up data whose best possible hit rate is what it is held to."""
    from sasrec_fast.datasets import synthetic

    made = synthetic()
    needed = SMOKE_SHARE * made.best_hit_rate(10)
    recipe = recipe.changed(
        {"max_sequence_length": 40},
        {"hidden_dim": 64, "num_layers": 1, "num_heads": 1, "num_members": 1, "dropout": 0.2},
        {
            "learning_rate": 5e-3,
            "batch_size": 64,
            "max_buckets": 1,
            "epochs": 12,
            "patience": 12,
        },
    )
    recipe = replace(
        recipe,
        summary=f"a small version of it on made-up data (best possible hit rate@10 "
        f"{made.best_hit_rate(10):.4f})",
        file="made-up data",
        candidates=None,
        required={"hit_rate@10": needed},
        seeds=(0,),
    )
    return recipe, made.ratings


def with_data(recipe: Recipe, chosen: Path | None) -> tuple[Recipe, Path]:
    """The recipe and its file in a folder; or held to nothing, with another file.

    Raises:
        FileNotFoundError: It does not exist.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if chosen is None and named is None:
        raise FileNotFoundError(
            f"this recipe reads {recipe.file}: name the folder that holds it with --data or "
            f"{FOLDER_VARIABLE}"
        )
    folder = chosen or Path(str(named))
    path = folder / recipe.file if folder.is_dir() else folder
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; this recipe reads {recipe.file}")
    return (recipe if path != chosen else replace(recipe.changed(), file=str(path))), path


def _run(
    recipe: Recipe, interactions: Any, seed: int, folder: Path, screen: Screen
) -> dict[str, Any]:
    """One run and what became of it; what its folder holds is not done again."""
    claim(folder, recipe)
    if (folder / RESULT).exists():
        screen.say(f"seed {seed}: was run before, see {folder / RESULT}")
        before: dict[str, Any] = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        return before
    from sasrec_fast.model import save_model
    from sasrec_fast.model.checkpoint import remove_checkpoint
    from sasrec_fast.recipes.best_epoch import WEIGHTS

    screen.say(f"\nseed {seed}")
    seeded = recipe.changed(prepare={"seed": seed})
    data = prepared(seeded, interactions, screen, report=False)
    drawing = Drawing(screen, lambda _, best: f"the same command goes on in {folder}")
    done = run(recipe, data, seed=seed, callback=drawing, folder=folder)
    with screen.step("testing"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the metrics say it
        result = _result(done, seed)
    save_model(done.model, folder / MODEL, data)
    _write(folder / RESULT, result)
    remove_checkpoint(folder)
    (folder / WEIGHTS).unlink(missing_ok=True)
    screen.say(str(done.test))
    return result


def _result(done: Run, seed: int) -> dict[str, Any]:
    data = done.data
    packages = ("sasrec-fast", "keras", "jax", "numpy")
    return {
        "seed": seed,
        "data": {
            "users": len(data.users),
            "items": len(data.items),
            "interactions": data.sequences.num_interactions,
            "prepare": dict(data.options),
            "report": data.report.to_dict(),
        },
        "machine": {
            "cpus": os.cpu_count(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            **{name: version(name) for name in packages},
        },
        "epochs": done.epochs,
        "best_epoch": done.best["epoch"],
        "seconds": sum(epoch["seconds"] for epoch in done.epochs),
        "validation": {f"val_{name}": value for name, value in done.validation.items()},
        "protocol": str(done.test.setting),
        "test": dict(done.test),
        "repeated_targets": done.test.repeated_targets,
        "standard_errors": {k: v for k, v in done.test.standard_errors.items() if v == v},
        "baselines": {name: dict(metrics) for name, metrics in done.baselines.items()},
    }


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with replaced_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


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
    from sasrec_fast.cli.display import compared

    done = {
        name: {**run["test"], "best epoch": run["best_epoch"], "time": seconds(run["seconds"])}
        for name, run in runs.items()
    }
    rows = {
        "required": summary["required"],
        "published": summary["published"],
        **next(iter(runs.values()))["baselines"],
        **done,
        **({"mean": summary["mean"]} if len(runs) > 1 else {}),
    }
    names = list(dict.fromkeys([*summary["required"], "hit_rate@10", "ndcg@10"]))
    shown = {name: metrics for name, metrics in rows.items() if metrics}
    screen.say(f"\ntest\n{compared(shown, [*names, 'best epoch', 'time'])}")
    for name, reached in summary["reached"].items():
        screen.say(
            f"{name} {summary['mean'][name]:.4f} of {summary['required'][name]:.4f} required: "
            f"{'reached' if reached else 'MISSED'}"
        )


def _draw(runs: Mapping[str, Mapping[str, Any]], path: Path, screen: Screen) -> None:
    """The learning curves, where matplotlib is installed."""
    from sasrec_fast import plots

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
