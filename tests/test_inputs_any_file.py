"""Files of any bytes: the right answer or an error of the documented kinds, never another one.

And files as real programs write them: what the same table in memory gives.
"""

from __future__ import annotations

import csv
import gzip
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import plain_reading
from rows import FIRST_TWO, NAMES, attempt
from sasrec_fast.reading import ColumnNames, Interactions, read_interactions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("garbage")


def parquet_bytes() -> bytes:
    rows = {"user_id": ["a", "b", "a"] * 5, "item_id": range(15), "timestamp": [1.5, 2.5, 3.5] * 5}
    file = io.BytesIO()
    pa.parquet.write_table(pa.table({n: list(v) for n, v in rows.items()}), file)
    return file.getvalue()


HEADERS = {
    ".dat": b"",
    ".csv": b"user_id,item_id,timestamp\n",
    ".tsv": b"user_id\titem_id\ttimestamp\n",
    ".dat.gz": b"",
    ".csv.gz": b"user_id,item_id,timestamp\n",
    ".parquet": b"PAR1",
}
pieces = st.lists(
    st.one_of(
        st.binary(max_size=4),
        st.sampled_from(
            [b"\n", b"\r", b",", b"\t", b'"', b"::", b"1", b"2.5", b"a", b"2001-12-31"]
        ),
        st.sampled_from([b"NaN", b"-0", b"9223372036854775808", b"\xef\xbb\xbf", b"\0", b"1e999"]),
    ),
    max_size=30,
).map(b"".join)


@pytest.mark.parametrize("suffix", HEADERS)
@given(data=st.one_of(st.binary(), pieces), whole=st.booleans())
def test_files_of_any_bytes(folder: Path, suffix: str, data: bytes, whole: bool) -> None:
    path = folder / f"any{suffix}"
    content = (HEADERS[suffix] if whole else b"") + data
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    for names in (NAMES, FIRST_TWO, ColumnNames(0, 1, 2, None), ColumnNames(0, 0, None, 1)):
        attempt(path, names)
    attempt([path, path])


@pytest.mark.parametrize("suffix", [".parquet", ".csv.gz"])
@given(data=st.data())
def test_damaged_binary_files(folder: Path, suffix: str, data: st.DataObject) -> None:
    text = HEADERS[".csv"] + b"1,2,3\n4,5,6\n" * 9
    good = bytearray(parquet_bytes() if suffix == ".parquet" else gzip.compress(text, mtime=0))
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(good) - 1))
        good[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(good)), st.integers(0, len(good))))
    path = folder / f"damaged{suffix}"
    path.write_bytes(good[:cut])
    attempt(path)


IDS = [
    ["1", "2", "30", "-4"],
    ["007", "7", "07"],
    ["0108775015", "0110065001"],
    ["+1", "1", "2"],
    ["0", "-0", "00"],
    ["1e3", "1000", "7.0"],
    ["0x1F", "31"],
    ["9223372036854775807", "9223372036854775808", "5"],
    ["a", "b c", "\u00e9", "true", "nan"],
]
QUOTED_IDS = [['x"y', '"z"', "n"], ["p, q", "r; s", "t|u"], ["two\nlines", "one"]]
STAMPS = [
    ["1", "2", "30", "007"],
    ["1.5", "2.25", "3", "+4"],
    ["1e9", "5", "978300760"],
    ["2001-12-31", "2001-01-01"],
    ["2001-12-31 10:00:00", "2001-12-31T09:00", "2001-12-31 09:30:00.5"],
    ["2001-12-31 10:00:00 UTC", "2001-12-31T09:00:00Z", "2001-12-31 12:30:00+03:00"],
    ["2001-12-31 10:00:00.123456 UTC", "2001-12-31 03:15:00.5 -0700"],
]
TITLES = ["plain", "", '27" monitor', '"Weird Al', 'Heroes"', "x, y, z", "x; y; z", "007", "a|b"]
QUOTED_TITLES = [*TITLES, "tab\there", "two\nlines", 'say "hi", twice', "\r\n"]
ENDS = ["\n", "\r\n", "\r"]


@st.composite
def columns_of_text(draw: st.DrawFn, quoted: bool) -> list[list[str]]:
    """Rows of a user, an item, a time and a title; few values, all of a column of one kind."""
    kinds = [*IDS, *QUOTED_IDS] if quoted else IDS
    pools = [draw(st.sampled_from(kinds)), draw(st.sampled_from(kinds))]
    pools += [draw(st.sampled_from(STAMPS)), QUOTED_TITLES if quoted else TITLES]
    row = st.tuples(*(st.sampled_from(pool) for pool in pools)).map(list)
    return draw(st.lists(row, min_size=1, max_size=8))


def written(rows: list[list[str]], between: str, end: str, quoting: int | None) -> str:
    """The rows as a program writes them that quotes, or one that does not."""
    if quoting is None:
        return "".join(between.join(row) + end for row in rows)
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=between, lineterminator=end, quoting=quoting).writerows(rows)
    return file.getvalue()


@st.composite
def text_of(draw: st.DrawFn, rows: list[list[str]], header: list[str], quoted: bool) -> bytes:
    """A file of the rows: delimiter, quotes, line ends, empty lines and a mark are drawn."""
    fields = "".join(field for row in rows for field in row)
    plain = [between for between in (",", ";", "\t", "|") if quoted or between not in fields]
    if not quoted and ":" not in fields and all(all(row) for row in rows):
        plain.append("::")
    between = draw(st.sampled_from(plain or ["\t"]))
    # `csv` writes line ends other than its own without quotes unless it quotes all.
    allowed = [csv.QUOTE_ALL] + [csv.QUOTE_MINIMAL] * ("\n" not in fields and "\r" not in fields)
    quoting = draw(st.sampled_from(allowed)) if quoted else None
    end = draw(st.sampled_from(ENDS))
    text = written([header, *rows] if header else rows, between, end, quoting)
    text = text.removesuffix(end) if draw(st.booleans()) else text + end * draw(st.integers(0, 2))
    mark = "\ufeff" if draw(st.booleans()) else ""
    return (mark + text).encode()


def plain(found: Interactions) -> tuple[Any, ...]:
    assert found.timestamps is not None
    users, items = (c.decode(c.codes.astype(np.int64)).tolist() for c in (found.users, found.items))
    return users, items, np.unique(found.timestamps.values, return_inverse=True)[1].tolist()


def in_memory(rows: list[list[str]]) -> dict[str, Any]:
    users, items, stamps, _ = map(list, zip(*rows, strict=True))
    times = plain_reading.times(stamps)
    ids = {"user_id": plain_reading.ids(users), "item_id": plain_reading.ids(items)}
    return {**ids, "timestamp": [float(time) for time in times]}


@given(data=st.data())
def test_text_as_programs_write_it_is_the_table_in_memory(
    folder: Path, data: st.DataObject
) -> None:
    quoted, named = data.draw(st.booleans()), data.draw(st.booleans())
    rows = data.draw(columns_of_text(quoted))
    order = data.draw(st.permutations(range(4)))
    header = ["user_id", "item_id", "timestamp", "title"]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=2)))
    paths = []
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
        if start == stop and not named:
            continue
        part = [[row[place] for place in order] for row in rows[start:stop]]
        names = [header[place] for place in order] if named else []
        content = data.draw(text_of(part, names, quoted))
        suffix = data.draw(st.sampled_from([".csv", ".tsv", ".dat", ".csv.gz", ".dat.gz"]))
        paths.append(folder / f"written{number}{suffix}")
        paths[-1].write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    chosen = NAMES if named else ColumnNames(*(order.index(place) for place in range(3)), None)
    expected = plain(read_interactions(in_memory(rows), NAMES))
    assert plain(read_interactions(paths, chosen)) == expected
