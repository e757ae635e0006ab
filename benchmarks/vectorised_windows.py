"""Vectorised windows: shift, pad, mask, weigh, and draw negatives."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from agreement import HELD_OUT
from vectorised_grouping import Each, Grouped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthetic_columns import Column

BITMAP_BYTES = 1 << 23


def windows(groups: Grouped, length: int, each: Each, seed: int) -> dict[str, NDArray[np.generic]]:
    """The five arrays, filled one block of users after another."""
    groups = _trained(groups, length)
    offsets = np.concatenate([[0], np.cumsum(groups.counts)])
    past_end = offsets[1:] - HELD_OUT
    real = np.minimum(past_end - offsets[:-1] - 1, length)
    view = sliding_window_view(groups.items, length + 1)
    shape = (len(real), length)
    item_ids, positive = np.empty(shape, np.int32), np.empty(shape, np.int32)
    mask, weight = np.empty(shape, np.bool_), np.empty(shape, np.float32)
    negative = np.zeros(shape, np.int32)
    column, real_column = np.arange(length, dtype=np.int32), real.astype(np.int32)[:, None]
    negatives = _Negatives(groups, offsets, real, seed)

    def fill(first: int) -> None:
        rows = slice(first, min(first + negatives.users, len(real)))
        window = view[past_end[rows] - 1 - real[rows]]
        here = mask[rows]
        np.less(column, real_column[rows], out=here)
        np.multiply(window[:, :-1], here, out=item_ids[rows])
        np.multiply(window[:, 1:], here, out=positive[rows])
        weight[rows] = here
        negative[rows][here] = negatives.of(rows)

    each(fill, range(0, len(real), negatives.users))
    return {
        "item_ids": item_ids,
        "padding_mask": mask,
        "positive_sequence": positive,
        "negative_sequence": negative,
        "sample_weight": weight,
    }


def _trained(groups: Grouped, length: int) -> Grouped:
    """Only users with a row in the training split."""
    enough = groups.counts >= HELD_OUT + 2
    counts = groups.counts[enough]
    if counts.sum() == groups.counts.sum():
        return Grouped(groups.items, counts, groups.num_items)
    kept = np.repeat(enough, groups.counts)
    items = np.zeros(int(counts.sum()) + length + 1, np.int32)
    items[: -length - 1] = groups.items[: -length - 1][kept]
    return Grouped(items, counts, groups.num_items)


class _Negatives:
    """Draws for blocks of users, each thread with a bitmap of its own."""

    def __init__(self, groups: Grouped, offsets: Column, real: Column, seed: int) -> None:
        self._groups, self._offsets, self._real, self._seed = groups, offsets, real, seed
        self._cells = groups.num_items + 1
        self.users = max(1, min(BITMAP_BYTES // self._cells, 512))
        self._own = threading.local()

    def of(self, rows: slice) -> Column:
        """Item indices outside their user's past, for every real position of these rows."""
        if not hasattr(self._own, "bitmap"):
            self._own.bitmap = np.zeros(self.users * self._cells, np.bool_)
        bounds = self._offsets[rows.start : rows.stop + 1]
        past = self._groups.items[bounds[0] : bounds[-1]].copy()
        for late in range(1, HELD_OUT + 1):
            past[bounds[1:] - bounds[0] - late] = 0  # a cell that is never drawn
        owner = np.arange(len(bounds) - 1) * self._cells
        past_cells = np.repeat(owner, self._groups.counts[rows]) + past
        draw = _Draws(self._groups.num_items, self._seed, rows.start)
        return _outside(self._own.bitmap, past_cells, np.repeat(owner, self._real[rows]), draw)


class _Draws:
    """Uniform item indices from 1; the bias of multiply-and-shift is below num_items / 2**32."""

    def __init__(self, num_items: int, *seed: int) -> None:
        self._raw = np.random.SFC64(seed).random_raw
        self._num_items = np.uint64(num_items)

    def __call__(self, size: int) -> Column:
        halves = self._raw((size + 1) >> 1).view(np.uint32)[:size]
        product = halves.astype(np.uint64)
        product *= self._num_items
        product >>= np.uint64(32)
        index = product.view(np.int64)
        index += 1
        return index


def _outside(bitmap: NDArray[np.bool_], past: Column, owner: Column, draw: _Draws) -> Column:
    """One index for each first cell in `owner`, such that their sum is not in `past`."""
    bitmap[past] = True
    drawn = draw(len(owner))
    known = np.flatnonzero(bitmap[owner + drawn])
    while len(known):
        again = draw(len(known))
        drawn[known] = again
        again += owner[known]
        known = known[bitmap[again]]
    bitmap[past] = False
    return drawn
