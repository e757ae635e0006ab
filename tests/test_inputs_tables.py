"""Tables of every library give the same arrays; streams are read once, and their errors told."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import sasrec_fast as sf
from rows import ITEMS, RATINGS, TIMES, USERS, assert_same, prepared, table

if TYPE_CHECKING:
    from collections.abc import Callable

duckdb = pytest.importorskip("duckdb")
pl = pytest.importorskip("polars")

ORIGIN = datetime.datetime(2001, 1, 1)
FRAME = pd.DataFrame(table()).assign(title="x", tags=[["a"]] * len(USERS))


class Exported:
    """Nothing but the method of the protocol, as of a library never heard of."""

    def __init__(self, held: Any, method: str) -> None:
        setattr(type(self), method, lambda self, *args, **options: getattr(held, method)(*args))


def exported(held: Any, method: str) -> Any:
    return type("Foreign", (Exported,), {})(held, method)


def structured(*, align: bool) -> np.ndarray[Any, Any]:
    kinds = np.dtype(
        [("x", "i1"), ("user_id", "i8"), ("item_id", "<i2"), ("timestamp", ">f8")], align
    )
    rows = np.zeros(len(USERS), kinds)
    for name in ("user_id", "item_id", "timestamp"):
        rows[name] = table()[name]
    return rows


def relation(query: str) -> Any:
    frame = FRAME  # noqa: F841  (duckdb finds it by name)
    connection = duckdb.connect()
    connection.register("frame", FRAME.drop(columns="tags"))
    return connection.sql(query)


def batches(size: int) -> list[pa.RecordBatch]:
    return pa.Table.from_pandas(FRAME).to_batches(max_chunksize=size)


LIBRARIES: dict[str, Callable[[], Any]] = {
    "polars": lambda: pl.from_pandas(FRAME),
    "polars in chunks": lambda: pl.concat(
        [pl.from_pandas(FRAME[:3]), pl.from_pandas(FRAME[3:])], rechunk=False
    ),
    "polars, lazy": lambda: pl.from_pandas(FRAME).lazy().with_columns(pl.col("rating") + 0),
    "polars, an unknown type beside": lambda: pl.from_pandas(FRAME).with_columns(
        pl.lit(1, pl.Int128).alias("x"), pl.Series("y", [object()] * len(USERS), pl.Object)
    ),
    "polars Series": lambda: {name: pl.Series(values) for name, values in table().items()},
    "duckdb": lambda: relation("select * from frame"),
    "duckdb, columns of odd names": lambda: relation(
        'select user_id, item_id, "timestamp", 1 as "a""b", 2 as "select" from frame'
    ),
    "duckdb, 128 bits": lambda: relation(
        'select user_id::hugeint user_id, item_id::uhugeint item_id, "timestamp"::hugeint t from '
        "frame"
    ).project('user_id, item_id, t as "timestamp"'),
    "reader": lambda: pa.RecordBatchReader.from_batches(batches(4)[0].schema, batches(4)),
    "reader, one row a batch": lambda: pa.RecordBatchReader.from_batches(
        batches(1)[0].schema, [batch for one in batches(1) for batch in (one, one[:0])]
    ),
    "any stream": lambda: exported(pa.Table.from_pandas(FRAME), "__arrow_c_stream__"),
    "any array": lambda: exported(batches(99)[0], "__arrow_c_array__"),
    "structured array": lambda: structured(align=True),
    "packed array": lambda: structured(align=False),
    "record array": lambda: structured(align=True).view(np.recarray),
    "memory views": lambda: {n: memoryview(np.array(v)) for n, v in table().items()},
    "extension arrays": lambda: {n: pd.array(v) for n, v in table().items()},
    "sparse columns": lambda: pd.DataFrame(table()).astype(pd.SparseDtype("int64", 0)),
    "read-only, reversed": lambda: {n: np.array(v)[::-1].copy()[::-1] for n, v in table().items()},
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_gives_the_same_arrays(library: str) -> None:
    assert_same(prepared(LIBRARIES[library]()), prepared(table()))


def test_the_stream_is_read_once() -> None:
    reader = pa.RecordBatchReader.from_batches(batches(4)[0].schema, iter(batches(4)))
    prepared(reader)
    with pytest.raises(sf.DataError, match=r"no rows: .*RecordBatchReader is empty or used up"):
        prepared(reader)


@pytest.mark.parametrize("own", [True, False])
def test_an_error_within_a_stream_is_told(own: bool) -> None:
    def broken() -> Any:
        yield from batches(4)[:2]
        raise RuntimeError("the disk is gone")

    stream = pa.RecordBatchReader.from_batches(batches(4)[0].schema, broken())
    source = stream if own else exported(stream, "__arrow_c_stream__")
    with pytest.raises(sf.DataError, match=r"failed after 8 rows: .*the disk is gone") as failure:
        prepared(source)
    assert "\n" not in str(failure.value)


def test_running_out_of_memory_stays_what_it_is() -> None:
    def greedy() -> Any:
        yield batches(4)[0]
        raise MemoryError("8 exabytes")

    stream = pa.RecordBatchReader.from_batches(batches(4)[0].schema, greedy())
    with pytest.raises(MemoryError, match="failed after 4 rows: MemoryError: 8 exabytes"):
        prepared(stream)


def test_what_a_library_cannot_do_is_told() -> None:
    lazy = pl.from_pandas(FRAME).lazy()
    with pytest.raises(
        sf.DataError, match=r"columns of a polars.*LazyFrame cannot be read: .*conver"
    ):
        prepared(lazy.with_columns(pl.lit("x").cast(pl.Int64).alias("item_id")))
    with pytest.raises(
        sf.DataError, match="column 'item_id' is missing; the columns are 'user_id'"
    ):
        prepared(lazy.drop("item_id"))
    with pytest.raises(
        sf.DataError, match="'user' is missing; the columns are 'user_id', 'item_id'"
    ):
        prepared(relation("select user_id, item_id from frame"), user="user")
    strange = exported(pl.Series([1], dtype=pl.Int128), "__arrow_c_stream__")
    with pytest.raises(sf.DataError, match=r"stream of a .*Foreign cannot be opened: ArrowInvalid"):
        prepared(strange)
    with pytest.raises(sf.DataError, match=r"stream of a .*Foreign cannot be opened: ArrowInvalid"):
        prepared(exported(pa.chunked_array([USERS]), "__arrow_c_stream__"))
    with pytest.raises(sf.DataError, match=r"array of a .*Foreign cannot be read: ArrowInvalid"):
        prepared(exported(pa.array(USERS), "__arrow_c_array__"))
    with pytest.raises(
        TypeError, match=r"interactions are the class DataFrame; allowed are a pandas"
    ):
        prepared(pl.DataFrame)
    with pytest.raises(TypeError, match=r"interactions are a numpy.ndarray; allowed are .* path"):
        prepared(np.array([USERS, ITEMS]))


def test_columns_that_occur_twice_in_a_stream_are_refused() -> None:
    twice = pa.Table.from_arrays([pa.array(USERS)] * 3, ["user_id", "item_id", "item_id"])
    with pytest.raises(sf.DataError, match="column 'item_id' occurs more than once"):
        prepared(exported(twice, "__arrow_c_stream__"))


def test_labels_need_not_be_strings() -> None:
    frame = pd.DataFrame(np.array([USERS, ITEMS, TIMES, RATINGS]).T)
    assert_same(prepared(frame, user=0, item=1, timestamp=2), prepared(table()))
    frame.columns = pd.MultiIndex.from_product([["a", "b"], ["c", "d"]])
    names = {"user": ("a", "c"), "item": ("a", "d"), "timestamp": ("b", "c")}
    assert_same(prepared(frame, **names), prepared(table()))
    with pytest.raises(TypeError, match="user is None and item 'item_id'; both name a column"):
        prepared(table(), user=None)
