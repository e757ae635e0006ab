"""`sasrec-fast recommend`: a saved model and a file of ratings in, recommendations out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from sasrec_fast.cli.display import Titles, ranked, title_of, titles_of
from sasrec_fast.cli.keras_loading import load_keras
from sasrec_fast.cli.model_file import check_output, load_model, read_options, written_at_once
from sasrec_fast.cli.screen import counted
from sasrec_fast.cli.train import read_ratings, read_titles
from sasrec_fast.errors import DataError
from sasrec_fast.grouping import group
from sasrec_fast.interactions import ColumnNames, read_interactions
from sasrec_fast.options import Options
from sasrec_fast.recommendation import recommend

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence
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
    wanted = _user_ids(arguments.users)
    options = read_options(arguments.model)
    names = _column_names(arguments, options)
    movies = read_titles(arguments, names.item, screen)
    columns = (names.timestamp, names.rating)
    table = read_ratings(arguments.ratings, (names.user, names.item), columns, screen)
    histories = read_histories(table, names, options, wanted)
    load_keras(screen)
    with screen.step(f"loading {arguments.model}"):
        model = load_model(arguments.model)
    histories = known_histories(histories, model.items, screen)
    with screen.step(f"recommending to {counted(len(histories), 'user')}"):
        found = _recommend(model, histories, arguments, movies)
    _deliver(found, histories, arguments.output, titles_of(movies), screen)


def _user_ids(typed: Sequence[str] | None) -> list[str] | None:
    """Ids as text, some of which were joined by commas."""
    if typed is None:
        return None
    wanted = [text for joined in typed for text in joined.split(",") if text]
    if not wanted:
        raise ValueError(f"--users {' '.join(typed)!r} holds no user id")
    return wanted


def _column_names(arguments: argparse.Namespace, options: Mapping[str, Any]) -> ColumnNames:
    """The columns used in training, unless they are called otherwise in this file."""
    given = {name: getattr(arguments, name) for name in ("user", "item", "timestamp", "rating")}
    names = {name: value or options[name] for name, value in given.items()}
    if options["min_rating"] is None:
        names["rating"] = None
    return ColumnNames(**names)


def read_histories(
    table: pa.Table,
    names: ColumnNames,
    prepared: Mapping[str, Any],
    wanted: Sequence[str] | None,
) -> Histories:
    """Users' items in the order in which `prepare` puts them.

    Users and items with few interactions are kept: they were of no use for training, but can be
    served.

    Args:
        table: The ratings.
        names: Its columns.
        prepared: The options of `prepare` that the model was trained with.
        wanted: The users, in the order of the result, as text; None for all, by ascending id.

    Raises:
        DataError: As `prepare`; or no row has the rating, or a user has no row.
    """
    same = {name: prepared[name] for name in ("min_rating", "duplicates", "ties", "seed")}
    options = Options(**same, min_user_interactions=1, min_item_interactions=1, holdout=0)
    grouped = group(read_interactions(table, names), options, names)
    ids = grouped.users.ids.tolist()
    offsets, items = grouped.sequences.offsets, grouped.sequences.items
    return {
        ids[user]: grouped.items.lookup(items[offsets[user] : offsets[user + 1]]).tolist()
        for user in _positions(ids, wanted)
    }


def _positions(ids: Sequence[Any], wanted: Sequence[str] | None) -> Iterable[int]:
    """Where in `ids` the wanted users are, each once."""
    if wanted is None:
        return range(len(ids))
    positions = {str(user): position for position, user in enumerate(ids)}
    missing = [text for text in wanted if text not in positions]
    if missing:
        listed = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            f"no rating to go by for {counted(len(missing), 'user')} of {len(wanted):,}: {listed}; "
            f"there are ratings of {counted(len(ids), 'user')}, such as {ids[0]}"
        )
    return [positions[text] for text in dict.fromkeys(wanted)]


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
            f"the model knows no item of these users, such as {flat[0]!r}; "
            f"its {len(items):,} items are such as {items.ids[:1].tolist()[0]!r}"
        )
    if unknown := len(flat) - left:
        screen.say(f"note: left out {counted(unknown, 'interaction')} with items new to the model")
    if empty := [user for user, history in kept.items() if not history]:
        screen.say(
            f"note: no recommendation for {counted(len(empty), 'user')} without an item known to "
            f"the model, first {empty[0]}"
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
        screen.say(
            f"\nuser {user}: {counted(len(history), 'item')}, last {title_of(history[-1], titles)}"
        )
        screen.say("\n".join(ranked(items.tolist(), titles)))
