"""Tables of garbage: the arrays of the reference, or an error that names the column."""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from dataclasses import asdict, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import sasrec_fast as sf
from exactness import assert_right_or_refused, refusal
from garbage import ATOMS, BOTTOM, COLUMNS, FLOATS, REFUSED, TOP, WORDS, Exact, Held, series, tables
from reference import Options
from strategies import options

if TYPE_CHECKING:
    from collections.abc import Callable

LOOSE = Options(min_user_interactions=1, holdout=0, max_sequence_length=4)
RATED = replace(LOOSE, min_rating=0)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def prepare(table: Any, chosen: Options) -> sf.Prepared:
    return sf.prepare(table, rating="rating", **asdict(chosen))


@given(table=tables(), chosen=options())
def test_columns_of_every_kind_equal_the_reference(
    table: tuple[dict[str, Held], dict[str, Exact]], chosen: Options
) -> None:
    assert_right_or_refused(*table, chosen)


@given(table=tables(), chosen=options("identity"))
def test_identity_refuses_what_is_no_index(
    table: tuple[dict[str, Held], dict[str, Exact]], chosen: Options
) -> None:
    held_columns, exact = table
    largest = 2**31 - 2
    small = [i for i in exact["item_id"] if isinstance(i, int) and 1 <= i <= 1000]
    if len(small) == len(exact["item_id"]):
        assert_right_or_refused(held_columns, exact, chosen)
    elif not all(isinstance(i, int) and 1 <= i <= largest for i in exact["item_id"]):
        said = refusal(lambda: prepare(held_columns, chosen))
        assert said is not None
        assert "'item_id'" in said


def of_role(role: str) -> dict[str, Callable[[int], Held]]:
    refused = REFUSED | (FLOATS if role.endswith("_id") else WORDS)
    if role == "item_id":  # a list of items is a user's history
        refused = {kind: made for kind, made in refused.items() if kind != "lists"}
    return refused


@pytest.mark.parametrize("role", COLUMNS)
@pytest.mark.parametrize("rows", [2, 3])
def test_what_is_no_column_is_refused_by_name(role: str, rows: int) -> None:
    for kind, bad in of_role(role).items():
        table = {name: [*range(rows)] for name in COLUMNS} | {role: bad(rows)}
        said = refusal(lambda table=table: prepare(table, RATED))
        assert said is not None, f"{kind} was taken as {role}"
        assert f"'{role}'" in said, (kind, said)


def exact_id(value: Any) -> Any:
    if isinstance(value, bool | np.bool_) or not isinstance(
        value, int | str | np.integer | decimal.Decimal | uuid.UUID
    ):
        raise AssertionError(f"{value!r} was taken as an id")
    if isinstance(value, decimal.Decimal):
        assert value == int(value)
    return str(value) if isinstance(value, str | uuid.UUID) else int(value)


def exact_time(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return Fraction(value.value, 10**9)
    if isinstance(value, datetime.datetime):
        since = value.replace(tzinfo=value.tzinfo or datetime.UTC) - EPOCH
        return Fraction(since // datetime.timedelta(microseconds=1), 10**6)
    if isinstance(value, datetime.date):
        return value.toordinal()
    if isinstance(value, np.datetime64):
        return int(value.astype(np.int64))
    if isinstance(value, bool | np.bool_ | str | bytes | complex | np.complexfloating):
        raise AssertionError(f"{value!r} was taken as a time")
    return Fraction(float(value) if isinstance(value, np.floating) else value)


MIXTURES: list[Callable[[Exact], Held]] = [list, tuple, series("object"), iter]


@pytest.mark.parametrize("role", COLUMNS[:3])
@given(values=st.lists(ATOMS, min_size=2, max_size=4), hold=st.sampled_from(MIXTURES))
@example(values=[np.float16(0.1), 1], hold=list)
@example(values=[0.0, False], hold=list)
@example(values=[datetime.datetime(2001, 1, 1), 1], hold=list)
def test_mixtures_are_exact_or_refused_by_name(
    role: str, values: Exact, hold: Callable[[Exact], Held]
) -> None:
    """A user of all rows but the last, so that the order of times shows."""
    size = len(values)
    rest: dict[str, Exact] = {name: [*range(size + 1)] for name in COLUMNS}
    rest["user_id"] = [0] * size + [1]
    said = refusal(lambda: prepare(rest | {role: hold([*values, values[0]])}, LOOSE))
    if said is not None:
        assert f"'{role}'" in said or "no negative exists" in said
        return
    exact = [*map(exact_time if role == "timestamp" else exact_id, [*values, values[0]])]
    assert_right_or_refused(rest | {role: hold([*values, values[0]])}, rest | {role: exact}, LOOSE)


# Missing values: counted and located.

GAPS: dict[str, tuple[Callable[[Exact], Held], Any]] = {
    "None": (list, None),
    "NaN": (list, math.nan),
    "NaT": (list, pd.NaT),
    "NA": (list, pd.NA),
    "in objects": (series("object"), None),
    "nullable": (series("Int64"), pd.NA),
    "floats": (lambda v: np.array(v, float), math.nan),
    "half floats": (lambda v: np.array(v, "f2"), -math.inf),
    "Arrow": (pa.array, None),
    "Arrow text": (lambda v: pa.array([x and str(x) for x in v]), None),
    "categories": (series("category"), None),
    "Decimals": (lambda v: [x and decimal.Decimal(x) for x in v], decimal.Decimal("NaN")),
    "times": (lambda v: np.array([BOTTOM if x is None else x for x in v]).view("M8[us]"), None),
    "datetimes": (
        lambda v: [datetime.datetime(2000 + x, 1, 1) if type(x) is int else x for x in v],
        pd.NaT,
    ),
}


@pytest.mark.parametrize("kind", GAPS)
@given(data=st.data())
def test_missing_values_are_counted_and_located(kind: str, data: st.DataObject) -> None:
    hold, gap = GAPS[kind]
    size = data.draw(st.integers(2, 6))
    rows = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=size - 1))
    values = [gap if row in rows else row + 1 for row in range(size)]
    for role in COLUMNS:
        table = {name: [*range(1, size + 1)] for name in COLUMNS} | {role: hold(values)}
        said = refusal(lambda table=table: prepare(table, RATED))
        assert said is not None
        assert said.startswith(f"column '{role}' has {len(rows)} missing "), said
        assert f"first at row {min(rows)}" in said


# Layouts: the same values wherever they lie in memory.

LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "every third": lambda a: np.repeat(a, 3)[::3],
    "a column of a matrix": lambda a: np.stack([a, a], axis=1)[:, 1],
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), a.dtype, offset=1),
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype),
    "one value": lambda a: np.broadcast_to(a[:1], len(a)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@given(rows=st.lists(st.tuples(*[st.integers(0, 4)] * 4), min_size=1), chosen=options())
def test_any_layout_of_memory_is_read_and_left_as_it_was(
    layout: str, rows: list[tuple[int, ...]], chosen: Options
) -> None:
    plain = dict(zip(COLUMNS, np.array(rows).T, strict=True))
    arrays = {name: LAYOUTS[layout](np.ascontiguousarray(a)) for name, a in plain.items()}
    before = {name: (array.tobytes(), array.dtype) for name, array in arrays.items()}
    assert_right_or_refused(arrays, {n: a.tolist() for n, a in arrays.items()}, chosen)
    assert before == {name: (array.tobytes(), array.dtype) for name, array in arrays.items()}


@given(values=st.lists(st.integers(0, 4), min_size=1, max_size=12), chosen=options())
def test_columns_that_are_one_array(values: list[int], chosen: Options) -> None:
    one = np.array(values)
    assert_right_or_refused(dict.fromkeys(COLUMNS, one), dict.fromkeys(COLUMNS, values), chosen)
    frame = pd.DataFrame({"only": one})
    names = dict.fromkeys(("user", "item", "timestamp", "rating"), "only")
    found = refusal(lambda: sf.prepare(frame, **names, **asdict(chosen)))
    assert found == refusal(lambda: prepare(dict.fromkeys(COLUMNS, one), chosen)) or (
        found is not None and "'only'" in found
    )


@given(sizes=st.lists(st.integers(0, 3), min_size=4, max_size=4), chosen=options())
def test_unequal_and_empty_columns_are_refused(sizes: list[int], chosen: Options) -> None:
    table = {name: np.arange(1, n + 1) for name, n in zip(COLUMNS, sizes, strict=True)}
    read = sizes[:3] if chosen.min_rating is None else sizes
    said = refusal(lambda: prepare(table, chosen))
    if len(set(read)) > 1:
        assert said is not None
        assert said.startswith("columns differ in length: 'user_id' has ")
    elif read[0] == 0:
        assert said == "the table has no rows"


def test_wide_ids_and_times_are_exact_to_the_last_bit() -> None:
    extremes = [BOTTOM, BOTTOM + 1, -1, 0, TOP - 1, TOP]
    table = {"user_id": extremes * 2, "item_id": extremes[::-1] * 2, "timestamp": extremes * 2}
    exact = table | {"rating": [0] * 12}
    assert_right_or_refused(table | {"rating": [0] * 12}, exact, LOOSE)
    huge = {name: [TOP, TOP + 1, 2**64 - 2, 2**64 - 1] * 2 for name in table}
    zeros = {"rating": [0] * 8}
    assert_right_or_refused(huge | zeros, huge | zeros, LOOSE)
    assert_right_or_refused(
        {name: np.array(values, "u8") for name, values in huge.items()} | zeros, huge | zeros, LOOSE
    )
