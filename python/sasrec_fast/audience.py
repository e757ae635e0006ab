"""Whom to recommend to: known users or raw histories, as item indices of the model."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast.histories import Histories

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sasrec_fast.preparation import Prepared
    from sasrec_fast.scoring import Scorer
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
    if model.vocabulary_size != data.vocabulary_size:
        raise ValueError(
            f"the model was made for vocabulary_size={model.vocabulary_size}, the data has "
            f"vocabulary_size={data.vocabulary_size}"
        )
    if own is not None and own != data.items:
        index = int(np.argmax(own.ids != data.items.ids))
        raise ValueError(
            f"the model was made for other items than the data's: index {index + 1} is "
            f"{_shown(own.ids[index])} in the model and {_shown(data.items.ids[index])} in the data"
        )
    return data.items


def _shown(external: Any) -> str:
    return repr(external.item() if isinstance(external, np.generic) else external)


def known_users(data: Prepared, users: Iterable[Any] | None) -> Audience:
    """Users of the data with their whole kept histories.

    Args:
        data: The prepared data.
        users: External ids; None for all.

    Raises:
        KeyError: Ids that are not in the data.
        TypeError: Not a list of ids.
    """
    positions = np.arange(len(data.users)) if users is None else _positions(users, data.users)
    offsets = data.sequences.offsets
    histories = Histories(data.sequences.items, offsets[positions], offsets[positions + 1])
    return Audience("user_id", data.users.ids[positions], histories)


def _positions(users: Iterable[Any], known: Vocabulary) -> NDArray[np.int64]:
    if isinstance(users, str) or not isinstance(users, Iterable):
        raise TypeError(f"users must be a list of user ids, received {users!r}")
    users = list(users)
    positions = known.index(users).astype(np.int64) - 1
    unknown = [users[i] for i in np.flatnonzero(positions < 0)]
    if unknown:
        shown = ", ".join(_shown(user) for user in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise KeyError(f"users not in the data: {shown}{more}")
    return positions


def raw_histories(histories: Sequence[Sequence[Any]], items: Vocabulary) -> Audience:
    """Histories of external item ids; unknown ids are skipped with a warning.

    Raises:
        TypeError: Not a list of lists.
    """
    rows = [_listed(history, number) for number, history in enumerate(_listed(histories))]
    ids = list(chain.from_iterable(rows))
    indices = items.index(ids)
    numbers = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    known = indices > 0
    if not known.all():
        first = int(np.argmin(known))
        warnings.warn(
            f"{np.count_nonzero(~known)} of {len(ids)} item ids are unknown and were skipped, "
            f"first {_shown(ids[first])} in history {numbers[first]}",
            stacklevel=3,
        )
    counts = np.bincount(numbers[known], minlength=len(rows))
    ends = np.cumsum(counts)
    return Audience("history", np.arange(len(rows)), Histories(indices[known], ends - counts, ends))


def _listed(values: Any, number: int | None = None) -> list[Any]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        what = "histories" if number is None else f"history {number}"
        raise TypeError(
            f"{what} must be a list, received {values!r}; one history is histories=[[id, ...]]"
        )
    return list(values)
