"""A model and lists of items on the machines of an engine."""

import hashlib
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sasrec_fast.errors import DataError
from sasrec_fast.store import Vocabulary

ROWS_AT_ONCE = 1 << 14
"""Rows that are worked on together."""


@dataclass(frozen=True)
class Shipped:
    """A model as the bytes it is pickled to, which of a Keras model are those of its file.

    Attributes:
        content: The bytes.
        digest: Of them.
    """

    content: bytes
    digest: str

    @classmethod
    def of(cls, model: Any) -> "Shipped":
        """Pack a model."""
        content = pickle.dumps(model, protocol=5)
        return cls(content, hashlib.sha256(content).hexdigest())

    @property
    def model(self) -> Any:
        """The model, which a process unpacks once."""
        return _unpacked(_Content(self.digest, self.content))


@dataclass(frozen=True)
class _Content:
    digest: str
    content: bytes

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and self.digest == other.digest


@lru_cache(maxsize=1)
def _unpacked(content: _Content) -> Any:
    return pickle.loads(content.content)


@dataclass(frozen=True)
class Lists:
    """Lists of items of some users.

    Attributes:
        users: Their ids, an Arrow array.
        items: int32, the item indices of all lists, 0 for an unknown id.
        offsets: int64 [n + 1]; list i is items[offsets[i]:offsets[i + 1]].
    """

    users: Any
    items: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def known(self, inside: NDArray[np.bool_] | None = None) -> tuple[Any, Any, Any]:
        """Items, starts and ends of the lists without unknown ones, and those outside a mask."""
        chosen = self.items > 0 if inside is None else inside & (self.items > 0)
        ends = np.concatenate([[0], np.cumsum(chosen)])[self.offsets]
        return self.items[chosen], ends[:-1], ends[1:]


def lists_of(batches: Iterable[Any], items: Vocabulary) -> Iterator[Lists]:
    """The lists of record batches of two columns, users and lists of item ids.

    Raises:
        DataError: A list is missing, or an item of one.
    """
    held: list[Any] = []
    for batch in batches:
        held.append(batch)
        if sum(part.num_rows for part in held) >= ROWS_AT_ONCE:
            yield _lists(pa.Table.from_batches(held), items)
            held = []
    if any(batch.num_rows for batch in held):
        yield _lists(pa.Table.from_batches(held), items)


def _lists(table: Any, items: Vocabulary) -> Lists:
    users, lists = (table.column(place).combine_chunks() for place in (0, 1))
    ids = lists.flatten()
    if lists.null_count or ids.null_count:
        raise DataError("a user has no list of items, or one with a missing item")
    if pa.types.is_dictionary(ids.type) or not items.are_strings:
        indices = items.index(ids.to_numpy(zero_copy_only=False))
    else:
        distinct = pc.dictionary_encode(ids)
        found = items.index(distinct.dictionary)
        indices = found[distinct.indices.to_numpy()]
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    return Lists(users, indices, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))
