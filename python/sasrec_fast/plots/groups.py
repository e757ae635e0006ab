"""Users in groups of about equal size, by a number each of them has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks


def quantile_groups(
    values: NDArray[np.int64], groups: int, *, zeros_apart: bool = False
) -> NDArray[np.intp]:
    """The group of each user, from 0 on, least values first; users of equal value share one.

    A value belongs to the quantile that the middle one of its users is in; what would be less
    than half a share joins the next group, or the last one.

    Args:
        values: int64 [n], one for each user, n >= 1.
        groups: Most of them.
        zeros_apart: Users of value 0 are a group of their own, however few.

    Raises:
        ValueError: `groups` is below 1.
    """
    checks.integer("groups", groups, 1)
    distinct, inverse, users = np.unique(values, return_inverse=True, return_counts=True)
    alone = int(zeros_apart and distinct[0] == 0 and len(distinct) > 1)
    users = users[alone:]
    share = users.sum() / max(groups - alone, 1)
    quantiles = (np.cumsum(users) - users / 2) // share
    candidates = np.flatnonzero(np.diff(quantiles, prepend=-1))
    starts, size = [0], 0
    for start, more in zip(candidates, np.add.reduceat(users, candidates), strict=True):
        if size >= share / 2:
            starts.append(int(start))
            size = 0
        size += more
    if len(starts) > 1 and size < share / 2:
        starts.pop()
    of_value = np.searchsorted(starts, np.arange(len(users)), side="right") - 1 + alone
    found: NDArray[np.intp] = np.append([0] * alone, of_value).astype(np.intp)[inverse]
    return found
