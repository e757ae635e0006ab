"""External ids and their dense indices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import _core, checks
from sasrec_fast.errors import shorten
from sasrec_fast.store.numbers import integers

_UNORDERED = (str, bytes, set, frozenset, Mapping)
MAX_ITEMS = _core.MAX_ITEMS
"""Largest index: `len(vocabulary) + 1` is an int32."""


class Vocabulary:
    """A bijection between external ids and indices 1..len(self); index 0 is padding.

    Args:
        ids: Distinct ids in index order, all integers or all strings; copied.

    Attributes:
        is_identity: Whether every index is its own id.

    Raises:
        TypeError: Other ids, or of both kinds.
        ValueError: An id occurs twice, integers that neither int64 nor uint64 hold, or an array
            of more than one dimension.
    """

    _source: Any  # a range, a NumPy array, or an Arrow array of strings
    _check: Callable[[], None] | None = None
    is_identity = False

    def __init__(self, ids: Iterable[Any]) -> None:
        self._source = _typed(ids)
        if not self._positions.is_unique:
            second = int(self._positions.duplicated().argmax())
            raise ValueError(f"ids[{second}] is {shown(self.ids[second])} again; ids are distinct")
        if self.are_strings:
            _ = self.strings  # or UnicodeEncodeError, a ValueError

    @classmethod
    def trusted(cls, ids: Any, check: Callable[[], None] | None = None) -> Vocabulary:
        """A vocabulary of ids that are known to be right; they are neither checked nor copied.

        Args:
            ids: Distinct ids: int64, uint64, an object array of str, or an Arrow array of
                large strings, of which `ids` is made when first asked for.
            check: Called before an id is first used; raises where they are not right after all.
        """
        vocabulary = cls.__new__(cls)
        vocabulary._source, vocabulary._check = ids, check
        return vocabulary

    @classmethod
    def identity(cls, size: int) -> Vocabulary:
        """The vocabulary in which index i is id i, for 1..size."""
        vocabulary = cls.trusted(range(1, size + 1))
        vocabulary.is_identity = True
        return vocabulary

    @cached_property
    def ids(self) -> NDArray[Any]:
        """External ids in index order: `ids[0]` has index 1; read-only.

        Ascending, but for those that `extend` appended. int64 (uint64 where the input was), or an
        object array of str.
        """
        if isinstance(self._source, range):
            ids = np.arange(1, len(self) + 1, dtype=np.int64)
        elif isinstance(self._source, np.ndarray):
            self._require_right()
            ids = self._source.view()
        else:
            ids = self.strings.to_numpy(zero_copy_only=False).astype(object)
        ids.flags.writeable = False
        return ids

    @cached_property
    def strings(self) -> Any:
        """The ids as an Arrow array of large strings, where they are strings.

        Raises:
            DataError: The file they are in is damaged.
        """
        if isinstance(self._source, np.ndarray):
            return pa.array(self._source, pa.large_string())
        self._require_right()
        return self._source

    def _require_right(self) -> None:
        if self._check is not None:
            self._check()

    @property
    def are_strings(self) -> bool:
        """Whether ids are strings, not integers."""
        if isinstance(self._source, np.ndarray):
            return bool(self._source.dtype == np.object_)
        return not isinstance(self._source, range)

    def __len__(self) -> int:
        return len(self._source)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        if self is other or len(self) != len(other) or self.are_strings != other.are_strings:
            return self is other
        if self.are_strings:
            return bool(self.strings.equals(other.strings))
        return self.ids.dtype == other.ids.dtype and np.array_equal(self.ids, other.ids)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        values = ", ".join(shown(value) for value in self.ids[:3].tolist())
        return f"Vocabulary({len(self)} ids: {values}{', ...' if len(self) > 3 else ''})"

    @cached_property
    def _positions(self) -> pd.Index[Any]:
        positions: pd.Index[Any] = pd.Index(self.ids, dtype=self.ids.dtype)
        return positions

    def index(self, ids: Iterable[Any]) -> NDArray[np.int32]:
        """Indices of external ids.

        Args:
            ids: External ids, n of them. Of floats, those that are exactly an integer count.

        Returns:
            int32 array of n indices; 0 where an id is unknown.

        Raises:
            TypeError: No list of ids.
        """
        wanted = _array(ids)
        if self.are_strings:
            return self._found(pd.Index(wanted, dtype=object))
        kind, dtype = _kind(wanted), self.ids.dtype
        if kind == "integer":
            exact = (wanted >= np.iinfo(dtype).min) & (wanted <= np.iinfo(dtype).max)
        elif kind == "floating" and dtype == np.int64:
            wanted = wanted.astype(np.float64)
            exact = (np.trunc(wanted) == wanted) & (wanted >= -(2.0**63)) & (wanted < 2.0**63)
        else:  # compared one by one, as Python compares, but True, which would be 1
            plain = [None if isinstance(value, bool | np.bool_) else value for value in wanted]
            return self._found(pd.Index(plain, dtype=object))
        return self._found(pd.Index(np.where(exact, wanted, 0).astype(dtype))) * exact

    def _found(self, wanted: pd.Index[Any]) -> NDArray[np.int32]:
        positions = self._positions.astype(wanted.dtype, copy=False)
        try:
            found = positions.get_indexer(wanted)
        except TypeError:  # not hashable
            wrong = next(value for value in wanted if not pd.api.types.is_hashable(value))
            raise TypeError(f"an id is an integer or a string, received {shown(wrong)}") from None
        return (found + 1).astype(np.int32)

    def extend(self, ids: Iterable[Any]) -> Vocabulary:
        """A vocabulary with further ids, in which every index of this one is as before.

        Args:
            ids: External ids, new ones or not, in any order, of the kind this one has.

        Returns:
            A new vocabulary: the unknown ones follow in ascending order. Where every index is
            its own id, they are appended up to the largest one.

        Raises:
            TypeError: Ids of another kind.
            ValueError: Integers that no index can be (identity), or that int64 and uint64 cannot
                hold together.
        """
        wanted = _typed([*ids] if isinstance(ids, set | frozenset) else ids)
        if not len(wanted):
            return self
        if (wanted.dtype == object) != self.are_strings:
            raise TypeError(
                f"id {shown(wanted[0])} to extend by; the ids of this vocabulary are "
                f"{'strings' if self.are_strings else 'integers'}"
            )
        if self.is_identity:
            smallest, largest = int(wanted.min()), int(wanted.max())
            if smallest < 1 or largest > MAX_ITEMS:
                wrong = smallest if smallest < 1 else largest
                raise ValueError(f"id {wrong} to extend by; indices are 1..{MAX_ITEMS}")
            return Vocabulary.identity(max(len(self), largest))
        parts = [self.ids, np.unique(wanted[self.index(wanted) == 0])]
        dtype = object if self.are_strings else _integer_dtype(*parts)
        return Vocabulary.trusted(np.concatenate([part.astype(dtype) for part in parts]))

    def lookup(self, indices: Iterable[int]) -> NDArray[Any]:
        """External ids of indices.

        Args:
            indices: Integers in 1..len(self).

        Returns:
            Array of external ids, of the dtype of `ids`.

        Raises:
            ValueError: An index is outside 1..len(self); 0 is padding and has no id.
            TypeError: Something else than integers.
        """
        wanted = integers("indices", indices, whole_floats=True)
        outside = (wanted < 1) | (wanted > len(self))
        if outside.any():
            raise ValueError(
                f"index {checks.received(wanted[outside].tolist()[0])} has no id; indices are "
                f"1..{len(self)}, 0 is padding"
            )
        return self.ids[wanted.astype(np.int64) - 1]


def listed(values: Iterable[Any]) -> list[Any]:
    """The values as a list; those of an Arrow array, whose elements are no Python values, too."""
    return values.to_pylist() if hasattr(values, "to_pylist") else list(values)


def shown(external: Any) -> str:
    """An external id as a message shows it."""
    return shorten(external.item() if isinstance(external, np.generic) else external)


def _array(values: Iterable[Any]) -> NDArray[Any]:
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


def _kind(array: NDArray[Any]) -> str:
    """What an array's values are, all of them: "integer", "string" and so on."""
    return str(pd.api.types.infer_dtype(array, skipna=False))


def _typed(ids: Iterable[Any]) -> NDArray[Any]:
    """A copy of ids: integers as int64, or uint64 where need be, strings as objects."""
    array = _array(ids)
    if array.ndim != 1:
        raise ValueError(f"ids have shape {array.shape}; expected one dimension")
    if _kind(array) == "string" or not (len(array) or array.dtype.kind in "iuf"):
        return array.astype(object)
    if _kind(array) == "integer" or not len(array):
        return array.astype(_integer_dtype(array))
    expected = str if isinstance(array[0], str) else int | np.integer
    fits = [isinstance(value, expected) and not isinstance(value, bool) for value in array]
    wrong = fits.index(False)
    raise TypeError(f"ids[{wrong}] is {shown(array[wrong])}; all are integers, or all strings")


def _integer_dtype(*arrays: NDArray[Any]) -> np.dtype[Any]:
    """int64 where it holds all ids, or uint64."""
    smallest = min((int(array.min()) for array in arrays if len(array)), default=0)
    largest = max((int(array.max()) for array in arrays if len(array)), default=0)
    for dtype in (np.int64, np.uint64):
        if smallest >= np.iinfo(dtype).min and largest <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    raise ValueError(f"ids from {smallest} to {largest}; they fit neither int64 nor uint64")
