"""One run of a recipe, with one seed, in a folder from which it can go on."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sasrec_fast.cli.best_epoch import WEIGHTS
from sasrec_fast.cli.model_file import save_model
from sasrec_fast.cli.train import prepared
from sasrec_fast.cli.training import train_model
from sasrec_fast.evaluation import MarkovChain, Popularity, evaluate
from sasrec_fast.model.checkpoint import FILE
from sasrec_fast.saving import replaced_file

if TYPE_CHECKING:
    from pathlib import Path

    from sasrec_fast.cli.screen import Screen
    from sasrec_fast.preparing import Prepared
    from sasrec_fast.recipes import Recipe

OPTIONS, RESULT, MODEL = "options.json", "result.json", "model.keras"
CUTOFFS = (1, 5, 10, 20)


def run_seed(
    recipe: Recipe, interactions: Any, seed: int, folder: Path, screen: Screen
) -> dict[str, Any]:
    """Train and test; what a folder holds of the same run is not done again.

    Args:
        recipe: What to run.
        interactions: Its data, as `prepare` takes it.
        seed: Of everything random.
        folder: Holds the run until it is done, then its result and its model.
        screen: Where the progress is printed.

    Returns:
        The result: options, data, epochs, seconds, metrics of the test and of baselines.

    Raises:
        ValueError: The folder holds a run of other options.
    """
    _claim(folder, recipe)
    if (folder / RESULT).exists():
        screen.say(f"seed {seed}: was run before, see {folder / RESULT}")
        done: dict[str, Any] = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        return done
    screen.say(f"\nseed {seed}")
    data = prepared(interactions, {**recipe.prepare, "seed": seed}, screen, report=False)
    training = replace(recipe.training, seed=seed)
    model, best = train_model(
        data, recipe.model, training, screen, candidates=recipe.candidates, folder=folder
    )
    assert data.test is not None
    assert best.best is not None
    options: dict[str, Any] = {"k": CUTOFFS, "candidates": recipe.candidates}
    with screen.step("testing"):
        test = evaluate(model, data.test, **options)
        baselines = {
            "popularity": evaluate(Popularity(data.train.item_counts), data.test, **options),
            "Markov chain": evaluate(MarkovChain(data.train), data.test, **options),
        }
    result = {
        "seed": seed,
        "data": _described(data),
        "machine": _machine(),
        "epochs": best.epochs,
        "best_epoch": best.best["epoch"],
        "seconds": sum(epoch["seconds"] for epoch in best.epochs),
        "validation": {k: v for k, v in best.best.items() if k.startswith("val_")},
        "protocol": str(test.setting),
        "test": dict(test),
        "standard_errors": {k: v for k, v in test.standard_errors.items() if v == v},
        "baselines": {name: dict(metrics) for name, metrics in baselines.items()},
    }
    save_model(model, folder / MODEL, data.options, data.fingerprint)
    with replaced_file(folder / RESULT) as path:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name in (FILE, WEIGHTS):
        (folder / name).unlink(missing_ok=True)
    screen.say(str(test))
    return result


def _claim(folder: Path, recipe: Recipe) -> None:
    """Make the folder that of this recipe, which decides its run.

    Raises:
        ValueError: It is that of another one.
    """
    decisive = json.loads(json.dumps({**asdict(recipe), "seeds": None, "required": None}))
    path = folder / OPTIONS
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with replaced_file(path) as temporary:
            temporary.write_text(json.dumps(decisive, indent=1) + "\n", encoding="utf-8")
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    for name in decisive:
        if before.get(name) != decisive[name]:
            raise ValueError(
                f"{folder} holds a run with {name}={before.get(name)}, this one has "
                f"{name}={decisive[name]}: choose another --output, or delete that folder"
            )


def _described(data: Prepared) -> dict[str, Any]:
    return {
        "users": len(data.users),
        "items": len(data.items),
        "interactions": len(data.sequences.items),
        "prepare": dict(data.options),
        "report": data.report.to_dict(),
    }


def _machine() -> dict[str, Any]:
    packages = ("sasrec-fast", "keras", "jax", "numpy")
    return {
        "cpus": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }
