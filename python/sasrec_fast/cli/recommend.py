"""`sasrec-fast recommend`: a saved model and a file of ratings in, recommendations out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sasrec_fast.cli.display import Titles, ranked, title_of, titles_of
from sasrec_fast.cli.keras_loading import load_keras
from sasrec_fast.cli.model_file import check_output, load_model, read_options, written_at_once
from sasrec_fast.cli.train import read_ratings, read_titles
from sasrec_fast.errors import DataError
from sasrec_fast.interactions import ColumnNames, read_interactions
from sasrec_fast.recommendation import recommend

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from sasrec_fast.cli.screen import Screen
    from sasrec_fast.model import SASRec
    from sasrec_fast.vocabulary import Vocabulary

Histories = dict[Any, list[Any]]
"""External item ids of each user, in time order, by external user id."""


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Read the ratings as they were read for training, and recommend."""
    if arguments.output is not None:
        check_output(arguments.output, ".csv")
    elif arguments.users is None:
        raise ValueError("all users without --output: give a .csv file, or --users to print a few")
    options = read_options(arguments.model)
    names = _column_names(arguments, options)
    movies = read_titles(arguments, names.item, screen)
    columns = (names.timestamp, names.rating)
    table = read_ratings(arguments.ratings, (names.user, names.item), columns, screen)
    histories = read_histories(table, names, options["min_rating"])
    if arguments.users is not None:
        histories = chosen_users(histories, arguments.users, arguments.ratings)
    load_keras(screen)
    with screen.step(f"loading {arguments.model}"):
        model = load_model(arguments.model)
    histories = known_histories(histories, model.items, screen)
    with screen.step(f"recommending to {len(histories):,} users"):
        found = _recommend(model, histories, arguments, movies)
    _deliver(found, histories, arguments.output, titles_of(movies), screen)


def _column_names(arguments: argparse.Namespace, options: Mapping[str, Any]) -> ColumnNames:
    """The columns used in training, unless they are called otherwise in this file."""
    given = {name: getattr(arguments, name) for name in ("user", "item", "timestamp", "rating")}
    names = {name: value or options[name] for name, value in given.items()}
    if options["min_rating"] is None:
        names["rating"] = None
    return ColumnNames(**names)


def read_histories(table: pa.Table, names: ColumnNames, min_rating: float | None) -> Histories:
    """Every user's items in the order in which `prepare` would put them.

    Users with few interactions are kept: they were of no use for training, but can be served.

    Raises:
        DataError: As `prepare`; or no row has the rating.
    """
    checked = read_interactions(table, names)
    rows = np.arange(len(checked))
    if checked.ratings is not None:
        rows = np.flatnonzero(checked.ratings >= min_rating)
        if not len(rows):
            raise DataError(f"none of {len(checked):,} rows has a rating of {min_rating:g} or more")
    users = checked.users.codes[rows].astype(np.int64)
    times = rows if checked.timestamps is None else checked.timestamps[rows]
    order = np.lexsort((times, users))  # stable: equal times keep the order of the file
    users, rows = users[order], rows[order]
    starts = np.flatnonzero(np.diff(users, prepend=users[0] - 1))
    items = checked.items.decode(checked.items.codes[rows].astype(np.int64)).tolist()
    ends = [*starts[1:].tolist(), len(items)]
    histories = [items[start:end] for start, end in zip(starts.tolist(), ends, strict=True)]
    owners = checked.users.decode(users[starts]).tolist()
    return dict(zip(owners, histories, strict=True))


def chosen_users(histories: Histories, wanted: Sequence[str], ratings: Path) -> Histories:
    """The histories of the users asked for, in that order.

    Args:
        histories: By user id.
        wanted: Ids as they were typed, some joined by commas.
        ratings: The file, for the message.

    Raises:
        DataError: An id is not in the file.
    """
    typed = list(dict.fromkeys(part for text in wanted for part in text.split(",") if part))
    by_text = {str(user): user for user in histories}
    missing = [text for text in typed if text not in by_text]
    if missing or not typed:
        listed = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            f"{len(missing)} of {len(typed)} users have no kept interaction in {ratings}: {listed}"
            if typed
            else "--users holds no id"
        )
    return {by_text[text]: histories[by_text[text]] for text in typed}


def known_histories(histories: Histories, items: Vocabulary | None, screen: Screen) -> Histories:
    """The histories without the items the model does not know, and what that leaves out.

    Raises:
        DataError: The model knows none of the items, or carries no item ids.
    """
    if items is None:
        raise DataError("the model carries no item ids; save one made with SASRec(..., items=...)")
    flat = [item for history in histories.values() for item in history]
    known = iter((items.index(flat) > 0).tolist())
    kept = {user: [item for item in history if next(known)] for user, history in histories.items()}
    left = sum(map(len, kept.values()))
    if not left:
        raise DataError(
            f"the model knows none of the {len(set(flat)):,} items of these users, such as "
            f"{flat[0]!r}; its {len(items):,} items are like {items.ids[0]!r}"
        )
    if left < len(flat):
        screen.say(
            f"note: {len(flat) - left:,} interactions are with items the model does not know"
        )
    empty = [user for user, history in kept.items() if not history]
    if empty:
        screen.say(
            f"note: {len(empty):,} users have no item the model knows and get no recommendation, "
            f"first {empty[0]!r}"
        )
    return {user: history for user, history in kept.items() if history}


def _recommend(
    model: SASRec, histories: Histories, arguments: argparse.Namespace, movies: pd.DataFrame | None
) -> pd.DataFrame:
    found = recommend(
        model,
        histories=list(histories.values()),
        k=arguments.k,
        exclude_seen=not arguments.include_seen,
        titles=movies,
    )
    users = pd.Series(list(histories))
    found.insert(0, "user_id", found.pop("history").map(users))
    return found


def _deliver(
    found: pd.DataFrame, histories: Histories, output: Path | None, titles: Titles, screen: Screen
) -> None:
    """Write the recommendations to the file, or print them user by user."""
    if output is not None:
        with (
            screen.step(f"writing {len(found):,} rows to {output}"),
            written_at_once(output) as path,
        ):
            found.to_csv(path, index=False)
        return
    for user, items in found.groupby("user_id", sort=False)["item_id"]:
        history = histories[user]
        screen.say(f"\nuser {user}: {len(history):,} items, last {title_of(history[-1], titles)}")
        screen.say("\n".join(ranked(items.tolist(), titles)))
