"""Whom to recommend to: known users or raw histories, as item indices of the model."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sasrec_fast.evaluation import Scorer
from sasrec_fast.preparing import Prepared
from sasrec_fast.store import (
    Histories,
    Vocabulary,
    given_histories,
    require_same_items,
    user_positions,
)


@dataclass(frozen=True)
class Audience:
    """Histories and what to call them.

    Attributes:
        label: Column name, "user_id" or "history".
        values: External user ids, or the histories' keys or numbers from 0.
        histories: Their items.
    """

    label: str
    values: NDArray[Any]
    histories: Histories


def shared_items(model: Scorer, data: Prepared | None) -> Vocabulary:
    """The item vocabulary of model and data; a ValueError where they differ or there is none."""
    own: Vocabulary | None = getattr(model, "items", None)
    if data is None:
        if own is None:
            raise ValueError(
                "there is no item vocabulary: give the data, or a model that carries one, "
                "SASRec(..., items=data.items)"
            )
        return own
    require_same_items(model, data, "the data")
    return data.items


def known_users(data: Prepared, users: Iterable[Any] | None) -> Audience:
    """Users of the data, see `user_positions`, with their whole kept histories."""
    positions = user_positions(users, data.users)
    offsets = data.sequences.offsets
    histories = Histories(data.sequences.items, offsets[positions], offsets[positions + 1])
    return Audience("user_id", data.users.ids[positions], histories)


def raw_histories(histories: Any, items: Vocabulary) -> Audience:
    """Histories of external item ids, see `given_histories` and `Histories.of_ids`."""
    rows, keys = given_histories(histories)
    found = Histories.of_ids(rows, items)
    if keys is None:
        return Audience("history", np.arange(len(found)), found)
    values = np.asarray(keys)
    are_text = pd.api.types.infer_dtype(keys) == "string"
    return Audience("history", values.astype(object) if are_text else values, found)
