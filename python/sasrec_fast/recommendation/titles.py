"""Titles by item id, as people hold them, as an array by item index."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.errors import note
from sasrec_fast.ranking import Catalogue
from sasrec_fast.store import indices_of, kind_note, shown

_COLUMNS = {"item_id", "title"}

Titles: TypeAlias = pd.DataFrame | pd.Series | Mapping[Any, str]


def item_titles(titles: Titles, catalogue: Catalogue) -> NDArray[np.object_]:
    """The title of each item index, [vocabulary_size]; None where there is none.

    Raises:
        TypeError: Titles of another kind, or one that is no text.
        ValueError: A table without the columns item_id and title, or two titles for an item.

    Warns:
        UserWarning: No title is of a known item; or fewer than half are, and fewer than half of
            the items to recommend have one. Single titles that are missing show in the table.
    """
    ids, texts = _pairs(titles)
    indices = indices_of("titles", ids, catalogue.items)
    _require_one_each(ids, indices)
    found = np.full(len(catalogue.items) + 1, None, object)
    for index, text in zip(indices.tolist(), texts, strict=True):
        found[index] = text
    found[0] = None
    _note_mismatch(ids, indices, catalogue)
    return found


def _note_mismatch(ids: list[Any], indices: NDArray[np.int32], catalogue: Catalogue) -> None:
    """Say where titles hardly match: often their ids are written in another way."""
    matched = int(np.count_nonzero(indices))
    titled = int(np.count_nonzero(np.isin(catalogue.indices, indices)))
    if 2 * matched >= len(ids) or 2 * titled >= len(catalogue.indices):
        return
    unknown = ids[int(np.argmin(indices))]
    kind = kind_note(unknown, catalogue.items, "item")
    such_as = f"; the items are such as {shown(catalogue.items.ids[0])}"
    note(
        f"{matched:,} of {len(ids):,} titles match an item, and {titled:,} of "
        f"{len(catalogue.indices):,} items to recommend have a title; no item is "
        f"{shown(unknown)}{kind or such_as}"
    )


def _pairs(titles: Any) -> tuple[list[Any], list[Any]]:
    """Ids, and a text or None for each."""
    if not isinstance(titles, pd.DataFrame | pd.Series | Mapping):
        titles = _of_arrow(titles)
    if isinstance(titles, pd.DataFrame):
        titles = _by_id(titles)
    if isinstance(titles, pd.Series):
        ids, texts = titles.index.tolist(), titles.tolist()
    else:
        ids, texts = list(titles), list(titles.values())
    return ids, [_text(value, external) for value, external in zip(texts, ids, strict=True)]


def _of_arrow(table: Any) -> pd.DataFrame:
    """A table of polars, Arrow or another library as a DataFrame."""
    if not hasattr(table, "__arrow_c_stream__") or not hasattr(table, "columns"):
        raise TypeError(
            "titles must be a table with columns item_id and title, a Series indexed by item id, "
            f"or a mapping, received {checks.received(table)}"
        )
    columns = pa.table(table)
    _require_columns(columns.column_names)
    return pd.DataFrame(
        {name: pd.Series(columns[name].to_pylist(), dtype=object) for name in _COLUMNS}
    )


def _by_id(table: pd.DataFrame) -> "pd.Series[Any]":
    if table.index.name == "item_id" and "item_id" not in table.columns:
        table = table.reset_index()
    _require_columns(list(table.columns))
    return table.set_index("item_id")["title"]


def _require_columns(names: list[Any]) -> None:
    missing = sorted(_COLUMNS - set(names))
    if missing:
        raise ValueError(f"titles has columns {names}, without {missing}")


def _text(value: Any, external: Any) -> str | None:
    if isinstance(value, str):
        return value
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    raise TypeError(
        f"the title of item {shown(external)} is {checks.received(value)}, a "
        f"{type(value).__name__}; titles are text"
    )


def _require_one_each(ids: list[Any], indices: NDArray[np.int32]) -> None:
    """Refuse two titles for one item."""
    known = np.flatnonzero(indices)
    _, firsts, counts = np.unique(indices[known], return_index=True, return_counts=True)
    twice = np.sort(firsts[counts > 1])
    if len(twice):
        raise ValueError(f"items with two titles: {len(twice):,}, first {ids[known[twice[0]]]!r}")
