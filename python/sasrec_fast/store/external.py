"""Ids as people hold them -> arrays of integers, or Arrow arrays of text."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.columns import (
    is_column,
    is_dtype,
    is_hashable,
    is_string,
    large_strings,
    text_buffers,
)
from sasrec_fast.errors import shorten

_UNORDERED = (str, bytes, set, frozenset, Mapping)
_KINDS = {"i": "integer", "u": "integer", "f": "floating", "b": "boolean", "U": "string"}
_CLASSES: dict[str, Any] = {
    "integer": (int, np.integer),
    "string": str,
    "floating": (float, np.floating),
}


def listed(values: Iterable[Any]) -> list[Any]:
    """The values as a list; those of an Arrow array, whose elements are no Python values, too."""
    return values.to_pylist() if hasattr(values, "to_pylist") else list(values)


def shown(external: Any) -> str:
    """An external id as a message shows it."""
    return shorten(external.item() if isinstance(external, np.generic) else external)


def as_array(values: Iterable[Any]) -> NDArray[Any]:
    """The values as an array, of objects where they are in none."""
    if type(values) is list:
        plain = values
    elif isinstance(values, _UNORDERED) or not isinstance(values, Iterable):
        raise TypeError(f"ids must be a list of ids, received {checks.received(values)}")
    elif len(getattr(values, "shape", "1")) != 1:
        raise ValueError(f"ids have shape {values.shape}; expected one dimension")  # type: ignore[attr-defined]
    elif is_column(values) or isinstance(getattr(values, "dtype", 0), np.dtype):
        return np.asarray(values)
    else:
        plain = listed(values)
    if {*map(type, plain)} == {int}:
        try:
            return np.array(plain, np.int64)
        except OverflowError:
            pass
    return np.fromiter(plain, object, len(plain))


def kind_of(array: NDArray[Any]) -> str:
    """What all of an array's values are: "integer", "floating", "string", "boolean" or "mixed"."""
    if array.dtype != object:
        return _KINDS.get(array.dtype.kind, "mixed")
    kinds = {*map(type, array.tolist())}
    for name, of in _CLASSES.items():
        if kinds and all(issubclass(kind, of) and kind is not bool for kind in kinds):
            return name
    return "mixed"


def _held_text(values: Any) -> pa.ChunkedArray | None:
    """What Arrow or pandas holds as text, as large strings; None of anything else."""
    if is_column(values) and is_dtype(values.dtype, "StringDtype"):
        values = pa.array(values, from_pandas=True)
    if not isinstance(values, pa.Array | pa.ChunkedArray) or not is_string(values.type):
        return None
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    return pa.chunked_array(chunks, values.type).cast(pa.large_string())


def as_texts(values: Iterable[Any]) -> pa.ChunkedArray:
    """The values as large strings, null where one is no text."""
    held = _held_text(values)
    if held is not None:
        return held
    given = as_array(values).tolist()
    if not {*map(type, given)} <= {str}:
        given = [_text(value) for value in given]
    try:
        texts = pa.array(given, pa.large_string())
    except UnicodeEncodeError:  # half a character, which no id has
        texts = pa.array([_sound(text) for text in given], pa.large_string())
    return pa.chunked_array([texts])


def _text(value: Any) -> str | None:
    """An id as text, None where it is none."""
    if isinstance(value, str):
        return value
    if not is_hashable(value):
        raise TypeError(f"an id is an integer or a string, received {shown(value)}")
    return None


def as_integer(value: Any, limits: Any) -> int | None:
    """An id as the integer that it equals, None where it is none within limits; True is not 1."""
    if not is_hashable(value):
        raise TypeError(f"an id is an integer or a string, received {shown(value)}")
    if value is None or isinstance(value, str | bytes | bool | np.bool_):
        return None
    try:
        found = int(value)
        return found if found == value and limits.min <= found <= limits.max else None
    except (TypeError, ValueError, OverflowError):  # it is no number, or none that is whole
        return None


def _sound(text: str | None) -> str | None:
    """Text that is encodable, or None."""
    halves = text is not None and any("\ud800" <= letter <= "\udfff" for letter in text)
    return None if halves else text


def as_ids(ids: Iterable[Any]) -> Any:
    """A copy of ids: integers as int64, or uint64 where need be, strings in Arrow."""
    held = _held_text(ids)
    if held is not None and not held.null_count:
        return _copied(held.combine_chunks())
    array = as_array(ids)
    if array.ndim != 1:
        raise ValueError(f"ids have shape {array.shape}; expected one dimension")
    if kind_of(array) == "string" or not (len(array) or array.dtype.kind in "iuf"):
        return pa.array(array.astype(object), pa.large_string())
    if kind_of(array) == "integer" or not len(array):
        return array.astype(integer_dtype(array))
    expected = str if isinstance(array[0], str) else int | np.integer
    fits = [isinstance(value, expected) and not isinstance(value, bool) for value in array]
    wrong = fits.index(False)
    raise TypeError(f"ids[{wrong}] is {shown(array[wrong])}; all are integers, or all strings")


def _copied(strings: Any) -> Any:
    """Sound text in memory of its own."""
    strings.validate(full=True)
    offsets, letters = text_buffers(strings)
    first, last = offsets[[0, -1]]
    return large_strings(offsets - first, letters[first:last].copy())


def as_objects(strings: Any) -> NDArray[Any]:
    """An Arrow array of strings as an array of str."""
    found: NDArray[Any] = strings.to_numpy(zero_copy_only=False).astype(object)
    return found


def integer_dtype(*arrays: NDArray[Any]) -> np.dtype[Any]:
    """int64 where it holds all ids, or uint64."""
    smallest = min((int(array.min()) for array in arrays if len(array)), default=0)
    largest = max((int(array.max()) for array in arrays if len(array)), default=0)
    for dtype in (np.int64, np.uint64):
        if smallest >= np.iinfo(dtype).min and largest <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    raise ValueError(f"ids from {smallest} to {largest}; they fit neither int64 nor uint64")
