"""A moment that a user names -> the number to compare a column of timestamps with, exactly."""

from __future__ import annotations

import datetime
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.checks import received
from sasrec_fast.columns.ids_and_times import TimeColumn
from sasrec_fast.columns.zones import SEVERAL, Zone, at_zone

if TYPE_CHECKING:
    import pandas as pd

_INT64_MAX = 2**63 - 1
_YEAR = re.compile(r"\d{4}")
_DAY_OR_MONTH = re.compile(r"\s*\d{1,2}[./-]\d{1,2}[./-]\d")
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def boundaries(split_at: tuple[Any, Any], times: TimeColumn, column: object) -> NDArray[Any]:
    """The two starts as values of the column: what is before a start is less than it.

    Args:
        split_at: Start of validation, and of test: integers or floats for a column of numbers;
            datetimes, or text that pandas reads as one, for a column of datetimes. Without a
            zone they are times of the column's zone, if it has one.
        times: The timestamps.
        column: Its name, for messages.

    Returns:
        Array [2] of the dtype of `times.values`.

    Raises:
        TypeError: A start is of another kind than the timestamps, or has a zone where they have
            none.
        ValueError: The starts do not ascend, or one is out of range, or names no one moment.
    """
    named = [(f"split_at[{place}]", moment) for place, moment in enumerate(split_at)]
    starts = [moment_in(name, moment, times, column) for name, moment in named]
    if not starts[0] < starts[1]:
        raise ValueError(
            f"split_at is {received(tuple(split_at))}; validation starts before test does, so that "
            "there is a validation period"
        )
    return np.array(starts, times.values.dtype)


def moment_in(name: str, moment: Any, times: TimeColumn, column: object) -> int | float:
    """The first value of a column that is not before a moment.

    Args:
        name: Of the argument, for messages.
        moment: As of `split_at`, see `boundaries`.
        times: The kind of the column.
        column: Its name, for messages.

    Raises:
        TypeError, ValueError: As of `boundaries`.
    """
    kind = times.dtype.kind
    if kind == "M":
        return _datetime_start(name, moment, times, column)
    if isinstance(moment, bool) or not isinstance(moment, int | float | np.number):
        raise TypeError(
            f"{name} is {received(moment)}, but column '{column}' holds numbers "
            f"({times.dtype}); give a number in their unit"
        )
    number = moment.item() if isinstance(moment, np.generic) else moment
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError(f"{name} is {received(moment)}; a start is a finite number")
    if kind == "f":
        return _float_start(name, number)
    whole = math.ceil(number)
    if times.dtype == np.uint64:  # stored with the upper bit flipped
        whole -= 2**63
    if not -_INT64_MAX - 1 <= whole <= _INT64_MAX:
        shown = received(moment)
        raise ValueError(f"{name} is {shown}, which no {times.dtype} timestamp reaches")
    return whole


def _float_start(name: str, number: float) -> float:
    """The smallest float that is not less than a number, which may be an integer."""
    try:
        rounded = float(number)
    except OverflowError:
        raise ValueError(f"{name} is {received(number)}, which no float reaches") from None
    return rounded if rounded >= number else math.nextafter(rounded, math.inf)


def _datetime_start(name: str, moment: Any, times: TimeColumn, column: object) -> int:
    dtype = times.dtype
    if not isinstance(moment, str | datetime.date | np.datetime64):
        raise TypeError(
            f"{name} is {received(moment)}, but column '{column}' holds datetimes "
            f"({dtype}); give a datetime, or text such as '2020-01-31 12:00'"
        )
    if type(moment) is datetime.datetime:
        offset = moment.utcoffset()
        if (offset is None) == (times.zone is None):  # without pandas, which a service has not
            start = np.datetime64(moment.replace(tzinfo=None), "us")
            start -= np.timedelta64(offset or datetime.timedelta(), "us")
            return _within(name, moment, start, dtype)
    import pandas as pd

    if isinstance(moment, str):
        _refuse_vague(name, moment)
    try:
        stamp = pd.Timestamp(moment)
    except ValueError as failure:
        raise ValueError(f"{name} is {received(moment)}, which is no datetime: {failure}") from None
    if pd.isna(stamp):
        raise ValueError(f"{name} is {received(moment)}; a start is a datetime")
    stamp = _as_stored(name, moment, stamp, times.zone, column)
    return _within(name, moment, stamp.to_datetime64(), dtype)


def _within(name: str, moment: Any, start: np.datetime64, dtype: np.dtype[Any]) -> int:
    """The first tick that is not before a start, where there is one."""
    ticks = _ticks(start, dtype)
    if not -_INT64_MAX <= ticks <= _INT64_MAX:
        raise ValueError(f"{name} is {received(moment)}, which no {dtype} timestamp reaches")
    return ticks


def _refuse_vague(name: str, text: str) -> None:
    """Refuse text that pandas completes by today's date, or of which it guesses the month."""
    if _DAY_OR_MONTH.match(text):
        raise ValueError(
            f"{name} is {received(text)}, which may begin with the day or the month; write it as "
            "'2020-01-31'"
        )
    if not _YEAR.search(text):
        raise ValueError(f"{name} is {received(text)}, which is no datetime: it names no year")


def _as_stored(
    name: str, moment: Any, stamp: pd.Timestamp, zone: Zone | None, column: object
) -> pd.Timestamp:
    """The moment as the column stores its times: in UTC where it has a zone, or without any."""
    if zone is None:
        if stamp.tz is None:
            return stamp
        raise TypeError(
            f"{name} is {received(moment)}, with a zone, but the times of column "
            f"'{column}' have none; give it without, as a time of the same clock as theirs"
        )
    if stamp.tz is None:
        if zone == SEVERAL:
            raise TypeError(
                f"{name} is {received(moment)}, without a zone, but the times of column "
                f"'{column}' are in several; give it with a zone"
            )
        if isinstance(moment, np.datetime64) and str(zone) != "UTC":
            raise TypeError(
                f"{name} is {received(moment)}, which has no zone, but the times of column "
                f"'{column}' are in {zone}; give text or a pandas.Timestamp"
            )
        stamp = at_zone(stamp, zone, name)
    return stamp.tz_convert("UTC").tz_localize(None)


def _ticks(moment: np.datetime64, dtype: np.dtype[Any]) -> int:
    """The first tick of a datetime64 dtype that is not before a moment, in Python's integers."""
    unit, step = np.datetime_data(dtype)
    if unit in _PER_SECOND:
        own = np.datetime_data(moment.dtype)[0]
        count = int(moment.astype(np.int64)) * _PER_SECOND[unit]
        return -(-count // (_PER_SECOND[own] * step))
    start = moment.astype(dtype)  # a coarser unit, from minutes to years
    return int(start.astype(np.int64)) + int(start < moment)
