"""Whom is recommended to, as a recommender is told it -> item indices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.serving.catalogue import VectorCatalogue
from sasrec_fast.serving.encoders import Timing
from sasrec_fast.store import (
    Histories,
    moments_of_rows,
    moments_of_users,
    shown,
    user_positions,
)

if TYPE_CHECKING:
    from sasrec_fast.preparing import Prepared


def known_histories(
    histories: Any, catalogue: VectorCatalogue, times: Any, at: Any, timing: Timing | None
) -> tuple[Histories, list[int]]:
    """What is known of lists of external ids, and how many unknown ones each had.

    Raises:
        TypeError: Something else than lists of ids.
        ValueError: Times that do not fit them.
    """
    if isinstance(histories, str | bytes | Mapping) or not isinstance(histories, Iterable):
        raise TypeError(f"histories must be a list of lists, received {shown(histories)}")
    rows = list(histories)
    items, counts = _indices(rows, catalogue)
    moments = None
    if timing is not None:
        moments = moments_of_rows(times, at, rows, None, timing.clock)
    found = Histories.known(items, counts, moments)
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


def histories_of_users(
    users: Iterable[Any], data: Prepared | None, times: Any, at: Any, timing: Timing | None
) -> Histories:
    """The whole kept histories of users of the data.

    Raises:
        KeyError: A user is not in the data.
        ValueError: There is no data, or times are given.
    """
    if data is None:
        raise ValueError("users are known by their data: Recommender(..., data=data)")
    offsets, positions = data.sequences.offsets, user_positions(users, data.users)
    moments = None
    if timing is not None:
        moments = moments_of_users(data.sequences, times, at, len(positions))
    return Histories(data.sequences.items, offsets[positions], offsets[positions + 1], moments)
