"""External ids and their dense indices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import _core, checks
from sasrec_fast.columns import large_strings, text_buffers
from sasrec_fast.store.external import (
    as_array,
    as_ids,
    as_integer,
    as_objects,
    as_texts,
    integer_dtype,
    kind_of,
    shown,
)
from sasrec_fast.store.numbers import integers

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
        self._source = as_ids(ids)
        second = self._second()
        if second is not None:
            again = shown(self.lookup([second + 1])[0])
            raise ValueError(f"ids[{second}] is {again} again; ids are distinct")

    @classmethod
    def trusted(cls, ids: Any, check: Callable[[], None] | None = None) -> Vocabulary:
        """A vocabulary of ids that are known to be right; they are neither checked nor copied.

        Args:
            ids: Distinct ids: int64, uint64, an object array of str, or an Arrow array of
                large strings, of which `ids` is made when first asked for.
            check: Called before an id is first used; raises where they are not right after all.
        """
        vocabulary = cls.__new__(cls)
        if isinstance(ids, np.ndarray) and ids.dtype == np.object_:
            ids = pa.array(ids, pa.large_string())
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
            ids = as_objects(self.strings)
        ids.flags.writeable = False
        return ids

    @cached_property
    def strings(self) -> Any:
        """The ids as an Arrow array of large strings, where they are strings.

        Raises:
            DataError: The file they are in is damaged.
        """
        self._require_right()
        return self._source

    def _require_right(self) -> None:
        if self._check is not None:
            self._check()

    @property
    def are_strings(self) -> bool:
        """Whether ids are strings, not integers."""
        return isinstance(self._source, pa.Array)

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
        first = self.lookup(range(1, min(len(self), 3) + 1))
        values = ", ".join(shown(value) for value in first.tolist())
        return f"Vocabulary({len(self)} ids: {values}{', ...' if len(self) > 3 else ''})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_numbers"}

    def _second(self) -> int | None:
        """The place of the first id that occurs before, if any does."""
        if not self.are_strings:
            order, ids = self._sorted
            again = np.flatnonzero(ids[1:] == ids[:-1]) + 1
            places = again if order is None else order[again]
            return int(places.min()) if len(places) else None
        numbers = _core.StringTable().add(text_buffers(self.strings))
        expected = np.arange(len(numbers))
        return None if (numbers == expected).all() else int((numbers < expected).argmax())

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64] | None, NDArray[Any]]:
        """The places of integers in ascending order, None where that is their own, and they."""
        ids = self.ids
        if (ids[1:] >= ids[:-1]).all():
            return None, ids
        order = np.argsort(ids, kind="stable")
        return order, ids[order]

    @cached_property
    def _numbers(self) -> _core.StringTable:
        """Where strings are."""
        numbers = _core.StringTable()
        numbers.add(text_buffers(self.strings))
        return numbers

    def index(self, ids: Iterable[Any]) -> NDArray[np.int32]:
        """Indices of external ids.

        Args:
            ids: External ids, n of them. Of floats, those that are exactly an integer count.

        Returns:
            int32 array of n indices; 0 where an id is unknown.

        Raises:
            TypeError: No list of ids.
        """
        if self.are_strings:
            return self._strings_found(as_texts(ids))
        wanted, dtype = as_array(ids), self.ids.dtype
        if wanted.dtype == dtype:
            return self._found(wanted, None)
        kind = kind_of(wanted)
        if kind == "integer":
            exact = (wanted >= np.iinfo(dtype).min) & (wanted <= np.iinfo(dtype).max)
        elif kind == "floating" and dtype == np.int64:
            wanted = wanted.astype(np.float64)
            exact = (np.trunc(wanted) == wanted) & (wanted >= -(2.0**63)) & (wanted < 2.0**63)
        else:
            limits = np.iinfo(dtype)
            wanted = np.array([as_integer(value, limits) for value in wanted], dtype=object)
            exact = np.array([value is not None for value in wanted], dtype=np.bool_)
        return self._found(np.where(exact, wanted, 0).astype(dtype), exact)

    def _found(self, wanted: NDArray[Any], exact: NDArray[np.bool_] | None) -> NDArray[np.int32]:
        """Indices of integers, 0 where they are not exactly what was given; None: all are."""
        order, ids = self._sorted
        if not len(ids):
            return np.zeros(len(wanted), np.int32)
        if self._is_range:
            places = wanted - ids[0]
            found = (places >= 0) & (places < len(ids))
        else:
            places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
            found = ids[places] == wanted
        if exact is not None:
            found &= exact
        if order is not None:
            places = order[places]
        known: NDArray[np.int32] = (places + 1).astype(np.int32) * found
        return known

    @cached_property
    def _is_range(self) -> bool:
        """Whether the ids are consecutive integers in ascending order."""
        order, ids = self._sorted
        return order is None and int(ids[-1]) - int(ids[0]) == len(ids) - 1

    def _strings_found(self, wanted: pa.ChunkedArray) -> NDArray[np.int32]:
        chunks = [chunk for chunk in wanted.chunks if len(chunk)]
        found = [self._numbers.find(text_buffers(chunk)) for chunk in chunks]
        indices = np.concatenate([np.zeros(0, np.int32), *found]) + 1
        if wanted.null_count:
            indices[wanted.is_null().to_numpy()] = 0
        return indices

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
        wanted = as_ids([*ids] if isinstance(ids, set | frozenset) else ids)
        if not len(wanted):
            return self
        if isinstance(wanted, pa.Array) != self.are_strings:
            first = wanted[0].as_py() if isinstance(wanted, pa.Array) else wanted[0]
            raise TypeError(
                f"id {shown(first)} to extend by; the ids of this vocabulary are "
                f"{'strings' if self.are_strings else 'integers'}"
            )
        if self.is_identity:
            smallest, largest = int(wanted.min()), int(wanted.max())
            if smallest < 1 or largest > MAX_ITEMS:
                wrong = smallest if smallest < 1 else largest
                raise ValueError(f"id {wrong} to extend by; indices are 1..{MAX_ITEMS}")
            return Vocabulary.identity(max(len(self), largest))
        if self.are_strings:
            new = wanted.filter(pa.array(self.index(wanted) == 0))
            _, new = _core.encode_strings([text_buffers(new)])
            return Vocabulary.trusted(pa.concat_arrays([self.strings, large_strings(*new)]))
        parts = [self.ids, np.unique(wanted[self.index(wanted) == 0])]
        dtype = integer_dtype(*parts)
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
        places = wanted.astype(np.int64) - 1
        if self.are_strings and "ids" not in self.__dict__:
            return as_objects(self.strings.take(pa.array(places)))
        return self.ids[places]
