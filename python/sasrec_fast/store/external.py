"""Ids as people hold them -> arrays of integers, or Arrow arrays of text."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.columns import is_string, large_strings, text_buffers
from sasrec_fast.errors import shorten

_UNORDERED = (str, bytes, set, frozenset, Mapping)


def listed(values: Iterable[Any]) -> list[Any]:
    """The values as a list; those of an Arrow array, whose elements are no Python values, too."""
    return values.to_pylist() if hasattr(values, "to_pylist") else list(values)


def shown(external: Any) -> str:
    """An external id as a message shows it."""
    return shorten(external.item() if isinstance(external, np.generic) else external)


def as_array(values: Iterable[Any]) -> NDArray[Any]:
    """The values as an array, of objects where they are in none."""
    if isinstance(values, _UNORDERED) or not isinstance(values, Iterable):
        raise TypeError(f"ids must be a list of ids, received {checks.received(values)}")
    if len(getattr(values, "shape", "1")) != 1:
        raise ValueError(f"ids have shape {values.shape}; expected one dimension")  # type: ignore[attr-defined]
    if isinstance(values, pd.Series | pd.Index) or isinstance(
        getattr(values, "dtype", 0), np.dtype
    ):
        return np.asarray(values)
    plain = listed(values)
    return np.fromiter(plain, object, len(plain))


def kind_of(array: NDArray[Any]) -> str:
    """What an array's values are, all of them: "integer", "string" and so on."""
    return str(pd.api.types.infer_dtype(array, skipna=False))


def _held_text(values: Any) -> pa.ChunkedArray | None:
    """What Arrow or pandas holds as text, as large strings; None of anything else."""
    if isinstance(values, pd.Series | pd.Index) and isinstance(values.dtype, pd.StringDtype):
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
    if not pd.api.types.is_hashable(value):
        raise TypeError(f"an id is an integer or a string, received {shown(value)}")
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
