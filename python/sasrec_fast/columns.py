"""One column of anything table-like -> a checked numpy array, or an Arrow array of strings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sasrec_fast.errors import DataError

_SIGN = np.uint64(1 << 63)


@dataclass(frozen=True)
class IdColumn:
    """Integer codes in the order of the ids they stand for.

    Attributes:
        codes: int64 or int32 codes, one a row, contiguous.
        decode: External ids of an int64 array of codes.
        are_integers: Whether the ids are integers, not strings.
    """

    codes: NDArray[Any]
    decode: Callable[[NDArray[np.int64]], NDArray[Any]]
    are_integers: bool = True


def read_ids(values: Any, column: str) -> IdColumn:
    """Code a column of integer or string ids.

    Raises:
        DataError: Missing values, floats, or any other kind of value.
    """
    array = _to_array(values, column)
    if isinstance(array, np.ndarray):
        return _integer_ids(array, column)
    strings = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    encoded = strings if pa.types.is_dictionary(strings.type) else strings.dictionary_encode()
    dictionary = encoded.dictionary
    order = pc.sort_indices(dictionary).to_numpy()
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(len(order), dtype=np.int32)
    codes = np.take(ranks, encoded.indices.to_numpy(zero_copy_only=False))

    def decode(codes: NDArray[np.int64]) -> NDArray[Any]:
        names: NDArray[Any] = dictionary.take(pa.array(order[codes])).to_numpy(zero_copy_only=False)
        return names.astype(object)

    return IdColumn(codes, decode, are_integers=False)


def _integer_ids(array: NDArray[Any], column: str) -> IdColumn:
    if array.dtype.kind == "f":
        raise DataError(
            f"column '{column}' has float ids ({array.dtype}), first {_first(array)}; "
            "ids are integers or strings: convert it, for example with .astype('int64')"
        )
    if array.dtype.kind not in "iu":
        raise DataError(f"column '{column}' has {array.dtype} ids; ids are integers or strings")
    if array.dtype == np.uint64 and array.max(initial=0) >= _SIGN:
        codes = (array ^ _SIGN).view(np.int64)
        return IdColumn(np.ascontiguousarray(codes), lambda codes: codes.view(np.uint64) ^ _SIGN)
    width = np.int32 if array.dtype == np.int32 else np.int64
    return IdColumn(np.ascontiguousarray(array, width), lambda codes: codes)


def read_timestamps(values: Any, column: str) -> NDArray[Any]:
    """An int64 or float64 array in the order of the timestamps, compared exactly.

    Raises:
        DataError: Missing or non-finite values, or values that are neither numbers nor datetimes.
    """
    array = _to_array(values, column)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iufM":
        kind = array.type if not isinstance(array, np.ndarray) else array.dtype
        raise DataError(
            f"column '{column}' has {kind} timestamps, first {_first(array)!r}; timestamps are "
            "integers, floats or datetimes: convert it, for example with pandas.to_datetime"
        )
    if array.dtype.kind == "M":
        return np.ascontiguousarray(array).view(np.int64)
    if array.dtype == np.uint64:
        return np.ascontiguousarray((array ^ _SIGN).view(np.int64))
    return np.ascontiguousarray(array, np.float64 if array.dtype.kind == "f" else np.int64)


def read_ratings(values: Any, column: str) -> NDArray[Any]:
    """A numeric array.

    Raises:
        DataError: Missing or non-finite values, or values that are not numbers.
    """
    array = _to_array(values, column)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        kind = array.type if not isinstance(array, np.ndarray) else array.dtype
        raise DataError(f"column '{column}' has {kind} ratings; ratings are numbers")
    return array


def _to_array(values: Any, column: str) -> Any:
    """A numpy array without missing values, or an Arrow (dictionary) array of strings."""
    if isinstance(values, pd.Series | pd.Index) and not isinstance(values.dtype, np.dtype):
        values = _arrow(values, column)
    elif isinstance(values, pd.Series | pd.Index):
        values = values.to_numpy()
    elif not isinstance(values, np.ndarray | pa.Array | pa.ChunkedArray):
        values = _arrow(values, column)
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise DataError(f"column '{column}' has shape {values.shape}; a column has one axis")
        if values.dtype.kind in "OUST":
            values = _arrow(values, column)
    if isinstance(values, np.ndarray):
        return _without_gaps(values, column)
    _require_no_nulls(values, column)
    return _from_arrow(values, column)


def _arrow(values: Any, column: str) -> Any:
    """An Arrow array of Python objects, strings or a pandas extension array."""
    if isinstance(values, np.ndarray):
        values = values.astype(object)
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"column '{column}' is not of one kind of value: {error}") from None


def _from_arrow(array: Any, column: str) -> Any:
    """Numbers and datetimes as numpy; strings stay in Arrow."""
    if pa.types.is_dictionary(array.type):
        if not _is_string(array.type.value_type):
            return _from_arrow(pc.cast(array, array.type.value_type), column)
        if array.type.index_type == pa.uint64() or isinstance(array, pa.ChunkedArray):
            return pc.cast(array, pa.large_string())
        return array
    if _is_string(array.type):
        return pc.cast(array, pa.large_string())
    if pa.types.is_timestamp(array.type):
        return pc.cast(array, pa.int64()).to_numpy()
    if pa.types.is_date(array.type):
        return pc.cast(pc.cast(array, pa.timestamp("ms")), pa.int64()).to_numpy()
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        numbers: NDArray[Any] = (
            array.to_numpy()
            if isinstance(array, pa.ChunkedArray)
            else array.to_numpy(zero_copy_only=False)
        )
        return _without_gaps(numbers, column)
    raise DataError(
        f"column '{column}' has values of type {array.type}; "
        "a column holds integers, strings, floats or datetimes"
    )


def _is_string(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _require_no_nulls(array: Any, column: str) -> None:
    if not array.null_count:
        return
    missing = pc.is_null(array)
    first = pc.index(missing, pa.scalar(True)).as_py()
    raise _missing(column, array.null_count, first)


def _without_gaps(array: NDArray[Any], column: str) -> NDArray[Any]:
    if array.dtype.kind == "M":
        missing = np.isnat(array)
        if missing.any():
            raise _missing(column, int(missing.sum()), int(missing.argmax()))
    elif array.dtype.kind == "f":
        finite = np.isfinite(array)
        if not finite.all():
            bad = ~finite
            first = int(bad.argmax())
            raise DataError(
                f"column '{column}' has {int(bad.sum())} missing or non-finite values, "
                f"first at row {first} ({array[first]})"
            )
    return array


def _missing(column: str, count: int, first: int) -> DataError:
    values = "value" if count == 1 else "values"
    return DataError(f"column '{column}' has {count} missing {values}, first at row {first}")


def _first(array: Any) -> Any:
    if not len(array):
        return None
    return array[0].as_py() if hasattr(array[0], "as_py") else array[0].item()
