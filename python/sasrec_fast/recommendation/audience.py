"""Whom to recommend to: known users or raw histories, as item indices of the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sasrec_fast.columns import Clock
from sasrec_fast.evaluation import Scorer, knows_query_time, looks_at_times
from sasrec_fast.preparing import Prepared
from sasrec_fast.store import (
    Histories,
    Vocabulary,
    given_histories,
    moments_of_rows,
    moments_of_users,
    require_same_items,
    require_told,
    timed,
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


@dataclass(frozen=True)
class Asking:
    """What a model that looks at times is told of them; see `recommend`.

    Attributes:
        times: Of the items of histories; None where there are none.
        at: When the next items are asked for; None: at the time of each last item.
        clock: Of the model; None for one that looks at no times.
    """

    times: Any = None
    at: Any = None
    clock: Clock | None = None

    @classmethod
    def of(cls, model: Scorer, data: Prepared | None, times: Any, at: Any) -> Asking:
        """What is asked of a model, once it is known to look at it.

        Raises:
            ValueError: It looks at no times, or does not say how timestamps become seconds.
        """
        looks = looks_at_times(model)
        require_told(times, at, looks, knows_query_time(model))
        return cls(times, at, clock_of(model, data)) if looks else cls()


NOTHING = Asking()
"""What other models are told."""


def clock_of(model: Scorer, data: Prepared | None) -> Clock:
    """The clock of a model that looks at times, or of the data.

    Raises:
        ValueError: Neither says how timestamps become seconds.
    """
    clock: Clock | None = getattr(model, "clock", None)
    if data is not None:
        clock = timed(data.sequences, "the data").clock
    if clock is None:
        raise ValueError(
            "the model does not say how timestamps become seconds: give the data, or set "
            "model.clock = data.sequences.clock"
        )
    return clock


def known_users(data: Prepared, users: Iterable[Any] | None, asking: Asking) -> Audience:
    """Users of the data, see `user_positions`, with their whole kept histories.

    Raises:
        ValueError: Times are given besides; or the moments are none.
    """
    positions = user_positions(users, data.users)
    offsets, moments = data.sequences.offsets, None
    if asking.clock is not None:
        moments = moments_of_users(data.sequences, asking.times, asking.at, len(positions))
    spans = offsets[positions], offsets[positions + 1]
    histories = Histories(data.sequences.items, *spans, moments)
    return Audience("user_id", data.users.ids[positions], histories)


def raw_histories(histories: Any, items: Vocabulary, asking: Asking = NOTHING) -> Audience:
    """Histories of external item ids, see `given_histories` and `Histories.of_ids`.

    Raises:
        ValueError: The model looks at times, and there are none, or others than of the items.
    """
    rows, keys = given_histories(histories)
    moments = None
    if asking.clock is not None:
        moments = moments_of_rows(asking.times, asking.at, rows, keys, asking.clock)
    found = Histories.of_ids(rows, items, moments)
    if keys is None:
        return Audience("history", np.arange(len(found)), found)
    values = np.asarray(keys)
    are_text = pd.api.types.infer_dtype(keys) == "string"
    return Audience("history", values.astype(object) if are_text else values, found)
