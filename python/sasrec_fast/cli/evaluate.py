"""`sasrec-fast evaluate`: a saved model on the held-out interactions of its training data."""

from __future__ import annotations

import json
import math
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sasrec_fast.cli import reading
from sasrec_fast.cli.options import (
    AS_TRAINED,
    MOVIES,
    RATINGS,
    TRAINED_MODEL,
    Flag,
    command,
    whole,
)
from sasrec_fast.cli.screen import load_keras
from sasrec_fast.errors import DataError, DataWarning
from sasrec_fast.recipes import Recipe
from sasrec_fast.saving import replaced_file, require_writable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sasrec_fast.cli.screen import Screen
    from sasrec_fast.evaluation import Metrics, Scorer
    from sasrec_fast.model import SASRec
    from sasrec_fast.preparing import Prepared
    from sasrec_fast.store import Split

DOTS_PER_INCH = 150
SPLIT = "each user's last item, or the one before"
PANELS = {
    "Files": {
        "model": TRAINED_MODEL,
        "ratings": RATINGS,
        "movies": MOVIES,
        "output": Flag(Path, "a .json file for what is printed"),
        "plots": Flag(Path, "a folder for plots as .png; needs matplotlib"),
    },
    "How": {
        "split": Flag(Literal["test", "validation"], SPLIT, "test"),
        "k": whole("cut-offs of hit rate and NDCG", 1, [1, 5, 10, 20], list[int]),
        "include_seen": Flag(bool, "also rank items of the user's history, and count them", False),
    },
    **AS_TRAINED,
}


@command(PANELS)
def evaluate(arguments: Any, screen: Screen) -> None:
    """Measure a model saved by train on held-out ratings."""
    _check_outputs(arguments)
    load_keras(screen)
    from sasrec_fast.cli.display import first_user, metrics_table, titles_of
    from sasrec_fast.model import load_model, read_preparation

    preparation, fingerprint = read_preparation(arguments.model)
    options = reading.as_trained(arguments, preparation)
    movies = reading.read_titles(arguments, options["item"], screen)
    data = reading.prepared(Recipe(prepare=options), arguments.ratings, screen)
    split = _split(data, arguments)
    with screen.step(f"loading {arguments.model}"):
        model = load_model(arguments.model)
    _require_training_data(model, fingerprint, data, arguments, screen)
    metrics = _measure(model, data, split, arguments, screen)
    screen.say("\n" + metrics_table(metrics))
    if movies is not None:
        screen.say("\n" + first_user(model, data, titles_of(movies), hide_last=True))
    if arguments.output is not None:
        _write(metrics, arguments)
    if arguments.plots is not None:
        with screen.step(f"drawing into {arguments.plots}"):
            _draw(metrics, data, arguments)


def _check_outputs(arguments: Any) -> None:
    """Refuse what cannot be written before anything is done."""
    if arguments.output is not None:
        require_writable("--output", arguments.output, (".json",))
    if arguments.plots is None:
        return
    from sasrec_fast.plots.canvas import require_matplotlib

    try:
        require_matplotlib()
    except ImportError as missing:
        raise ValueError(f"--plots: {missing}") from None
    folder = arguments.plots.absolute()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--plots {arguments.plots} is a file, expected a folder")
    existing = folder if folder.exists() else folder.parent
    if not existing.is_dir():
        raise ValueError(f"--plots {arguments.plots}: there is no folder {existing}")
    if not os.access(existing, os.W_OK):
        raise ValueError(f"--plots {arguments.plots}: the folder {existing} cannot be written to")


def _split(data: Prepared, arguments: Any) -> Split:
    split: Split | None = getattr(data, arguments.split)
    if split is None or not len(split):
        raise DataError(
            f"--split {arguments.split}: with the options of {arguments.model} no user of "
            f"{arguments.ratings} has held-out interactions for it"
        )
    return split


def _require_training_data(
    model: SASRec, fingerprint: str | None, data: Prepared, arguments: Any, screen: Screen
) -> None:
    """Refuse ratings of which the model may have learned what is held out here.

    Raises:
        DataError: They are not those of training; says what differs.
    """
    if model.items is None:
        raise DataError(f"{arguments.model} carries no item ids, so its items cannot be compared")
    if model.items != data.items:
        here, there = set(data.items.ids.tolist()), set(model.items.ids.tolist())
        raise DataError(
            f"{arguments.ratings} is not the data that {arguments.model} was trained on: of its "
            f"{len(here):,} items {len(here - there):,} are new to the model, and of the model's "
            f"{len(there):,} items {len(there - here):,} are not in it; what is held out here may "
            "have been trained on"
        )
    if fingerprint is None:
        screen.say(
            f"note: {arguments.model} does not say which ratings it was trained on; "
            "its items are those of this file"
        )
    elif fingerprint != data.fingerprint:
        raise DataError(
            f"{arguments.ratings} is not the data that {arguments.model} was trained on: it has "
            "the same items, but other users or interactions; what is held out here may have been "
            "trained on"
        )


def _measure(
    model: SASRec, data: Prepared, split: Split, arguments: Any, screen: Screen
) -> dict[str, Metrics]:
    from sasrec_fast.evaluation import MarkovChain, Popularity, evaluate

    scorers: dict[str, Scorer] = {
        "SASRec": model,
        "popularity": Popularity(data.train),
        "Markov chain": MarkovChain(data.train),
    }
    metrics = {}
    for name, scorer in scorers.items():
        with screen.step(f"ranking with {name}"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # what it says is in the heading, once
            seen = not arguments.include_seen
            metrics[name] = evaluate(scorer, split, k=arguments.k, exclude_seen=seen)
    return metrics


def _write(metrics: Mapping[str, Metrics], arguments: Any) -> None:
    """Everything printed as JSON; null where a standard error is not defined."""
    errors = {
        name: {key: None if math.isnan(e) else e for key, e in one.standard_errors.items()}
        for name, one in metrics.items()
    }
    content = {
        "model": str(arguments.model),
        "ratings": str(arguments.ratings),
        "protocol": {name: str(one).splitlines()[0] for name, one in metrics.items()},
        "cold_targets": {name: one.cold_targets for name, one in metrics.items()},
        "repeated_targets": {name: one.repeated_targets for name, one in metrics.items()},
        "metrics": {name: dict(one) for name, one in metrics.items()},
        "standard_errors": errors,
    }
    with replaced_file(arguments.output) as path:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _draw(metrics: Mapping[str, Metrics], data: Prepared, arguments: Any) -> None:
    """A PNG of each plot."""
    from sasrec_fast import plots

    name = "/".join(arguments.ratings.resolve().parts[-2:])
    k = 10 if 10 in arguments.k else max(arguments.k)
    figures = {
        "history_lengths": plots.history_lengths(data, data_name=name),
        "item_popularity": plots.item_popularity(data, data_name=name),
        "ndcg_by_history_length": plots.ndcg_by_history_length(metrics, data, k=k, data_name=name),
        "ndcg_by_popularity": plots.ndcg_by_popularity(metrics, data, k=k, data_name=name),
    }
    folder: Path = arguments.plots
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        with replaced_file(folder / f"{name}.png") as path:
            figure.savefig(path, dpi=DOTS_PER_INCH)
