"""Whom to recommend to: known users or raw histories, as item indices of the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast.histories import Histories, shown, user_positions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sasrec_fast.preparation import Prepared
    from sasrec_fast.scoring import Scorer
    from sasrec_fast.splits import Split
    from sasrec_fast.vocabulary import Vocabulary


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
    """The item vocabulary of model and data.

    Raises:
        ValueError: They differ, or there is none.
    """
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


def require_same_items(model: Any, data: Prepared | Split, name: str) -> None:
    """Refuse a model that was made for other items than the data's.

    Args:
        model: With a vocabulary_size and, perhaps, `items`.
        data: Prepared data or a split.
        name: What to call it.

    Raises:
        ValueError: They differ.
    """
    if model.vocabulary_size != data.vocabulary_size:
        raise ValueError(
            f"the model was made for vocabulary_size={model.vocabulary_size}, {name} has "
            f"vocabulary_size={data.vocabulary_size}"
        )
    own: Vocabulary | None = getattr(model, "items", None)
    other = data.items
    if own is None or other is None or own == other:
        return
    index = int(np.argmax(own.ids != other.ids)) if own.ids.dtype == other.ids.dtype else 0
    raise ValueError(
        f"the model was made for other items than {name} has: index {index + 1} is "
        f"{shown(own.ids[index])} in the model and {shown(other.ids[index])} in {name}"
    )


def known_users(data: Prepared, users: Iterable[Any] | None) -> Audience:
    """Users of the data with their whole kept histories.

    Args:
        data: The prepared data.
        users: External ids; None for all.

    Raises:
        KeyError: Ids that are not in the data.
        TypeError: Not a list of ids.
    """
    positions = user_positions(users, data.users)
    offsets = data.sequences.offsets
    histories = Histories(data.sequences.items, offsets[positions], offsets[positions + 1])
    return Audience("user_id", data.users.ids[positions], histories)


def raw_histories(histories: Iterable[Iterable[Any]], items: Vocabulary) -> Audience:
    """Histories of external item ids, see `Histories.of_ids`."""
    found = Histories.of_ids(histories, items, stacklevel=4)
    return Audience("history", np.arange(len(found)), found)
