"""What two preparations of the same columns must share, before either is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from synthetic_columns import Column, Columns

LEAST_INTERACTIONS = 3
HELD_OUT = 2
FIELDS = {
    "item_ids": np.int32,
    "padding_mask": np.bool_,
    "positive_sequence": np.int32,
    "negative_sequence": np.int32,
    "sample_weight": np.float32,
}


def check_equal(
    name: str, arrays: Mapping[str, NDArray[np.generic]], other: Mapping[str, NDArray[np.generic]]
) -> None:
    """All but the negatives are equal, in shape and dtype too.

    Raises:
        ValueError: Naming the array and the first position that differs.
    """
    for field, dtype in FIELDS.items():
        mine, theirs = arrays[field], other[field]
        if mine.dtype != dtype or mine.shape != theirs.shape or not mine.flags.c_contiguous:
            raise ValueError(
                f"{name}: {field} is {mine.dtype}{mine.shape}, C-contiguous "
                f"{mine.flags.c_contiguous}; expected {np.dtype(dtype)}{theirs.shape}, True"
            )
        if field != "negative_sequence" and not np.array_equal(mine, theirs):
            first = tuple(np.argwhere(mine != theirs)[0].tolist())
            raise ValueError(
                f"{name}: {field}{list(first)} is {mine[first]}, expected {theirs[first]}"
            )


def check_negatives(
    name: str, arrays: Mapping[str, NDArray[np.generic]], table: Columns, held_out: int = HELD_OUT
) -> None:
    """Negatives are items, exactly on real positions, never among the past items of their user.

    Raises:
        ValueError: Naming the user and the item.
    """
    negative = np.asarray(arrays["negative_sequence"], np.int64)
    mask = np.asarray(arrays["padding_mask"], np.bool_)
    user_ids, of_row, counts = np.unique(table["user_id"], return_inverse=True, return_counts=True)
    item_ids = np.unique(table["item_id"][counts[of_row] >= LEAST_INTERACTIONS])
    user_ids = user_ids[counts >= held_out + 2]
    if not np.array_equal(negative > 0, mask) or negative.max() > len(item_ids):
        raise ValueError(
            f"{name}: negatives must be 1..{len(item_ids)} on real positions and 0 elsewhere"
        )
    row = np.nonzero(mask)[0]
    pairs = np.stack([user_ids[row], item_ids[negative[mask] - 1]], axis=1)
    suspect = pairs[_interacted(pairs, table)]
    of_suspects = np.flatnonzero(np.isin(table["user_id"], suspect[:, 0]))
    order = of_suspects[
        np.lexsort((table["timestamp"][of_suspects], table["user_id"][of_suspects]))
    ]
    users, items = table["user_id"][order], table["item_id"][order]
    for user, item in suspect.tolist():
        first, last = np.searchsorted(users, [user, user + 1])
        if item in items[first : last - held_out]:
            raise ValueError(f"{name}: item {item} is a negative of user {user}, who has it")


def _interacted(pairs: Column, table: Columns) -> NDArray[np.bool_]:
    """Which (user, item) pairs are rows of the table, held-out ones included."""
    width = int(table["item_id"].max()) + 1
    known = table["user_id"] * width + table["item_id"]
    known.sort()
    key = pairs[:, 0] * width + pairs[:, 1]
    order = np.argsort(key)
    key = key[order]
    at = np.minimum(np.searchsorted(known, key), len(known) - 1)
    interacted = np.empty(len(key), np.bool_)
    interacted[order] = known[at] == key
    return interacted
