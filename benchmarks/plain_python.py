"""Preparation the way the Keras example does it, one interaction at a time.

A dict for every row, a list of them for every user, `list.sort` with a key function, and for every
position a call of `numpy.random.randint` that is repeated while the drawn item is in the list of
the user's items; then shift, cut and pad. Rows and windows are those of `prepare`'s defaults.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from synthetic_columns import NAMES, Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray


def training_arrays(table: Columns, length: int) -> dict[str, NDArray[np.generic]]:
    """The five arrays of the training split."""
    rows = np.column_stack([table[name] for name in NAMES])
    histories = _histories(rows)
    items = {event["item_id"] for history in histories.values() for event in history}
    index = {int(item): 1 + k for k, item in enumerate(sorted(items))}
    sequences, negatives = [], []
    for user in sorted(histories):
        sequence = [index[int(event["item_id"])] for event in histories[user]][:-2]
        if len(sequence) < 2:
            continue
        negative = [_outside(sequence, len(index)) for _ in range(len(sequence))]
        sequences.append(np.array(sequence[-length - 1 :]))
        negatives.append(np.array(negative[-length - 1 :]))
    inputs = _padded([sequence[:-1] for sequence in sequences], length)
    return {
        "item_ids": inputs,
        "padding_mask": inputs != 0,
        "positive_sequence": _padded([sequence[1:] for sequence in sequences], length),
        "negative_sequence": _padded([negative[1:] for negative in negatives], length),
        "sample_weight": (inputs != 0).astype(np.float32),
    }


def _histories(rows: NDArray[np.int64]) -> dict[int, list[dict[str, int]]]:
    histories: defaultdict[int, list[dict[str, int]]] = defaultdict(list)
    for user, item, timestamp in rows:
        histories[user].append({"item_id": item, "timestamp": timestamp})
    for history in histories.values():
        history.sort(key=lambda event: event["timestamp"])
    return {user: history for user, history in histories.items() if len(history) >= 3}


def _outside(sequence: list[int], items: int) -> int:
    drawn = np.random.randint(1, items + 1)  # noqa: NPY002
    while drawn in sequence:
        drawn = np.random.randint(1, items + 1)  # noqa: NPY002
    return drawn


def _padded(sequences: list[NDArray[np.int64]], length: int) -> NDArray[np.int32]:
    padded = np.zeros((len(sequences), length), np.int32)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded
