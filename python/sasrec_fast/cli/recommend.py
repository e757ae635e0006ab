"""`sasrec-fast recommend`: a saved model and histories in, recommendations out."""

from __future__ import annotations

import warnings
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast.cli.display import Titles, ranked, title_of, titles_of
from sasrec_fast.cli.keras_loading import load_keras
from sasrec_fast.cli.model_file import read_options, require_options
from sasrec_fast.cli.screen import counted
from sasrec_fast.cli.train import column_names, read_ratings, read_titles
from sasrec_fast.errors import DataError
from sasrec_fast.model import load_model
from sasrec_fast.preparing import Options, group
from sasrec_fast.reading import ColumnNames, read_interactions
from sasrec_fast.recommendation import SUFFIXES, Audience, Request, Written, raw_histories, serve
from sasrec_fast.saving import require_writable
from sasrec_fast.store import Histories

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from sasrec_fast.cli.screen import Screen
    from sasrec_fast.model import SASRec
    from sasrec_fast.store import Vocabulary

SERVED = {"min_user_interactions": 1, "min_item_interactions": 1, "split_at": None, "items": None}
"""Options of `prepare` that differ for histories to recommend from."""


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Recommend to a history, or to users with the histories in a file of ratings."""
    if arguments.output is not None:
        require_writable("--output", arguments.output, SUFFIXES)
    elif arguments.all:
        raise ValueError("--all needs --output, a .parquet or .csv file")
    if arguments.history is not None:
        _serve_history(arguments, screen)
    else:
        _serve_users(arguments, screen)


def _serve_history(arguments: argparse.Namespace, screen: Screen) -> None:
    typed = _ids("--history", arguments.history)
    if arguments.ratings is not None:
        raise ValueError("--history takes no --ratings: the history is all there is to know")
    options = read_options(arguments.model) or {}
    item = arguments.item or options.get("item", "item_id")
    movies = read_titles(arguments, item, screen)
    model = _load(arguments, screen)
    assert model.items is not None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        audience = raw_histories([_of_kind(typed, model.items)], model.items)
    _say_notes(caught, screen)
    _deliver(model, audience, arguments, movies, screen)


def _serve_users(arguments: argparse.Namespace, screen: Screen) -> None:
    """Read the ratings as they were read for training, and recommend."""
    wanted = None if arguments.all else _ids("--users", arguments.users)
    if arguments.ratings is None:
        raise ValueError("--users and --all need --ratings, a file with the users' histories")
    options = require_options(arguments.model)
    names = column_names(arguments, options)
    movies = read_titles(arguments, names.item, screen)
    columns = (names.timestamp, names.rating)
    table = read_ratings(arguments.ratings, (names.user, names.item), columns, screen)
    audience, items = read_audience(table, names, options, wanted)
    model = _load(arguments, screen)
    audience = known_audience(audience, items, model, screen)
    _deliver(model, audience, arguments, movies, screen)


def _load(arguments: argparse.Namespace, screen: Screen) -> SASRec:
    load_keras(screen)
    with screen.step(f"loading {arguments.model}"):
        return load_model(arguments.model, compiled=False)


def _ids(option: str, typed: Sequence[str]) -> list[str]:
    """Ids as text, some of which were joined by commas."""
    wanted = [text for joined in typed for text in joined.split(",") if text]
    if not wanted:
        raise ValueError(f"{option} {' '.join(typed)!r} holds no id")
    return wanted


def _of_kind(typed: Sequence[str], items: Vocabulary) -> list[Any]:
    """Ids of the vocabulary's kind where they can be."""
    if items.ids.dtype == object:
        return list(typed)
    return [int(text) if text.lstrip("-").isdecimal() else text for text in typed]


def read_audience(
    table: pa.Table,
    names: ColumnNames,
    prepared: Mapping[str, Any],
    wanted: Sequence[str] | None,
) -> tuple[Audience, Vocabulary]:
    """Users with their items in the order in which `prepare` puts them, and the items' ids.

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
    given = {field.name: prepared[field.name] for field in fields(Options)}
    grouped = group(read_interactions(table, names), Options(**given | SERVED), names)
    positions = _positions(grouped.users.ids.tolist(), wanted)
    offsets, items = grouped.sequences.offsets, grouped.sequences.items
    histories = Histories(items, offsets[positions], offsets[positions + 1])
    return Audience("user_id", grouped.users.ids[positions], histories), grouped.items


def _positions(ids: Sequence[Any], wanted: Sequence[str] | None) -> NDArray[np.int64]:
    """Where in `ids` the wanted users are, each once."""
    if wanted is None:
        return np.arange(len(ids))
    positions = {str(user): position for position, user in enumerate(ids)}
    missing = [text for text in wanted if text not in positions]
    if missing:
        listed = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            f"no rating to go by for {counted(len(missing), 'user')} of {len(wanted):,}: {listed}; "
            f"there are ratings of {counted(len(ids), 'user')}, such as {ids[0]}"
        )
    return np.array([positions[text] for text in dict.fromkeys(wanted)], np.int64)


def known_audience(
    audience: Audience, items: Vocabulary, model: SASRec, screen: Screen
) -> Audience:
    """The histories in the model's indices, without items it does not know; says what was left out.

    Users who are left without an item are left out too if the model cannot tell what is popular.

    Raises:
        DataError: The model knows none of the items.
    """
    assert model.items is not None
    rows, indices = audience.histories.pairs()
    mapped = np.concatenate([[0], model.items.index(items.ids)]).astype(np.int32)[indices]
    known = mapped > 0
    if not known.any():
        example = items.lookup(indices[:1]).tolist()[0]
        raise DataError(
            f"the model knows no item of these users, such as {example!r}; "
            f"its {len(model.items):,} items are such as {model.items.ids[:1].tolist()[0]!r}"
        )
    if unknown := int(np.count_nonzero(~known)):
        screen.say(f"note: left out {counted(unknown, 'interaction')} with items new to the model")
    counts = np.bincount(rows[known], minlength=len(audience.histories))
    ends = np.cumsum(counts)
    values = audience.values
    served = np.full(len(values), True) if model.item_counts is not None else counts > 0
    if unserved := int(np.count_nonzero(~served)):
        screen.say(
            f"note: no recommendation for {counted(unserved, 'user')} without an item known to the "
            f"model, first {values[~served][0]}"
        )
    kept = Histories(mapped[known], (ends - counts)[served], ends[served])
    return Audience(audience.label, values[served], kept)


def _deliver(
    model: SASRec,
    audience: Audience,
    arguments: argparse.Namespace,
    movies: pd.DataFrame | None,
    screen: Screen,
) -> None:
    """Write the recommendations to the file, or print them history by history."""
    count, seen, output = len(audience.histories), not arguments.include_seen, arguments.output
    whom = "the history" if audience.label == "history" else counted(count, "user")
    request = Request(arguments.k, seen, titles=movies, output=output)
    task = f"recommending to {whom}" + (f" in {output}" if output is not None else "")
    with warnings.catch_warnings(record=True) as caught, screen.step(task):
        warnings.simplefilter("always", UserWarning)
        found = serve(model, None, audience, request)
    _say_notes(caught, screen)
    if isinstance(found, Written):
        short = f"; {found.short:,} got fewer than {arguments.k}" if found.short else ""
        screen.say(f"wrote {counted(found.rows, 'row')} to {found.path}{short}")
        return
    _print(found, audience, model.items, titles_of(movies), screen)


def _say_notes(caught: Sequence[warnings.WarningMessage], screen: Screen) -> None:
    for warning in caught:
        if warning.category is UserWarning:
            screen.say(f"note: {warning.message}")


def _print(
    found: pd.DataFrame,
    audience: Audience,
    items: Vocabulary | None,
    titles: Titles,
    screen: Screen,
) -> None:
    assert items is not None
    histories = audience.histories
    by_value = dict(iter(found.groupby(audience.label, sort=False)["item_id"]))
    for row, value in enumerate(audience.values.tolist()):
        history = histories.items[histories.starts[row] : histories.ends[row]]
        last = [title_of(item, titles) for item in items.lookup(history[-1:]).tolist()]
        name = f"user {value}" if audience.label == "user_id" else "history"
        screen.say(f"\n{name}: {', last '.join([counted(len(history), 'item'), *last])}")
        screen.say("\n".join(ranked(by_value.get(value, []), titles)))
