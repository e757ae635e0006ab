"""Times of a log and of later rows -> times of one kind, as those of one column are."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.columns import TimeColumn
from sasrec_fast.errors import DataError, cut
from sasrec_fast.preparing.grouping import kind_of
from sasrec_fast.store import KEEP_ALL, Log

_SIGN = np.uint64(1 << 63)
_KINDS = {"M": "datetimes", "i": "numbers", "u": "numbers", "f": "numbers"}


def in_one_kind(
    log: Log, times: TimeColumn | None, column: object
) -> tuple[Log, TimeColumn | None]:
    """Both with times of the type that holds them all: the finer unit, or floats beside integers.

    Raises:
        DataError: They are of different kinds or zones, or no type holds them all.
    """
    if times is None or log.times is None:
        return log, times
    _require_one_kind(log.times, times, column)
    dtype = _joined(log.times.dtype, times.dtype)
    old, new = _type_of(log.times), _type_of(times)
    if new != dtype:
        values = _stated(times.values, new, dtype, column)
        times = TimeColumn(values, dtype, times.zone)
    if old != dtype:
        log = _restated(log, _stated(log.time_values(), old, dtype, column), dtype)
    return log, times


def _require_one_kind(old: TimeColumn, new: TimeColumn, column: object) -> None:
    kinds = [_KINDS[times.dtype.kind] for times in (old, new)]
    zones = ["without a zone" if t.zone is None else f"in {t.zone}" for t in (old, new)]
    found = kinds if kinds[0] != kinds[1] else [f"datetimes {zone}" for zone in zones]
    if kinds[0] != kinds[1] or zones[0] != zones[1]:
        raise DataError(
            f"column '{cut(column)}' holds {found[1]}, and that of the data {found[0]}; expected "
            "one kind in both"
        )


def _type_of(times: TimeColumn) -> np.dtype[Any]:
    """The widest type of the kind."""
    if times.dtype.kind == "M" or times.dtype == np.uint64:
        return times.dtype
    return times.values.dtype


def _joined(old: np.dtype[Any], new: np.dtype[Any]) -> np.dtype[Any]:
    if old.kind == "M":
        return np.result_type(old, new)
    if "f" in (old.kind, new.kind):
        return np.dtype(np.float64)
    return np.dtype(np.uint64 if np.uint64 in (old, new) else np.int64)


def _stated(
    values: NDArray[Any], old: np.dtype[Any], new: np.dtype[Any], column: object
) -> NDArray[Any]:
    """`TimeColumn.values` of one type as those of another.

    Raises:
        DataError: It does not hold one of them.
    """
    given = values.view(np.uint64) ^ _SIGN if old == np.uint64 else values.view(old)
    with np.errstate(invalid="ignore", over="ignore"):
        stated = given.astype(new)
        lost = stated.astype(old) != given
    if new == np.uint64:
        lost |= given < 0
    if lost.any():
        raise DataError(
            f"column '{cut(column)}' holds {given[lost][0]}, with times of {new} in the same "
            "column, which do not hold it"
        )
    if new == np.uint64:
        stated ^= _SIGN
    return stated if new == np.float64 else stated.view(np.int64)


def _restated(log: Log, values: NDArray[Any], dtype: np.dtype[Any]) -> Log:
    """The log with other times of the same order."""
    assert log.times is not None
    shard = log.shard
    users = np.repeat(np.arange(len(log.users), dtype=np.int64), np.diff(shard.offsets))
    shard = _core.sort_shard(users, shard.items, values, None, KEEP_ALL)
    kind = kind_of(TimeColumn(values, dtype, log.times.zone))
    return replace(log, shard=shard, times=kind)
