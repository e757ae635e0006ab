"""Files of garbage: what plain Python reads of the same bytes, or an error that names the file."""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import plain_reading
import sasrec_fast as sf
from plain_reading import READERS, WrongError
from rows import NAMES
from sasrec_fast.reading import Interactions, read_interactions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NO_LINE = r"is missing|occurs more|is empty|no rows|tells apart"
"""Errors of a text file as a whole."""

USERS = ["1", "2", "-3", "9223372036854775807", "9223372036854775808", "a", "é", "0x1F", "007"]
USERS += [" 5", "1.5", "nan", "true", "2001-12-31", "NA", "+5", "-0"]
TIMES = ["3", "1", "-7", "2.5", "1e3", "9007199254740993", "9007199254740992", ".5", "1e999"]
TIMES += ["18446744073709551615", "18446744073709551614", "1546300800.123456789", "nan", "0x10"]
TIMES += ["1546300800.123456788", "-0.0", "1_0", "12:30:00", "true", "null", "+5", "5e-324"]
ISO = ["2001-12-31", "2001-12-31 23:59:59", "2001-12-31T23:59:59Z", "2001-02-30", "0001-01-01"]
TOKENS = [b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b'"', b",", b"\t", b":", b"::"]
TOKENS += [b" ", b"\xc3", b"\xe2\x80\xa8", b"\x1a", b"\x0b", b'""', b"-", b"0", b".", b"e", b"x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("garbage")


@st.composite
def columns_of(draw: st.DrawFn, texts: list[str]) -> st.SearchStrategy[str]:
    """Fields of one column: few kinds, so that many columns are of one."""
    return st.sampled_from(draw(st.lists(st.sampled_from(texts), min_size=1, max_size=3)))


@st.composite
def text_files(draw: st.DrawFn, suffix: str) -> bytes:
    """A file with a few bytes changed, put in or cut off, which may leave it sound."""
    separator = {".dat": "::", ".csv": ",", ".tsv": "\t"}[suffix]
    times = TIMES if suffix == ".dat" else draw(st.sampled_from([TIMES, ISO, TIMES[:3]]))
    users, items = draw(columns_of(USERS)), draw(columns_of(USERS[:4] + USERS[5:7]))
    fields = [users, items, draw(columns_of(times))]
    if suffix == ".dat":
        fields.insert(2, st.sampled_from(["5", "5", "3.5"]))
    lines = draw(st.lists(st.tuples(*fields).map(separator.join), min_size=1, max_size=5))
    if suffix != ".dat":
        lines = [separator.join(["user_id", "item_id", "timestamp"]), *lines]
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    data = end.join(lines).encode() + draw(st.sampled_from([b"", end.encode()]))
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        data = draw(changed(data))
    return data


@st.composite
def changed(draw: st.DrawFn, data: bytes) -> bytes:
    start = draw(st.integers(0, len(data)))
    stop = min(len(data), start + draw(st.integers(0, 3)))
    new = draw(st.sampled_from([b"", *TOKENS]) | st.binary(max_size=2))
    return data[:start] + new + data[stop:] if draw(st.integers(0, 9)) else data[:start]


def outcome(path: Path) -> tuple[plain_reading.Columns | None, str]:
    """Users, items and ranks of times, or the message of a DataError that names the file."""
    try:
        found = read_interactions(path, NAMES)
    except sf.DataError as failure:
        said = str(failure)
    else:
        return plain(found), ""
    assert str(path) in said
    assert len(said) < 1000
    return None, said


def plain(found: Interactions) -> plain_reading.Columns:
    assert found.timestamps is not None
    users, items = (c.decode(c.codes.astype(np.int64)).tolist() for c in (found.users, found.items))
    return users, items, np.unique(found.timestamps.values, return_inverse=True)[1].tolist()


def assert_right_or_refused(path: Path, kind: str, data: bytes) -> None:
    try:
        expected = READERS[kind](data)
    except WrongError:
        expected = None
    found, said = outcome(path)
    if found is not None:
        assert expected == found
        return
    assert expected is None or "malformed quotes" in said, said
    line = re.search(r", line (\d+): ", said)
    assert line or re.search(NO_LINE, said), said
    assert line is None or 1 <= int(line[1]) <= 1 + len(re.split(rb"\r\n|\r|\n", data))


@pytest.mark.parametrize("suffix", READERS)
@given(data=st.data())
def test_changed_text_is_read_right_or_refused(
    folder: Path, suffix: str, data: st.DataObject
) -> None:
    for number in range(4):
        content = data.draw(text_files(suffix))
        path = folder / f"changed{number}{suffix}"
        path.write_bytes(content)
        assert_right_or_refused(path, suffix, content)


@pytest.mark.parametrize("suffix", READERS)
@given(data=st.binary(max_size=40) | st.lists(st.sampled_from(TOKENS)).map(b"".join))
@example(data=b"")
@example(data=b"\xef\xbb\xbf")
@example(data=b"\n\r\n")
@example(data=b"user_id,item_id,timestamp")
@example(data=b'user_id,item_id,timestamp\n1,2,"3')
@example(data=b'timestamp,item_id,user_id\n1,2,"a\n1,2,b\n1,2,c\n')
@example(data=b'user_id,item_id,timestamp\n1,2,3\n"4"5,2,3\n')
@example(data=b"user_id,item_id,timestamp\n0xFFFFFFFFFFFFFFFF,2,3\n")
@example(data=b"1::2::3::9223372036854775809\n1::2::3::9223372036854775808")
@example(data=b'"user_id"x,item_id,timestamp\n1,2,3\n')
@example(data=b"user_id,item_id,timestamp\n1,2,2001-12-31\n1,2,2001-12-31T23:59:59Z\n")
def test_any_bytes_are_read_right_or_refused(folder: Path, suffix: str, data: bytes) -> None:
    path = folder / f"any{suffix}"
    path.write_bytes(data)
    assert_right_or_refused(path, suffix, data)


@pytest.mark.parametrize("suffix", [".csv", ".dat"])
@given(data=st.data())
def test_changed_gzip_is_read_right_or_refused(
    folder: Path, suffix: str, data: st.DataObject
) -> None:
    packed = gzip.compress(data.draw(text_files(suffix)), mtime=0)
    content = data.draw(st.just(packed) | changed(packed))
    path = folder / f"changed{suffix}.gz"
    path.write_bytes(content)
    try:
        text = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        assert outcome(path)[0] is None
        return
    assert_right_or_refused(path, suffix, text)


def parquet_bytes() -> bytes:
    file = io.BytesIO()
    table = pa.table({"user_id": ["a", "b"] * 9, "item_id": range(18), "timestamp": [1.5, 2] * 9})
    pa.parquet.write_table(table, file, row_group_size=7)
    return file.getvalue()


PARQUET = parquet_bytes()


@given(content=changed(PARQUET))
@example(content=b"")
@example(content=PARQUET)
def test_changed_parquet_is_read_as_pyarrow_reads_it_or_refused(
    folder: Path, content: bytes
) -> None:
    path = folder / "changed.parquet"
    path.write_bytes(content)
    found, _ = outcome(path)
    if found is not None:
        table = pa.parquet.ParquetFile(io.BytesIO(content)).read()
        ranks = np.unique(table["timestamp"].to_numpy(), return_inverse=True)[1]
        expected = table["user_id"].to_pylist(), table["item_id"].to_pylist(), ranks.tolist()
        assert found == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda field: b"1,2,3\n" + field(200_000) + b",2,3\n", None),
        (lambda field: b"1,2,3\n" + field(3_000_000) + b",2,3\n", r"line 3: .*3,000,004 char|long"),
        (lambda field: b"1,2,3\n1,2,3" + b"," * 3_000_000, r"line 3: has 3,000,005 characters"),
        (lambda field: b'1,2,3\n"' + field(3_000_000), r"line 3: (too long|malformed quotes)"),
    ],
)
def test_huge_fields(
    tmp_path: Path, content: Callable[[Callable[[int], bytes]], bytes], said: str | None
) -> None:
    path = tmp_path / "huge.csv"
    path.write_bytes(b"user_id,item_id,timestamp\n" + content(lambda size: b"a" * size))
    found, message = outcome(path)
    if said is None:
        assert found == (["1", "a" * 200_000], [2, 2], [0, 0])
    else:
        assert re.search(said, message), message


def test_a_pipe_is_refused_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    assert outcome(path)[1] == f"{path} is neither a file nor a folder, expected one of them"
