"""Columns of every kind give the same arrays, without a copy where the memory allows it."""

from __future__ import annotations

import datetime
import decimal
import sys
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pytest

import sasrec_fast as sf
from rows import ITEMS, TIMES, USERS, assert_same, prepared, table
from sasrec_fast.columns import ids_and_times as columns

if TYPE_CHECKING:
    from collections.abc import Callable

pl = pytest.importorskip("polars")

ORIGIN = datetime.datetime(2001, 1, 1)

INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i2", ">i4", ">i8", ">u8"]


@pytest.mark.parametrize("width", INTEGERS)
def test_integers_of_any_width_and_byte_order(width: str) -> None:
    rows = {name: np.array(values, width) for name, values in table().items()}
    found = prepared(rows, min_rating=2)
    assert_same(found, prepared(table(), min_rating=2))
    assert found.items.ids.tolist() == prepared(table(), min_rating=2).items.ids.tolist()
    assert found.items.ids.dtype == np.int64


@pytest.mark.parametrize("order", ["<", ">"])
def test_unsigned_integers_beyond_the_signed_range(order: str) -> None:
    huge = (np.array(TIMES, np.uint64) + np.uint64(2**63 - 4)).astype(f"{order}u8")
    assert_same(prepared(table(timestamp=huge)), prepared(table()))
    users = [user * 2**62 for user in USERS]
    for ids in (np.array(users, f"{order}u8"), users, pa.array(users, pa.uint64())):
        assert prepared(table(user_id=ids)).users.ids.tolist() == [2**62, 2**63, 3 * 2**62]


def days(times: list[int]) -> list[datetime.datetime]:
    return [ORIGIN + datetime.timedelta(days=time) for time in times]


def zoned(hours: int) -> list[datetime.datetime]:
    zone = datetime.timezone(datetime.timedelta(hours=hours))
    return [time.replace(tzinfo=datetime.UTC).astimezone(zone) for time in days(TIMES)]


TIMESTAMPS: dict[str, Callable[[], Any]] = {
    "datetime objects": lambda: days(TIMES),
    "objects with a zone": lambda: zoned(5),
    "objects with several zones": lambda: [zoned(i)[i] for i in range(len(TIMES))],
    "pandas, nanoseconds": lambda: pd.to_datetime(TIMES),
    "Timestamps of nanoseconds": lambda: list(pd.to_datetime(TIMES)),
    "Timestamps in a zone": lambda: np.array(
        pd.to_datetime(TIMES, utc=True).tz_convert("Asia/Tokyo"), object
    ),
    "a Series with a zone": lambda: pd.Series(pd.to_datetime(TIMES, utc=True)),
    "categories of times": lambda: pd.Categorical(pd.to_datetime(TIMES, unit="D")),
    "numpy days": lambda: np.array(TIMES, "M8[D]"),
    "numpy days, other byte order": lambda: np.array(TIMES, ">M8[s]"),
    "numpy months": lambda: np.array(TIMES, "M8[M]"),
    "Arrow dates of milliseconds": lambda: pa.array(np.array(TIMES, "M8[D]")).cast(pa.date64()),
    "Arrow times in a zone": lambda: pa.array(TIMES).cast(pa.timestamp("us", "Asia/Tokyo")),
    "polars in a zone": lambda: pl.Series(days(TIMES)).dt.replace_time_zone("Asia/Tokyo"),
    "half floats": lambda: np.array(TIMES, "f2"),
    "floats, other byte order": lambda: np.array(TIMES, ">f4"),
    "long floats": lambda: np.array(TIMES, np.longdouble) / 4,
    "Decimals": lambda: [decimal.Decimal(time) / 8 for time in TIMES],
    "Arrow decimals": lambda: pa.array(TIMES).cast(pa.decimal128(38, 3)),
    "decimals below one": lambda: pa.array([decimal.Decimal(f"0.{time}") for time in TIMES]),
    "run-end encoded": lambda: pa.compute.run_end_encode(pa.array(TIMES)),
}


@pytest.mark.parametrize("kind", TIMESTAMPS)
def test_every_kind_of_timestamp_gives_the_same_order(kind: str) -> None:
    assert_same(prepared(table(timestamp=TIMESTAMPS[kind]())), prepared(table()))


def test_times_as_text_are_refused_with_what_converts_them() -> None:
    texts = [str(time) for time in days(TIMES)]
    rows = table(timestamp=texts)
    for source in (rows, pd.DataFrame(rows), pl.DataFrame(rows), pa.table(rows)):
        with pytest.raises(
            sf.DataError, match=r"'timestamp' has .*string timestamps, first '2001-"
        ):
            prepared(source)
        with pytest.raises(sf.DataError, match=r"convert it, for example with pandas.to_datetime"):
            prepared(source)


def test_dates_among_datetimes_are_refused_not_cut() -> None:
    mixed = [ORIGIN.date(), *days(TIMES)[1:]]
    for times in (mixed, mixed[::-1], np.array(mixed), pd.Series(mixed, dtype=object)):
        with pytest.raises(sf.DataError, match=r"values of datetime\.date and datetime"):
            prepared(table(timestamp=times))


@pytest.mark.parametrize("unit", ["ns", "us"])
def test_timestamps_as_objects_keep_every_digit(unit: str) -> None:
    times = [pd.Timestamp(10**17 + time, unit=unit) for time in TIMES]
    assert_same(prepared(table(timestamp=times)), prepared(table()))
    late = [time.replace(year=9000) for time in days(TIMES)]
    assert_same(prepared(table(timestamp=late)), prepared(table()))
    with pytest.raises(sf.DataError, match="column 'timestamp' is not of one kind"):
        prepared(table(timestamp=[pd.Timestamp(1), *late[1:]]))


def test_decimals_that_no_float_holds_are_refused() -> None:
    times = [decimal.Decimal(f"{10**17}.00{time}") for time in TIMES]
    with pytest.raises(
        sf.DataError, match=r"no float64 holds exactly, first 1000.*005 at row 0; c"
    ):
        prepared(table(timestamp=times))
    long = np.array(TIMES, np.longdouble) + np.longdouble(2) ** 60
    if np.finfo(np.longdouble).nmant > 60:
        with pytest.raises(sf.DataError, match="timestamps that no float64 holds exactly"):
            prepared(table(timestamp=long))


def test_negative_zero_is_zero() -> None:
    rows = {"user_id": [1, 1, 1, 2], "item_id": [3, 2, 1, 4], "timestamp": [0.0, -0.0, 0.0, 1.0]}
    found = sf.prepare(rows, min_user_interactions=1)
    assert found.sequences.items.tolist() == [3, 2, 1, 4]
    assert found.report.rows_tied == 3


NAMES = {10: "ä", 20: "Z", 30: "a", 40: "", 50: "日本", 60: "a\0b"}
TEXTS = [NAMES[item] for item in ITEMS]
ARROW = pa.array(TEXTS)


def with_unused(texts: Any, prefix: str) -> Any:
    """A dictionary that nearly fills its 8-bit indices."""
    encoded = texts.dictionary_encode()
    unused = pa.array([f"{prefix}{i}" for i in range(100)])
    entries = pa.concat_arrays([encoded.dictionary, unused])
    return pa.DictionaryArray.from_arrays(encoded.indices.cast(pa.int8()), entries)


STRINGS: dict[str, Callable[[], Any]] = {
    "numpy, other byte order": lambda: np.array(TEXTS).astype(">U4"),
    "numpy, variable width": lambda: np.array(TEXTS, np.dtypes.StringDType()),
    "large": lambda: ARROW.cast(pa.large_string()),
    "pandas, in Python objects": lambda: pd.Series(TEXTS, dtype="string[python]"),
    "pandas, in Arrow": lambda: pd.Series(TEXTS, dtype="string[pyarrow]"),
    "polars": lambda: pl.Series(TEXTS),
    "polars categories": lambda: pl.Series(TEXTS, dtype=pl.Categorical),
    "polars Enum": lambda: pl.Series(TEXTS, dtype=pl.Enum(sorted(NAMES.values(), reverse=True))),
    "views in chunks": lambda: pa.chunked_array([ARROW[:4], ARROW[4:4], ARROW[4:]]).cast(
        "string_view"
    ),
    "a slice": lambda: pa.concat_arrays([ARROW[:2], ARROW])[2:],
    "a dictionary of views": lambda: pa.DictionaryArray.from_arrays(
        ARROW.dictionary_encode().indices, ARROW.dictionary_encode().dictionary.cast("string_view")
    ),
    "a dictionary with a null that no row has": lambda: pa.DictionaryArray.from_arrays(
        ARROW.dictionary_encode().indices,
        pa.concat_arrays([ARROW.dictionary_encode().dictionary, pa.array([None, "unused"])]),
    ),
    "a dictionary that repeats itself": lambda: pa.DictionaryArray.from_arrays(
        pa.array(np.arange(len(TEXTS), dtype=np.uint64)), ARROW
    ),
    "another dictionary in each chunk": lambda: pa.chunked_array(
        [ARROW[:4].dictionary_encode(), ARROW[4:].dictionary_encode()]
    ),
    "dictionaries of more strings than an index counts": lambda: pa.chunked_array(
        [with_unused(ARROW[:4], "x"), with_unused(ARROW[4:], "y")]
    ),
    "run-end encoded": lambda: pa.compute.run_end_encode(ARROW),
}


@pytest.mark.parametrize("kind", [pl.Int128, pl.UInt128])
def test_integers_of_128_bits(kind: Any) -> None:
    rows = {name: pl.Series(values, dtype=kind) for name, values in table().items()}
    for source in (rows, pl.DataFrame(rows), pl.DataFrame(rows).lazy()):
        assert prepared(source, min_rating=2).fingerprint == (
            prepared(table(), min_rating=2).fingerprint
        )
    beyond = pl.Series([2**63 + item for item in ITEMS], dtype=kind)
    assert prepared(table(item_id=beyond)).items.ids.tolist() == [
        2**63 + item for item in sorted(set(ITEMS))
    ]
    texts = pl.Series([2**90 + item for item in ITEMS], dtype=kind)
    for source in (table(item_id=texts), pl.DataFrame(table(item_id=texts))):
        ids = prepared(source).items.ids.tolist()
        assert ids == [str(2**90 + item) for item in sorted(set(ITEMS))]
    with pytest.raises(sf.DataError, match=r"column 'timestamp' has .*string timestamps"):
        prepared(pl.DataFrame(table(timestamp=texts)))


NO_IDS = {
    "booleans": [True, False],
    "bytes": [b"a", b"b"],
    "dates": [datetime.date(2001, 1, 1), datetime.date(2001, 1, 2)],
    "times of day": [datetime.time(1), datetime.time(2)],
    "durations": [datetime.timedelta(1), datetime.timedelta(2)],
    "fractions": [decimal.Decimal("1.5"), decimal.Decimal("2.5")],
    "structs": [{"a": 1}, {"a": 2}],
    "floats": [1.0, 2.0],
    "nothing": [None, None],
}


@pytest.mark.parametrize("kind", NO_IDS)
def test_what_is_no_id_is_refused_by_name(kind: str) -> None:
    rows = {"user_id": [1, 2], "item_id": NO_IDS[kind], "timestamp": [1, 2]}
    for source in (rows, pd.DataFrame(rows), pl.DataFrame(rows), pa.table(rows)):
        with pytest.raises(sf.DataError, match="column 'item_id' has "):
            prepared(source)
    with pytest.raises(sf.DataError, match="column 'item_id' has "):
        prepared(pl.DataFrame(rows).with_columns(pl.Series("item_id", [1, 2], pl.Object)))


@pytest.mark.parametrize("kind", STRINGS)
def test_every_kind_of_string_gives_the_same_arrays(kind: str) -> None:
    found = prepared(
        table(user_id=STRINGS[kind](), item_id=STRINGS[kind]()), min_user_interactions=1
    )
    assert_same(found, prepared(table(user_id=TEXTS, item_id=TEXTS), min_user_interactions=1))
    assert found.items.ids.tolist() == sorted(set(TEXTS))
    assert found.users.ids.tolist() == sorted(set(TEXTS))


UUIDS = {item: uuid.UUID(int=item << 97 | 0xABCDEF) for item in set(ITEMS)}
UNIQUE = [UUIDS[item] for item in ITEMS]


def arrow_uuids(values: list[uuid.UUID]) -> Any:
    storage = pa.array([value.bytes for value in values], pa.binary(16))
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


IDENTIFIERS: dict[str, Callable[[], Any]] = {
    "text": lambda: [str(one) for one in UNIQUE],
    "objects": lambda: UNIQUE,
    "Arrow": lambda: arrow_uuids(UNIQUE),
    "a slice": lambda: arrow_uuids([UNIQUE[0], *UNIQUE])[1:],
    "chunks": lambda: pa.chunked_array([arrow_uuids(UNIQUE[:2]), arrow_uuids(UNIQUE[2:])]),
}


@pytest.mark.parametrize("kind", IDENTIFIERS)
def test_uuids_are_strings(kind: str) -> None:
    found = prepared(table(item_id=IDENTIFIERS[kind]()))
    assert_same(found, prepared(table()))
    assert found.items.ids.tolist() == sorted({str(one) for one in UNIQUE})


@pytest.mark.parametrize("scale", [0, 2])
def test_decimal_ids_are_integers(scale: int) -> None:
    found = prepared(table(item_id=pa.array(ITEMS).cast(pa.decimal128(30, scale))))
    assert_same(found, prepared(table()))
    assert found.items.ids.tolist() == sorted(set(ITEMS))


def test_numbers_are_not_copied() -> None:
    numbers = np.arange(5)
    shared: dict[str, Any] = {
        "numpy": numbers,
        "unsigned": numbers.view(np.uint64),
        "pandas": pd.Series(numbers, copy=False),
        "Arrow": pa.array(numbers),
        "one chunk": pa.chunked_array([pa.array(numbers)]),
        "polars": pl.Series(pa.array(numbers)),
        "int32": numbers.view(np.int32)[:4],
    }
    for kind, values in shared.items():
        assert np.shares_memory(columns.read_ids(values, "x").codes, numbers), kind
        assert kind == "int32" or np.shares_memory(
            columns.read_timestamps(values, "x").values, numbers
        )
    assert np.shares_memory(columns.read_timestamps(numbers.view("M8[ns]"), "x").values, numbers)
    zoned_times = pa.array(numbers.view("M8[us]")).cast(pa.timestamp("us", "UTC"))
    assert np.shares_memory(columns.read_timestamps(zoned_times, "x").values, numbers)
    floats = numbers.view(np.float64)
    assert np.shares_memory(columns.read_timestamps(floats, "x").values, floats)
    assert np.shares_memory(columns.read_ratings(floats, "x"), floats)


def test_narrow_integers_take_four_bytes() -> None:
    for width in ("i1", "i2", "u1", "u2", "i4"):
        assert columns.read_ids(np.arange(5, dtype=width), "x").codes.dtype == np.int32


def test_strings_are_encoded_by_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pa.array([f"user {i % 1000}" for i in range(100_000)])
    seen = []

    def trace(frame: Any, event: str, _: Any) -> None:
        seen.append((frame.f_code.co_name, event))

    sys.setprofile(trace)
    try:
        columns.read_ids(texts, "x")
        columns.read_ids(pd.Series(texts, dtype=pd.ArrowDtype(pa.string())), "x")
    finally:
        sys.setprofile(None)
    assert 0 < len(seen) < 3000  # not a call for each row
