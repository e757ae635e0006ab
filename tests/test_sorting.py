"""Rows sorted by user and time, whatever the ids and times: NumPy's stable sort is the witness."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sasrec_fast import _core

Draw = Callable[[np.random.Generator, int], NDArray[Any]]

INT64 = np.iinfo(np.int64)
TIMES: dict[str, Draw] = {
    "seconds in microseconds": lambda rng, n: rng.integers(-(10**9), 10**9, n) * 10**6,
    "narrow seconds": lambda rng, n: rng.integers(-(2**31), 2**31, n).astype(np.int32),
    "minutes in nanoseconds": lambda rng, n: rng.integers(-99, 99, n) * 60 * 10**9 + 7,
    "all digits": lambda rng, n: rng.integers(10**18, 10**18 + 10**14, n),
    "all digits of centuries": lambda rng, n: rng.integers(-(2**61), 2**61, n),
    "all integers": lambda rng, n: rng.integers(INT64.min, INT64.max, n, endpoint=True),
    "edges": lambda rng, n: rng.choice([INT64.min, INT64.max, -1, 0, 1], n),
    "one apart": lambda rng, n: np.where(np.arange(n) == n // 2, INT64.min, rng.integers(0, 9, n)),
    "one odd": lambda rng, n: rng.integers(-50, 50, n) * 1000 + (np.arange(n) == n - 1),
    "crowded": lambda rng, n: rng.integers(0, 2**20, n) + (np.arange(n) == 0) * 2**60,
    "equal": lambda rng, n: np.full(n, -5),
    "whole floats": lambda rng, n: rng.integers(-(10**9), 10**9, n).astype(np.float64),
    "fractions": lambda rng, n: 1e9 + rng.integers(0, 10**14, n) / 10**6,
    "floats beyond integers": lambda rng, n: rng.choice([2.0**53, 2.0**53 + 2, 1e300, -1e300], n),
    "small floats": lambda rng, n: rng.choice([0.0, -0.0, 5e-324, -5e-324, 1.5], n),
}
IDS: dict[str, Draw] = {
    "few": lambda rng, n: rng.integers(-3, 4, n),
    "dense": lambda rng, n: rng.integers(100, 100 + max(n // 3, 1), n).astype(np.int32),
    "sparse": lambda rng, n: rng.integers(INT64.min, INT64.max, n, endpoint=True) // 2**50 * 2**50,
    "one far": lambda rng, n: np.where(np.arange(n) == 1, INT64.max, rng.integers(0, 99, n)),
    "one before": lambda rng, n: np.where(np.arange(n) == 0, INT64.min, rng.integers(0, 99, n)),
    "not so far": lambda rng, n: np.where(np.arange(n) % 5000 == 1, 70_000, rng.integers(0, 99, n)),
}
RULES = {"min_user_interactions": 1, "min_item_interactions": 1, "holdout": 0, "identity": False}


def check(users: NDArray[Any], times: NDArray[Any], keep: NDArray[np.bool_] | None) -> None:
    """A shard of these rows equals NumPy's, and so do the rows before two of the times."""
    items = np.arange(1, len(users) + 1, dtype=np.int32)
    rules = _core.Rules(duplicates="keep", **RULES)
    shard = _core.sort_shard(users, items, times, keep, rules)
    order = np.lexsort((times, users))
    order = order if keep is None else order[keep[order]]
    user_ids, counts = np.unique(users[order], return_counts=True)
    np.testing.assert_array_equal(shard.items, items[order])
    np.testing.assert_array_equal(shard.user_ids, user_ids)
    np.testing.assert_array_equal(shard.offsets, np.cumsum([0, *counts]))
    distinct, numbers = np.unique(times[order], return_inverse=True)
    np.testing.assert_array_equal(np.unique(shard.times, return_inverse=True)[1], numbers)
    starts = np.sort(distinct[[len(distinct) // 3, -1]])
    if starts[0] > INT64.min and times.dtype != np.int32:
        starts[0] = np.nextafter(starts[0], -np.inf) if times.dtype.kind == "f" else starts[0] - 1
    found = _core.finish(shard, rules, None, None, starts)
    owners = np.repeat(np.arange(len(user_ids)), counts)
    for column, start in enumerate(starts):
        before = np.bincount(owners, times[order] < start, len(user_ids))
        np.testing.assert_array_equal(found.before.reshape(-1, 2)[:, column], before)


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(TIMES)),
    st.sampled_from(sorted(IDS)),
    st.sampled_from(["as drawn", "in time order", "some rows"]),
    st.sampled_from([2, 300, 5000]),
    st.integers(0, 2**32),
)
def test_rows_are_sorted_as_numpy_sorts_them(
    times: str, ids: str, form: str, rows: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    users, drawn = IDS[ids](rng, rows), TIMES[times](rng, rows)
    keep = rng.random(rows) < 0.7 if form == "some rows" else None
    if keep is not None:
        keep[rows // 2] = True
    if form == "in time order":
        drawn = np.sort(drawn)
    check(users, drawn, keep)


@pytest.mark.parametrize("ids", sorted(IDS))
def test_many_rows_are_sorted(ids: str) -> None:
    rng = np.random.default_rng(1)
    check(IDS[ids](rng, 70_000), TIMES["all digits"](rng, 70_000), None)


@pytest.mark.parametrize("times", sorted(TIMES))
def test_times_of_many_rows_are_in_order(times: str) -> None:
    rng = np.random.default_rng(2)
    check(IDS["few"](rng, 70_000), TIMES[times](rng, 70_000), None)
