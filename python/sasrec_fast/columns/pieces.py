"""One column of several tables -> one column, where its pieces are of one kind."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sasrec_fast.columns.values import is_string, numpy_or_arrow, read_values, readable
from sasrec_fast.errors import DataError

_UNITS = ("s", "ms", "us", "ns")
_UTC = ("UTC", "Etc/UTC", "GMT", "Z", "+00:00", "+0000")


def join(pieces: Sequence[tuple[int, Any]], column: object) -> Any:
    """The values of a column one below the other, as `read_values` takes them.

    Args:
        pieces: Each with its number, and with one row or more.
        column: Its name, for messages.

    Raises:
        DataError: Pieces are of different kinds, such as integers and text; names two of them.
    """
    arrays = [(number, _held(values, column, number)) for number, values in pieces]
    (first, one), *others = arrays
    for number, array in others:
        if _kind(array) != _kind(one) and {_kind(array), _kind(one)} != {"integers", "floats"}:
            raise DataError(
                f"column '{column}' holds {_kind(one)} in piece {first} and {_kind(array)} in "
                f"piece {number}; expected one kind in all of them"
            )
    held = [array for _, array in arrays]
    if all(isinstance(array, np.ndarray) for array in held):
        joined = np.concatenate(held)
        if _exact(joined, held):
            return joined
    try:
        return _concatenated([_as_arrow(array) for array in held])
    except pa.ArrowException as failure:
        raise DataError(f"column '{column}' of {len(held)} pieces: {failure}") from None


def as_arrow(values: Any, column: object) -> Any:
    """The values of a column as an Arrow array, chunked or not, of numbers, times or text.

    Raises:
        DataError: They are no column.
    """
    with readable(column):
        return _as_arrow(numpy_or_arrow(values, column))


def _held(values: Any, column: object, number: int) -> Any:
    with readable(column, f"piece {number}: "):
        array = numpy_or_arrow(values, column)
        read_values(array, column)  # refuses what is missing, with its row in the piece
        return array


def _kind(array: Any) -> str:
    """What may stand in one column with others of the same name."""
    if isinstance(array, np.ndarray):
        names = {"i": "integers", "u": "integers", "f": "floats", "M": "datetimes without a zone"}
        return names.get(array.dtype.kind, str(array.dtype))
    kind = array.type
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        kind = kind.value_type
    if is_string(kind):
        return "text"
    if pa.types.is_integer(kind):
        return "integers"
    if pa.types.is_floating(kind):
        return "floats"
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return f"datetimes in the zone {'UTC' if kind.tz in _UTC else kind.tz}"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "datetimes without a zone"
    return "decimals" if pa.types.is_decimal(kind) else str(kind)


def _exact(joined: NDArray[Any], held: Sequence[NDArray[Any]]) -> bool:
    """Whether NumPy's common type, which may be a float, holds every value."""
    if all(array.dtype == joined.dtype for array in held):
        return True
    if joined.dtype.kind == "f" and any(array.dtype.kind in "iu" for array in held):
        return False
    pieces = np.split(joined, np.cumsum([len(array) for array in held])[:-1])
    return all(
        np.array_equal(piece.astype(array.dtype), array, equal_nan=array.dtype.kind in "fM")
        for piece, array in zip(pieces, held, strict=True)
    )


def _as_arrow(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        if array.dtype.kind == "M" and np.datetime_data(array.dtype)[0] not in (
            "s",
            "ms",
            "us",
            "ns",
        ):
            array = array.astype("M8[s]")
        array = pa.array(array)
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    if pa.types.is_dictionary(array.type):
        array = pc.cast(array, array.type.value_type)
    if is_string(array.type):
        array = pc.cast(array, pa.large_string())
    return array


def _concatenated(arrays: Sequence[Any]) -> pa.ChunkedArray:
    """Arrow's common type; its casts fail rather than lose digits."""
    if any(pa.types.is_integer(array.type) for array in arrays):
        arrays = _in_one_range(arrays)
    zones = {array.type.tz for array in arrays if pa.types.is_timestamp(array.type)}
    if len(zones) > 1:
        arrays = [pc.cast(array, pa.timestamp(array.type.unit, "UTC")) for array in arrays]
    tables = [pa.table({"": array}) for array in arrays]
    return pa.concat_tables(tables, promote_options="permissive").column(0)


def _in_one_range(arrays: Sequence[Any]) -> Sequence[Any]:
    """Integers as int64 or, where some are beyond it, as uint64; beside floats as floats."""
    if any(pa.types.is_floating(array.type) for array in arrays):
        return [pc.cast(array, pa.float64()) for array in arrays]
    try:
        return [pc.cast(array, pa.int64()) for array in arrays]
    except pa.ArrowInvalid:
        return [pc.cast(array, pa.uint64()) for array in arrays]
