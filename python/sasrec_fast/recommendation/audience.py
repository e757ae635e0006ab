"""Whom to recommend to: known users or raw histories, as item indices of the model."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.evaluation import Scorer
from sasrec_fast.preparing import Prepared
from sasrec_fast.store import Histories, Vocabulary, require_same_items, user_positions


@dataclass(frozen=True)
class Audience:
    """Histories and what to call them.

    Attributes:
        label: Column name, "user_id" or "history".
        values: External user ids, or the histories' numbers from 0.
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


def raw_histories(histories: Iterable[Iterable[Any]], items: Vocabulary) -> Audience:
    """Histories of external item ids, see `Histories.of_ids`."""
    found = Histories.of_ids(histories, items, stacklevel=4)
    return Audience("history", np.arange(len(found)), found)
