"""Users in groups of about equal size, by a number each of them has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Groups:
    """Groups of n users whose values are next to each other.

    Attributes:
        members: int64 [n], each user's group 0..g - 1.
        lowest: int64 [g], least value in each group.
        highest: int64 [g].
        sizes: int64 [g], users in each.
    """

    members: NDArray[np.int64]
    lowest: NDArray[np.int64]
    highest: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of_quantiles(
        cls, values: NDArray[np.int64], count: int, *, zeros_apart: bool = False
    ) -> Groups:
        """At most `count` groups of about equal size; users of equal value are never parted.

        Args:
            values: int64 [n], one for each user, n >= 1.
            count: Groups wanted.
            zeros_apart: Users of value 0 are a group of their own, however few.
        """
        distinct, inverse, users = np.unique(values, return_inverse=True, return_counts=True)
        alone = int(zeros_apart and distinct[0] == 0 and len(distinct) > 1)
        wanted = max(count - alone, 1)
        starts = [0] * alone + [alone + start for start in _starts(users[alone:], wanted)]
        number = np.zeros(len(distinct), np.int64)
        number[starts] = 1
        groups = np.cumsum(number) - 1
        members = groups[inverse]
        ends = np.array([*starts[1:], len(distinct)]) - 1
        return cls(members, distinct[starts], distinct[ends], np.bincount(members))

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def ranges(self) -> list[str]:
        """Of each group, as "3" or "4-17"."""
        pairs = zip(self.lowest.tolist(), self.highest.tolist(), strict=True)
        return [str(low) if low == high else f"{low}–{high}" for low, high in pairs]  # noqa: RUF001

    def means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean of each group, float64 [g]."""
        sums = np.bincount(self.members, weights=values)
        means: NDArray[np.float64] = sums / self.sizes
        return means

    def standard_errors(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of each mean, sample standard deviation / sqrt(users), float64 [g]; NaN for one user."""
        squares = np.bincount(self.members, (values - self.means(values)[self.members]) ** 2)
        freedom = np.where(self.sizes > 1, self.sizes - 1.0, np.nan)
        errors: NDArray[np.float64] = np.sqrt(squares / freedom / self.sizes)
        return errors


def _starts(users: NDArray[np.int64], count: int) -> list[int]:
    """Where at most `count` groups begin among distinct values of so many users each.

    A value belongs to the quantile that the middle one of its users is in; what would be less
    than half a share joins the next group, or the last one.
    """
    share = users.sum() / count
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
    return starts
