"""Shuffled interactions of any number, written in chunks: int64 columns as .npy files.

Each row is drawn on its own: the user by a log-normal activity, the item by Zipf's popularity, the
second from three years. It is a pure function of the sizes and the seed; memory is that of a chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synthetic_columns import FIRST_SECOND, NAMES, SECONDS, Column

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

CHUNK_ROWS = 1 << 20
LEAST_SHARE = 0.2  # of the interactions, spread evenly over users


def write(folder: Path, rows: int, users: int, items: int, seed: int = 0) -> None:
    """Files that `synthetic_columns.load` reads.

    Raises:
        ValueError: A size is not positive.
    """
    form = {"mode": "w+", "dtype": np.int64, "shape": (rows,)}
    drawn = chunks(rows, users, items, seed)
    files = [np.lib.format.open_memmap(folder / f"{name}.npy", **form) for name in NAMES]
    start = 0
    for columns in drawn:
        for file, column in zip(files, columns, strict=True):
            file[start : start + len(column)] = column
        start += len(columns[0])


def chunks(
    rows: int, users: int, items: int, seed: int = 0
) -> Iterator[tuple[Column, Column, Column]]:
    """Users, items and times, in chunks.

    Raises:
        ValueError: A size is not positive.
    """
    if min(rows, users, items) < 1:
        raise ValueError(f"rows={rows}, users={users}, items={items}: all must be positive")
    return _chunks(rows, users, items, seed)


def _chunks(
    rows: int, users: int, items: int, seed: int
) -> Iterator[tuple[Column, Column, Column]]:
    rng = np.random.default_rng(seed)
    share = rng.lognormal(0.0, 1.1, users)
    activity = np.cumsum(LEAST_SHARE / users + (1 - LEAST_SHARE) * share / share.sum())
    popularity = np.cumsum(rng.permutation(1.0 / (np.arange(items) + 60.0) ** 1.1))
    item_ids = np.sort(rng.choice(2 * items, items, replace=False)) + 1
    for start in range(0, rows, CHUNK_ROWS):
        count = min(CHUNK_ROWS, rows - start)
        user = 1 + drawn(activity, count, rng)
        item = item_ids[drawn(popularity, count, rng)]
        yield user, item, FIRST_SECOND + rng.integers(0, SECONDS, count)


def drawn(cumulative: NDArray[np.float64], count: int, rng: np.random.Generator) -> Column:
    """Positions drawn in proportion to the steps of `cumulative`."""
    # Sorted, they are looked up in passing; the order is drawn afterwards.
    points = np.sort(rng.random(count)) * cumulative[-1]
    found: Column = np.minimum(np.searchsorted(cumulative, points, "right"), len(cumulative) - 1)
    return rng.permutation(found)
