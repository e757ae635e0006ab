"""What several commands read: ratings and titles, with a step on the screen for each."""

from __future__ import annotations

import gzip
import re
import warnings
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sasrec_fast.errors import DataError, DataWarning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from sasrec_fast.cli.screen import Screen
    from sasrec_fast.preparing import Prepared
    from sasrec_fast.recipes import Recipe

ROLES = ("user", "item", "timestamp", "rating")
NO_COLUMN = "none"
NAMED = (".parquet", ".pq", ".jsonl", ".ndjson", ".json", ".feather", ".arrow")
_LONGEST_LINE = 1 << 16


def columns(arguments: Any) -> dict[str, Any]:
    """The columns given, by role: names, positions, or None for times that there are not."""
    texts = {role: getattr(arguments, role) for role in ROLES}
    given = {role: text for role, text in texts.items() if text is not None}
    named = arguments.ratings is not None and _has_numbers_for_names(arguments.ratings)
    return {
        role: None if text == NO_COLUMN else text if named else _name_or_position(text)
        for role, text in given.items()
    }


def _name_or_position(text: str) -> str | int:
    return int(text) if text.isdecimal() and str(int(text)) == text else text


def _has_numbers_for_names(path: Path) -> bool:
    """Whether columns can be called "0", "1" and so on, as pandas calls those without names.

    Parquet and JSON have names at all times, text has these where the first line is a header that
    counts: rows that do are no ratings.
    """
    with suppress(OSError, ValueError, EOFError, zlib.error):
        parts = sorted(path.rglob("*.*")) if path.is_dir() else [path]
        first = next((part for part in parts if part.is_file()), None)
        if first is None:
            return False
        if any(suffix in NAMED for suffix in first.suffixes):
            return True
        with gzip.open(first) if first.suffix == ".gz" else first.open("rb") as file:
            line = file.readline(_LONGEST_LINE).decode("utf-8-sig")
        fields = [field.strip(" \"'") for field in re.split(r"[,;|\t]|::", line.strip())]
        return len(fields) > 1 and fields == [str(place) for place in range(len(fields))]
    return False


def as_trained(arguments: Any, preparation: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options of `prepare` used in training, with columns that may be called otherwise here.

    Raises:
        DataError: The model file does not say them.
    """
    if preparation is None:
        raise DataError(
            f"{arguments.model} does not say how its data was prepared: it was not saved by "
            "`sasrec-fast train`; use `recommend --history`, or sasrec_fast in Python"
        )
    options = {**preparation, **columns(arguments)}
    return options if options["min_rating"] is not None else {**options, "rating": None}


def prepared(recipe: Recipe, interactions: Any, screen: Screen, report: bool = True) -> Prepared:
    """Data prepared for a recipe, with its report (if asked for) and warnings printed."""
    from sasrec_fast.recipes import prepare_for

    path = f" {interactions}" if hasattr(interactions, "__fspath__") else ""
    with warnings.catch_warnings(record=True) as caught, screen.step(f"preparing{path}"):
        warnings.simplefilter("always", DataWarning)
        data = prepare_for(recipe, interactions)
    if report:
        screen.say(f"\n{data.report}\n")
    for warning in caught:
        screen.say(f"warning: {warning.message}\n")
    return data


def read_titles(arguments: Any, item: Any, screen: Screen) -> pd.DataFrame | None:
    """The movies, if there is a file of them.

    Where titles have a name, so have their ids, whatever the ratings have.
    """
    if arguments.movies is None:
        return None
    from sasrec_fast.reading import read_movies

    title: Any = _name_or_position(arguments.title)
    if isinstance(item, int) and not isinstance(title, int):
        item = "item_id"
    with screen.step(f"reading {arguments.movies}"):
        return read_movies(arguments.movies, item=item, title=title)
