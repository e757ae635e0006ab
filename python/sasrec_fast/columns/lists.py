"""Rows of lists, one row a user -> one row an interaction, in the order of the lists."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sasrec_fast.columns.of_pandas import is_absent, is_column, is_dtype, is_extension
from sasrec_fast.errors import DataError, DataWarning, note, shorten

_CELLS = (list, tuple, np.ndarray, pa.Array, pa.ListScalar)
_MISSING = -1
_BRACKETS = r"^\s*\[.*\]\s*$"
_SEQUENCE = r"^\s*[0-9]+([ ,;|]+[0-9]+)*\s*$"
_BETWEEN = r"[0-9][ ,;|]+[0-9]"
_SAMPLED = 100


@dataclass(frozen=True)
class _Lists:
    """A column of lists.

    Attributes:
        lengths: Of each list; `_MISSING` where there is none.
        values: What the lists hold, one below the other.
        tuples: Whether they are tuples, which may as well be one value each.
    """

    lengths: NDArray[np.int64]
    values: Any
    tuples: bool = False


def explode(found: Mapping[Any, Any], user: Any, item: Any) -> dict[Any, Any]:
    """The columns with one row for each element, where a column holds lists.

    Lists of one row belong together: they are of equal length, and values of columns that hold
    none are repeated.

    Args:
        found: Columns of any library, by name.
        user: Name of the column of users, which holds no lists.
        item: Name of the column of items, which holds lists where any column does.

    Raises:
        DataError: Lists are missing, nested or differ in length, or are where none are expected.
    """
    lists = {name: cells for name, values in found.items() if (cells := _as_lists(values, name))}
    if not lists:
        return dict(found)
    if user in lists or item not in lists:
        wrong = user if user in lists else next(iter(lists))
        raise DataError(
            f"column '{wrong}' holds lists; expected lists of items in column '{item}', and "
            "beside them lists of the same lengths or one value a row; a user is one value"
        )
    lengths = lists[item].lengths
    if lists[item].tuples and len(lists) == 1 and len(found) > 2:
        raise DataError(
            f"column '{item}' holds tuples beside single values: a tuple is no id, which is an "
            "integer or a string; make lists of them where they are histories"
        )
    _refuse_missing(lists)
    for name, values in found.items():
        if name not in lists and len(values) != len(lengths):
            return dict(found)  # whose lengths are refused anyway
    _refuse_other_lengths(lists, item, found[user])
    _warn_of_empty(lengths, item)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    return {
        name: lists[name].values if name in lists else _taken(values, rows)
        for name, values in found.items()
    }


def _warn_of_empty(lengths: NDArray[np.int64], item: Any) -> None:
    empty = int((lengths == 0).sum())
    if empty:
        note(
            f"{empty:,} of {len(lengths):,} lists of column '{item}' are empty: no interactions "
            "come of these rows",
            DataWarning,
        )


def refuse_written_lists(texts: Any, column: Any) -> None:
    """Refuse ids of text each of which is a list, as CSV files hold them; warn of "1 2 3".

    Args:
        texts: An Arrow array of strings, or of a dictionary of strings, without nulls.
        column: Its name, for messages.

    Raises:
        DataError: Every text is in square brackets.
    """
    try:
        sample = texts[:_SAMPLED].to_pylist()
    except UnicodeDecodeError:  # which is refused as such
        return
    if not sample:
        return
    first = shorten(sample[0])
    if all(re.match(_BRACKETS, text, re.DOTALL) for text in sample) and _all_match(
        texts, "(?s)" + _BRACKETS
    ):
        raise DataError(
            f"column '{column}' holds text that is a list, first {first}; expected one id a row, "
            "or lists: convert it, for example with frame[column].map(json.loads), and give the "
            "frame"
        )
    joined = sum(re.search(_BETWEEN, text) is not None for text in sample)
    if all(re.match(_SEQUENCE, text) for text in sample) and 2 * joined > len(sample):
        note(
            f"column '{column}' holds text like {first}, and each is taken for one id; if these "
            "are sequences, split them, for example with frame[column].str.split(), and give the "
            "frame",
            DataWarning,
        )


def _all_match(texts: Any, pattern: str) -> bool:
    if pa.types.is_dictionary(texts.type):
        texts = pc.unique(texts)
    return bool(
        pc.all(pc.match_substring_regex(pc.cast(texts, pa.large_string()), pattern)).as_py()
    )


def _as_lists(values: Any, column: Any) -> _Lists | None:
    """The lists of a column, or None where it holds something else."""
    array = _arrow(values)
    if array is not None:
        return _arrow_lists(array, column) if _is_list(array.type) else None
    if is_column(values):
        values = values.to_numpy() if values.dtype == object else None
    if isinstance(values, np.ndarray) and (values.dtype != object or values.ndim != 1):
        return None
    if not isinstance(values, np.ndarray | list | tuple):
        return None
    first = next((cell for cell in values if cell is not None and not is_absent(cell)), None)
    if not _is_cell(first):
        return None
    return replace(_object_lists(list(values), column), tuples=isinstance(first, tuple))


def _arrow(values: Any) -> Any:
    """The column in Arrow where its library holds it so, else None."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if is_column(values):
        held = is_dtype(values.dtype, "ArrowDtype") and _is_list(values.dtype.pyarrow_dtype)
        return pa.array(values, from_pandas=True) if held else None
    if hasattr(values, "__arrow_c_stream__"):
        try:
            return pa.chunked_array(values)
        except (pa.ArrowException, TypeError, ValueError):
            return None  # and refused with its reason where it is read
    return None


def _is_list(kind: pa.DataType) -> bool:
    tests = ("list", "large_list", "fixed_size_list", "list_view", "large_list_view")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _arrow_lists(array: Any, column: Any) -> _Lists:
    try:
        array.validate(full=True)  # offsets may come from anywhere, and lead there
    except pa.ArrowException as failure:
        raise DataError(f"column '{column}' cannot be read: {failure}") from None
    if _is_list(array.type.value_type):
        raise DataError(f"column '{column}' holds lists of lists ({array.type}); expected lists")
    lengths = pc.fill_null(pc.cast(pc.list_value_length(array), pa.int64()), _MISSING)
    if array.null_count:
        # A null of fixed size has values beneath it.
        array = array.drop_null()
    return _Lists(np.asarray(lengths), pc.list_flatten(array))


def _object_lists(cells: list[Any], column: Any) -> _Lists:
    """Of Python objects, each a list, an array or nothing."""
    for row, cell in enumerate(cells):
        if not (_is_cell(cell) or _is_missing(cell)):
            kind = type(cell).__name__
            raise DataError(f"column '{column}' holds lists, but a {kind} at row {row}")
        if isinstance(cell, np.ndarray) and cell.ndim != 1:
            raise DataError(
                f"column '{column}' has an array of shape {cell.shape} at row {row}; expected "
                "lists or arrays of one axis"
            )
    lengths = [len(cell) if _is_cell(cell) else _MISSING for cell in cells]
    whole = [cell.as_py() if isinstance(cell, pa.Scalar) else cell for cell in cells]
    held = [cell for cell, length in zip(whole, lengths, strict=True) if length > 0]
    kinds = {cell.dtype if isinstance(cell, np.ndarray) else None for cell in held}
    values: Any
    if len(kinds) == 1 and None not in kinds:
        values = np.concatenate(held)
    else:
        values = list(chain.from_iterable(_elements(cell) for cell in held))
    return _Lists(np.array(lengths, np.int64), values)


def _is_cell(cell: Any) -> bool:
    return isinstance(cell, _CELLS) or is_column(cell)


def _is_missing(cell: Any) -> bool:
    return cell is None or is_absent(cell) or (isinstance(cell, float) and cell != cell)


def _elements(cell: Any) -> Any:
    if isinstance(cell, pa.Array):
        return cell.to_pylist()
    # Python's numbers, since Arrow takes those of NumPy in one list for one width alone.
    return cell.tolist() if isinstance(cell, np.ndarray) and cell.dtype.kind in "iufb" else cell


def _refuse_missing(lists: Mapping[Any, _Lists]) -> None:
    for name, cells in lists.items():
        missing = cells.lengths == _MISSING
        if missing.any():
            count, first = int(missing.sum()), int(missing.argmax())
            some = "value" if count == 1 else "values"
            raise DataError(
                f"column '{name}' has {count} missing {some}, first at row {first}; expected a "
                "list in every row, an empty one where there are no interactions"
            )


def _refuse_other_lengths(lists: Mapping[Any, _Lists], item: Any, users: Any) -> None:
    expected = lists[item].lengths
    for name, cells in lists.items():
        if len(cells.lengths) != len(expected):
            raise DataError(
                f"columns differ in length: '{item}' has {len(expected):,}, '{name}' has "
                f"{len(cells.lengths):,} rows"
            )
        differs = cells.lengths != expected
        if differs.any():
            row = int(differs.argmax())
            user = _taken(users, np.array([row]))
            shown = user.to_pylist() if hasattr(user, "to_pylist") else list(user)
            raise DataError(
                f"row {row}, user {shorten(str(shown[0]))}: the list of column '{item}' has "
                f"{expected[row]} values and that of '{name}' {cells.lengths[row]}; expected "
                "as many"
            )


def _taken(values: Any, rows: NDArray[np.int64]) -> Any:
    """The values of these rows, held as they were."""
    array = _arrow(values)
    if array is not None:
        return array.take(pa.array(rows))
    if is_column(values):
        return values.take(rows)
    if isinstance(values, np.ndarray):
        return values[rows]
    if hasattr(values, "take") and is_extension(values):
        return values.take(rows)
    held = list(values)
    return [held[row] for row in rows]
