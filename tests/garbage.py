"""Columns of every kind, with the exact value of each row, and what is no column at all."""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

COLUMNS = ("user_id", "item_id", "timestamp", "rating")
TOP, BOTTOM = 2**63 - 1, -(2**63)

Held = Any
Exact = list[Any]
Holder = Callable[[Exact], Held]

# Columns that must be read, each with the exact value of every row.

SIGNED = ["i1", "i2", "i4", "i8", ">i2", ">i4", ">i8"]
UNSIGNED = ["u1", "u2", "u4", "u8", ">u8"]
UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "10s"]
TEXT = st.text(st.sampled_from("aB9 é\0\n,漢"), max_size=2)
ROUND = st.integers(-6, 6)


def some(dtype: str) -> st.SearchStrategy[int]:
    """A few small numbers and the limits of a type."""
    limits = np.iinfo(dtype)
    low, high = int(limits.min), int(limits.max)
    return st.integers(max(low, 0), 3) | st.sampled_from([low, low + 1, high - 1, high])


def numpy_integers(size: int) -> st.SearchStrategy[tuple[Held, Exact]]:
    return st.sampled_from(SIGNED + UNSIGNED).flatmap(
        lambda dtype: lists(some(dtype), size).map(lambda v: (np.array(v, dtype), v))
    )


def lists(values: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=size, max_size=size)


def kept(values: Exact) -> Exact:
    return values


def held(
    size: int,
    values: st.SearchStrategy[Any],
    *holders: Holder,
    exact: Callable[[Exact], Exact] = kept,
) -> st.SearchStrategy[tuple[Held, Exact]]:
    pairs = st.tuples(st.sampled_from(holders), lists(values, size))
    return pairs.map(lambda pair: (pair[0](pair[1]), exact(pair[1])))


def texts_of(values: Exact) -> Exact:
    return [*map(str, values)]


def decimals(kind: pa.DataType) -> Holder:
    return lambda values: pa.array([decimal.Decimal(value) for value in values], kind)


def ids(size: int) -> st.SearchStrategy[tuple[Held, Exact]]:
    """A column of ids of any kind that is one."""
    signed = some("i8")
    return st.one_of(
        numpy_integers(size),
        held(size, signed, list, tuple, np.array, pd.Index, pa.array, np.ma.array),
        held(size, signed, *map(series, ["Int64", "object", "category", "int64[pyarrow]"])),
        held(size, signed, decimals(pa.decimal128(22, 2)), decimals(pa.decimal256(40, 0))),
        held(size, some("u8"), lambda v: np.array(v, "u8"), series("UInt64"), series("uint64")),
        held(size, ROUND, lambda v: [np.int8(x) for x in v], series("Sparse[int64]")),
        held(size, TEXT, list, series("object"), series("category"), series("string"), pa.array),
        held(size, TEXT, lambda v: pa.array(v, pa.string_view()), chunked, dictionary),
        held(size, st.uuids(version=4), list, series("object"), exact=texts_of),
    )


def series(dtype: str) -> Holder:
    return lambda values: pd.Series(values, dtype=dtype)


def chunked(values: Exact) -> Held:
    kind = pa.array(values).type if values else pa.string()
    return pa.chunked_array([values[:1], [], values[1:]], kind)


def dictionary(values: Exact) -> Held:
    return pa.array(values, pa.string()).dictionary_encode()


def seconds(values: Exact) -> list[datetime.datetime]:
    return [datetime.datetime(2001, 1, 1) + datetime.timedelta(seconds=v) for v in values]


def zoned(values: Exact) -> list[datetime.datetime]:
    zones = [datetime.timezone(datetime.timedelta(hours=value)) for value in values]
    plain = [time.replace(tzinfo=datetime.UTC) for time in seconds(values)]
    return [time.astimezone(zone) for time, zone in zip(plain, zones, strict=True)]


def datetimes(size: int) -> st.SearchStrategy[tuple[Held, Exact]]:
    values = st.integers(-3, 3) | st.sampled_from([BOTTOM + 1, TOP])
    return st.sampled_from(UNITS).flatmap(
        lambda unit: held(size, values, lambda v: np.array(v, "i8").view(f"M8[{unit}]"))
    )


def times(size: int) -> st.SearchStrategy[tuple[Held, Exact]]:
    """A column of times of any kind that is one."""
    halves = st.sampled_from([0.0, -0.0, 0.5, -1.5, 2.0, 1024.0])
    wide = halves | st.sampled_from([5e-324, -1e308, 2.0**53, 0.1 + 0.2, 0.3])
    single = [lambda v: np.array(v, "f2"), lambda v: np.array(v, ">f4"), series("Float32")]
    eighths = decimals(pa.decimal128(12, 3))
    days: list[Holder] = [
        lambda v: pa.array(v, pa.int32()).cast(pa.date32()),
        lambda v: [datetime.date(2001, 1, 15 + x) for x in v],
        lambda v: pd.to_datetime(v, unit="D"),
        lambda v: pa.array(v, pa.timestamp("s", "Asia/Tokyo")),
    ]
    return st.one_of(
        numpy_integers(size),
        datetimes(size),
        held(size, some("i8"), list, series("Int64"), series("category")),
        held(size, wide, list, np.array, series("Float64"), lambda v: np.array(v, "g")),
        held(size, halves, *single, lambda v: pa.array(np.array(v, "f2"))),
        held(size, halves, eighths, lambda v: [*map(decimal.Decimal, v)]),
        held(size, ROUND, *days, seconds, zoned, lambda v: pd.Series(seconds(v))),
        held(size, ROUND | halves, list, series("object"), exact=lambda v: [*map(Fraction, v)]),
    )


RATINGS = st.sampled_from([1.0, 2.0, 3.5, 5.0])


@st.composite
def tables(draw: st.DrawFn, least: int = 1) -> tuple[dict[str, Held], dict[str, Exact]]:
    size = draw(st.integers(least, 12))
    holders: list[Holder] = [list, np.array, series("Float32"), series("object")]
    columns = {
        "user_id": ids(size),
        "item_id": ids(size),
        "timestamp": times(size),
        "rating": held(size, RATINGS, *holders, lambda v: np.array(v, "f2")),
    }
    drawn = {name: draw(column) for name, column in columns.items()}
    return {n: held for n, (held, _) in drawn.items()}, {
        n: exact for n, (_, exact) in drawn.items()
    }


# Columns that must be refused, in the place of one that is sound.

REFUSED: dict[str, Callable[[int], Held]] = {
    "bool": lambda n: np.ones(n, bool),
    "bool objects": lambda n: [True] * n,
    "nullable bool": lambda n: pd.Series([True] * n, dtype="boolean"),
    "complex": lambda n: np.ones(n, complex),
    "complex objects": lambda n: [1j] * n,
    "bytes": lambda n: [b"a"] * n,
    "fixed bytes": lambda n: np.array([b"ab"] * n),
    "binary": lambda n: pa.array([b"a"] * n),
    "timedelta": lambda n: [datetime.timedelta(1)] * n,
    "timedelta64": lambda n: np.ones(n, "m8[s]"),
    "pandas timedelta": lambda n: pd.Series([pd.Timedelta(1)] * n),
    "Arrow duration": lambda n: pa.array([1] * n, pa.duration("us")),
    "times of day": lambda n: [datetime.time(1)] * n,
    "lists": lambda n: [[1]] * n,
    "tuples": lambda n: [(1, 2)] * n,
    "a matrix": lambda n: np.ones((n, 2), int),
    "dicts": lambda n: [{"a": 1}] * n,
    "sets": lambda n: [{1}] * n,
    "objects": lambda n: [object()] * n,
    "void": lambda n: np.zeros(n, "V3"),
    "records": lambda n: np.zeros(n, [("a", int)]),
    "a string": lambda n: "a" * n,
    "a mapping": lambda n: dict.fromkeys(range(n), 1),
    "nulls": lambda n: pa.nulls(n),
    "Nones": lambda n: [None] * n,
    "intervals": lambda n: pd.interval_range(0, n),
    "integers beyond 64 bits": lambda n: [2**64] * n,
    "integers below 64 bits": lambda n: [BOTTOM - 1] * n,
    "signed and unsigned": lambda n: [2**63] * (n - 1) + [-1],
    "text and numbers": lambda n: ["1"] * (n - 1) + [1],
    "text and bytes": lambda n: ["1"] * (n - 1) + [b"1"],
    "numbers and bool": lambda n: [1] * (n - 1) + [True],
    "UUIDs and text": lambda n: [uuid.UUID(int=1)] * (n - 1) + ["a"],
    "dates and datetimes": lambda n: [datetime.date(2001, 1, 1), *seconds([0] * (n - 1))],
    "dates and numbers": lambda n: [datetime.date(2001, 1, 1)] + [1] * (n - 1),
    "datetimes and numbers": lambda n: seconds([0]) + [1] * (n - 1),
    "datetimes with a zone and without": lambda n: seconds([0]) + zoned([0] * (n - 1)),
    "numpy times and numbers": lambda n: [np.datetime64(1, "s")] + [1] * (n - 1),
    "numpy times and NaN": lambda n: [np.datetime64(1, "s")] + [np.float64("nan")] * (n - 1),
    "half floats and integers": lambda n: [np.float16(0.1)] + [1] * (n - 1),
    "long floats and floats": lambda n: [1.0] * (n - 1) + [np.longdouble(1) / 3],
    "infinite Decimals": lambda n: [decimal.Decimal(1)] * (n - 1) + [decimal.Decimal("-inf")],
    "enormous Decimals": lambda n: [decimal.Decimal("1e400")] * n,
    "uneven categories": lambda n: pd.Categorical(["a"] * (n - 1) + [1]),
    "lone surrogates": lambda n: ["\ud800"] * n,
    "broken text": lambda n: pa.array([b"\xff"] * n).view(pa.string()),
}
FLOATS: dict[str, Callable[[int], Held]] = {
    "floats": lambda n: np.arange(n) + 0.5,
    "whole floats": lambda n: np.arange(n, dtype="f4"),
    "half floats": lambda n: np.ones(n, "f2"),
    "Decimals with fractions": lambda n: [decimal.Decimal("1.5")] * n,
    "datetimes": lambda n: np.arange(n).astype("M8[s]"),
    "dates": lambda n: [datetime.date(2001, 1, 1)] * n,
}
WORDS: dict[str, Callable[[int], Held]] = {
    "numbers as text": lambda n: ["1"] * n,
    "times as text": lambda n: np.array(["2001-12-31"] * n),
    "categories of text": lambda n: pd.Categorical(["a"] * n),
    "UUIDs": lambda n: [uuid.UUID(int=i) for i in range(n)],
}


# Mixtures of objects: what is taken is taken exactly.

ATOMS = st.one_of(
    st.integers(-2, 2),
    st.sampled_from([TOP, TOP + 1, BOTTOM, BOTTOM - 1, 2**64 - 1, 2**53 + 1]),
    st.floats(width=16),
    st.sampled_from([0.1, -0.0, 1e300, math.nan, math.inf]),
    st.booleans(),
    st.sampled_from([None, pd.NA, pd.NaT]),
    st.sampled_from(["", "1", "nan", "2001-01-01", "\0", "\ud800"]),
    st.sampled_from([b"", b"1"]),
    st.sampled_from([decimal.Decimal(text) for text in ("1", "0.1", "NaN", "sNaN", "1e30")]),
    st.sampled_from([np.int8(1), np.uint64(2**63), np.float16(0.1), np.float32(0.1), np.True_]),
    st.sampled_from([np.longdouble(1) / 3, np.str_("1"), np.complex64(1), np.bytes_(b"1")]),
    st.sampled_from([datetime.date(2001, 1, 1), datetime.datetime(2001, 1, 1), *zoned([0, 1])]),
    st.sampled_from([np.datetime64(1, "s"), np.datetime64(1, "D"), np.datetime64("NaT", "ns")]),
    st.sampled_from([datetime.time(1), datetime.timedelta(1), uuid.UUID(int=1)]),
    st.sampled_from([pd.Timestamp(1), pd.Timestamp(1, tz="UTC"), pd.Timedelta(1)]),
    st.sampled_from([1j, (), [1], {"a": 1}, Fraction(1, 3)]),
)
