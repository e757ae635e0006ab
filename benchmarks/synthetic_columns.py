"""Interactions shaped like MovieLens, as int64 columns: a pure function of the sizes and the seed.

Users are as active as a log-normal says, items as popular as Zipf says, every item occurs, nearly
no user has an item twice, half the interactions share their second with the one before, ids of
items have gaps, and the rows are shuffled.

`python synthetic_columns.py FOLDER ROWS USERS ITEMS SEED` saves them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Column: TypeAlias = NDArray[np.int64]
Columns: TypeAlias = dict[str, Column]

NAMES = ("user_id", "item_id", "timestamp")
FIRST_SECOND = 950_000_000
SECONDS = 90_000_000  # about three years
ROUNDS = 8  # of drawing again the items that a user already has


def columns(rows: int, users: int, items: int, seed: int = 0) -> Columns:
    """Columns user_id, item_id and timestamp.

    Raises:
        ValueError: If there are fewer than four interactions a user or than one an item.
    """
    if rows < 4 * users or rows < items or users < 1 or items < 8:
        raise ValueError(
            f"rows={rows}, users={users}, items={items}: needed are at least 4 rows a user, "
            "1 row an item, 1 user and 8 items"
        )
    rng = np.random.default_rng(seed)
    counts = _activity(rows, users, items, rng)
    item = _items(np.repeat(np.arange(users), counts), items, rng)
    item_ids = np.sort(rng.choice(3 * items, items, replace=False)) + 1
    shuffled = rng.permutation(rows)
    table = {
        "user_id": np.repeat(np.arange(1, users + 1), counts),
        "item_id": item_ids[item],
        "timestamp": _timestamps(counts, rng),
    }
    return {name: column[shuffled] for name, column in table.items()}


def save(folder: Path, table: Columns) -> None:
    """One .npy file a column."""
    for name, column in table.items():
        np.save(folder / f"{name}.npy", column)


def load(folder: Path) -> Columns:
    """What `save` wrote, in memory."""
    return {name: np.load(folder / f"{name}.npy") for name in NAMES}


def _activity(rows: int, users: int, items: int, rng: np.random.Generator) -> Column:
    """Interactions of each user; they sum to `rows`."""
    least, most = min(20, rows // users), max(items // 2, -(-rows // users))
    share = rng.lognormal(0.0, 1.1, users)
    expected = least + share * ((rows - least * users) / share.sum())
    counts: Column = np.minimum(expected, most).astype(np.int64)
    while missing := rows - int(counts.sum()):
        room = np.flatnonzero(counts < most)
        counts[rng.choice(room, min(missing, len(room)), replace=False)] += 1
    return counts


def _items(user: Column, items: int, rng: np.random.Generator) -> Column:
    """A 0-based item for every row of `user`."""
    popularity = rng.permutation(1.0 / (np.arange(items) + 60.0) ** 1.1)
    cumulative = np.cumsum(popularity) / popularity.sum()
    rows = len(user)
    item = np.empty(rows, np.int64)
    again: Column = np.arange(rows)
    for _ in range(ROUNDS):
        drawn = np.searchsorted(cumulative, rng.random(len(again)))
        item[again] = np.minimum(drawn, items - 1)
        again = _repetitions(user, item, items)
    item[again] = rng.integers(0, items, len(again))
    while len(missing := np.flatnonzero((seen := np.bincount(item, minlength=items)) == 0)):
        spare = np.flatnonzero(seen[item] > 1)
        chosen = rng.choice(spare, min(len(missing), len(spare)), replace=False)
        item[chosen] = missing[: len(chosen)]
    return item


def _repetitions(user: Column, item: Column, items: int) -> Column:
    """Rows whose user and item an earlier row already has."""
    width = len(user).bit_length()
    key: Column = ((user * items + item) << width) | np.arange(len(user))
    key.sort()
    pair = key >> width
    repeated: Column = key[1:][pair[1:] == pair[:-1]] & ((1 << width) - 1)
    return repeated


def _timestamps(counts: Column, rng: np.random.Generator) -> Column:
    """Ascending within a user; about half of them equal to the one before."""
    rows = int(counts.sum())
    gaps = rng.geometric(0.02, rows) * rng.integers(0, 2, rows)
    seconds = np.cumsum(gaps)
    first = seconds[np.cumsum(counts) - counts]
    begin = FIRST_SECOND + rng.integers(0, SECONDS, len(counts))
    timestamps: Column = seconds + np.repeat(begin - first, counts)
    return timestamps


if __name__ == "__main__":
    save(Path(sys.argv[1]), columns(*map(int, sys.argv[2:])))
    print("{}")
