"""Ids and histories in the forms in which people hold them, as lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.columns import is_frame, is_grouped, is_hashable, is_series
from sasrec_fast.store.external import listed, shown
from sasrec_fast.store.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd

_ONE_HISTORY = "one history is [[id, ...]]"
_GROUPED = "frame.groupby('user_id')['item_id'], rows in time order"


def given_ids(name: str, values: Any, of: str) -> list[Any]:
    """External ids as a list.

    Args:
        name: Of the argument.
        values: A list, tuple, set, iterator, array, Series, Index, a column of Arrow or polars, a
            table of one column, or a `Vocabulary`.
        of: What the ids are of, "item" or "user".

    Raises:
        TypeError: Something else.
    """
    values = _column(name, values)
    if isinstance(values, Vocabulary):
        values = values.ids
    if is_grouped(values, "SeriesGroupBy", "DataFrameGroupBy"):
        raise TypeError(f"{name} is grouped; for its keys pass list({name}.groups)")
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list of {of} ids, received {checks.received(values)}")
    if getattr(values, "ndim", 1) != 1:
        shape = getattr(values, "shape", ())
        raise TypeError(f"{name} must be a list of {of} ids, received an array of shape {shape}")
    return _listed(name, values)


def given_histories(histories: Any) -> tuple[list[list[Any]], pd.Index[Any] | None]:
    """Histories as lists of external ids, oldest first, and what they are called.

    Args:
        histories: A list (or other iterable) of lists, arrays or columns; or, where each is called
            something, a mapping, a Series, or a column grouped by pandas.

    Returns:
        The lists, and their keys; None for the keys where they are numbered from 0.

    Raises:
        TypeError: Something else, or a history that has no order.
        ValueError: Two histories have one key.
    """
    keys, rows = _keyed(_column("histories", histories, as_rows=True))
    lists = [_history(row, number) for number, row in enumerate(rows)]
    return lists, None if keys is None else _labels(keys)


def indices_of(name: str, ids: list[Any], vocabulary: Vocabulary) -> NDArray[np.int32]:
    """Indices of external ids, 0 for the unknown; a TypeError that names what can be no id."""
    return indices_in_rows([ids], lambda _: name, vocabulary)


def indices_in_rows(
    rows: list[list[Any]], name: Callable[[int], str], vocabulary: Vocabulary
) -> NDArray[np.int32]:
    """As `indices_of`, of the ids of several lists, end to end; `name` calls them by number."""
    try:
        return vocabulary.index(rows[0] if len(rows) == 1 else list(chain.from_iterable(rows)))
    except (TypeError, ValueError):
        for number, row in enumerate(rows):
            for place, value in enumerate(row):
                if not is_hashable(value):
                    raise TypeError(
                        f"{name(number)}[{place}] is {checks.received(value)}, a "
                        f"{type(value).__name__}; expected an id"
                    ) from None
        raise


def kind_note(value: Any, vocabulary: Vocabulary, of: str) -> str:
    """What to add to a message about an unknown id that is of another kind; "" where it is not."""
    if isinstance(value, str) == vocabulary.are_strings or not len(vocabulary):
        return ""
    kind, other = ("text", "integers") if isinstance(value, str) else ("no text", "text")
    return f"; it is {kind}, the {of} ids are {other}, such as {shown(vocabulary.lookup([1])[0])}"


def _column(name: str, values: Any, as_rows: bool = False) -> Any:
    """The column of a table that has one; all else as it is."""
    if not is_frame(values):
        if not hasattr(values, "__arrow_c_stream__") or not hasattr(values, "columns"):
            return values
        values = pa.table(values)
    columns = list(values.columns) if is_frame(values) else values.column_names
    if len(columns) != 1:
        allowed = f"{_GROUPED}, or a list of lists" if as_rows else "one of them, as table['id']"
        raise TypeError(f"{name} is a table with columns {columns}: pass {allowed}")
    return values.iloc[:, 0] if is_frame(values) else values.column(0)


def _keyed(histories: Any) -> tuple[Any, list[Any]]:
    """Keys, or None, and the histories."""
    if is_grouped(histories, "DataFrameGroupBy"):
        raise TypeError(f"histories is a grouped table; pick the column of items: {_GROUPED}")
    if is_grouped(histories, "SeriesGroupBy"):
        groups = [(key, group) for key, group in histories]
        keys = [key[0] if isinstance(key, tuple) and len(key) == 1 else key for key, _ in groups]
        return keys, [group for _, group in groups]
    if isinstance(histories, Mapping):
        return list(histories), list(histories.values())
    if isinstance(histories, str | bytes | Vocabulary) or not isinstance(histories, Iterable):
        shown_here = checks.received(histories)
        raise TypeError(f"histories must be a list, received {shown_here}; {_ONE_HISTORY}")
    if getattr(histories, "ndim", 1) == 0:
        raise TypeError(f"histories must be a list, received {histories!r}; {_ONE_HISTORY}")
    if isinstance(histories, set | frozenset):
        raise TypeError("histories is a set, whose order is arbitrary; give a list, or a mapping")
    if is_series(histories) and not _is_numbered(histories):
        return histories.index, listed(histories)
    return None, _listed("histories", histories)


def _is_numbered(series: pd.Series[Any]) -> bool:
    import pandas as pd

    return series.index.equals(pd.RangeIndex(len(series)))


def _history(values: Any, number: int) -> list[Any]:
    """One history as a list."""
    if isinstance(values, set | frozenset | Mapping):
        raise TypeError(
            f"history {number} is a {type(values).__name__}, expected a list of ids, oldest first"
        )
    flat = isinstance(values, Iterable) and getattr(values, "ndim", 1) == 1
    if isinstance(values, str | bytes) or not flat:
        shown_here = checks.received(values)
        raise TypeError(f"history {number} must be a list, received {shown_here}; {_ONE_HISTORY}")
    return _listed(f"history {number}", values)


def _listed(name: str, values: Any) -> list[Any]:
    """The values as a list; objects of other libraries may say late that they have no order."""
    try:
        return listed(values)
    except TypeError as refused:
        raise TypeError(
            f"{name} must be a list, received a {type(values).__name__}, which does not give its "
            f"values in order ({checks.received(refused)})"
        ) from None


def _labels(keys: Any) -> pd.Index[Any]:
    """Keys of histories as an Index of one kind."""
    import pandas as pd

    index: pd.Index[Any] = (
        keys if isinstance(keys, pd.Index) else pd.Index(keys, tupleize_cols=False)
    )
    kind = pd.api.types.infer_dtype(index)
    if (
        isinstance(index, pd.MultiIndex)
        or kind.startswith("mixed")
        or (index.dtype == object and kind not in ("string", "empty"))
    ):
        raise TypeError(
            f"histories are called {checks.received(index[0])} and so on; their keys must be all "
            "integers, or all text"
        )
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise ValueError(f"two histories are called {shown(twice)}; their keys are distinct")
    return index
