"""The sequences of `gpu.py`: MovieLens-1M, or made-up ones of any catalogue."""

from __future__ import annotations

from typing import Any

import numpy as np

import sasrec_fast as sf
from sasrec_fast.reading import read_sequences
from training_data import SETTINGS, data_folder

ML_1M = "ml-1m"
MADE = "made"


def prepared(
    data: str, length: int, *, repeats: int = 1, users: int = 200, items: int = 300
) -> sf.Prepared:
    """Prepared sequences.

    Args:
        data: ML_1M, or MADE: so many users have so many items, one more than fits a training row,
            drawn so that a few items are far more frequent than the others.
        length: Most columns of a row.
        repeats: How often each user occurs, so that an epoch has steps enough for a large batch.
        users: Of MADE.
        items: Of MADE; all are in the vocabulary.
    """
    options: dict[str, Any] = {"timestamp": None, "max_sequence_length": length}
    if data == ML_1M:
        table = read_sequences(data_folder(None) / SETTINGS[ML_1M].file)
        return sf.prepare(repeated(table, repeats), **options)
    drawn = np.random.default_rng(0).random(users * (length + 3))
    table = {
        "user_id": np.repeat(np.arange(users), length + 3),
        "item_id": 1 + (items * drawn**3).astype(np.int64),
    }
    return sf.prepare(
        repeated(table, repeats), items=sf.Vocabulary(np.arange(1, items + 1)), **options
    )


def repeated(table: Any, times: int) -> dict[str, Any]:
    """The rows of a table so often, each time of other users."""
    users = np.asarray(table["user_id"])
    first = int(users.max()) + 1
    return {
        "user_id": np.concatenate([users + first * number for number in range(times)]),
        "item_id": np.tile(np.asarray(table["item_id"]), times),
    }
