"""When the items of histories were, and when the next ones are asked for."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.columns import LONGEST, Clock
from sasrec_fast.store.external import listed
from sasrec_fast.store.given import given_histories
from sasrec_fast.store.sequences import Sequences, timed


@dataclass(frozen=True)
class Moments:
    """Seconds from any origin.

    Attributes:
        times: Integers, of all items that histories are slices of.
        asked: int64 [n], the moment at which the next item of each row is asked for; None: that of
            its last item.
    """

    times: NDArray[np.integer[Any]]
    asked: NDArray[np.int64] | None = None

    def take(self, rows: NDArray[np.int64] | slice) -> Moments:
        """Those of some rows."""
        return self if self.asked is None else Moments(self.times, self.asked[rows])

    def padded(self, fill: tuple[int, int]) -> Moments:
        """Those of rows with empty ones before and after them."""
        return self if self.asked is None else Moments(self.times, np.pad(self.asked, fill))

    def inputs(
        self, times: NDArray[np.int64], mask: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.int32]]:
        """Model inputs of rows.

        Args:
            times: int64 [n, T], of the items shown.
            mask: bool [n, T], which these are; they come first.

        Returns:
            {"times": int32 [n, T], "query_times": int32 [n, T]}, in seconds since the first item
            of each row, 0 on padding: when each item was, and when the next one was or, of the
            last one, is asked for: not before it.
        """
        count = mask.sum(axis=1)
        rows = np.flatnonzero(count)
        last = count[rows] - 1
        since = np.where(mask, times - times[:, :1], 0)
        asked = np.zeros_like(since)
        asked[:, :-1] = since[:, 1:]
        at = since[rows, last]
        if self.asked is not None:
            at = np.maximum(at, self.asked[rows] - times[rows, 0])
        asked[rows, last] = at
        found = {"times": since, "query_times": asked}
        return {name: np.minimum(each, LONGEST).astype(np.int32) for name, each in found.items()}


def require_told(times: Any, at: Any, looks: bool, knows: bool) -> None:
    """Refuse times for a model that looks at none, and a moment for one that knows none.

    Raises:
        ValueError: They are given.
    """
    if not looks and (times is not None or at is not None):
        name = "at" if at is not None else "times"
        raise ValueError(f"{name} is given, but the model looks at no times: SASRec(time=)")
    if at is not None and not knows:
        raise ValueError(
            "at is given, but the model knows no moment of the question: query_time=False"
        )


def moments_of_users(sequences: Sequences, times: Any, at: Any, rows: int) -> Moments:
    """When the items of a store were, for so many of its users, who are asked for at a moment.

    Raises:
        ValueError: Times are given besides, the store has none, or the moments are none.
    """
    if times is not None:
        raise ValueError("times is given without histories: those of users are the data's")
    store = timed(sequences, "the data")
    asked = asked_at(at, store.clock, rows)
    return Moments(store.times, None if asked is None else asked - store.clock.origin)


def moments_of_rows(times: Any, at: Any, rows: list[list[Any]], keys: Any, clock: Clock) -> Moments:
    """When the items of histories were, see `times_in_rows`, and when they are asked for.

    Raises:
        ValueError: There are no times, or others than of the items.
    """
    if times is None:
        raise ValueError("the times of items are missing: give those of the histories, times=")
    return Moments(times_in_rows(times, rows, keys, clock), asked_at(at, clock, len(rows)))


def asked_at(at: Any, clock: Clock, rows: int) -> NDArray[np.int64] | None:
    """Seconds at which the next item of each row is asked for; None for None.

    Args:
        at: A moment, as of `split_at`, or a list of them, one for each row.
        clock: Of the times of the rows.
        rows: How many there are.

    Raises:
        TypeError: It is of another kind than the times.
        ValueError: Another number of moments, or one that is none.
    """
    if at is None:
        return None
    one = isinstance(at, str | bytes | datetime.date) or not isinstance(at, Iterable)
    if one or getattr(at, "ndim", 1) == 0:
        return np.full(rows, clock.second_of(at), np.int64)
    moments = listed(at)
    if len(moments) != rows:
        raise ValueError(
            f"at holds {len(moments):,} moments, expected one, or one for each of {rows:,}"
        )
    return np.array([clock.second_of(m, f"at[{i}]") for i, m in enumerate(moments)], np.int64)


def times_in_rows(times: Any, rows: list[list[Any]], keys: Any, clock: Clock) -> NDArray[np.int64]:
    """Seconds of the times of histories, end to end.

    Args:
        times: In the form of the histories, with as many in each.
        rows: The histories.
        keys: What they are called; None where they are numbered.
        clock: Of the model.

    Raises:
        ValueError: Another number of times, or times that do not ascend.
        TypeError, DataError: Times of another kind.
    """
    given, names = given_histories(times)
    if (names is None) != (keys is None) or (keys is not None and not keys.equals(names)):
        raise ValueError("times are called otherwise than histories: give both in one form")
    lengths, expected = list(map(len, given)), list(map(len, rows))
    if lengths != expected:
        wrong = next(
            (i for i, (a, b) in enumerate(zip(lengths, expected, strict=False)) if a != b),
            min(len(lengths), len(expected)),
        )
        raise ValueError(
            f"times has other lengths than histories, first at {wrong}: expected a time for each "
            "item"
        )
    flat = list(chain.from_iterable(given))
    if not flat:
        return np.zeros(0, np.int64)
    seconds = clock.seconds_of(flat, "times")
    numbers = np.repeat(np.arange(len(rows)), expected)
    back = (seconds[1:] < seconds[:-1]) & (numbers[1:] == numbers[:-1])
    if back.any():
        raise ValueError(
            f"times of history {numbers[int(np.argmax(back))]} do not ascend: the oldest item "
            "comes first"
        )
    return seconds
