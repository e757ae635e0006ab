"""Folders and lists of files are one table; what does not fit together is named."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

import sasrec_fast as sf
from rows import FRAME, TIMES, USERS, assert_same, prepared, table, write
from sasrec_fast.reading import read_table
from sasrec_fast.reading.files import read_columns
from sasrec_fast.reading.order import in_order

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("user_id", "item_id")


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    for i, (start, end) in enumerate([(0, 2), (2, 2), (2, 5), (5, 9)]):
        write(FRAME[start:end], tmp_path / f"deep/{i}/part-{i}.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / ".part.crc").write_text("no data")
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log/0.json").write_text("{}")
    assert_same(prepared(tmp_path, timestamp=None), prepared(table(), timestamp=None))


def numbered(folder: Path, pattern: str, suffix: str = ".csv") -> list[Path]:
    """A file a row, in the order of the rows by number, not by name."""
    return [
        write(FRAME[n : n + 1], folder / (pattern.format(n + 4) + suffix))
        for n in range(len(FRAME))
    ]


@pytest.mark.parametrize("pattern", ["part-{}", "{}", "run {}/day-{}", "day={}/a", "v1.{}", "p{}b"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".tsv.gz"])
def test_numbers_in_names_count(tmp_path: Path, pattern: str, suffix: str) -> None:
    numbered(tmp_path, pattern.replace("{}", "{0}"), suffix)
    expected = prepared(table(), timestamp=None)
    last = "**/*" if "/" in pattern else "*"
    for source in (tmp_path, str(tmp_path), f"{tmp_path}/{last}{suffix}"):
        assert prepared(source, timestamp=None).fingerprint == expected.fingerprint


def test_numbers_in_names_of_a_dataset_count(tmp_path: Path) -> None:
    numbered(tmp_path, "day=1/part-{}", ".parquet")
    numbers = pa.dataset.dataset(tmp_path, partitioning="hive")
    expected = prepared(table(), timestamp=None)
    assert prepared(numbers, timestamp=None).fingerprint == expected.fingerprint
    days = prepared(numbers, timestamp=None, rating="day", min_rating=1)
    assert days.fingerprint == expected.fingerprint
    files = numbered(tmp_path / "given", "{}", ".parquet")[::-1]
    given = pa.dataset.dataset([str(file) for file in files])
    backwards = FRAME[::-1].to_dict("list")
    assert_same(prepared(given, timestamp=None), prepared(backwards, timestamp=None))


def test_numbers_in_names_decide_ties(tmp_path: Path) -> None:
    for n, file in enumerate(numbered(tmp_path, "part-{}")):
        write(FRAME[n : n + 1].assign(timestamp=1), file)
    expected = prepared(table(timestamp=[1] * len(USERS)))
    assert prepared(tmp_path).fingerprint == expected.fingerprint


def test_names_without_numbers_keep_their_order() -> None:
    names = ["a.csv", "a1.csv", "a01.csv", "a2b.csv", "a10.csv", "b/2.csv", "b/10.csv", "b10/1.csv"]
    assert in_order(reversed(names)) == ["a.csv", "a01.csv", "a1.csv", *names[3:]]
    assert in_order(["9" * 5000, "1" + "0" * 5000, "x"]) == ["9" * 5000, "1" + "0" * 5000, "x"]


def test_a_list_keeps_its_order_which_is_warned_of(tmp_path: Path) -> None:
    files = numbered(tmp_path, "part-{}")
    assert_same(prepared(files, timestamp=None), prepared(table(), timestamp=None))
    for wrong in (sorted(files), iter(sorted(files)), files[::-1]):
        with pytest.warns(
            sf.DataWarning, match=r"the order of files is the order of time, and .*p"
        ):
            prepared(wrong, timestamp=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", sf.DataWarning)
        read_columns(sorted(files), NAMES, ["timestamp"], ["timestamp"])
        read_columns([files[0], tmp_path / "part-5.csv"], NAMES, (), in_time_order=True)


def test_an_iterator_of_paths_is_warned_of_where_it_has_no_order(tmp_path: Path) -> None:
    files = [write(FRAME[:5], tmp_path / "a.csv"), write(FRAME[5:], tmp_path / "b.csv")]
    with pytest.warns(sf.DataWarning, match=r"b.csv is not the first by its name; sort them"):
        prepared(iter(files[::-1]), timestamp=None)
    with pytest.warns(sf.DataWarning, match=r"1 files are given more than once, .* first .*a.csv"):
        prepared([*files, f"{tmp_path}/a.*"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", sf.DataWarning)
        read_columns(files, NAMES, (), in_time_order=True)


def linked(folder: Path, name: str, to: Path) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).symlink_to(to)


def test_links_do_not_double_rows(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write(FRAME[:5], folder / "deep/b.csv")
    write(FRAME[5:], folder / "deep/c.csv")
    linked(folder, "a", folder / "deep")
    linked(folder, "0.csv", folder / "deep/c.csv")
    linked(folder, "deep/up", folder)
    linked(folder, "deep/here", folder / "deep")
    linked(folder, "deep/around", tmp_path)
    for source in (folder, f"{folder}/*"):
        with pytest.warns(sf.DataWarning, match="links lead a second time to .* files or folders"):
            found = prepared(source, timestamp=None)
        assert found.report.rows_in == len(FRAME)
    assert_same(found, prepared(table(), timestamp=None))


def test_links_to_what_lies_elsewhere_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write(FRAME[:3], folder / "a.csv")
    write(FRAME[3:5], tmp_path / "other/x/b.csv")
    linked(folder, "b", tmp_path / "other")
    linked(folder, "c.csv", write(FRAME[5:], tmp_path / "c.csv"))
    linked(tmp_path, "other/x/back", tmp_path / "other")
    with pytest.warns(sf.DataWarning, match="links lead a second time"):
        assert_same(prepared(folder, timestamp=None), prepared(table(), timestamp=None))
    linked(tmp_path, "whole", folder)
    assert len(read_table(tmp_path / "whole")) == len(FRAME)
    (tmp_path / "c.csv").unlink()
    with pytest.raises((sf.DataError, FileNotFoundError), match=r"c.csv"):
        prepared(folder, timestamp=None)


def test_a_link_that_gives_another_value_is_another_file(tmp_path: Path) -> None:
    write(FRAME.drop(columns="timestamp"), tmp_path / "timestamp=1/a.csv")
    linked(tmp_path, "timestamp=2", tmp_path / "timestamp=1")
    assert read_table(tmp_path)["timestamp"].to_pylist() == [1] * len(FRAME) + [2] * len(FRAME)


def test_a_table_of_delta_lake_is_warned_of(tmp_path: Path) -> None:
    write(FRAME, tmp_path / "part-0.parquet")
    (tmp_path / "_delta_log").mkdir()
    with pytest.warns(sf.DataWarning, match="table of Delta Lake, whose log is not read"):
        assert_same(prepared(tmp_path), prepared(table()))


def test_columnar_files_of_one_format_may_have_several_names(tmp_path: Path) -> None:
    for n, name in enumerate(["a.parquet", "b.pq", "c.parquet.gzip"]):
        pa.parquet.write_table(pa.Table.from_pandas(FRAME[n * 3 : n * 3 + 3]), tmp_path / name)
    assert_same(prepared(tmp_path, timestamp=None), prepared(table(), timestamp=None))


def test_folders_named_after_values_give_columns(tmp_path: Path) -> None:
    rows = FRAME.assign(user_id=[f"user {user}" for user in USERS], day=TIMES, **{"odd name": 1})
    pa.dataset.write_dataset(
        pa.Table.from_pandas(rows.drop(columns="timestamp")),
        tmp_path,
        format="parquet",
        partitioning=["user_id", "day", "odd name"],
        partitioning_flavor="hive",
    )
    found = prepared(tmp_path, timestamp="day")
    assert_same(found, prepared(rows.to_dict("list")))
    assert found.users.ids.tolist() == ["user 1", "user 2", "user 3"]
    assert sorted(read_table(tmp_path).column_names) == sorted({*rows.columns} - {"timestamp"})


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_values_of_folders_are_typed_together(tmp_path: Path, suffix: str) -> None:
    def folder(name: str, *values: str) -> Path:
        for value in values:
            write(FRAME.drop(columns="timestamp")[:1], tmp_path / name / f"t={value}/a{suffix}")
        return tmp_path / name

    def types(name: str, *values: str) -> list[Any]:
        path = folder(name, *values)
        return [
            str(read_columns([path], ids, n)["t"].type) for ids, n in ((["t"], []), ([], ["t"]))
        ]

    assert types("integers", "0", "-12", "7") == ["int64", "int64"]
    assert types("zeros", "007", "7") == ["string", "double"]
    assert types("fractions", "1.5", "7") == ["string", "double"]
    assert types("times", "2001-12-31", "2001-12-31 10%3A11%3A12") == ["string", "timestamp[us]"]
    assert types("words", "x", "7") == ["string", "string"]
    with pytest.raises(sf.DataError, match="column 't' has 1 missing value, first at row 1"):
        prepared(folder("null", "__HIVE_DEFAULT_PARTITION__", "7"), timestamp="t")


def test_ids_are_text_in_all_files_if_in_one(tmp_path: Path) -> None:
    for name, text in {"a": "007,1\n8,2\n", "b": "x,3\n", "c": ""}.items():
        (tmp_path / f"{name}.csv").write_text("user_id,item_id\n" + text)
    found = read_columns([tmp_path], NAMES, ())
    assert found.to_pydict() == {"user_id": ["007", "8", "x"], "item_id": [1, 2, 3]}
    (tmp_path / "a.dat").write_text("007::1::1::1\n")
    (tmp_path / "b.dat").write_text("x::1::1.5::1\n")
    paths = [tmp_path / "a.dat", tmp_path / "b.dat"]
    assert read_columns(paths, (0,), (2,)).to_pydict() == {"0": ["007", "x"], "2": [1.0, 1.5]}
    assert read_columns(paths, NAMES, ())["user_id"].to_pylist() == ["007", "x"]


def test_files_that_disagree_are_named(tmp_path: Path) -> None:
    one = write(FRAME, tmp_path / "one.parquet")
    texts = write(FRAME.astype({"item_id": str}), tmp_path / "two.parquet")
    with pytest.raises(
        sf.DataError, match=r"'item_id' is int64 in .*one.parquet and .* in .*two.pa"
    ):
        prepared([one, texts])
    lacking = write(FRAME.drop(columns="item_id"), tmp_path / "three.parquet")
    with pytest.raises(sf.DataError, match=r"column 'item_id' of .*three.parquet is missing"):
        prepared([one, lacking])
    wide = FRAME.assign(timestamp=np.array(TIMES) + (1 << 60))
    exact = write(wide, tmp_path / "exact.parquet")
    floats = write(FRAME.astype({"timestamp": float}), tmp_path / "floats.parquet")
    with pytest.raises(sf.DataError, match=r"'timestamp' is int64 in .*exact.*double in .*floats"):
        prepared([exact, floats])
    narrow = write(
        FRAME.astype({"item_id": "int16", "timestamp": "float32"}), tmp_path / "n.parquet"
    )
    twice = {name: values * 2 for name, values in table().items()}
    assert_same(prepared([one, narrow]), prepared(twice))


def test_a_file_of_no_rows_counts_only_beside_others(tmp_path: Path) -> None:
    for suffix, said in ((".csv", "has a header and no rows"), (".parquet", "has no rows")):
        rows, none = (
            write(f, tmp_path / f"{n}{suffix}") for n, f in (("a", FRAME), ("b", FRAME[:0]))
        )
        assert_same(prepared([none, rows]), prepared(table()))
        with pytest.raises(sf.DataError, match=f"b{suffix} {said}$"):
            prepared(none)
        with pytest.raises(sf.DataError, match=f"b{suffix} {said}, nor the others"):
            prepared([none, none])


def test_folders_that_are_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(sf.DataError, match=r"is a folder, expected a file, or \.dat, \.csv"):
        prepared(tmp_path)
    write(FRAME, tmp_path / "rows.csv")
    (tmp_path / "readme.txt").write_text("x")
    with pytest.raises(
        sf.DataError,
        match=r"files of one format .*readme.txt is '.txt' and .*rows.csv is '.csv'; give",
    ):
        prepared(tmp_path)
    (tmp_path / "rows.csv").unlink()
    (tmp_path / "readme.txt").write_bytes(b"\0\1")
    with pytest.raises(
        sf.DataError, match=r"readme.txt.*unknown file type '.txt', expected one of"
    ):
        prepared(tmp_path)
