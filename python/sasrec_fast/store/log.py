"""The log of prepared data: every row that passed the row filter, from which appending goes on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.columns import TimeColumn
from sasrec_fast.store.vocabulary import Vocabulary

_SIGN = np.uint64(1 << 63)


@dataclass(frozen=True, eq=False)
class Log:
    """Rows sorted by user and time, ties in the order of the input.

    Attributes:
        shard: The rows; their users are those of `users`, one after the other.
        users: Ids of the users, ascending.
        items: Ids of the item codes from 1 on, ascending; None where codes are indices of the
            item vocabulary.
        times: What the times were, without a row; None where there are none.
    """

    shard: _core.Shard
    users: Vocabulary
    items: Vocabulary | None
    times: TimeColumn | None

    def __len__(self) -> int:
        return len(self.shard.items)

    def numbered(self) -> _core.Shard:
        """The shard, whose users have the ids 0, 1, ..."""
        shard = self.shard
        numbers = np.arange(len(shard.user_ids))
        return _core.Shard(
            numbers, shard.offsets, shard.items, shard.times, shard.time_min, shard.kept
        )

    def time_values(self) -> NDArray[Any]:
        """The times of all rows, as `TimeColumn.values` has them.

        Raises:
            ValueError: They are floats.
        """
        keys = self.shard.times + np.uint64(self.shard.time_min)
        return (keys ^ _SIGN).view(np.int64)

    @property
    def time_span(self) -> TimeColumn | None:
        """The first and the last time alone."""
        if self.times is None or not len(self.shard.times):
            return self.times
        least, most = self.shard.times.min(), self.shard.times.max()
        edges = np.array([least, most], np.uint64) + np.uint64(self.shard.time_min)
        return replace(self.times, values=_values(edges, self.times.values.dtype))


def _values(keys: NDArray[np.uint64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The numbers whose keys, of the same order, the native code has."""
    if dtype == np.int64:
        return (keys ^ _SIGN).view(np.int64)
    return np.where(keys >= _SIGN, keys ^ _SIGN, ~keys).view(np.float64)
