"""NumPy about as fast as it was found to go for the same job: blocks of users that stay in cache.

Chunks of rows are split by block of users (`np.argsort` of one or two bytes is a counting sort),
then the keys of (user, time, row) of each block are sorted: as float64, whose order is that of
their bits, since AVX2 compares doubles natively and 64-bit integers not (15 % of the sort). Windows
are rows of a sliding-window view times the mask. Negatives are drawn for real positions only, and
again where a bitmap of the block's users and all items, set and cleared at theirs, says "known".

What lost, CPU time at 1 M (25 M) rows on one core of a 2 GHz Zen with AVX2. Grouping, 34 ms
(1.25 s) at best: `np.lexsort` 179 ms (11.9 s), and `np.unique` for the ids 117; stable `np.argsort`
of packed user and time 121 ms (5.4 s); two sorts of all rows 77 ms (3.8 s). One sort of all packed
keys is faster, the whole job by a sixth at 1 M rows, but they do not fit 62 bits at 25 M.
Windows, 8 ms: index matrix and `np.take` 6 ms for each array. Negatives, 16 ms: bitmap of all users
24 ms (9.6 GB); `searchsorted` in sorted keys 94 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from agreement import FIELDS, HELD_OUT, LEAST_INTERACTIONS
from synthetic_columns import NAMES, Column, Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays: TypeAlias = dict[str, NDArray[np.generic]]

CHUNK_ROWS = 1 << 16
MOST_USERS = 512  # of a block
BITMAP_BYTES = 1 << 24
BIASED = np.int64(1 << 62)  # makes every key a normal positive double


@dataclass(frozen=True)
class Records:
    """(user, time, item) of every row in an int64, each chunk ordered by block of users."""

    records: Column
    cuts: list[list[int]]  # where the blocks of each chunk begin, and where the last one ends
    time_bits: int
    item_bits: int
    shift: int  # users of a block, as a power of two

    def blocks(self) -> Iterator[Column]:
        """Item ids of each block, user after user in stable time order."""
        for block in range(len(self.cuts[0]) - 1):
            key = np.concatenate([self.records[cut[block] : cut[block + 1]] for cut in self.cuts])
            width = len(key).bit_length()
            item = key & ((1 << self.item_bits) - 1)
            key >>= self.item_bits
            key &= (1 << (self.shift + self.time_bits)) - 1
            key <<= width
            key |= np.arange(len(key))
            key |= BIASED
            key.view(np.float64).sort()
            key &= (1 << width) - 1
            yield np.take(item, key, mode="clip")


def training_arrays(table: Columns, length: int, seed: int = 0) -> Arrays:
    """The five arrays of the training split, as `prepare`'s defaults define them.

    Raises:
        ValueError: If the ids, which are not negative, or timestamps span too much for packed keys.
    """
    counts = np.bincount(table["user_id"])
    few = (counts > 0) & (counts < LEAST_INTERACTIONS)
    if few.any():
        kept = ~few[table["user_id"]]
        table = {name: column[kept] for name, column in table.items()}
        counts[few] = 0
    index = np.cumsum(np.bincount(table["item_id"]) > 0, dtype=np.int32)
    num_items = int(index[-1])
    users = max(1, min(BITMAP_BYTES // (num_items + 1), MOST_USERS))
    users = 1 << (users.bit_length() - 1)
    trained = counts >= HELD_OUT + 2
    shape = (int(np.count_nonzero(trained)), length)
    arrays = {name: np.zeros(shape, dtype) for name, dtype in FIELDS.items()}
    fill = _Windows(arrays, num_items, users, length, seed)
    for block, items in enumerate(_split(table, len(counts), users).blocks()):
        own = slice(block * users, (block + 1) * users)
        if not trained[own].all():
            items = items[np.repeat(trained[own], counts[own])]
        fill(index[items], counts[own][trained[own]])
    return arrays


def _split(table: Columns, users: int, of_block: int) -> Records:
    user, item, time = (table[name] for name in NAMES)
    rows, first, shift = len(user), time.min(), of_block.bit_length() - 1
    time_bits, item_bits = int(time.max() - first).bit_length(), int(item.max()).bit_length()
    record_bits = (users - 1).bit_length() + time_bits + item_bits
    key_bits = shift + time_bits + rows.bit_length()
    if record_bits > 63 or key_bits > 62:
        raise ValueError(
            f"ids or timestamps span too much: a record takes {record_bits} bits of 63, "
            f"a key {key_bits} of 62"
        )
    records, cuts = np.empty(rows, np.int64), []
    count = -(-users // of_block)
    block_type = np.min_scalar_type(count - 1)
    for a in range(0, rows, CHUNK_ROWS):
        part = slice(a, a + CHUNK_ROWS)
        record = user[part] << time_bits
        record += time[part] - first
        record <<= item_bits
        record |= item[part]
        blocks = (user[part] >> shift).astype(block_type)
        order = np.argsort(blocks, kind="stable")
        np.take(record, order, out=records[part], mode="clip")
        ends = a + np.cumsum(np.bincount(blocks, minlength=count))
        cuts.append([a, *ends.tolist()])
    return Records(records, cuts, time_bits, item_bits, shift)


class _Windows:
    """Fills the rows of one block of users after the other."""

    def __init__(self, arrays: Arrays, num_items: int, users: int, length: int, seed: int) -> None:
        self._arrays, self._num_items, self._length, self._first = arrays, num_items, length, 0
        self._bitmap = np.zeros(users * (num_items + 1), np.bool_)
        self._raw = np.random.SFC64(seed).random_raw

    def __call__(self, items: NDArray[np.int32], counts: Column) -> None:
        rows = slice(self._first, self._first + len(counts))
        self._first = rows.stop
        item_ids, mask, positive, negative, weight = (a[rows] for a in self._arrays.values())
        ends = np.cumsum(counts) - HELD_OUT
        real = np.minimum(counts - HELD_OUT - 1, self._length)
        padded = np.concatenate([items, np.zeros(self._length + 1, np.int32)])
        window = sliding_window_view(padded, self._length + 1)[ends - 1 - real]
        np.less(np.arange(self._length, dtype=np.int32), real.astype(np.int32)[:, None], out=mask)
        np.multiply(window[:, :-1], mask, out=item_ids)
        np.multiply(window[:, 1:], mask, out=positive)
        weight[:] = mask
        items[ends] = items[ends + 1] = 0  # held out: a cell that is never drawn
        owner = np.arange(len(counts)) * (self._num_items + 1)
        negative[mask] = self._outside(np.repeat(owner, counts) + items, np.repeat(owner, real))

    def _outside(self, past: Column, owner: Column) -> Column:
        """One index for each first cell in `owner`, such that their sum is not in `past`."""
        self._bitmap[past] = True
        drawn = self._drawn(len(owner))
        known = np.flatnonzero(self._bitmap[owner + drawn])
        while len(known):
            again = self._drawn(len(known))
            drawn[known] = again
            known = known[self._bitmap[owner[known] + again]]
        self._bitmap[past] = False
        return drawn

    def _drawn(self, size: int) -> Column:
        """Uniform from 1; the bias of multiply-and-shift is below num_items / 2**32."""
        product = self._raw((size + 1) >> 1).view(np.uint32)[:size].astype(np.uint64)
        product *= np.uint64(self._num_items)
        product >>= np.uint64(32)
        return product.view(np.int64) + 1
