"""Whatever is given: the right answer or an error of the documented kinds, never another one."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import sasrec_fast as sf
from rows import FIRST_TWO, NAMES, attempt
from sasrec_fast.reading import ColumnNames, read_interactions

if TYPE_CHECKING:
    from collections.abc import Callable

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(),
    st.text(st.characters(categories=["Cs", "Lu"]), max_size=2),
    st.binary(max_size=3),
    st.datetimes(),
    st.datetimes(timezones=st.just(datetime.UTC)),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(),
    st.uuids(),
    st.complex_numbers(),
    st.lists(st.integers(), max_size=2),
    st.just(pd.NaT),
    st.just(pd.NA),
    st.just(object()),
    st.sampled_from(
        [np.int8(1), np.float32(2), np.datetime64("NaT", "ns"), np.datetime64(5, "ns")]
    ),
    st.builds(lambda ns: pd.Timestamp(ns), st.integers(-(2**62), 2**62)),
)
KINDS = [anything, *anything.original_strategies]


def same_kind(size: int) -> st.SearchStrategy[list[Any]]:
    return st.sampled_from(KINDS).flatmap(lambda k: st.lists(k, min_size=size, max_size=size))


holders: list[Callable[[list[Any]], Any]] = [
    list,
    tuple,
    lambda values: pd.Series(values, dtype=object),
    pd.Series,
    lambda values: pd.Series(values).astype("category"),
    np.array,
    lambda values: np.array(values, object),
    lambda values: arrow(values),
    lambda values: arrow(values).dictionary_encode(),
    lambda values: pa.chunked_array([arrow(values[:1]), arrow(values[1:])]),
]


def arrow(values: list[Any]) -> pa.Array:
    """An Arrow array, but of a mixture that ends the process in pyarrow 26."""
    kinds = {type(value) for value in values if isinstance(value, np.generic)}
    if np.datetime64 in kinds and len(kinds) > 1:
        raise TypeError(f"numpy types {kinds}")
    return pa.array(values)


@given(data=st.data())
def test_columns_of_anything(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 4))
    rows = {}
    for name in ("user_id", "item_id", "timestamp"):
        values = data.draw(same_kind(size))
        try:
            rows[name] = data.draw(st.sampled_from(holders))(values)
        except Exception:  # the library that was to hold them does not take them
            rows[name] = values
    found = attempt(rows)
    if found is None:
        return
    for column, name in ((found.users, "user_id"), (found.items, "item_id")):
        assert len(column.codes) == size
        ids = column.decode(column.codes.astype(np.int64)).tolist()
        given_ids = rows[name].to_pylist() if hasattr(rows[name], "to_pylist") else [*rows[name]]
        assert [str(value) for value in ids] == [plain(value) for value in given_ids]
        assert (np.argsort(column.codes, kind="stable") == order(ids)).all()


ids_of_one_kind = st.sampled_from(
    [st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1), st.text(max_size=3), st.uuids()]
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Some rows of ids and of times of one kind."""
    size = draw(st.integers(1, 6))
    rows = {name: draw(ids_of_one_kind) for name in ("user_id", "item_id")}
    rows["timestamp"] = draw(
        st.sampled_from(
            [st.integers(0, 2**63 - 1), st.floats(-1e15, 1e15), st.datetimes(), st.dates()]
        )
    )
    return {name: draw(st.lists(v, min_size=size, max_size=size)) for name, v in rows.items()}


frames: list[Callable[[dict[str, list[Any]]], Any]] = [
    dict,
    pd.DataFrame,
    lambda rows: pd.DataFrame({name: pd.Series(v, dtype=object) for name, v in rows.items()}),
    lambda rows: pa.table({name: arrow_of_all(v) for name, v in rows.items()}),
    lambda rows: pa.table({name: arrow_of_all(v).dictionary_encode() for name, v in rows.items()}),
]


def arrow_of_all(values: list[Any]) -> pa.Array:
    if isinstance(values[0], uuid.UUID):
        values = [str(value) for value in values]
    return pa.array(values, pa.uint64() if max(values) == 2**64 - 1 else None)


def same(one: Any, other: Any) -> None:
    """Two readings are one, up to the numbers that codes are."""
    for name in ("users", "items"):
        ids = [
            column.decode(column.codes.astype(np.int64)).tolist()
            for column in (getattr(one, name), getattr(other, name))
        ]
        assert ids[0] == ids[1]
    orders = [np.argsort(found.timestamps.values, kind="stable") for found in (one, other)]
    assert orders[0].tolist() == orders[1].tolist()


@given(rows=tables(), data=st.data())
def test_a_table_in_pieces_is_the_table(rows: dict[str, list[Any]], data: st.DataObject) -> None:
    whole = attempt(rows)
    size = len(rows["user_id"])
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=3)))
    pieces = [
        {name: values[start:end] for name, values in rows.items()}
        for start, end in zip([0, *cuts], [*cuts, size], strict=True)
    ]
    held = []
    for piece in pieces:
        make = data.draw(st.sampled_from(frames if piece["user_id"] else frames[:3]))
        try:
            held.append(make(piece))
        except Exception:  # the library that was to hold them does not take them
            held.append(piece)
    source = data.draw(st.sampled_from([list, tuple, iter]))(held)
    found = attempt(source)
    if whole is not None:
        assert found is not None
        same(found, whole)


@given(rows=tables(), data=st.data())
def test_lists_in_cells_are_the_table(rows: dict[str, list[Any]], data: st.DataObject) -> None:
    size = len(rows["user_id"])
    ends = [
        *sorted(data.draw(st.sets(st.integers(1, size - 1) if size > 1 else st.nothing()))),
        size,
    ]
    starts = [0, *ends[:-1]]
    users = [rows["user_id"][start] for start in starts]
    flat = rows | {
        "user_id": [u for u, s, e in zip(users, starts, ends, strict=True) for _ in range(e - s)]
    }
    lists: dict[str, Any] = {"user_id": users}
    for name in ("item_id", "timestamp"):
        hold = data.draw(st.sampled_from([list, tuple, lambda v: np.array(v, object), pd.Series]))
        lists[name] = [hold(rows[name][s:e]) for s, e in zip(starts, ends, strict=True)]
    whole = attempt(flat)
    if whole is not None:
        found = attempt(data.draw(st.sampled_from([dict, pd.DataFrame]))(lists))
        assert found is not None
        same(found, whole)


def plain(value: Any) -> str:
    """An id as text; numbers of any type as integers."""
    return str(value if isinstance(value, str | uuid.UUID) else int(value))


def order(values: list[Any]) -> list[int]:
    return sorted(range(len(values)), key=lambda i: values[i])


@given(
    array=arrays.arrays(
        st.one_of(
            arrays.scalar_dtypes(),
            arrays.datetime64_dtypes(),
            arrays.unicode_string_dtypes(max_len=3),
            arrays.byte_string_dtypes(max_len=3),
            arrays.array_dtypes(max_size=2),
        ),
        arrays.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4),
    )
)
def test_numpy_of_any_type_and_shape(array: np.ndarray[Any, Any]) -> None:
    count = len(array) if array.ndim else 0
    ids = np.arange(count)
    for role in ("user_id", "item_id", "timestamp"):
        found = attempt({"user_id": ids, "item_id": ids, "timestamp": ids} | {role: array})
        if found is None:
            continue
        assert array.ndim == 1
        if role == "timestamp":
            assert found.timestamps is not None
            read = found.timestamps.values
        else:
            read = getattr(found, f"{role[:4]}s").codes
        expected = np.argsort(array, kind="stable")
        assert (np.argsort(read, kind="stable") == expected).all()
    attempt(array)
    attempt(array, ColumnNames("f0", "f1", None, None))


HUGE = [-(2**63), -1, 0, 1, 2**53, 2**53 + 1, 2**63 - 1]


@pytest.mark.parametrize("kind", [np.int64, object, pd.Int64Dtype(), pd.ArrowDtype(pa.int64())])
def test_extreme_integers_are_exact(kind: Any) -> None:
    values = pd.Series(HUGE, dtype=kind)
    rows = {"user_id": [1] * 7, "item_id": values, "timestamp": values}
    rows = {name: [*reversed(list(column))] for name, column in rows.items()}
    found = sf.prepare(rows | {"user_id": [1] * 6 + [2]}, min_user_interactions=1, holdout=0)
    assert found.items.ids.tolist() == HUGE
    assert found.sequences.items.tolist() == [2, 3, 4, 5, 6, 7, 1]


EMPTY: dict[str, Any] = {
    "no columns": pd.DataFrame(),
    "no rows": pd.DataFrame({"user_id": [], "item_id": [], "timestamp": []}),
    "an Arrow table of nothing": pa.table({}),
    "rows without columns": pa.table({"x": [1]}).select([]),
    "typed, no rows": pa.schema(
        [(n, pa.int64()) for n in ("user_id", "item_id", "timestamp")]
    ).empty_table(),
    "no chunks": {n: pa.chunked_array([], pa.int64()) for n in ("user_id", "item_id", "timestamp")},
    "a mapping of nothing": {},
    "no fields": np.zeros(3, []),
    "structured, no rows": np.zeros(0, [(n, "i8") for n in ("user_id", "item_id", "timestamp")]),
    "a stream of nothing": pa.RecordBatchReader.from_batches(pa.schema([]), []),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_empty_tables(kind: str) -> None:
    with pytest.raises(sf.DataError, match=r"has no rows|column 'user_id' is missing"):
        sf.prepare(EMPTY[kind])


NO_COLUMNS: dict[str, Any] = {
    "a string": "ab",
    "bytes": b"ab",
    "a set": {1, 2},
    "a mapping": {1: 2, 3: 4},
    "nothing": None,
    "a number": 5,
    "a generator": (i for i in range(2)),
    "a zero-dimensional array": np.array(5),
    "a matrix": np.zeros((2, 2), int),
    "a DataFrame": pd.DataFrame({"a": [1, 2]}),
    "an Arrow table": pa.table({"a": [1, 2]}),
    "nested": pa.array([[[1]], [[2]]]),
    "structs": pa.array([{"a": 1}, {"a": 2}]),
    "maps": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    "unions": pa.UnionArray.from_sparse(pa.array([0, 0], pa.int8()), [pa.array([1, 2])]),
    "durations": np.array([1, 2], "m8[s]"),
    "times of day": pa.array([1, 2], pa.time64("us")),
    "periods": pd.period_range("2001", "2002", freq="Y"),
    "intervals": pd.interval_range(0, 2),
    "categories of intervals": pd.Categorical(pd.interval_range(0, 2)),
    "lists as a dictionary": pa.DictionaryArray.from_arrays([0, 0], pa.array([[1]])),
    "complex numbers": np.array([1j, 2]),
    "fixed binary": pa.array([b"ab", b"cd"], pa.binary(2)),
    "records": np.zeros(2, [("a", int)]),
    "voids": np.zeros(2, "V4"),
    "objects": [object(), object()],
    "classes": [int, str],
}


@pytest.mark.parametrize("kind", NO_COLUMNS)
def test_what_is_no_column_is_named(kind: str) -> None:
    for role in ("user_id", "item_id", "timestamp"):
        rows = {"user_id": [1, 2], "item_id": [1, 2], "timestamp": [1, 2]} | {
            role: NO_COLUMNS[kind]
        }
        with pytest.raises(sf.DataError, match=f"'{role}'"):
            read_interactions(rows, NAMES)


def test_numpy_times_among_numbers_are_refused() -> None:
    for other in (np.int64(1), np.float32(1), np.bool_(True), np.str_("a")):
        values = [np.datetime64(5, "s"), other]
        for held in (values, np.array(values, object), pd.Series(values, dtype=object)):
            with pytest.raises(
                sf.DataError, match=r"values of numpy\..* and numpy\..*; expected one"
            ):
                attempt_once(held)


def attempt_once(values: Any) -> None:
    read_interactions({"user_id": [1, 2], "item_id": [1, 2], "timestamp": values}, NAMES)


def masked(values: list[Any]) -> Any:
    return np.ma.array(values, mask=[False, True, True])


GAPS: dict[str, Any] = {
    "None": [1, None, None],
    "NaT": np.array(["2001", "NaT", "NaT"], "M8[s]"),
    "NaT objects": [datetime.datetime(2001, 1, 1), pd.NaT, pd.NaT],
    "masked": masked([1, 2, 3]),
    "masked strings": masked(["a", "b", "c"]),
    "Arrow": pa.array([1, None, None]),
    "all chunks": pa.chunked_array([[1], [None], [None]]),
    "only nulls": pa.chunked_array([["a"], [None], [None]]).dictionary_encode(),
    "within a dictionary": pa.DictionaryArray.from_arrays([0, 1, 1], pa.array(["a", None])),
    "within a dictionary of numbers": pa.DictionaryArray.from_arrays(
        [0, 1, 1], pa.array([1, None])
    ),
    "run-end encoded": pa.compute.run_end_encode(pa.array([1, None, None])),
    "categories": pd.Categorical(["a", None, None]),
    "UUIDs": [uuid.uuid4(), None, None],
    "decimals": [decimal.Decimal(1), None, None],
    "dates": pa.array([1, None, None], pa.date32()),
    "sparse": pd.Series([1.0, np.nan, np.nan], dtype=pd.SparseDtype("float64")),
}


@pytest.mark.parametrize("kind", GAPS)
def test_missing_values_are_counted_and_located(kind: str) -> None:
    whole = [1, 2, 3]
    for role in ("user_id", "item_id", "timestamp"):
        rows = {"user_id": whole, "item_id": whole, "timestamp": whole} | {role: GAPS[kind]}
        said = f"column '{role}' has 2 missing (or non-finite )?values, first at row 1"
        with pytest.raises(sf.DataError, match=said):
            read_interactions(rows, NAMES)


def test_text_that_is_not_utf8_is_refused() -> None:
    buffers = [None, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"a\xff")]
    broken = pa.Array.from_buffers(pa.string(), 2, buffers)
    for texts in (broken, broken.dictionary_encode(), pa.chunked_array([broken])):
        rows = {"user_id": [1, 2], "item_id": texts}
        with pytest.raises(sf.DataError, match=r"column 'item_id' .*UTF8"):
            read_interactions(rows, FIRST_TWO)


def test_a_dictionary_whose_indices_lie_outside_is_refused() -> None:
    for index in (5, -1):
        broken = pa.DictionaryArray.from_arrays(pa.array([0, index]), pa.array(["a"]), safe=False)
        with pytest.raises(sf.DataError, match=r"column 'item_id' .*out of bounds"):
            read_interactions({"user_id": [1, 2], "item_id": broken}, FIRST_TWO)


@given(name=st.one_of(anything, st.tuples(st.integers())), other=anything)
def test_any_column_name(name: Any, other: Any) -> None:
    try:
        names = ColumnNames(name, other, None, None)
    except TypeError:
        return
    for source in ({"a": [1]}, pd.DataFrame({0: [1]}), pa.table({"a": [1]}), "none.csv"):
        attempt(source, names)


@given(
    source=st.one_of(anything, st.lists(anything, max_size=2), st.dictionaries(st.text(), anything))
)
def test_any_object_is_no_table(source: Any) -> None:
    assert attempt(source) is None
