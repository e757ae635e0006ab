"""The same job in whole-array NumPy, as it is usually written: every step is a call on all rows.

`np.unique` numbers users and items, `np.lexsort` puts rows in order, an index matrix cuts windows,
and negatives are drawn again where they are in their user's past: a bitmap of users x items tells,
or, where that is too big, `np.searchsorted` in sorted keys of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agreement import HELD_OUT, LEAST_INTERACTIONS
from synthetic_columns import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from synthetic_columns import Column, Columns

BITMAP_BYTES = 1 << 28


def training_arrays(table: Columns, length: int, seed: int = 0) -> dict[str, NDArray[np.generic]]:
    """The five arrays of the training split, as `prepare`'s defaults define them."""
    items, counts, num_items = _grouped(table)
    items, counts = _trained(items, counts)
    real = np.minimum(counts - 1, length)
    column = np.arange(length)
    mask = column < real[:, None]
    at = np.where(mask, (np.cumsum(counts) - 1 - real)[:, None] + column, 0)
    cells = num_items + 1
    owner = np.arange(len(counts)) * cells
    in_past = _membership(np.repeat(owner, counts) + items, len(counts) * cells)
    negative = np.zeros(mask.shape, np.int32)
    negative[mask] = _negatives(np.repeat(owner, real), num_items, in_past, seed)
    return {
        "item_ids": np.where(mask, items[at], np.int32(0)),
        "padding_mask": mask,
        "positive_sequence": np.where(mask, items[at + 1], np.int32(0)),
        "negative_sequence": negative,
        "sample_weight": mask.astype(np.float32),
    }


def _grouped(table: Columns) -> tuple[NDArray[np.int32], Column, int]:
    """Item indices user after user in time order, users' counts, the number of items."""
    user_id, item_id, timestamp = (table[name] for name in NAMES)
    _, user, counts = np.unique(user_id, return_inverse=True, return_counts=True)
    enough = counts >= LEAST_INTERACTIONS
    if not enough.all():
        kept = enough[user]
        user, item_id, timestamp = user[kept], item_id[kept], timestamp[kept]
        counts = counts[enough]
    item_ids, item = np.unique(item_id, return_inverse=True)
    order = np.lexsort((timestamp, user))
    return (item[order] + 1).astype(np.int32), counts, len(item_ids)


def _trained(items: NDArray[np.int32], counts: Column) -> tuple[NDArray[np.int32], Column]:
    """Without held-out items, and without users who have no row in the training split."""
    enough = counts >= HELD_OUT + 2
    kept = np.repeat(enough, counts)
    kept[np.cumsum(counts)[:, None] - 1 - np.arange(HELD_OUT)] = False
    return items[kept], counts[enough] - HELD_OUT


def _negatives(
    owner: Column, num_items: int, in_past: Callable[[Column], NDArray[np.bool_]], seed: int
) -> NDArray[np.int32]:
    """An item index for each first cell in `owner`, such that their sum is not in the past."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(1, num_items + 1, len(owner), dtype=np.int32)
    again = np.flatnonzero(in_past(owner + drawn))
    while len(again):
        drawn[again] = rng.integers(1, num_items + 1, len(again), dtype=np.int32)
        again = again[in_past(owner[again] + drawn[again])]
    return drawn


def _membership(keys: Column, cells: int) -> Callable[[Column], NDArray[np.bool_]]:
    """A function that tells which of other keys below `cells` are in `keys`."""
    if cells <= BITMAP_BYTES:
        bitmap = np.zeros(cells, np.bool_)
        bitmap[keys] = True
        return lambda others: bitmap[others]
    ordered = np.sort(keys)
    last = len(ordered) - 1
    return lambda others: ordered[np.minimum(np.searchsorted(ordered, others), last)] == others
