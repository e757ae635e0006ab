"""The times of what is kept, as the store has them: seconds since the earliest row."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.columns import Clock, TimeColumn
from sasrec_fast.preparing.options import Options
from sasrec_fast.reading import ColumnNames
from sasrec_fast.store import time_values

_AT_ONCE = 1 << 20
"""Times that are converted at a time."""


def clock_of(edges: TimeColumn | None, options: Options, names: ColumnNames) -> Clock | None:
    """The clock of a store; None where it keeps no times.

    Args:
        edges: The earliest and the latest time of the rows that pass the row filter.
        options: Those of `prepare`.
        names: Of the columns.

    Raises:
        ValueError: There are no times, or `times` does not suit them.
        DataError: They are too far apart.
    """
    if not options.times:
        return None
    require_timestamps(names, options)
    if edges is None or not len(edges.values):  # no row is left, which is said elsewhere
        return None
    clock = Clock.of(edges, options.times, names.timestamp)
    return clock.starting_at(edges.values[:1], edges.values[-1:], names.timestamp)


def require_timestamps(names: ColumnNames, options: Options) -> None:
    """Refuse to keep times where there are none."""
    if options.times and names.timestamp is None:
        raise ValueError(f"times is {options.times!r}, but timestamp is None: there are no times")


def seconds_since(
    times: NDArray[Any], scale: tuple[int, int], dtype: np.dtype[Any], clock: Clock
) -> NDArray[np.uint32]:
    """Relative times of a shard as seconds since the clock's origin.

    Args:
        times: Of the rows that are kept; they are returned where they are that already.
        scale: The smallest time of the shard, and its unit.
        dtype: int64 or float64, of the numbers that the shard was given.
        clock: Of the store.
    """
    edges = np.arange(2, dtype=times.dtype)
    if times.dtype == np.uint32 and dtype == np.int64:
        first, second = (clock.seconds(time_values(edges[i : i + 1], scale, dtype)) for i in (0, 1))
        if _counts(clock) and (first[0], second[0]) == (clock.origin, clock.origin + 1):
            return times
    found = np.empty(len(times), np.uint32)
    for start in range(0, len(times), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        found[part] = clock.seconds(time_values(times[part], scale, dtype)) - clock.origin
    return found


def _counts(clock: Clock) -> bool:
    """Whether the column's own unit is a second."""
    if clock.dtype.kind == "M":
        return clock.dtype == np.dtype("datetime64[s]")
    return clock.per_second == 1
