"""Values by item id, as people hold them -> item indices and a value for each."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.errors import note
from sasrec_fast.store import Vocabulary, indices_of, kind_note, shown


def values_by_item(
    name: str, given: Any, items: Vocabulary | None, size: int
) -> tuple[NDArray[np.int32], list[Any]]:
    """Item indices, each once, and the value of each.

    Args:
        name: Of the argument, in the plural; a table has its values in a column named in the
            singular.
        given: A mapping of item ids to values, a Series indexed by item id, a table with a column
            item_id, or an array with a value for each item index, [size].
        items: The vocabulary of the ids.
        size: Number of items + 1.

    Raises:
        TypeError: Something else.
        ValueError: An array of another length, ids where there is no vocabulary, a table without
            the columns, or two values for an item.

    Warns:
        UserWarning: Unknown ids; says how many, and the first.
    """
    if isinstance(given, np.ndarray):
        if given.shape != (size,):
            raise ValueError(
                f"{name} is an array of shape {given.shape}, expected ({size},): one value for "
                "each item index, that of padding, 0, included"
            )
        return np.arange(1, size, dtype=np.int32), given[1:].tolist()
    ids, values = _pairs(name, given)
    if items is None:
        raise ValueError(
            f"{name} is by item id, but no item vocabulary says what they are: make the model with "
            f"items=data.items, or give an array [{size}]"
        )
    indices = indices_of(name, ids, items)
    known = np.flatnonzero(indices)
    if len(known) < len(ids):
        first = ids[int(np.argmin(indices))]
        note(
            f"{len(ids) - len(known)} of {len(ids)} item ids in {name} are unknown and have no "
            f"effect, first {shown(first)}{kind_note(first, items, 'item')}"
        )
    _, firsts, counts = np.unique(indices[known], return_index=True, return_counts=True)
    if (counts > 1).any():
        first = ids[known[firsts[counts > 1].min()]]
        raise ValueError(f"item {shown(first)} has more than one value in {name}")
    return indices[known], [values[place] for place in known]


def _pairs(name: str, given: Any) -> tuple[list[Any], list[Any]]:
    """Ids, and a value for each."""
    if isinstance(given, Mapping):
        return list(given), list(given.values())
    pandas: Any = sys.modules.get("pandas")  # whoever has its objects has imported it
    if pandas is not None and isinstance(given, pandas.Series):
        return given.index.tolist(), given.tolist()
    if pandas is not None and isinstance(given, pandas.DataFrame):
        if given.index.name == "item_id" and "item_id" not in given.columns:
            given = given.reset_index()
        columns = {column: given[column].tolist for column in given.columns}
    elif hasattr(given, "__arrow_c_stream__") and hasattr(given, "columns"):
        import pyarrow as pa

        table = pa.table(given)
        columns = {column: table[column].to_pylist for column in table.column_names}
    else:
        raise TypeError(
            f"{name} must be a mapping of item ids, a Series indexed by them, a table with a "
            f"column item_id, or an array by item index, received {checks.received(given)}"
        )
    wanted = ("item_id", name.removesuffix("s"))
    if missing := [column for column in wanted if column not in columns]:
        raise ValueError(f"{name} has columns {list(columns)}, without {missing}")
    ids, values = (columns[column]() for column in wanted)
    return ids, values


def numbers_by_item(
    name: str, given: Any, items: Vocabulary | None, default: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A finite number for each item index, `default` [vocabulary_size] where none is given.

    Raises:
        TypeError: A value that is no number; others as of `values_by_item`.
        ValueError: A number that is not finite.
    """
    indices, values = values_by_item(name, given, items, len(default))
    found = default.copy()
    numbers = np.array([_number(name, value) for value in values], np.float32)
    if not np.isfinite(numbers).all():
        place = int(np.argmin(np.isfinite(numbers)))
        raise ValueError(
            f"{name} must be finite numbers, received {checks.received(values[place])} for item "
            f"{named(int(indices[place]), items)}"
        )
    found[indices] = numbers
    return found


def _number(name: str, value: Any) -> float:
    return value if type(value) in (int, float) else checks.number(f"a value of {name}", value)


def groups_by_item(given: Any, items: Vocabulary | None, size: int) -> tuple[Any, list[Any]]:
    """The group of each item index, int32 [size], -1 for none, and the groups these count.

    Raises:
        TypeError: A group that is neither text nor an integer; others as of `values_by_item`.
        ValueError: See `values_by_item`.
    """
    indices, values = values_by_item("groups", given, items, size)
    found = np.full(size, -1, np.int32)
    codes: dict[Any, int] = {}
    numbers = [_code(value, codes) for value in values]
    found[indices] = numbers
    return found, list(codes)


def _code(value: Any, codes: dict[Any, int]) -> int:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (value != value):  # NaN
        return -1
    if isinstance(value, float) and value.is_integer():  # what a column with gaps makes of integers
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"a group is text or an integer, received {checks.received(value)}")
    return codes.setdefault(value, len(codes))


def named(index: int, items: Vocabulary | None) -> str:
    """An item as a message calls it."""
    return f"index {index}" if items is None else shown(items.lookup([index])[0])
