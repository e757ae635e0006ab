"""Files and streams of any format are streamed as they are prepared in memory."""

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet
import pytest

import sasrec_fast as sf
from exactness import refusal
from sasrec_fast.preparing.streaming import driver as streaming
from sasrec_fast.reading import Copies

GENERATOR = np.random.default_rng(0)
ROWS = 120
FRAME = pd.DataFrame(
    {
        "user_id": GENERATOR.integers(1, 9, ROWS),
        "item_id": GENERATOR.integers(1, 40, ROWS),
        "rating": GENERATOR.integers(1, 6, ROWS),
        "timestamp": GENERATOR.integers(0, 90, ROWS) * 1000,
    }
)
TEXTS = FRAME.assign(user_id="u" + FRAME.user_id.astype(str), item_id=FRAME.item_id.astype(str))
MIXED = TEXTS.assign(item_id=TEXTS.item_id.where(FRAME.index != 97, "007"), user_id=FRAME.user_id)
DATED = FRAME.assign(timestamp=pd.to_datetime(FRAME.timestamp, unit="s"))
ZONED = FRAME.assign(timestamp=DATED.timestamp.dt.tz_localize("Europe/Berlin"))
UNSIGNED = FRAME.astype({"user_id": "uint64", "item_id": "uint64"})
LARGE = UNSIGNED.assign(user_id=UNSIGNED.user_id + np.uint64(2**63))
FRACTIONS = FRAME.assign(timestamp=FRAME.timestamp / 7)
LISTS = TEXTS.groupby("user_id", as_index=False).agg(list)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows make a chunk and a block of text, and a few more a shard."""
    monkeypatch.setattr(streaming, "_LEAST_CHUNK", 17)
    monkeypatch.setattr(streaming, "_LARGEST_CHUNK", 17)
    monkeypatch.setattr(streaming, "_ROW_BYTES", streaming.LEAST_BYTES // 40)
    monkeypatch.setattr(streaming, "_require_shards", lambda spill, limit: None)
    monkeypatch.setattr(streaming, "Copies", lambda folder, block, told: Copies(folder, 600))
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def assert_streamed(source: Callable[[], Any], folder: Path, **options: Any) -> sf.Prepared:
    expected = sf.prepare(source(), **options)
    given = {"max_bytes": streaming.LEAST_BYTES, **options}
    found = sf.prepare(source(), output=folder / "streamed", **given)
    assert found.fingerprint == expected.fingerprint
    assert found.report == expected.report
    assert {path.name for path in folder.iterdir()} <= {"streamed", "input"}
    return found


def parquet(frame: pd.DataFrame, path: Path) -> None:
    pa.parquet.write_table(pa.Table.from_pandas(frame), path, row_group_size=50)


WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "a.parquet": parquet,
    "a.feather": lambda frame, path: pa.feather.write_feather(frame, path, chunksize=30),
    "a.orc": lambda frame, path: pa.orc.write_table(pa.Table.from_pandas(frame), path),
    "a.csv": lambda frame, path: frame.to_csv(path, index=False),
    "a.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "a.csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "a.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("frame", [FRAME, TEXTS], ids=["integers", "texts"])
def test_formats(name, frame, tmp_path):
    (tmp_path / "input").mkdir()
    path = tmp_path / "input" / name
    WRITERS[name](frame, path)
    assert_streamed(lambda: path, tmp_path, rating="rating", min_rating=2)


FRAMES = {"dated": DATED, "zoned": ZONED, "unsigned": UNSIGNED, "large": LARGE, "mixed": MIXED}
FRAMES |= {"fractions": FRACTIONS, "lists": LISTS}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_kinds_of_values(kind, name, tmp_path):
    (tmp_path / "input").mkdir()
    path = tmp_path / "input" / name
    if kind == "lists" and name == "a.csv":
        pytest.skip("text holds no lists")
    WRITERS[name](FRAMES[kind], path)
    options = {}
    if kind in ("dated", "zoned"):
        options["split_at"] = ("1970-01-01 12:00", "1970-01-01 20:00")
    found = assert_streamed(lambda: path, tmp_path, **options)
    if kind == "large" and name == "a.parquet":
        assert found.users.ids.dtype == np.uint64


def test_dat_and_positions(tmp_path):
    (tmp_path / "input").mkdir()
    path = tmp_path / "input" / "ratings.dat"
    columns = FRAME[["user_id", "item_id", "rating", "timestamp"]].astype(str)
    path.write_text("\n".join(columns.agg("::".join, axis=1)) + "\n")
    assert_streamed(lambda: path, tmp_path)
    path = path.with_suffix(".csv")
    FRAME.to_csv(path, index=False, header=False)
    assert_streamed(lambda: path, tmp_path, user=0, item=1, timestamp=3)


def test_folders_lists_and_further_types(tmp_path):
    """Several files, of which each has its own types."""
    folder = tmp_path / "input"
    for number, frame in enumerate((FRAME, UNSIGNED.astype({"timestamp": "int32"})), start=9):
        (folder / f"user_id={number}").mkdir(parents=True)
        parquet(frame.drop(columns="user_id"), folder / f"user_id={number}" / "part.parquet")
    assert_streamed(lambda: folder, tmp_path, num_negatives=0)
    FRAME.to_csv(folder / "b.csv", index=False)
    MIXED.to_csv(folder / "c.csv", index=False)
    DATED.assign(timestamp=DATED.timestamp.astype("datetime64[ms]")).to_parquet(
        folder / "d.parquet"
    )
    DATED.to_parquet(folder / "e.parquet")
    assert_streamed(lambda: [folder / "b.csv", folder / "c.csv"], tmp_path)
    assert_streamed(lambda: [folder / "d.parquet", folder / "e.parquet"], tmp_path)
    assert_streamed(lambda: iter([FRAME, folder / "b.csv"]), tmp_path)


SOURCES = {
    "pandas": lambda: TEXTS,
    "polars": lambda: pl.from_pandas(TEXTS),
    "duckdb": lambda: duckdb.from_df(TEXTS),
    "reader": lambda: pa.Table.from_pandas(TEXTS).to_reader(11),
    "dataset": lambda: pa.dataset.dataset(pa.Table.from_pandas(TEXTS)),
    "categories": lambda: TEXTS.astype({"user_id": "category", "item_id": "category"}),
    "pieces": lambda: (TEXTS.iloc[first : first + 50] for first in (0, 50, 100)),
    "views": lambda: pa.table(
        [pa.array(TEXTS[name]).cast(pa.string_view()) for name in ("user_id", "item_id")],
        ["user_id", "item_id"],
    ),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_tables_and_streams(kind, tmp_path):
    options = {"timestamp": None} if kind == "views" else {}
    assert_streamed(SOURCES[kind], tmp_path, **options)


def test_a_file_that_no_block_tells_of_is_read_as_a_whole(tmp_path):
    """What a comma means is said by the first rows alone."""
    (tmp_path / "input").mkdir()
    path = tmp_path / "input" / "a.csv"
    times = ("1," + FRAME.index.astype(str).str.zfill(3)).where(FRAME.index > 60, "1,5")
    FRAME.assign(timestamp=times).to_csv(path, index=False, sep=";")
    assert_streamed(lambda: path, tmp_path)


def test_a_reused_vocabulary(tmp_path):
    for frame in (FRAME, TEXTS):
        items = sf.Vocabulary(sorted(frame.item_id.unique())[5:])
        assert assert_streamed(lambda frame=frame: frame, tmp_path, items=items).items == items


def test_faults_are_those_of_memory(tmp_path):
    """Of a damaged file the message is the same; of a chunk it says which one."""
    path = tmp_path / "a.csv"
    lines = FRAME.to_csv(index=False).splitlines()
    for number, line in ((100, "1,2,3"), (90, "1,2,3,soon"), (70, "1,,3,4")):
        path.write_text("\n".join([*lines[:number], line, *lines[number:]]))
        said = refusal(lambda: sf.prepare(path))
        assert said is not None
        assert f"line {number + 1}" in said
        assert refusal(lambda: sf.prepare(path, output=tmp_path / "data")) == said
    missing = FRAME.astype({"user_id": "Int64"})
    missing.loc[60, "user_id"] = pd.NA
    missing.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(sf.DataError, match=r"a.parquet, in the rows from 51 on: .* at row 9"):
        sf.prepare(tmp_path / "a.parquet", output=tmp_path / "data")
    with pytest.raises(sf.DataError, match="is int64 in piece 1 and large_string in piece 2"):
        sf.prepare(iter([FRAME, TEXTS]), output=tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_warnings_are_given_once(tmp_path):
    path = tmp_path / "a.csv"
    FRAME.assign(item_id=FRAME.item_id.astype(float)).to_csv(path, index=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sf.prepare(path, output=tmp_path / "data")
    said = [str(warning.message) for warning in caught]
    assert len([text for text in said if "they are text" in text]) == 1
    assert all(warning.filename == __file__ for warning in caught)


def test_gzip_of_no_suffix_is_unpacked(tmp_path):
    (tmp_path / "input").mkdir()
    path = tmp_path / "input" / "interactions"
    path.write_bytes(gzip.compress(FRAME.to_csv(index=False).encode()))
    assert_streamed(lambda: path, tmp_path)
