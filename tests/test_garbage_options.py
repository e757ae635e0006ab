"""Options of garbage: an error that names the option, or what the reference makes of it."""

from __future__ import annotations

import decimal
import math
import tracemalloc
from dataclasses import asdict, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import sasrec_fast as sf
from exactness import assert_agrees, assert_right_or_refused, refusal
from reference import Interaction, Options
from strategies import INT64_MAX

ROWS = [
    Interaction(u, i, t, r) for t, (u, i, r) in enumerate([(1, 1, 5), (1, 2, 4), (1, 3, 3)] * 2)
]
ROWS += [Interaction(2, item, item, 2) for item in (4, 5, 1, 2)]
TABLE = {
    "user_id": [row.user for row in ROWS],
    "item_id": [row.item for row in ROWS],
    "timestamp": [row.timestamp for row in ROWS],
    "rating": [row.rating for row in ROWS],
}
SOUND = Options(max_sequence_length=3)

NUMBERS = [
    -1,
    0,
    1,
    2,
    3,
    2**31 - 2,
    2**31 - 1,
    2**31,
    INT64_MAX,
    2**63,
    2**64 - 1,
    2**64,
    -(2**63),
]
GARBAGE: list[Any] = [
    *NUMBERS,
    *(np.int8(1), np.uint64(2**64 - 1), np.int64(-1), np.float32(2), np.bool_(True), np.array(1)),
    *(0.0, -0.0, 1.0, 1e308, math.nan, math.inf, -math.inf, 10**400, -(10**400), 10**5000),
    *(True, False, None, pd.NA, pd.NaT, 1j, decimal.Decimal(1), Fraction(1, 2)),
    *("", "keep", "first", "recent", "past", "identity", "\ud800", "a" * 10_000, b"keep"),
    *(("stride", 1), ["stride", 3], ("stride", 4), ("stride", np.int64(2)), ("stride", True)),
    *(("popularity", 0.5), ("popularity", math.inf), ("popularity", 10**400), ("popularity", "1")),
    *((3, 6), (6, 3), (3, math.nan), (-(2**70), 2**70), (None, 3), ("2001", "2002"), (0.5, 4.5)),
    *([], ["keep"], ("keep",), {}, np.array(["keep", "all"]), np.arange(3), pd.Series([1, 2])),
    *(object(), int, pa.scalar(1), pd.DataFrame({"a": [1]}), Ellipsis, "prefixes"),
]
NAMES = list(asdict(SOUND))
HUGE = {"max_sequence_length", "num_negatives"}


def plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


@pytest.mark.parametrize("option", NAMES)
def test_an_option_is_refused_by_name_or_means_what_it_says(option: str) -> None:
    for value in GARBAGE:
        given_options = asdict(SOUND) | {option: value}
        said = refusal(lambda o=given_options: sf.prepare(TABLE, rating="rating", **o))
        if said is not None:
            about_data = "no negative exists" in said or "before 0.5, the start" in said
            assert option in said or about_data, (value, said)
            continue
        if option in HUGE and value > 10:
            continue
        expected = reference.prepare(ROWS, replace(SOUND, **{option: plain(value)}))
        assert_agrees(sf.prepare(TABLE, rating="rating", **given_options), expected)


@given(
    chosen=st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(GARBAGE) for name in [*NAMES, "rating"]}
    )
)
def test_several_options_of_garbage_are_refused_by_name(chosen: dict[str, Any]) -> None:
    said = refusal(lambda: sf.prepare(TABLE, **chosen))
    if said is not None:
        words = ["no negative exists", "hashable", "column", *chosen]
        assert any(word in said for word in words), said


def test_the_longest_rows_are_allowed_and_take_no_memory_before_arrays_are_made() -> None:
    most = replace(SOUND, max_sequence_length=2**31 - 2)
    tracemalloc.start()
    data = sf.prepare(TABLE, rating="rating", **asdict(most))
    many = sf.prepare(TABLE, rating="rating", **asdict(replace(SOUND, num_negatives=2**31 - 1)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert many.train.num_negatives == 2**31 - 1
    few = sf.prepare(TABLE, rating="rating", **asdict(replace(SOUND, max_sequence_length=6)))
    for split in ("train", "validation", "test"):
        rows = np.arange(len(getattr(data, split)))
        long, short = getattr(data, split).fill(rows, length=6), getattr(few, split).fill(rows)
        for name, array in vars(short).items():
            np.testing.assert_array_equal(getattr(long, name), array)


@pytest.mark.parametrize("dtype", ["i1", "u1", "u8", "f2", "f4", "f8", "g"])
@pytest.mark.parametrize("least", [-1, -1e300, 1e300, 70_000, 256, 2**64, 3, 2.5])
def test_a_rating_is_compared_whatever_its_width(dtype: str, least: float) -> None:
    chosen = replace(SOUND, min_rating=least, min_user_interactions=1, holdout=0)
    table = TABLE | {"rating": np.array(TABLE["rating"], dtype)}
    assert_right_or_refused(table, TABLE, chosen)


NO_NAMES: list[Any] = [[], {}, np.arange(2), pd.Series([1]), {"user_id"}]


@pytest.mark.parametrize("role", ["user", "item", "timestamp", "rating"])
def test_a_name_that_is_none_is_refused(role: str) -> None:
    for name in NO_NAMES:
        said = refusal(lambda name=name: sf.prepare(TABLE, min_rating=1, **{role: name}))
        assert said is not None
        assert role in said
    for name in ("none", 7, 1.5, math.nan, ("user_id",), b"user_id", True, pd.NaT, pd.NA):
        for table in (TABLE, pd.DataFrame(TABLE), pa.table(TABLE)):
            wrong = {role: name}
            said = refusal(lambda t=table, w=wrong: sf.prepare(t, min_rating=1, **w))
            assert said is not None
            assert str(name) in said, said
