"""Vectorised grouping: rows to item indices, user after user, in stable time order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from synthetic_columns import NAMES, Column, Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

Each: TypeAlias = Callable[[Callable[[int], None], Iterable[int]], None]

CHUNK_ROWS = 1 << 16
USER_BLOCKS = 256  # what one byte numbers
BIASED = np.int64(1 << 62)  # makes every key a normal positive double


@dataclass(frozen=True)
class Grouped:
    """Item indices user after user in time order, `length + 1` zeros after them."""

    items: NDArray[np.int32]
    counts: Column  # of each user id from the smallest to the largest
    num_items: int


@dataclass(frozen=True)
class Packing:
    """Smallest values of the columns, and how many bits hold the distance from them."""

    user: int
    item: int
    time: int
    users: int
    item_span: int
    item_bits: int
    time_bits: int

    @classmethod
    def of(cls, table: Columns) -> Packing:
        """Ranges of user_id, item_id and timestamp."""
        (user, last_user), (item, last_item), (time, last_time) = (
            (int(table[name].min()), int(table[name].max())) for name in NAMES
        )
        return cls(
            user=user,
            item=item,
            time=time,
            users=last_user - user + 1,
            item_span=last_item - item + 1,
            item_bits=(last_item - item).bit_length(),
            time_bits=(last_time - time).bit_length(),
        )

    def bits(self, rows: int) -> int:
        """Of a key of user, time and row."""
        return self.users.bit_length() + self.time_bits + (rows - 1).bit_length()

    def block_shift(self) -> int:
        """Users of a block, as a power of two."""
        return (-(-self.users // USER_BLOCKS) - 1).bit_length()

    def check_blocks(self, rows: int) -> None:
        """A record of user, time and item, and a key of a block of that many rows, fit an int64.

        Raises:
            ValueError: If one does not.
        """
        record = (self.users - 1).bit_length() + self.time_bits + self.item_bits
        key = self.block_shift() + 1 + self.time_bits + rows.bit_length()
        if record > 63 or key > 62:
            raise ValueError(
                f"{self}: a record takes {record} bits of 63, a key {key} bits of 62; "
                "ids or timestamps span too much"
            )


def grouped(table: Columns, length: int, each: Each) -> Grouped:
    packing = Packing.of(table)
    if packing.bits(len(table["user_id"])) <= 62:
        return one_sort(table, packing, length)
    return sorted_blocks(table, packing, length, each)


def one_sort(table: Columns, packing: Packing, length: int) -> Grouped:
    """Sort keys of (user, time, row), then gather items by row."""
    user, item, time = (table[name] for name in NAMES)
    rows, width = len(user), (len(user) - 1).bit_length()
    key = np.empty(rows, np.int64)
    known = np.zeros(packing.item_span, np.bool_)
    first, count = (packing.user << packing.time_bits) + packing.time, np.arange(CHUNK_ROWS)
    for a in range(0, rows, CHUNK_ROWS):
        part = key[a : a + CHUNK_ROWS]
        np.left_shift(user[a : a + CHUNK_ROWS], packing.time_bits, out=part)
        part += time[a : a + CHUNK_ROWS]
        part -= first
        part <<= width
        part += count[: len(part)]
        part += BIASED + a
        known[item[a : a + CHUNK_ROWS] - packing.item] = True
    index = np.cumsum(known, dtype=np.int32)
    key.view(np.float64).sort()
    cuts = key.searchsorted((np.arange(packing.users + 1) << (packing.time_bits + width)) | BIASED)
    key &= (1 << width) - 1
    indexed = np.empty(rows, np.int32)
    for a in range(0, rows, CHUNK_ROWS):
        indexed[a : a + CHUNK_ROWS] = index[item[a : a + CHUNK_ROWS] - packing.item]
    items = np.empty(rows + length + 1, np.int32)
    items[rows:] = 0
    np.take(indexed, key, out=items[:rows], mode="clip")
    return Grouped(items, np.diff(cuts), int(index[-1]))


def sorted_blocks(
    table: Columns,
    packing: Packing,
    length: int,
    each: Each,
) -> Grouped:
    """Split rows into blocks of users, then sort every block."""
    rows = len(table["user_id"])
    shift = packing.block_shift()
    blocks = ((packing.users - 1) >> shift) + 1
    known = np.zeros(packing.item_span, np.bool_)
    lowest = np.arange(blocks, dtype=np.int64) << (packing.time_bits + packing.item_bits + shift)
    records, cuts = _split(table, packing, shift, lowest, known, each)
    index = np.cumsum(known, dtype=np.int32)
    sizes = np.diff(cuts, axis=1).sum(axis=0)
    packing.check_blocks(int(sizes.max()))
    begins = [0, *np.cumsum(sizes).tolist()]
    items = np.empty(rows + length + 1, np.int32)
    items[rows:] = 0
    counts = np.zeros(blocks << shift, np.int64)
    pieces, users = cuts.tolist(), np.arange((1 << shift) + 1, dtype=np.int64)

    def sort(block: int) -> None:
        key = np.concatenate([records[cut[block] : cut[block + 1]] for cut in pieces])
        width = max(len(key) - 1, 0).bit_length()
        item = index[key & ((1 << packing.item_bits) - 1)]
        key -= lowest[block]
        key >>= packing.item_bits
        key <<= width
        key |= np.arange(len(key))
        key |= BIASED
        key.view(np.float64).sort()
        cut = key.searchsorted((users << (packing.time_bits + width)) | BIASED)
        np.subtract(cut[1:], cut[:-1], out=counts[block << shift : (block + 1) << shift])
        key &= (1 << width) - 1
        np.take(item, key, out=items[begins[block] : begins[block + 1]], mode="clip")

    each(sort, range(blocks))
    return Grouped(items, counts[: packing.users], int(index[-1]))


def _split(
    table: Columns,
    packing: Packing,
    shift: int,
    lowest: Column,
    known: NDArray[np.bool_],
    each: Each,
) -> tuple[Column, Column]:
    """Records of (user, time, item), each chunk ordered by block; bounds of its blocks."""
    user, item, time = (table[name] for name in NAMES)
    rows, below = len(user), packing.time_bits + packing.item_bits
    first = (packing.user << packing.time_bits) + packing.time
    records = np.empty(rows, np.int64)
    cuts = np.empty((-(-rows // CHUNK_ROWS), len(lowest) + 1), np.int64)

    def split(chunk: int) -> None:
        a, b = chunk * CHUNK_ROWS, min((chunk + 1) * CHUNK_ROWS, rows)
        record = user[a:b] << packing.time_bits
        record += time[a:b]
        record -= first
        record <<= packing.item_bits
        offset = item[a:b] - packing.item
        known[offset] = True
        record |= offset
        order = np.argsort((record >> (below + shift)).astype(np.uint8), kind="stable")
        part = records[a:b]
        np.take(record, order, out=part, mode="clip")
        # ordered by block alone, which is all that the bisection for a block's lowest record needs
        cuts[chunk, :-1] = a + part.searchsorted(lowest)
        cuts[chunk, -1] = b

    each(split, range(len(cuts)))
    return records, cuts
