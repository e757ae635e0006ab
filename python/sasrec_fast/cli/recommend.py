"""`sasrec-fast recommend`: a saved model and histories in, recommendations out."""

from __future__ import annotations

import math
import re
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from sasrec_fast.cli.screen import counted, load_keras
from sasrec_fast.recipes import readable
from sasrec_fast.saving import require_writable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from sasrec_fast.cli.screen import Screen
    from sasrec_fast.model import SASRec
    from sasrec_fast.recommendation import Audience
    from sasrec_fast.store import Vocabulary

OUTPUT = "a .parquet or .csv file for the recommendations, instead of printing them"
USERS = "user ids, separated by spaces or commas, with their histories in --ratings"
HISTORY = "item ids, oldest first, separated by spaces or commas; needs no --ratings"
PANELS = {
    "Files": {
        "model": TRAINED_MODEL,
        "ratings": replace(RATINGS, default=None),
        "movies": MOVIES,
        "output": Flag(Path, OUTPUT),
    },
    "For whom (one of these)": {
        "users": Flag(list[str], USERS),
        "history": Flag(list[str], HISTORY),
        "all": Flag(bool, "every user in --ratings; needs --output", False),
    },
    "What": {
        "k": whole("items for each user", 1, 10),
        "include_seen": Flag(bool, "also recommend items of the user's history", False),
    },
    **AS_TRAINED,
}


@command(PANELS)
def recommend(arguments: Any, screen: Screen) -> None:
    """Recommend items with a model saved by train."""
    output = arguments.output
    if sum(map(bool, (arguments.users, arguments.history, arguments.all))) != 1:
        raise ValueError("one of --users, --history and --all is needed, and no two of them")
    from sasrec_fast.recommendation import SUFFIXES

    if output is not None:
        require_writable("--output", output, SUFFIXES)
    elif arguments.all:
        raise ValueError("--all needs --output, a .parquet or .csv file")
    (_serve_history if arguments.history else _serve_users)(arguments, screen)


def _serve_history(arguments: Any, screen: Screen) -> None:
    typed = _ids("--history", arguments.history)
    if arguments.ratings is not None:
        raise ValueError("--history takes no --ratings: the history is all there is to know")
    load_keras(screen)
    from sasrec_fast.model import read_preparation
    from sasrec_fast.recommendation import raw_histories

    options = {"item": "item_id", **(read_preparation(arguments.model)[0] or {})}
    item = reading.columns(arguments).get("item", options["item"])
    movies = reading.read_titles(arguments, item, screen)
    model = _load(arguments, screen)
    assert model.items is not None
    with _notes(screen):
        audience = raw_histories([_of_kind(typed, model.items)], model.items)
    _deliver(model, audience, arguments, movies, screen)


def _serve_users(arguments: Any, screen: Screen) -> None:
    """Read the ratings as they were read for training, and recommend."""
    wanted = None if arguments.all else _ids("--users", arguments.users)
    if arguments.ratings is None:
        raise ValueError("--users and --all need --ratings, a file with the users' histories")
    load_keras(screen)
    from sasrec_fast.cli.audience import known_audience, read_audience
    from sasrec_fast.model import read_preparation
    from sasrec_fast.reading import ColumnNames

    options = reading.as_trained(arguments, read_preparation(arguments.model)[0])
    names = ColumnNames(**{role: options[role] for role in reading.ROLES})
    movies = reading.read_titles(arguments, names.item, screen)
    with screen.step(f"reading {arguments.ratings}"):
        audience, items = read_audience(readable(arguments.ratings), names, options, wanted)
    model = _load(arguments, screen)
    audience = known_audience(audience, items, model, screen)
    _deliver(model, audience, arguments, movies, screen)


def _load(arguments: Any, screen: Screen) -> SASRec:
    from sasrec_fast.model import load_model

    with screen.step(f"loading {arguments.model}"):
        return load_model(arguments.model, compiled=False)


def _ids(option: str, typed: Sequence[str]) -> list[str]:
    """Ids as text, some of which were joined by commas."""
    wanted = [text for joined in typed for text in joined.split(",") if text]
    if not wanted:
        raise ValueError(f"{option} {' '.join(typed)!r} holds no id")
    return wanted


def _of_kind(typed: Sequence[str], items: Vocabulary) -> list[Any]:
    """Ids of the vocabulary's kind: text as it is; integers, and what is none, which is unknown.

    Raises:
        ValueError: The model's ids are integers, and one is written as no integer is.
    """
    if items.are_strings:
        return list(typed)
    return [_integer(text) for text in typed]


def _integer(text: str) -> int | str:
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    exact = int(text) if re.fullmatch(r"[+-]?\d+", text) else number
    if str(exact) != text or not isinstance(exact, int):
        raise ValueError(
            f"--history {text!r}: the item ids of the model are integers, and none is written so; "
            + (f"did you mean {int(number)}?" if number == int(number) else "")
        )
    return exact


def _deliver(
    model: SASRec,
    audience: Audience,
    arguments: Any,
    movies: pd.DataFrame | None,
    screen: Screen,
) -> None:
    """Write the recommendations to the file, or print them history by history."""
    from sasrec_fast.recommendation import Request, Written, serve

    count, output = len(audience.histories), arguments.output
    whom = "the history" if audience.label == "history" else counted(count, "user")
    request = Request(arguments.k, not arguments.include_seen, titles=movies, output=output)
    task = f"recommending to {whom}" + (f" in {output}" if output is not None else "")
    with _notes(screen), screen.step(task):
        found = serve(model, None, audience, request)
    if isinstance(found, Written):
        short = f"; {found.short:,} got fewer than {arguments.k}" if found.short else ""
        screen.say(f"wrote {counted(found.rows, 'row')} to {found.path}{short}")
        return
    assert model.items is not None
    _print(found, audience, model.items, movies, screen)


@contextmanager
def _notes(screen: Screen) -> Iterator[None]:
    """Say, in the end, what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in caught:
        if warning.category is UserWarning:
            screen.say(f"note: {warning.message}")


def _print(
    found: pd.DataFrame,
    audience: Audience,
    items: Vocabulary,
    movies: pd.DataFrame | None,
    screen: Screen,
) -> None:
    from sasrec_fast.cli.display import ranked, title_of, titles_of

    titles = titles_of(movies)
    histories = audience.histories
    by_value = dict(iter(found.groupby(audience.label, sort=False)["item_id"]))
    for row, value in enumerate(audience.values.tolist()):
        history = histories.items[histories.starts[row] : histories.ends[row]]
        last = [title_of(item, titles) for item in items.lookup(history[-1:]).tolist()]
        name = f"user {value}" if audience.label == "user_id" else "history"
        screen.say(f"\n{name}: {', last '.join([counted(len(history), 'item'), *last])}")
        screen.say("\n".join(ranked(by_value.get(value, []), titles)))
