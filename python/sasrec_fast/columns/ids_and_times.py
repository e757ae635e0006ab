"""A column of ids, timestamps or ratings -> an array that the native half takes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.columns.lists import refuse_written_lists
from sasrec_fast.columns.values import read_values
from sasrec_fast.columns.zones import Zone, shown_at, zone_of
from sasrec_fast.errors import DataError, shorten

_SIGN = np.uint64(1 << 63)


@dataclass(frozen=True)
class IdColumn:
    """Integer codes in the order of the ids they stand for.

    Attributes:
        codes: int64 or int32 codes, one a row, contiguous.
        decode: External ids of an int64 array of codes: integers, or an Arrow array of large
            strings.
        are_integers: Whether the ids are integers, not strings.
    """

    codes: NDArray[Any]
    decode: Callable[[NDArray[np.int64]], Any]
    are_integers: bool = True


def read_ids(values: Any, column: object) -> IdColumn:
    """Code a column of integer or string ids.

    Raises:
        DataError: Missing values, floats, or any other kind of value.
    """
    array = read_values(values, column)
    if isinstance(array, np.ndarray):
        return _integer_ids(array, column)
    try:
        refuse_written_lists(array, column)
        return _string_ids(array)
    except pa.ArrowInvalid as failure:  # not UTF-8
        raise DataError(f"column '{column}' cannot be read as text: {failure}") from None


def _integer_ids(array: NDArray[Any], column: object) -> IdColumn:
    if array.dtype.kind == "f":
        raise DataError(
            f"column '{column}' has float ids ({array.dtype}), first {_first(array)}; "
            "ids are integers or strings: convert it, for example with .astype('int64')"
        )
    if array.dtype.kind not in "iu":
        raise DataError(f"column '{column}' has {array.dtype} ids; ids are integers or strings")
    if array.dtype == np.uint64:
        if array.max(initial=0) >= _SIGN:
            codes = (array ^ _SIGN).view(np.int64)
            return IdColumn(codes, lambda codes: codes.view(np.uint64) ^ _SIGN)
        array = array.view(np.int64)
    fits = np.can_cast(array.dtype, np.int32)
    return IdColumn(_laid_out(array, np.int32 if fits else np.int64), lambda codes: codes)


def _string_ids(strings: Any) -> IdColumn:
    if pa.types.is_string_view(strings.type):
        strings = pc.cast(strings, pa.large_string())
    # An array without strings may have no offsets, which Arrow then reads all the same.
    chunks = [chunk for chunk in _chunks(strings) if len(chunk)]
    if pa.types.is_dictionary(strings.type):
        codes, names = _dictionary_codes(chunks)
    else:
        codes, names = _codes(chunks)
    names.validate(full=True)
    return IdColumn(codes, partial(_texts, names), are_integers=False)


def _chunks(array: Any) -> list[Any]:
    return list(array.chunks) if isinstance(array, pa.ChunkedArray) else [array]


def _codes(chunks: list[Any]) -> tuple[NDArray[np.int32], Any]:
    """Codes of strings, and the strings that they stand for."""
    codes, distinct = _core.encode_strings([text_buffers(chunk) for chunk in chunks])
    return codes, large_strings(*distinct)


def _dictionary_codes(chunks: list[Any]) -> tuple[NDArray[np.int32], Any]:
    """As `_codes`, of dictionaries, which may hold a string twice, and strings that no row has."""
    held = [chunk.dictionary for chunk in chunks]
    distinct = {_place(dictionary): dictionary for dictionary in held}  # chunks may share one
    entries = [pc.fill_null(pc.cast(each, pa.large_string()), "") for each in distinct.values()]
    codes, names = _codes(entries)
    ends = np.cumsum([len(each) for each in entries])
    of = dict(zip(distinct, np.split(codes, ends[:-1]), strict=True)) if entries else {}
    found = np.empty(sum(map(len, chunks)), np.int32)
    end = 0
    for chunk, dictionary in zip(chunks, held, strict=True):
        start, end = end, end + len(chunk)
        np.take(of[_place(dictionary)], _positions(chunk.indices), out=found[start:end])
    return found, names


def _place(array: Any) -> tuple[int | None, ...]:
    """Where an array lies in memory."""
    buffers = (None if buffer is None else buffer.address for buffer in array.buffers())
    return (array.offset, len(array), *buffers)


TextBuffers = tuple[NDArray[Any], NDArray[np.uint8]]
"""Strings as the native half takes them: int32 or int64 offsets, one more than there are strings,
and the bytes that they point into."""


def text_buffers(strings: Any) -> TextBuffers:
    """What an Arrow array of strings or large strings is held in; its memory is shared."""
    if not len(strings):  # it may have no offsets
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, offsets, text = strings.buffers()
    wide = np.int64 if pa.types.is_large_string(strings.type) else np.int32
    # A buffer may lie anywhere in memory, and hold more than the offsets.
    ends = np.frombuffer(offsets, wide, strings.offset + len(strings) + 1)
    letters = np.zeros(0, np.uint8) if text is None else np.frombuffer(text, np.uint8)
    return _laid_out(ends[strings.offset :], wide), letters


def large_strings(offsets: NDArray[np.int64], letters: NDArray[np.uint8]) -> Any:
    """An Arrow array of large strings on what the native half returns."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(letters)]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)


def _texts(names: Any, codes: NDArray[np.int64]) -> Any:
    """Strings of their codes."""
    if len(codes) == len(names) and np.array_equal(codes, np.arange(len(names))):
        return names
    try:
        return names.take(pa.array(codes))
    except pa.ArrowException as failure:  # text that is sound fails for one reason alone
        raise MemoryError(f"no memory for {len(codes):,} ids: {failure}") from None


def _positions(indices: Any) -> NDArray[Any]:
    positions: NDArray[Any] = indices.to_numpy(zero_copy_only=False)
    return positions.view(np.int64) if positions.dtype == np.uint64 else positions


@dataclass(frozen=True)
class TimeColumn:
    """Timestamps as numbers of the same order.

    Attributes:
        values: int64 or float64; of uint64 beyond int64, with the upper bit flipped.
        dtype: Of the timestamps as they were: integer, float or datetime64, which is in UTC.
        zone: Of datetimes that have one.
    """

    values: NDArray[Any]
    dtype: np.dtype[Any]
    zone: Zone | None = None

    @property
    def span(self) -> tuple[Any, Any]:
        """The earliest and the latest timestamp, as they were."""
        edges = np.array([self.values.min(), self.values.max()])
        if self.dtype == np.uint64:
            edges = edges.view(np.uint64) ^ _SIGN
        elif self.dtype.kind == "M":
            edges = edges.view(self.dtype)
        elif self.dtype.kind == "f":
            edges = edges + 0.0  # of zeros either may be found, and -0.0 is shown as another
        if self.zone is not None:
            return shown_at(edges[0], self.zone), shown_at(edges[1], self.zone)
        return edges[0], edges[1]


def read_timestamps(values: Any, column: object) -> TimeColumn:
    """Timestamps that are compared exactly.

    Raises:
        DataError: Missing or non-finite values, or values that are neither numbers nor datetimes.
    """
    array = read_values(values, column)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iufM":
        raise DataError(
            f"column '{column}' has {_kind(array)} timestamps, first {shorten(_first(array))}; "
            "timestamps are integers, floats or datetimes: convert it, for example with "
            "pandas.to_datetime"
        )
    if array.dtype.kind == "f":
        return TimeColumn(_exact_floats(array, column), array.dtype)
    dtype = array.dtype
    if dtype == np.uint64:
        if array.max(initial=0) >= _SIGN:
            array = array ^ _SIGN
        else:
            dtype = np.dtype(np.int64)
    bits = array.dtype == np.uint64 or dtype.kind == "M"
    zone = zone_of(values) if dtype.kind == "M" else None
    return TimeColumn(_laid_out(array.view(np.int64) if bits else array, np.int64), dtype, zone)


def read_ratings(values: Any, column: object) -> NDArray[Any]:
    """A numeric array.

    Raises:
        DataError: Missing or non-finite values, or values that are not numbers.
    """
    array = read_values(values, column)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        raise DataError(f"column '{column}' has {_kind(array)} ratings; ratings are numbers")
    return array


def _exact_floats(array: NDArray[Any], column: object) -> NDArray[np.float64]:
    floats = _laid_out(array, np.float64)
    if array.dtype.itemsize > floats.dtype.itemsize and not np.array_equal(floats, array):
        raise DataError(
            f"column '{column}' has {array.dtype} timestamps that no float64 holds exactly; "
            "convert it to integers of a smaller unit"
        )
    return floats


def _laid_out(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Contiguous and aligned, as native code reads it; the same memory where it is so already."""
    return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED"])


def _kind(array: Any) -> Any:
    return array.dtype if isinstance(array, np.ndarray) else pa.large_string()


def _first(array: Any) -> Any:
    if not len(array):
        return None
    if not hasattr(array[0], "as_py"):
        return array[0].item()
    try:
        return array[0].as_py()
    except UnicodeDecodeError:
        return array[0].as_buffer().to_pybytes()
