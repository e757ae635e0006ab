"""Three users' purchases: ids that are text, a user with nearly every item, a repeated item."""

from __future__ import annotations

from typing import Any

import pandas as pd

import sasrec_fast as sf

LENGTH = 6
HISTORIES = {
    "zoe": ["tea", "milk", "rice", "salt", "oil", "corn", "soap", "fish"],
    "ada": ["tea", "rice", "tea", "salt"],
    "bob": ["milk", "tea", "eggs", "wine"],
}
STRINGS = sorted({item for items in HISTORIES.values() for item in items})


def table(histories: dict[Any, list[Any]]) -> pd.DataFrame:
    rows = [(user, item) for user, items in histories.items() for item in items]
    return pd.DataFrame(rows, columns=["user_id", "item_id"])


def prepared(histories: dict[Any, list[Any]] = HISTORIES) -> sf.Prepared:
    return sf.prepare(table(histories), timestamp=None, max_sequence_length=LENGTH)
