"""`sasrec-fast train`: a file of ratings in, a trained and tested model out."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

from sasrec_fast.cli import display
from sasrec_fast.cli.keras_loading import load_keras
from sasrec_fast.cli.model_file import save_model
from sasrec_fast.cli.screen import Screen, seconds
from sasrec_fast.errors import DataError, DataWarning
from sasrec_fast.preparing import Prepared, prepare
from sasrec_fast.reading import ColumnNames, read_movies, read_table
from sasrec_fast.recipes import Training
from sasrec_fast.saving import require_writable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

PREPARATION = (
    "min_rating",
    "min_user_interactions",
    "min_item_interactions",
    "duplicates",
    "ties",
    "max_sequence_length",
    "num_negatives",
    "seed",
)
"""Options of `prepare` that are arguments of the command, by the same names."""


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Read, prepare, train, test against popularity, show one user, save."""
    start = time.perf_counter()
    require_writable("--output", arguments.output, (".keras",))
    if arguments.hidden_dim % arguments.num_heads:
        raise ValueError(
            f"--hidden-dim {arguments.hidden_dim} is not divisible by "
            f"--num-heads {arguments.num_heads}"
        )
    movies = read_titles(arguments, arguments.item, screen)
    data = _prepare(arguments, screen)
    titles = display.titles_of(movies)
    untitled = sum(item not in titles for item in data.items.ids.tolist())
    if movies is not None and untitled:
        have = "item has" if untitled == 1 else "items have"
        screen.say(f"note: {untitled:,} {have} no title in {arguments.movies}\n")
    load_keras(screen)
    from sasrec_fast.cli.training import train_model

    names = ("num_layers", "num_heads", "hidden_dim", "dropout", "l2")
    options = {name: getattr(arguments, name) for name in names}
    names = ("epochs", "patience", "batch_size", "learning_rate", "seed")
    training = Training(max_buckets=3, **{name: getattr(arguments, name) for name in names})
    model, _ = train_model(data, options, training, screen)
    with screen.step(f"saving {arguments.output}"):
        save_model(model, arguments.output, data.options, data.fingerprint)

    own, popular = display.test_against_popularity(model, data)
    screen.say(f"\ntest: the last item of {len(own.ranks):,} users, among all items not seen")
    screen.say(display.comparison({"SASRec": own, "popularity": popular}) + "\n")
    user = data.users.ids[:1].tolist()[0]
    screen.say(display.history_and_recommendations(model, data, user, titles, hide_last=False))
    screen.say(f"\ndone in {seconds(time.perf_counter() - start)}")


def _prepare(arguments: argparse.Namespace, screen: Screen) -> Prepared:
    rating = None if arguments.min_rating is None else arguments.rating
    table = read_ratings(
        arguments.ratings, (arguments.user, arguments.item), (arguments.timestamp, rating), screen
    )
    names = ("user", "item", "timestamp", *PREPARATION)
    options = {name: getattr(arguments, name) for name in names}
    data = prepared(table, {**options, "rating": rating}, screen)
    if not len(data.train):
        raise DataError(
            f"no user of {arguments.ratings} has 4 interactions: two to learn from, the last but "
            "one for validation and the last for the test"
        )
    return data


def prepared(
    interactions: Any, options: Mapping[str, Any], screen: Screen, report: bool = True
) -> Prepared:
    """What `prepare` makes of interactions, with its report (if asked for) and warnings printed."""
    with warnings.catch_warnings(record=True) as caught, screen.step("preparing"):
        warnings.simplefilter("always", DataWarning)
        data = prepare(interactions, **options)
    if report:
        screen.say(f"\n{data.report}\n")
    for warning in caught:
        screen.say(f"warning: {warning.message}\n")
    return data


def column_names(arguments: argparse.Namespace, options: Mapping[str, Any]) -> ColumnNames:
    """The columns used in training, by its options, unless arguments call them otherwise."""
    given = {name: getattr(arguments, name) for name in ("user", "item", "timestamp", "rating")}
    names = {name: value or options[name] for name, value in given.items()}
    if options["min_rating"] is None:
        names["rating"] = None
    return ColumnNames(**names)


def read_ratings(
    path: Path, ids: tuple[str, str], numbers: tuple[str | None, str | None], screen: Screen
) -> pa.Table:
    """The table of ratings, whose ids and numbers are checked line by line if need be."""
    with screen.step(f"reading {path}"):
        return read_table(path, ids=ids, numbers=[name for name in numbers if name is not None])


def read_titles(arguments: argparse.Namespace, item: str, screen: Screen) -> pd.DataFrame | None:
    """The movies, if there is a file of them."""
    if arguments.movies is None:
        return None
    with screen.step(f"reading {arguments.movies}"):
        return read_movies(arguments.movies, item=item, title=arguments.title)
