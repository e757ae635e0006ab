"""Files and folders of every format give the same arrays, read no more than needed."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

import sasrec_fast as sf
from rows import FRAME, USERS, assert_same, prepared, table, write
from sasrec_fast.columns import read_ids
from sasrec_fast.reading import read_movies, read_table
from sasrec_fast.reading.files import read_columns
from sasrec_fast.reading.opening import TextFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POSITIONS = {"user": 0, "item": 1, "timestamp": 3}
NAMES = ("user_id", "item_id")


SUFFIXES = [".csv", ".tsv", ".dat", ".csv.gz", ".TSV.GZ", ".dat.gz", ".parquet", ".Parquet"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_same_arrays(tmp_path: Path, suffix: str) -> None:
    path = write(FRAME, tmp_path / f"rows{suffix}")
    assert_same(prepared(path, min_rating=2), prepared(table(), min_rating=2))
    assert_same(prepared(str(path)), prepared(table()))
    assert_same(prepared(os.fspath(path), timestamp=None), prepared(table(), timestamp=None))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_list_of_files_is_one_table(tmp_path: Path, suffix: str) -> None:
    paths = [
        write(FRAME[3:], tmp_path / f"a{suffix}"),
        str(write(FRAME[:3], tmp_path / f"b{suffix}")),
    ]
    rows = {name: values[3:] + values[:3] for name, values in table().items()}
    assert_same(prepared(paths), prepared(rows))
    assert_same(prepared(tuple(paths[::-1])), prepared(table()))
    assert_same(prepared(tmp_path), prepared(rows))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".dat"])
def test_columns_without_a_header_are_given_by_position(tmp_path: Path, suffix: str) -> None:
    options = {} if suffix == ".dat" else {"header": False}
    path = write(FRAME, tmp_path / f"rows{suffix}", **options)
    found = prepared(path, **POSITIONS, rating=2, min_rating=2)
    assert_same(found, prepared(table(), min_rating=2))
    pairs = prepared(path, user=0, item=1, timestamp=None)
    assert_same(pairs, prepared(table(), timestamp=None))
    whole = read_table(path, ids=(0, 1))
    assert whole.column_names == ["0", "1", "2", "3", "4"][: whole.num_columns]
    assert len(whole) == len(USERS)


def test_texts_without_a_header_are_told_from_numbers(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('007,"x, y",5\ntrue,2001-12-31,6\n')
    rows = read_table(path, ids=(0, 1), numbers=(2,))
    assert rows.to_pydict() == {"0": ["007", "true"], "1": ["x, y", "2001-12-31"], "2": [5, 6]}


POSITION_ERRORS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no such column": (
        "1,2\n",
        {"timestamp": 2},
        r"column '2' of .*rows.csv is missing; .* '0', '1'",
    ),
    "mixed": (
        "1,2,3\n",
        {"timestamp": "timestamp"},
        "column 0 is a position and 'timestamp' a name",
    ),
    "negative": ("1,2,3\n", {"item": -1}, "column -1 is negative; positions count from 0"),
    "a short line": ("1,2,3\n1,2\n", {}, "line 2: expected 3 fields like the first line, got 2"),
    "a header": ("u,i,t\n1,2,3\n", {}, "line 1: column '2' is 't', expected a finite number"),
    "a word": ("1,2,3\n1,2,x\n", {}, "line 2: column '2' is 'x', expected a finite number"),
}


@pytest.mark.parametrize("case", POSITION_ERRORS)
def test_what_is_wrong_without_a_header_is_told(tmp_path: Path, case: str) -> None:
    text, options, said = POSITION_ERRORS[case]
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(sf.DataError, match=said):
        prepared(path, **{"user": 0, "item": 1, "timestamp": 2} | options)


def test_names_of_files_are_strings_or_positions(tmp_path: Path) -> None:
    path = write(FRAME, tmp_path / "rows.csv")
    for name in (True, 1.0, ("a", "b")):
        with pytest.raises(TypeError, match=r"column .* of a file is a .*; allowed are names"):
            prepared(path, user=name)
    path = write(FRAME, tmp_path / "rows.parquet")
    with pytest.raises(
        sf.DataError, match=r"rows.parquet: columns are given by position \(0, 1, 3\)"
    ):
        prepared(path, **POSITIONS)


def test_only_the_columns_that_are_needed_are_read(tmp_path: Path) -> None:
    for suffix in (".csv", ".tsv.gz", ".parquet", ".dat"):
        path = write(FRAME, tmp_path / f"rows{suffix}")
        found = read_columns([path], NAMES, ["timestamp"])
        assert found.column_names == ["user_id", "item_id", "timestamp"]
    wide = FRAME.assign(**{f"x{i}": np.arange(9) for i in range(50)})
    path = write(wide, tmp_path / "wide.parquet")
    footer = pa.parquet.read_metadata(path).row_group(0)
    damaged = bytearray(path.read_bytes())
    for i in range(footer.num_columns):
        column = footer.column(i)
        if column.path_in_schema.startswith("x"):
            start = column.dictionary_page_offset or column.data_page_offset
            damaged[start : start + column.total_compressed_size] = (
                b"\xff" * column.total_compressed_size
            )
    path.write_bytes(damaged)
    assert_same(prepared(path), prepared(table()))
    with pytest.raises(sf.DataError, match=r"wide.parquet cannot be read as Parquet"):
        read_table(path)


@pytest.mark.parametrize("rows", [1, 4, 100])
@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary"])
def test_text_in_parquet_is_the_same_in_any_row_groups(
    tmp_path: Path, rows: int, kind: str
) -> None:
    texts = {name: [f"id {v}" for v in table()[name]] for name in NAMES}
    columns = {name: pa.array(values) for name, values in table(**texts).items()}
    for name in NAMES:
        text = columns[name]
        columns[name] = text.dictionary_encode() if kind == "dictionary" else text.cast(kind)
    path = tmp_path / "rows.parquet"
    pa.parquet.write_table(pa.table(columns), path, row_group_size=rows)
    found = prepared(path)
    assert_same(found, prepared(table(**texts)))
    assert found.items.ids.tolist() == sorted(set(texts["item_id"]))
    other = tmp_path / "other.parquet"
    pa.parquet.write_table(pa.table(table(**texts)), other)
    twice = {name: values * 2 for name, values in table(**texts).items()}
    assert_same(prepared([path, other]), prepared(twice))


def test_few_texts_in_parquet_come_as_the_dictionary_they_are_stored_with(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(0, 3000, 9000)
    texts = {
        "few": [f"user {number % 50}" for number in numbers],
        "many": [f"user {number}" for number in numbers],
        "plain": [f"u{number % 50}" for number in numbers],
    }
    path, stored = tmp_path / "rows.parquet", ["few", "many"]
    for rows in (9000, 2000):
        pa.parquet.write_table(
            pa.table(texts),
            path,
            row_group_size=rows,
            use_dictionary=stored,
            dictionary_pagesize_limit=4000,
        )
        found = read_columns([path], [*texts], [])
        kinds = {name: pa.types.is_dictionary(found.schema.field(name).type) for name in texts}
        assert kinds == {"few": True, "many": False, "plain": False}
        for name, values in texts.items():
            ids = read_ids(found[name], name)
            assert ids.decode(ids.codes.astype(np.int64)).tolist() == values


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.pkl", "rows.7z"])
def test_an_unknown_suffix_lists_the_allowed_ones(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("user_id,item_id,timestamp\n1,2,3\n")
    with pytest.raises(sf.DataError, match=r"expected one of \.dat, \.csv, \.tsv, \.parquet"):
        prepared(tmp_path / name)


def test_paths_that_are_nothing(tmp_path: Path) -> None:
    rows = write(FRAME, tmp_path / "rows.csv")
    with pytest.raises(FileNotFoundError, match=r"none.parquet: there is no such file"):
        prepared([rows, tmp_path / "none.parquet"])
    with pytest.raises(FileNotFoundError, match=r"none\*.csv: there is no such file"):
        prepared(str(tmp_path / "none*.csv"))
    with pytest.raises(TypeError, match=r"interactions are a builtins.list; allowed are"):
        prepared([rows, 5])
    with pytest.raises(TypeError, match=r"interactions are a builtins.list; allowed are"):
        prepared([])
    with pytest.raises(TypeError, match=r"interactions are a builtins.bytes; allowed are"):
        prepared(bytes(rows))


def test_a_damaged_gzip_file_is_told(tmp_path: Path) -> None:
    data = write(FRAME, tmp_path / "rows.csv.gz").read_bytes()
    for name, damaged in {
        "cut": data[:-20],
        "other": b"user_id\n1\n",
        "longer": data + b"x",
    }.items():
        path = tmp_path / f"{name}.csv.gz"
        path.write_bytes(damaged)
        with pytest.raises(sf.DataError, match=f"{name}.csv.gz'? ?(cannot be read)?:"):
            prepared(path)
    (tmp_path / "members.csv.gz").write_bytes(data + gzip.compress(b"9,9,9,9,x\n"))
    assert len(read_table(tmp_path / "members.csv.gz")) == len(USERS) + 1
    (tmp_path / "line.dat.gz").write_bytes(gzip.compress(b"1::2::3::4\n1::2::3\n"))
    with pytest.raises(sf.DataError, match=r"line.dat.gz, line 2: expected user_id::item_id"):
        prepared(tmp_path / "line.dat.gz")
    (tmp_path / "line.tsv.gz").write_bytes(gzip.compress(b"user_id\titem_id\n1\t2\n\n1\n"))
    with pytest.raises(sf.DataError, match=r"line.tsv.gz, line 4: expected 2 fields"):
        prepared(tmp_path / "line.tsv.gz", timestamp=None)


def test_movies_of_other_formats(tmp_path: Path) -> None:
    movies = pd.DataFrame({"item_id": [1, 2], "title": ["A", "B"], "genres": ["x", "y"]})
    pa.parquet.write_table(pa.Table.from_pandas(movies), tmp_path / "m.parquet")
    (tmp_path / "m.dat.gz").write_bytes(gzip.compress(b"1::A::x\n2::B::y\n"))
    for name in ("m.parquet", "m.dat.gz"):
        assert read_movies(tmp_path / name).to_numpy().tolist() == movies.to_numpy().tolist()
    lists = pa.table({"item_id": [1], "title": [["A"]]})
    pa.parquet.write_table(lists, tmp_path / "lists.parquet")
    with pytest.raises(sf.DataError, match=r"lists.parquet: titles and genres are text"):
        read_movies(tmp_path / "lists.parquet")


def test_a_file_is_read_once_where_its_types_are_plain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    read: Callable[..., Any] = TextFile.read
    monkeypatch.setattr(TextFile, "read", lambda *given: passes.append(given) or read(*given))
    prepared(write(FRAME, tmp_path / "rows.csv"))
    assert len(passes) == 1
