"""What a file holds decides how it is read, wherever it lies and however it is packed."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import sys
import tarfile
import types
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sasrec_fast as sf
from rows import FRAME, NAMES, assert_same, attempt, prepared, table
from sasrec_fast.reading import ColumnNames, read_interactions, read_movies, read_table

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = FRAME.drop(columns="title")
ARROW = pa.Table.from_pandas(ROWS)
CSV = ROWS.to_csv(index=False).encode()
TSV = ROWS.to_csv(index=False, sep="\t").encode()
LINES = ROWS.to_json(orient="records", lines=True).encode()
DAT = "".join("::".join(map(str, row)) + "\n" for row in ROWS.itertuples(index=False)).encode()
TIMELESS = ColumnNames("user_id", "item_id", None, None)


def written(write: Callable[[pa.Table, Any], None]) -> bytes:
    file = io.BytesIO()
    write(ARROW, file)
    return file.getvalue()


def stream() -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, ARROW.schema) as writer:
        writer.write_table(ARROW, max_chunksize=2)
    return bytes(sink.getvalue().to_pybytes())


def compressed(data: bytes, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as file:
        file.write(data)
    return bytes(sink.getvalue().to_pybytes())


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


PARQUET = written(pa.parquet.write_table)
FEATHER = written(pa.feather.write_feather)
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".gzip": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    ".zst": lambda data: compressed(data, "zstd"),
    ".lz4": lambda data: compressed(data, "lz4"),
    ".zip": lambda data: zipped(**{"inside.csv": data}),
}

CONTENTS: dict[str, bytes] = {
    **{f"rows{end}": PARQUET for end in (".parquet", ".pq", ".parq", ".parquet.gzip", "", ".csv")},
    **{f"rows{end}": FEATHER for end in (".feather", ".arrow", ".ipc", ".dat", ".parquet.zst")},
    "rows.arrows": stream(),
    "stream": stream(),
    "rows.orc": written(pa.orc.write_table),
    "orc.txt": written(pa.orc.write_table),
    "rows.jsonl": LINES,
    "rows.ndjson": b"\xef\xbb\xbf" + LINES,
    "lines.json": LINES,
    "array.json": json.dumps(ROWS.to_dict("records"), indent=1).encode(),
    "array.txt": json.dumps(ROWS.to_dict("records")).encode(),
    "lines.log": LINES,
    "lines.csv": LINES,
    "u.zip": zipped(**{"u/ratings.data.parquet": PARQUET, "u/README": b"x", "u/a.sh": b"x"}),
    "rows.JSONL.GZ": gzip.compress(LINES),
    "rows.parquet.gz": gzip.compress(PARQUET),
    "parquet.zip": zipped(**{"a/rows.parquet": PARQUET, "__MACOSX/._rows.parquet": b"x"}),
    "kaggle.zip": zipped(**{"README.txt": b"Hello", "rows.csv": CSV}),
    "lines.zip": zipped(**{"rows.jsonl": LINES}),
    "twice.zip": zipped(**{"rows.csv.gz": gzip.compress(CSV)}),
    "rows.dat.xz": lzma.compress(DAT),
    "rows.tsv.bz2": bz2.compress(TSV[:40]) + bz2.compress(TSV[40:]),
    **{f"rows.csv{suffix}": pack(CSV) for suffix, pack in PACK.items() if suffix != ".gzip"},
    **{f"rows.jsonl{suffix}": pack(LINES) for suffix, pack in PACK.items() if suffix != ".zip"},
}


@pytest.mark.parametrize("name", CONTENTS)
def test_the_content_decides(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(CONTENTS[name])
    assert_same(prepared(path), prepared(table()))
    assert len(read_table(path)) == len(ROWS)
    if name.startswith("rows.csv"):
        with path.open("rb") as file:
            assert_same(prepared(file), prepared(table()))


def database(path: Path) -> bytes:
    with sqlite3.connect(path) as connection:
        connection.execute("create table a (b)")
    connection.close()
    return path.read_bytes()


def arrays() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.arange(3))
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("rows.csv")
        info.size = len(CSV)
        archive.addfile(info, io.BytesIO(CSV))
    return file.getvalue()


REFUSED: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "a.xlsx": (lambda _: zipped(**{"[Content_Types].xml": b"", "xl/x.xml": b""}), "read_excel"),
    "a.xls": (lambda _: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "pandas.read_excel"),
    "a.pkl": (lambda _: pickle.dumps(ROWS), "a pickle, which may run any program"),
    "pickle.csv": (lambda _: pickle.dumps(ROWS), "a pickle, which may run any program"),
    "a.db": (database, "SQLite database; read it with pandas.read_sql"),
    "a.h5": (lambda _: b"\x89HDF\r\n\x1a\n" + bytes(9), "pandas.read_hdf"),
    "a.npz": (lambda _: arrays(), "numpy.load"),
    "a.npy": (lambda _: b"\x93NUMPY\x01\0", "numpy.load"),
    "old.feather": (lambda _: b"FEA1" + bytes(40), "first version, .* pyarrow.feather.read_table"),
    "a.avro": (lambda _: b"Obj\x01\4", "polars.read_avro"),
    "a.tar": (lambda _: tarred(), "tar archive; unpack it"),
    "a.tar.gz": (lambda _: gzip.compress(tarred()), "tar archive; unpack it"),
    "a.tgz": (lambda _: gzip.compress(tarred()), "tar archive; unpack it"),
    "a.tar.xz": (lambda _: lzma.compress(tarred()), "tar archive; unpack it"),
    "a.7z": (lambda _: b"7z\xbc\xaf\x27\x1c\0\4", "an archive that is not opened here"),
    "a.rar": (lambda _: b"Rar!\x1a\x07\1\0", "an archive that is not opened here"),
    "page.csv": (lambda _: b"<!DOCTYPE html>\n<html>", "a page of HTML"),
    "pointer.parquet": (lambda _: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "a.bin": (lambda _: bytes(range(20)), "unknown file type '.bin', expected one of"),
    "cut.parquet": (lambda _: PARQUET[:100], "cannot be read as Parquet"),
    "cut.feather": (lambda _: FEATHER[:300], "cannot be read as Arrow"),
    "cut.orc": (lambda _: written(pa.orc.write_table)[:60], "cannot be read as ORC"),
    "empty.parquet": (lambda _: b"", "empty.parquet"),
    "empty.jsonl": (lambda _: b"", "is empty"),
    "cut.csv.bz2": (lambda _: bz2.compress(CSV)[:-9], r"cut.csv.bz2 \(bz2\) cannot be read"),
    "cut.csv.xz": (lambda _: lzma.compress(CSV)[:-9], r"cut.csv.xz \(xz\) cannot be read"),
    "cut.csv.zst": (lambda _: PACK[".zst"](CSV)[:-9], r"cut.csv.zst \(zstd\) cannot be read"),
    "cut.csv.lz4": (lambda _: PACK[".lz4"](CSV)[:-9], r"cut.csv.lz4 \(lz4\) cannot be read"),
    "cut.jsonl.gz": (lambda _: gzip.compress(LINES)[:-9], r"cut.jsonl.gz \(gzip\) cannot be read"),
    "cut.zip": (lambda _: zipped(**{"rows.csv": CSV})[:-30], "cut.zip cannot be read as a zip"),
    "plain.csv.bz2": (lambda _: CSV, "plain.csv.bz2 cannot be read as bz2: by its first bytes"),
    "deep.zip": (
        lambda _: gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(CSV))))),
        "packed more than 3 times",
    ),
    "none.zip": (lambda _: zipped(), "none.zip holds no table; it holds nothing"),
    "text.zip": (lambda _: zipped(**{"README": b"x"}), "holds no table; it holds 'README'"),
    "ml-latest.zip": (
        lambda _: zipped(**{"ml/movies.csv": b"a", "ml/ratings.csv": CSV}),
        "holds 2 files, 'ml/movies.csv', 'ml/ratings.csv'; name the one to read, such as "
        "'.*ml-latest.zip/ml/ratings.csv'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_says_what_it_is(tmp_path: Path, name: str) -> None:
    content, said = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content(tmp_path / "made"))
    with pytest.raises(sf.DataError, match=said) as failure:
        prepared(path)
    assert name in str(failure.value)


DAMAGED = [
    "rows.feather",
    "rows.arrows",
    "rows.jsonl",
    "rows.csv.zip",
    "rows.csv.zst",
    "array.json",
]


@pytest.mark.parametrize("name", DAMAGED)
@given(data=st.data())
def test_damaged_files_are_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    content = bytearray(CONTENTS[name])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    attempt(path)
    attempt(path, TIMELESS)


def test_damaged_members_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.zip"
    whole = zipped(**{"rows.csv": CSV * 20})
    place = whole.index(b"rows.csv") + 20
    path.write_bytes(whole[:place] + b"\xff" * 9 + whole[place + 9 :])
    with pytest.raises(sf.DataError, match=r"rows.zip/rows.csv cannot be read"):
        prepared(path)
    locked = bytearray(zipped(**{"rows.csv": CSV}))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(magic) + offset] |= 1
    path.write_bytes(locked)
    with pytest.raises(
        sf.DataError, match=r"rows.zip/rows.csv is encrypted; unpack it with its pa"
    ):
        prepared(path)
    path.write_bytes(zipped(**{"rows.csv": b"user_id,item_id,timestamp\n1,2\n"}))
    with pytest.raises(sf.DataError, match=r"rows.zip/rows.csv, line 2: expected 3 fields"):
        prepared(path)


def test_files_of_an_archive_are_named_by_path(tmp_path: Path) -> None:
    path = tmp_path / "ml.zip"
    parts = {f"ml/part-{n}.csv": ROWS[n : n + 1].to_csv(index=False).encode() for n in range(9)}
    parts = dict(sorted(parts.items(), reverse=True))
    path.write_bytes(zipped(**parts, **{"ml/ratings.dat": DAT, "ml/README": b"x"}))
    assert_same(prepared(path / "ml/ratings.dat"), prepared(table()))
    assert_same(
        prepared(f"{path}/ml/part-*.csv", timestamp=None), prepared(table(), timestamp=None)
    )
    with pytest.raises(
        FileNotFoundError, match=r"no such file in the archive; it holds 'ml/part-8"
    ):
        prepared(path / "ml/none.csv")
    path.write_bytes(zipped(**{"ml/movies.dat": b"1::A::x\n", "ml/ratings.dat": DAT}))
    assert read_movies(path / "ml/movies.dat")["title"].tolist() == ["A"]


LINES_OF: dict[str, tuple[str, list[Any], list[Any]]] = {
    "texts": ('{"u":"007","i":"2001-01-01"}\n{"u":"7","i":"x"}', ["007", "7"], ["2001-01-01", "x"]),
    "integers": ('{"u":1,"i":9007199254740993}\n{"i":-1,"u":2}', [1, 2], [9007199254740993, -1]),
    "beyond int64": ('{"u":1,"i":18446744073709551615}\n{"u":2,"i":3}', [1, 2], [2**64 - 1, 3]),
    "other kinds beside": (
        '{"u":1,"i":2,"x":1}\n\n{"u":2,"i":3,"x":"a"}\r\n{"u":3,"i":4,"x":{"y":[1]}}\n',
        [1, 2, 3],
        [2, 3, 4],
    ),
    "lists": ('{"u":"a","i":["x","y"]}\n{"u":"b","i":["z"]}', ["a", "a", "b"], ["x", "y", "z"]),
    "an array": ('[{"u":1,"i":18446744073709551615},\n{"u":2,"i":3}]', [1, 2], [2**64 - 1, 3]),
    "long lines": (
        json.dumps({"u": 1, "i": 5, "text": "x" * 20_000_000}) + '\n{"u":2,"i":6}',
        [1, 2],
        [5, 6],
    ),
}


@pytest.mark.parametrize("case", LINES_OF)
def test_ids_are_what_json_says(tmp_path: Path, case: str) -> None:
    text, users, items = LINES_OF[case]
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    found = read_interactions(path, ColumnNames("u", "i", None, None))
    for column, expected in ((found.users, users), (found.items, items)):
        assert column.decode(column.codes.astype(np.int64)).tolist() == expected


TIMES_OF = {
    "integers": ("1549812345678901234", "1549812345678901235"),
    "fractions": ("1.5", "1.75"),
    "integers and fractions": ("1", "1.5"),
    "times": ('"2018-07-07 22:09:11"', '"2018-07-07 22:09:12"'),
    "fractions of a second": ('"2018-07-07T22:09:11.25"', '"2018-07-07T22:09:11.5"'),
    "zones": ('"2018-07-07T22:09:11Z"', '"2018-07-07T21:09:12-01:00"'),
    "BigQuery": ('"2018-07-07 22:09:11 UTC"', '"2018-07-07 22:09:12 UTC"'),
}


@pytest.mark.parametrize("kind", TIMES_OF)
def test_times_of_json(tmp_path: Path, kind: str) -> None:
    early, late = TIMES_OF[kind]
    path = tmp_path / "rows.jsonl"
    rows = ((1, late), (2, early), (3, early))
    path.write_text("".join(f'{{"user_id":1,"item_id":{i},"timestamp":{t}}}\n' for i, t in rows))
    found = read_interactions(path, NAMES).timestamps
    assert found is not None
    assert np.argsort(found.values, kind="stable").tolist() == [1, 2, 0]


def test_times_of_lists_in_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    day = "2018-07-07 22:09:1"
    path.write_text(
        f'{{"user_id":1,"item_id":[1,2],"timestamp":["{day}2","{day}1"]}}\n'
        f'{{"user_id":2,"item_id":[3],"timestamp":["{day}0"]}}\n'
    )
    found = read_interactions(path, NAMES).timestamps
    assert found is not None
    assert (found.values - found.values.min()).tolist() == [2, 1, 0]
    path.write_text('{"user_id":1,"item_id":[1],"timestamp":[1]}\n{"user_id":2,"item_id":[2]}\n')
    with pytest.raises(
        sf.DataError, match="column 'timestamp' has 1 missing value, first at row 1"
    ):
        read_interactions(path, NAMES)
    path.write_text('{"user_id":1,"item_id":[1,2],"timestamp":[1.5,1549812345678901234]}')
    with pytest.raises(sf.DataError, match=r"'timestamp' has numbers beyond 2\*\*53"):
        read_interactions(path, NAMES)


JSON_ERRORS = {
    "cut": ('{"user_id":1,"item_id":2}\n{"user_id":1,', "line 2: is no JSON .*an object a line"),
    "an array a line": ("[1,2]\n[2,3]\n", "no JSON|expected an object"),
    "a number": ('{"user_id":1,"item_id":2}\n7\n', "line 2: expected an object a line, got '7'"),
    "mixed": (
        '{"user_id":1,"item_id":2}\n{"user_id":1,"item_id":"a"}\n',
        "line 2: 'item_id' is '\"a\"', which is a string and those above an integer",
    ),
    "a float": ('{"user_id":1,"item_id":2.5}\n', "line 1: 'item_id' is '2.5', which is a number"),
    "a truth": ('{"user_id":1,"item_id":true}\n', "line 1: .*a truth value"),
    "too large": ('{"user_id":1,"item_id":99999999999999999999}\n', "an integer beyond 64 bits"),
    "no key": (
        '{"user_id":1,"x":2}\n',
        r"column 'item_id' of .*rows.jsonl is missing; the col.*'x'",
    ),
    "a gap": ('{"user_id":1,"item_id":2}\n{"user_id":1}\n', "column 'item_id' has 1 missing value"),
    "a null": ('{"user_id":1,"item_id":null}\n', "column 'item_id' has 1 missing value"),
    "Python": ("{'user_id': 1, 'item_id': 2}\n", "looks like Python, which ast.literal_eval reads"),
    "nested": (
        '{"user_id":1,"events":[{"item_id":2,"ts":3}]}\n',
        r"'events' holds objects with 'item_id', 'ts': flatten them, as with pandas.json_normalize",
    ),
    "whole columns": ('{"user_id":{"0":1},"item_id":{"0":2}}', r"an object; .*orient='records'"),
    "an array with gaps": ('[{"user_id":1,"item_id":2},{"user_id":1}]', "has 1 missing value"),
    "an array of numbers": ("[1, 2]", "element 0 is '1', expected an object|no JSON"),
    "an array of mixed ids": (
        '[{"user_id":1,"item_id":2},{"user_id":1,"item_id":"a"}]',
        "column 'item_id' has values of int, str",
    ),
    "an empty array": ("[]", "has no rows"),
    "latin-1": ('{"user_id":1,"item_id":"é"}\n', "cannot be read as JSON: .*utf-8"),
}


@pytest.mark.parametrize("case", JSON_ERRORS)
def test_what_is_wrong_with_json_is_told(tmp_path: Path, case: str) -> None:
    text, said = JSON_ERRORS[case]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(sf.DataError, match=said):
        read_interactions(path, TIMELESS)


def test_times_that_no_float_tells_apart_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"user_id":1,"item_id":1,"timestamp":1549812345678901234.5}\n')
    with pytest.raises(sf.DataError, match=r"'timestamp' has numbers beyond 2\*\*53"):
        read_interactions(path, NAMES)
    rows = [(1, "1549812345.1234567"), (2, "1549812345.12345671"), (3, "1549812345.1234567")]
    for pattern in ("{}", "[{}]"):
        texts = [f'{{"user_id":1,"item_id":{i},"timestamp":{t}}}' for i, t in rows]
        path.write_text(pattern.format((",\n" if pattern == "[{}]" else "\n").join(texts)))
        with pytest.raises(
            sf.DataError, match=r"has '1549812345.1234567' and '15.*71', which no fl"
        ):
            read_interactions(path, NAMES)
    path.write_text(
        '{"user_id":1,"item_id":1,"timestamp":1.5}\n{"user_id":1,"item_id":1,"timestamp":2}'
    )
    assert attempt(path) is not None


def test_positions_are_for_text(tmp_path: Path) -> None:
    for name in ("rows.jsonl", "rows.feather", "rows.orc"):
        path = tmp_path / name
        path.write_bytes(CONTENTS[name])
        with pytest.raises(sf.DataError, match=r"by position \(0, 1\), but a .* file has names"):
            prepared(path, user=0, item=1, timestamp=None)


def test_urls_are_read_by_fsspec() -> None:
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for n in range(9):
        store.pipe(f"/bucket/day=1/part-{n + 4}.csv", ROWS[n : n + 1].to_csv(index=False).encode())
    store.pipe("/bucket/day=1/_SUCCESS", b"")
    store.pipe("/single/rows.parquet.gz", gzip.compress(PARQUET))
    expected = prepared(table(), timestamp=None)
    for source in ("memory://bucket", "memory://bucket/day=*/part-*.csv", "memory://bucket/day=1"):
        assert_same(prepared(source, timestamp=None), expected)
    assert read_table("memory://bucket")["day"].to_pylist() == [1] * 9
    one = "memory://single/rows.parquet.gz"
    for source in (one, fsspec.open(one), [one], fsspec.open_files([one])):
        assert_same(prepared(source), prepared(table()))
    path_like = types.SimpleNamespace(fs=store, path="/single/rows.parquet.gz")
    assert_same(prepared(path_like), prepared(table()))
    store.pipe("/odd/rows [1].csv", CSV)
    for source in ("memory://odd/rows [1].csv", Path("memory://odd/rows [1].csv")):
        assert_same(prepared(source), prepared(table()))
    store.pipe("/single/a.zip", zipped(**{"rows.csv": CSV, "more.csv": b"x"}))
    assert_same(prepared("zip://rows.csv::memory://single/a.zip"), prepared(table()))
    with fsspec.open(one, "rb") as file:
        assert_same(prepared(file), prepared(table()))
    with pytest.raises(FileNotFoundError, match=r"memory://none.csv: there is no such file"):
        prepared("memory://none.csv")
    with pytest.raises(sf.DataError, match=r"'other' of memory://bucket/day=1/part-4.csv is miss"):
        prepared("memory://bucket", user="other")


def test_urls_that_cannot_be_read_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(sf.DataError, match=r"strange://x.csv cannot be read: .*strange"):
        prepared("strange://x.csv")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(
        sf.DataError, match=r"s3://bucket/x.parquet cannot be read: ImportError.*s3fs"
    ):
        prepared("s3://bucket/x.parquet")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(sf.DataError, match=r"needs fsspec: pip install \"sasrec-fast\[remote\]\""):
        prepared("s3://bucket/x.parquet")
    with pytest.raises(sf.DataError, match=r"s3://bucket/x.parquet is a URL, .* needs fsspec"):
        prepared(Path("s3://bucket/x.parquet"))


def test_paths_of_other_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows [1] é.csv"
    path.write_bytes(CSV)
    (tmp_path / "_SUCCESS.csv").write_bytes(b"")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    fsspec = pytest.importorskip("fsspec")
    for source in (
        fsspec.open(str(path)),
        path.as_uri(),
        Path(path.as_uri()),
        "~/rows [1] é.csv",
        Path("~/rows [1] é.csv"),
        str(tmp_path / "*.csv"),
        Path("*.csv"),
        "**/*.csv",
    ):
        assert_same(prepared(source), prepared(table()))
    with pytest.raises(FileNotFoundError, match=r"none.csv: there is no such file"):
        prepared((tmp_path / "none.csv").as_uri())
    with pytest.raises(FileNotFoundError, match=r"no-such-user|there is no such file"):
        prepared("~/none.csv")


def test_text_of_a_database_is_one_column_of_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        ROWS.to_sql("rows", connection, index=False)
        assert_same(prepared(pd.read_sql("select * from rows", connection)), prepared(table()))
    connection.close()
