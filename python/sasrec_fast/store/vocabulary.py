"""External ids and their dense indices."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sasrec_fast import _core

MAX_ITEMS = _core.MAX_ITEMS
"""Largest index: `len(vocabulary) + 1` is an int32."""


class Vocabulary:
    """A bijection between external ids and indices 1..len(self); index 0 is padding.

    Attributes:
        ids: External ids in index order: `ids[0]` has index 1. Ascending, but for those that
            `extend` appended. int64 (uint64 where the input was), or an object array of str.
        is_identity: Whether every index is its own id.
    """

    def __init__(self, ids: NDArray[Any], *, is_identity: bool = False) -> None:
        self.ids = ids
        self.is_identity = is_identity
        ids.flags.writeable = False

    @classmethod
    def identity(cls, size: int) -> Vocabulary:
        """The vocabulary in which index i is id i, for 1..size."""
        return cls(np.arange(1, size + 1, dtype=np.int64), is_identity=True)

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self.ids.dtype == other.ids.dtype and np.array_equal(self.ids, other.ids)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(repr(value) for value in self.ids[:3].tolist())
        return f"Vocabulary({len(self)} ids: {shown}{', ...' if len(self) > 3 else ''})"

    @cached_property
    def _positions(self) -> pd.Index[Any]:
        positions: pd.Index[Any] = pd.Index(self.ids)
        return positions

    def index(self, ids: Iterable[Any]) -> NDArray[np.int32]:
        """Indices of external ids.

        Args:
            ids: External ids, n of them.

        Returns:
            int32 array of n indices; 0 where an id is unknown.
        """
        wanted = ids if isinstance(ids, np.ndarray | pd.Series | pd.Index) else listed(ids)
        if len(wanted) == 0:
            return np.zeros(0, np.int32)
        target = pd.Index(wanted)
        if target.dtype.kind == "b":
            return np.zeros(len(wanted), np.int32)
        return (self._positions.get_indexer(target) + 1).astype(np.int32)

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
        wanted = list(ids)
        are_strings = self.ids.dtype == object
        kind: tuple[type, ...] = (str,) if are_strings else (int, np.integer)
        for value in wanted:
            if not isinstance(value, kind) or isinstance(value, bool):
                expected = "strings" if are_strings else "integers"
                raise TypeError(
                    f"id {value!r} to extend by; the ids of this vocabulary are {expected}"
                )
        if self.is_identity:
            smallest, largest = min(wanted, default=1), max(wanted, default=1)
            if smallest < 1 or largest > MAX_ITEMS:
                wrong = smallest if smallest < 1 else largest
                raise ValueError(f"id {wrong} to extend by; indices are 1..{MAX_ITEMS}")
            return Vocabulary.identity(max(len(self), int(largest)))
        new = sorted(set(wanted) - set(self.ids.tolist()))
        dtype = object if are_strings else _integer_dtype([*new, *self.ids.tolist()])
        return Vocabulary(np.concatenate([self.ids.astype(dtype), np.array(new, dtype)]))

    def lookup(self, indices: Iterable[int]) -> NDArray[Any]:
        """External ids of indices.

        Args:
            indices: Integers in 1..len(self).

        Returns:
            Array of external ids, of the dtype of `ids`.

        Raises:
            ValueError: An index is outside 1..len(self); 0 is padding and has no id.
        """
        wanted = np.asarray(indices, np.int64)
        outside = (wanted < 1) | (wanted > len(self))
        if outside.any():
            raise ValueError(
                f"index {int(wanted[outside][0])} has no id; indices are 1..{len(self)}, "
                "0 is padding"
            )
        found: NDArray[Any] = self.ids[wanted - 1]
        return found


def listed(values: Iterable[Any]) -> list[Any]:
    """The values as a list; those of an Arrow array, whose elements are no Python values, too."""
    plain: list[Any] = values.to_pylist() if hasattr(values, "to_pylist") else list(values)
    return plain


def shown(external: Any) -> str:
    """An external id as a message shows it."""
    return repr(external.item() if isinstance(external, np.generic) else external)


def require_same_items(model: Any, data: Any, name: str) -> None:
    """Refuse a model that was made for other items than the data's.

    Args:
        model: With a vocabulary_size and, perhaps, `items`.
        data: Prepared data or a split.
        name: What to call it.

    Raises:
        ValueError: They differ.
    """
    if model.vocabulary_size != data.vocabulary_size:
        raise ValueError(
            f"the model was made for vocabulary_size={model.vocabulary_size}, {name} has "
            f"vocabulary_size={data.vocabulary_size}"
        )
    own: Vocabulary | None = getattr(model, "items", None)
    other = data.items
    if own is None or other is None or own == other:
        return
    index = int(np.argmax(own.ids != other.ids)) if own.ids.dtype == other.ids.dtype else 0
    raise ValueError(
        f"the model was made for other items than {name} has: index {index + 1} is "
        f"{shown(own.ids[index])} in the model and {shown(other.ids[index])} in {name}"
    )


def _integer_dtype(ids: list[int]) -> type[np.signedinteger[Any]] | type[np.unsignedinteger[Any]]:
    """int64 where it holds all ids, or uint64."""
    smallest, largest = min(ids, default=0), max(ids, default=0)
    if smallest >= -(2**63) and largest < 2**63:
        return np.int64
    if smallest >= 0 and largest < 2**64:
        return np.uint64
    raise ValueError(f"ids from {smallest} to {largest}; they fit neither int64 nor uint64")
