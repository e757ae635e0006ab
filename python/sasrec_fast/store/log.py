"""The log of prepared data: every row that passed the row filter, from which appending goes on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.columns import TimeColumn
from sasrec_fast.store.vocabulary import Vocabulary

_SIGN = np.uint64(1 << 63)

KEEP_ALL = _core.Rules(
    duplicates="keep",
    min_user_interactions=1,
    min_item_interactions=1,
    holdout=0,
    identity=False,
)
"""Rules that keep every row."""


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

    @property
    def opened(self) -> "Log":
        """This one; see `saving.StoredLog`."""
        return self

    def restricted(self, codes: NDArray[np.int32]) -> "Log":
        """The rows whose items have a code, by their codes until now; 0 for none. `items` stay."""
        shard = self.shard
        items = np.concatenate([np.zeros(1, np.int32), codes])[shard.items]
        kept = items > 0
        rows = np.concatenate([[0], np.cumsum(kept)])[shard.offsets]
        users = np.flatnonzero(np.diff(rows))
        offsets = np.append(rows[users], rows[-1])
        times = shard.times[kept] if len(shard.times) else shard.times
        scale = shard.time_min, shard.time_unit
        left = _core.Shard(users, offsets, items[kept], times, *scale, shard.kept[:0])
        return replace(self, shard=left, users=Vocabulary.trusted(ids_at(self.users, users)))

    def time_values(self) -> NDArray[Any]:
        """The times of all rows, as `TimeColumn.values` has them."""
        return self._values(self.shard.times)

    @property
    def time_span(self) -> TimeColumn | None:
        """The first and the last time alone."""
        times = self.shard.times
        if self.times is None or not len(times):
            return self.times
        edges = np.array([times.min(), times.max()])
        return replace(self.times, values=self._values(edges))

    def _values(self, times: NDArray[Any]) -> NDArray[Any]:
        """The numbers whose keys, of the same order, the native code has."""
        assert self.times is not None
        scale = self.shard.time_min, self.shard.time_unit
        return time_values(times, scale, self.times.values.dtype)


def time_values(times: NDArray[Any], scale: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Relative times of a shard as the numbers that it was given.

    Args:
        times: The times.
        scale: The smallest, and the unit, of the shard.
        dtype: int64 or float64, of the numbers.
    """
    least, unit = map(np.uint64, scale)
    keys = times.astype(np.uint64) * unit + least
    if dtype == np.int64:
        return (keys ^ _SIGN).view(np.int64)
    # Of floats, how far a key is from the middle has the bits of the magnitude.
    return np.where(keys < _SIGN, 0 - keys, keys ^ _SIGN).view(np.float64)


def ids_at(vocabulary: Vocabulary, places: NDArray[np.int64]) -> Any:
    """The ids at ascending places from 0 on, as `Vocabulary.trusted` takes them."""
    ids = vocabulary.strings if vocabulary.are_strings else vocabulary.ids
    if len(places) == len(ids):  # all of them
        return ids
    return ids.take(pa.array(places)) if vocabulary.are_strings else ids[places]
