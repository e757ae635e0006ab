"""Tables that come in pieces, of a list, an iterator or open files, are one table."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

import sasrec_fast as sf
from rows import FRAME, assert_same, prepared, table, write
from sasrec_fast.reading import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pl = pytest.importorskip("polars")
ROWS = FRAME.drop(columns="title")
CUT = [ROWS[:4], ROWS[4:4], ROWS[4:5], ROWS[5:]]
TEXT = ROWS.to_csv(index=False)


def made() -> Iterator[pd.DataFrame]:
    yield from CUT


def dataset(folder: Path) -> Any:
    pa.dataset.write_dataset(pa.Table.from_pandas(ROWS), folder, format="parquet")
    return pa.dataset.dataset(folder)


def zipped(folder: Path) -> zipfile.ZipFile:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.write(write(FRAME, folder / "rows.dat"), "ratings.dat")
    return zipfile.ZipFile(folder / "a.zip")


def bytes_of(archive: zipfile.ZipFile) -> bytes:
    return Path(str(archive.filename)).read_bytes()


SOURCES: dict[str, Callable[[Path], Any]] = {
    "a list": lambda _: CUT,
    "a tuple": lambda _: tuple(CUT),
    "a generator": lambda _: made(),
    "an iterator": lambda _: iter(CUT),
    "chunks of pandas": lambda _: pd.read_csv(io.StringIO(TEXT), chunksize=2),
    "chunks of JSON": lambda _: pd.read_json(
        io.StringIO(ROWS.to_json(orient="records", lines=True)), lines=True, chunksize=2
    ),
    "batches of Arrow": lambda _: iter(pa.Table.from_pandas(ROWS).to_batches(max_chunksize=2)),
    "a list of batches": lambda _: pa.Table.from_pandas(ROWS).to_batches(max_chunksize=2),
    "slices of polars": lambda _: pl.from_pandas(ROWS).iter_slices(2),
    "a map": lambda _: map(pa.Table.from_pandas, CUT),
    "mappings": lambda _: [rows.to_dict("list") for rows in CUT],
    "structured arrays": lambda _: [rows.to_records(index=False) for rows in CUT],
    "several libraries": lambda _: [CUT[0], pa.Table.from_pandas(CUT[2]), pl.from_pandas(CUT[3])],
    "widths": lambda _: [CUT[0].astype("int16"), CUT[2].astype("uint8"), CUT[3].astype("Int32")],
    "whole floats": lambda _: [CUT[0], CUT[2].astype({"timestamp": float}), CUT[3]],
    "frames and files": lambda p: [CUT[0], write(ROWS[4:], p / "rows.csv")],
    "files and frames": lambda p: iter([str(write(ROWS[:4], p / "a.parquet")), ROWS[4:]]),
    "paths of a generator": lambda p: (write(rows, p / f"{n}.csv") for n, rows in enumerate(CUT)),
    "a dataset": dataset,
    "a scanner": lambda p: dataset(p).scanner(),
    "an open Parquet file": lambda p: pa.parquet.ParquetFile(write(ROWS, p / "a.parquet")),
    "an open file": lambda p: write(ROWS, p / "a.csv").open(),
    "an open file of bytes": lambda p: write(ROWS, p / "a.tsv").open("rb"),
    "an open Parquet file of bytes": lambda p: write(ROWS, p / "a.parquet").open("rb"),
    "text in memory": lambda _: io.StringIO(TEXT),
    "bytes in memory": lambda _: io.BytesIO(TEXT.encode()),
    "Parquet in memory": lambda _: io.BytesIO(ROWS.to_parquet()),
    "a list of open files": lambda p: [
        write(rows, p / f"{n}.csv").open() for n, rows in enumerate(CUT)
    ],
    "a file that gzip opened": lambda p: gzip.open(write(ROWS, p / "a.csv.gz")),  # noqa: SIM115
    "a file in an archive": lambda p: zipped(p).open("ratings.dat"),
    "an archive in memory": lambda p: io.BytesIO(bytes_of(zipped(p))),
    "a file of Arrow": lambda p: pa.OSFile(str(write(ROWS, p / "a.csv"))),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_pieces_are_one_table(tmp_path: Path, kind: str) -> None:
    found = prepared(SOURCES[kind](tmp_path))
    assert_same(found, prepared(table()))
    assert found.fingerprint == prepared(table()).fingerprint


def test_pieces_of_text_and_times() -> None:
    rows = ROWS.assign(
        user_id="u" + ROWS["user_id"].astype(str),
        timestamp=pd.to_datetime(ROWS["timestamp"], unit="D"),
    )
    cut = [rows[:3], rows[3:].astype({"user_id": "category", "timestamp": "datetime64[ms]"})]
    assert prepared(cut).fingerprint == prepared(rows).fingerprint
    zoned = [r.assign(timestamp=r["timestamp"].dt.tz_localize("Asia/Tokyo")) for r in cut]
    assert_same(prepared(zoned), prepared(rows))
    utc = [r.assign(timestamp=r["timestamp"].dt.tz_convert(None)) for r in zoned]
    for one, other in (("UTC", "Etc/UTC"), (datetime.UTC, "UTC")):
        pieces = [
            r.assign(timestamp=r["timestamp"].dt.tz_localize(zone))
            for r, zone in zip(utc, (one, other), strict=True)
        ]
        assert_same(prepared(pieces), prepared(rows))
    with pytest.raises(sf.DataError, match=r"the zone Asia/Tokyo in piece 1 and .*UTC in piece 2"):
        prepared([zoned[0], pieces[1]])


def test_pieces_beyond_the_signed_range() -> None:
    small, huge = ROWS[:4].astype("int64"), ROWS[4:].astype("uint64")
    huge = huge.assign(item_id=huge["item_id"] + np.uint64(2**63))
    found = prepared([small, huge], min_user_interactions=1)
    assert found.items.ids.tolist() == sorted({*small["item_id"], *huge["item_id"].tolist()})


DIFFERENT: dict[str, tuple[Any, str]] = {
    "text": (ROWS[4:].astype({"item_id": str}), "'item_id' holds integers in piece 1 and text in"),
    "no item": (ROWS[4:].drop(columns="item_id"), "piece 3: column 'item_id' is missing"),
    "a gap": (
        ROWS[4:].astype({"item_id": "Int64"}).assign(item_id=[pd.NA, 1, 2, 3, 4]),
        "piece 3: column 'item_id' has 1 missing value, first at row 0",
    ),
    "times": (
        ROWS[4:].assign(timestamp=pd.Timestamp(5)),
        "'timestamp' holds integers in piece 1 and datetimes without a zone in piece 3",
    ),
    "lengths": ({"user_id": [1], "item_id": [1], "timestamp": [1, 2]}, "piece 3: .* differ in len"),
    "fractions beside large integers": (
        ROWS[4:].assign(timestamp=2.0**60 + np.arange(5)),
        r"column 'timestamp' of 2 pieces: .*",
    ),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_pieces_that_differ_are_named(case: str) -> None:
    piece, said = DIFFERENT[case]
    first = ROWS[:4]
    if case == "fractions beside large integers":
        first = first.assign(timestamp=first["timestamp"] + 2**60 + 1)
    with pytest.raises(sf.DataError, match=said):
        prepared([first, ROWS[4:4], piece])


def test_zones_are_not_mixed_with_times_without_one() -> None:
    naive = ROWS.assign(timestamp=pd.to_datetime(ROWS["timestamp"], unit="D"))
    zoned = naive.assign(timestamp=naive["timestamp"].dt.tz_localize("UTC"))
    with pytest.raises(
        sf.DataError, match="datetimes without a zone in piece 1 and datetimes in t"
    ):
        prepared([naive[:4], zoned[4:]])


def test_an_iterator_is_read_once() -> None:
    chunks = made()
    prepared(chunks)
    with pytest.raises(sf.DataError, match=r"no rows: a builtins.generator is empty or used up"):
        prepared(chunks)
    file = io.StringIO(TEXT)
    prepared(file)
    with pytest.raises(sf.DataError, match="the StringIO is empty or used up"):
        prepared(file)
    with pytest.raises(sf.DataError, match="no rows: all 2 pieces are empty"):
        prepared([ROWS[:0], ROWS[:0]])


def test_a_piece_may_be_written_over_by_the_next() -> None:
    def chunks(make: Callable[[dict[str, Any]], Any]) -> Iterator[Any]:
        held = {name: ROWS[name].to_numpy()[:3].copy() for name in ROWS}
        for start in (0, 3, 6):
            for name, values in held.items():
                values[:] = ROWS[name].to_numpy()[start : start + 3]
            yield make(held)

    def frame(held: dict[str, Any]) -> pd.DataFrame:
        return pd.DataFrame(held, copy=False)

    for make in (dict, frame):
        assert prepared(chunks(make)).fingerprint == prepared(ROWS).fingerprint


def test_what_fails_on_the_way_is_told() -> None:
    def broken(failure: Exception) -> Iterator[pd.DataFrame]:
        yield ROWS[:4]
        raise failure

    with pytest.raises(
        sf.DataError, match=r"piece 2 .*cannot be read: RuntimeError: the line is d"
    ):
        prepared(broken(RuntimeError("the line is down")))
    with pytest.raises(MemoryError, match="piece 2"):
        prepared(broken(MemoryError("8 exabytes")))


def test_rows_are_no_pieces() -> None:
    for rows in ([(1, 2, 3)], iter([(1, 2, 3)]), [[1, 2], [3]], [ROWS, (1, 2)], [5], [None]):
        with pytest.raises(TypeError, match=r"interactions are a .*; allowed are .*piece \d is a"):
            prepared(rows)
    with pytest.raises(TypeError, match=r"make a table of rows with pandas.DataFrame\(rows"):
        prepared(tuple(row) for row in ROWS.to_numpy())
    for mappings in (ROWS.to_dict("records"), csv.DictReader(io.StringIO(TEXT))):
        with pytest.raises(TypeError, match=r"piece 1 is a dict of one row; make a table of rows"):
            prepared(mappings)


def test_what_is_nearly_a_table_is_told() -> None:
    with pytest.raises(TypeError, match=r"GroupBy; .*: give the DataFrame that was grouped"):
        prepared(ROWS.groupby("user_id"))
    with pytest.raises(TypeError, match=r"function; .*: give what it returns"):
        prepared(made)


def test_columns_of_the_index() -> None:
    for names in (["user_id"], ["user_id", "timestamp"], ["user_id", "item_id", "timestamp"]):
        indexed = ROWS.set_index(names)
        assert prepared(indexed).fingerprint == prepared(ROWS).fingerprint
    times = ROWS.assign(timestamp=pd.to_datetime(ROWS["timestamp"], unit="D"))
    assert_same(prepared(times.set_index("timestamp")), prepared(ROWS))
    categories = ROWS.astype({"user_id": "category"}).set_index("user_id")
    assert_same(prepared(categories), prepared(ROWS))
    series = ROWS.set_index(["user_id", "item_id"])["timestamp"]
    assert prepared(series).fingerprint == prepared(ROWS).fingerprint
    both = ROWS.set_index(ROWS["user_id"].rename("item_id") + 100)  # the column counts
    assert prepared(both).fingerprint == prepared(ROWS).fingerprint
    unnamed = ROWS.set_index("user_id").rename_axis(None)
    with pytest.raises(
        sf.DataError, match=r"'user_id' is missing; .*, the levels of the index None"
    ):
        prepared(unnamed)
    twice = pd.concat([ROWS, ROWS[["item_id"]]], axis=1)
    with pytest.raises(sf.DataError, match="column 'item_id' occurs more than once"):
        prepared(twice)


def test_histories_are_taken_as_a_series() -> None:
    histories = ROWS.groupby("user_id")["item_id"].apply(list)
    flat = ROWS.sort_values("user_id", kind="stable")
    assert_same(prepared(histories, timestamp=None), prepared(flat, timestamp=None))
    with pytest.raises(
        sf.DataError, match=r"if it maps users to lists of their items, give pandas"
    ):
        prepared(histories.to_dict(), timestamp=None)
    matrix = type("csr_matrix", (), {"tocoo": lambda self: self})()
    with pytest.raises(TypeError, match=r"csr_matrix; allowed .*: give .*m.row"):
        prepared(matrix)


def test_an_open_file_is_read_from_where_it_stands(tmp_path: Path) -> None:
    file = io.BytesIO(b"junk\n" + TEXT.encode())
    file.readline()
    assert_same(prepared(file), prepared(table()))
    with write(ROWS, tmp_path / "a.csv").open("rb") as file:
        assert len(read_table(file)) == len(ROWS)
    with pytest.raises(sf.DataError, match=r"a.csv cannot be read: ValueError: .*closed file"):
        prepared(file)
