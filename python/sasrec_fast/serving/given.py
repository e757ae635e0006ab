"""Whom is recommended to, as a recommender is told it -> item indices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.serving.catalogue import VectorCatalogue
from sasrec_fast.store import Histories, shown, user_positions

if TYPE_CHECKING:
    from sasrec_fast.preparing import Prepared


def known_histories(histories: Any, catalogue: VectorCatalogue) -> tuple[Histories, list[int]]:
    """What is known of lists of external ids, and how many unknown ones each had.

    Raises:
        TypeError: Something else than lists of ids.
    """
    if isinstance(histories, str | bytes | Mapping) or not isinstance(histories, Iterable):
        raise TypeError(f"histories must be a list of lists, received {shown(histories)}")
    rows = list(histories)
    items, counts = _indices(rows, catalogue)
    found = Histories.known(items, counts)
    return found, (counts - (found.ends - found.starts)).tolist()


def _indices(
    rows: list[Any], catalogue: VectorCatalogue
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Item indices of all rows, 0 for the unknown, and how many each has."""
    if all(type(row) is list for row in rows):
        try:  # at once
            every = catalogue.items.index(list(chain.from_iterable(rows)))
        except TypeError:  # and one by one, to name what is wrong
            pass
        else:
            return every, np.array([len(row) for row in rows], np.int64)
    for number, row in enumerate(rows):
        if isinstance(row, Mapping | set | frozenset):
            raise TypeError(f"history {number} is a {type(row).__name__}, expected a list")
    each = [catalogue.known(f"history {number}", row) for number, row in enumerate(rows)]
    items = np.concatenate([np.zeros(0, np.int32), *each])
    return items, np.array([len(one) for one in each], np.int64)


def histories_of_users(users: Iterable[Any], data: Prepared | None) -> Histories:
    """The whole kept histories of users of the data.

    Raises:
        KeyError: A user is not in the data.
        ValueError: There is no data.
    """
    if data is None:
        raise ValueError("users are known by their data: Recommender(..., data=data)")
    offsets, positions = data.sequences.offsets, user_positions(users, data.users)
    return Histories(data.sequences.items, offsets[positions], offsets[positions + 1])
