"""Files of any bytes: the right answer or an error of the documented kinds, never another one."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rows import FIRST_TWO, NAMES, attempt
from sasrec_fast.reading import ColumnNames

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
