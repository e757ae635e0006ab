"""Appended data is what preparing all rows together gives, in every array and every count."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import reference
import sasrec_fast as sf
from exactness import assert_agrees, prepare
from reference import Interaction
from sasrec_fast.saving import manifest
from saved_data import assert_same_data
from strategies import Case, accepted, cases

Table = dict[str, Any]
TABLE = {
    "user_id": [3, 1, 1, 3, 3, 1, 7, 7, 7],
    "item_id": [20, 10, 30, 10, 40, 20, 20, 10, 30],
    "timestamp": [5, 1, 2, 3, 9, 4, 1, 2, 3],
}


def pieces(case: Case, cuts: list[int]) -> Iterator[Table]:
    edges = [0, *cuts, len(case.rows)]
    columns = case.columns()
    for first, end in pairwise(edges):
        yield {name: column[first:end] for name, column in columns.items()}


@st.composite
def cut_cases(draw: st.DrawFn) -> tuple[Case, list[int]]:
    """A table, and where pieces of it end; the first can be prepared, all together may not."""
    case = draw(cases())
    rows = len(case.rows)
    assume(rows > 1)
    cuts = sorted(draw(st.lists(st.integers(1, rows - 1), min_size=1, max_size=3, unique=True)))
    while cuts and not accepted(case.with_rows(case.rows[: cuts[0]])):
        cuts = cuts[1:]
    assume(cuts)
    return case, cuts


def assert_equal(actual: sf.Prepared, expected: sf.Prepared) -> None:
    assert actual.report == expected.report
    assert actual.fingerprint == expected.fingerprint
    assert actual.options == expected.options
    assert actual.users == expected.users
    assert actual.items == expected.items


def joined(*tables: Table) -> Table:
    return {name: [value for t in tables for value in t[name]] for name in tables[0]}


@settings(max_examples=25)
@given(cut_cases(), st.lists(st.booleans(), min_size=3, max_size=3))
def test_appended_data_is_that_of_all_rows(
    drawn: tuple[Case, list[int]], keeping: list[bool]
) -> None:
    """Several times in a row, with any options; where items keep their indices, with those."""
    case, cuts = drawn
    first, *others = pieces(case, cuts)
    data, rows, so_far = prepare(case, first), cuts[0], case
    for piece, keep_items in zip(others, keeping, strict=False):
        before, items = data, data.items
        if keep_items and case.options.items != "identity":
            items = items.extend(piece["item_id"])
            if lost(before, case.rows[:rows], items):
                return
            so_far = so_far.with_options(items=tuple(items.ids.tolist()))
        rows += len(piece["user_id"])
        so_far = so_far.with_rows(case.rows[:rows])
        if not accepted(so_far):
            with pytest.raises(sf.DataError):
                data.append(piece, keep_items=keep_items)
            return
        data, expected = data.append(piece, keep_items=keep_items), prepare(so_far)
        assert data.report.items_appended == (len(data.items) - len(before.items)) * keep_items
        assert_equal(
            replace(data, report=counted(data)), replace(expected, report=counted(expected))
        )
        changed = changed_users(before, data)
        assert set(changed) <= set(data.changed_users)
        assert changed == data.changed_users.tolist() or case.options.duplicates != "keep"
    assert_agrees(data, reference.prepare(so_far.rows, so_far.options))


def lost(data: sf.Prepared, rows: list[Interaction], items: sf.Vocabulary) -> bool:
    """Whether rows were dropped with an item unknown then, and known now: they stay dropped."""
    dropped = data.report.rows_dropped_by_unknown_item
    return bool(dropped) and any(items.index([r.item]) > data.items.index([r.item]) for r in rows)


def changed_users(before: sf.Prepared, after: sf.Prepared) -> list[Any]:
    """Whose items, by their ids, are others than before."""
    old = {user: before.items.lookup(items).tolist() for user, items in sequences(before)}
    new = {user: after.items.lookup(items).tolist() for user, items in sequences(after)}
    return [user for user, items in new.items() if old.get(user) != items]


def sequences(data: sf.Prepared) -> Iterator[tuple[Any, Any]]:
    parts = np.split(data.sequences.items, data.sequences.offsets[1:-1])
    return zip(data.users.ids.tolist(), parts, strict=True)


def counted(data: sf.Prepared) -> sf.Report:
    """The report, but for what rows under the minimum of ratings are counted as."""
    report = data.report
    filtered = report.rows_dropped_by_rating + report.rows_dropped_by_unknown_item
    return replace(
        report, rows_dropped_by_rating=filtered, rows_dropped_by_unknown_item=0, items_appended=0
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("datetime64[s]", "datetime64[ns]"),
        ("datetime64[us]", "datetime64[ms]"),
        ("datetime64[D]", "datetime64[s]"),
        ("int64", "int32"),
        ("int16", "uint64"),
        ("uint64", "int8"),
        ("int64", "float64"),
        ("float32", "float64"),
        ("float64", "int64"),
    ],
)
def test_times_of_another_unit_or_type_are_the_same_times(old: str, new: str) -> None:
    """Huge times of uint64 are stored in another way; nine decimals fit floats alone."""
    split_at = (2.5, 4) if "float" in (old + new) else (3, 5)
    if old[0] == "d":
        split_at = ("1970-01-04", "1970-01-06")
    times = np.array(TABLE["timestamp"])
    first = {**TABLE, "timestamp": times.astype(old)}
    then = {"user_id": [1, 3, 9, 9], "item_id": [10, 50, 20, 10]}
    later = np.array([2, 4, 1, 6])
    if old[0] == "d":
        first["timestamp"] = times.astype("datetime64[D]").astype(old)
        later = later.astype("datetime64[D]")
    elif new == "uint64":
        later = later.astype(new) + np.array([0, 2**64 - 99, 0, 0], new)
    elif new == "float64":
        later = later + 0.25
    then["timestamp"] = later.astype(new)
    for options in ({}, {"ties": "hash"}, {"split_at": split_at}):
        if new == "uint64" and options.get("split_at"):
            continue
        expected = sf.prepare([first, then], min_user_interactions=1, **options)
        data = sf.prepare(first, min_user_interactions=1, **options).append(then)
        assert_equal(data, expected)


def test_rows_may_be_anything_that_is_read(tmp_path: Path) -> None:
    data = sf.prepare(TABLE, min_user_interactions=2)
    then = {"user_id": [1, 8], "item_id": [10, 10], "timestamp": [0, 0]}
    expected = sf.prepare(joined(TABLE, then), min_user_interactions=2)
    pd.DataFrame(then).to_parquet(tmp_path / "rows.parquet")
    for rows in (pd.DataFrame(then), tmp_path / "rows.parquet", iter([then])):
        assert_equal(data.append(rows), expected)
    assert data.report.rows_in == 9, "the data stays as it is"
    text = {name: list(map(str, column)) for name, column in TABLE.items() if name != "timestamp"}
    as_text = sf.prepare({**text, "timestamp": TABLE["timestamp"]}, min_user_interactions=2)
    new_users = {"user_id": ["0", "8", "0", "99"], "item_id": list("7777"), "timestamp": [1] * 4}
    expected = sf.prepare(
        joined({**text, "timestamp": TABLE["timestamp"]}, new_users), min_user_interactions=2
    )
    assert_equal(as_text.append(new_users), expected)


def test_rows_of_changed_users_alone_are_those_of_all() -> None:
    data = sf.prepare(TABLE, holdout=1, negatives="popularity", num_negatives=0)
    assert data.changed_users.tolist() == [1, 3, 7]
    then = {"user_id": [3, 9, 9, 9], "item_id": [30, 10, 20, 30], "timestamp": [9, 9, 9, 9]}
    data = data.append(then)
    assert data.changed_users.tolist() == [3, 9]
    chosen = data.train.of_users(data.changed_users)
    assert chosen.user_ids.tolist() == [3, 9]
    rows = np.flatnonzero(np.isin(data.train.user_ids, [3, 9]))
    for name, array in vars(chosen.arrays(1)).items():
        assert (array == getattr(data.train.arrays(1), name)[rows]).all(), name
    with pytest.raises(KeyError, match="users not in the data: 4"):
        data.train.of_users([4])


REFUSED: dict[str, tuple[Table, str]] = {
    "user ids": (
        {"user_id": ["a"], "item_id": [1], "timestamp": [1]},
        "column 'user_id' has string ids, such as 'a'; those of the data are integer ids",
    ),
    "item ids": (
        {"user_id": [1], "item_id": ["b"], "timestamp": [1]},
        "column 'item_id' has string ids, such as 'b'; those of the data are integer ids",
    ),
    "times": (
        {"user_id": [1], "item_id": [1], "timestamp": np.array([1], "M8[s]")},
        "column 'timestamp' holds datetimes, and that of the data numbers; expected one kind",
    ),
    "column": ({"user_id": [1], "item_id": [1]}, "timestamp"),
    "user ids beyond": (
        {"user_id": np.array([2**64 - 1], np.uint64), "item_id": [1], "timestamp": [1]},
        "column 'user_id' has ids from -3 to 18446744073709551615 with those of the data",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_rows_of_another_kind_are_refused(kind: str) -> None:
    rows, message = REFUSED[kind]
    users = [-3, *TABLE["user_id"][1:]] if kind == "user ids beyond" else TABLE["user_id"]
    data = sf.prepare({**TABLE, "user_id": users}, min_user_interactions=1)
    with pytest.raises(sf.DataError, match=message):
        data.append(rows)


def test_integers_that_no_float_holds_are_refused() -> None:
    data = sf.prepare({**TABLE, "timestamp": [2**53 + 1] * 9})
    with pytest.raises(sf.DataError, match="holds 9007199254740993, with times of float64"):
        data.append({"user_id": [1], "item_id": [1], "timestamp": [0.5]})


def test_keep_items_takes_a_truth() -> None:
    with pytest.raises(TypeError, match="keep_items"):
        sf.prepare(TABLE).append(TABLE, keep_items=1)  # type: ignore[arg-type]


@settings(max_examples=10)
@given(cut_cases(), st.lists(st.booleans(), min_size=6, max_size=6))
def test_saved_data_is_appended_to(drawn: tuple[Case, list[int]], chosen: list[bool]) -> None:
    """Each time it is loaded or goes on in memory, and saved into one folder, or not."""
    case, cuts = drawn
    assume(accepted(case))
    first, *others = pieces(case, cuts)
    data = prepare(case, first)
    with tempfile.TemporaryDirectory() as folder:
        data.save(folder)
        for piece, loads, saves in zip(others, chosen, chosen[3:], strict=False):
            data = sf.load(folder) if loads and saves else data
            try:
                data = data.append(piece)
            except sf.DataError:
                return
            if saves:
                data.save(folder)
                assert_same_data(sf.load(folder, verify=True), data)
        assert_equal(data, prepare(case))


def large(rows: int = 12_000, seed: int = 0, users: int = 400) -> Table:
    generator = np.random.default_rng(seed)
    return {
        "user_id": generator.integers(0, users, rows) + seed,
        "item_id": generator.integers(0, 60, rows),
        "timestamp": (np.arange(rows) + 10**6 * seed) * 60,
    }


@pytest.mark.parametrize(
    ("options", "keep_items"),
    [
        ({}, False),
        ({}, True),
        ({"min_item_interactions": 190}, True),
        ({"min_item_interactions": 190}, False),
        ({"duplicates": "last", "ties": "hash"}, False),
    ],
)
def test_a_folder_gets_what_changed(
    options: dict[str, Any], keep_items: bool, tmp_path: Path
) -> None:
    """Large arrays are written as what became of them, until all is to be compact."""
    folder, tables = tmp_path / "data", [large()]
    sf.prepare(tables[0], **options).save(folder)
    whole = sizes(folder)
    for seed in (1, 2):
        tables.append({**large(30, seed, 4), "item_id": [*range(-5 * seed, 15 - 5 * seed)] * 2})
        data = sf.load(folder).append(tables[-1], keep_items=keep_items)
        before = set(sizes(folder))
        data.save(folder)
        more = {name: size for name, size in sizes(folder).items() if name not in before}
        settled = seed > 1 or not keep_items  # at first, codes may become indices
        assert sum(more.values()) < sum(whole.values()) / 3 or not settled, "far from all"
        assert_same_data(sf.load(folder, verify=True), data)
        items = {"items": data.items} if keep_items else {}
        assert data.fingerprint == sf.prepare(tables, **{**options, **items}).fingerprint
    assert "edits" in (folder / "manifest.json").read_text()
    data.save(folder, compact=True)
    assert "edits" not in (folder / "manifest.json").read_text()
    data.save(folder)  # what the one before the last named is gone
    assert_same_data(sf.load(folder), data)
    assert len(sizes(folder)) <= len(whole) + 3


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def test_a_folder_that_was_replaced_meanwhile_is_written_whole(tmp_path: Path) -> None:
    sf.prepare(large()).save(tmp_path / "data")
    data = sf.load(tmp_path / "data").append(large(30, 1, 4))
    sf.prepare(TABLE).save(tmp_path / "data")
    data.save(tmp_path / "data")
    assert "edits" not in (tmp_path / "data" / "manifest.json").read_text()
    assert_same_data(sf.load(tmp_path / "data", verify=True), data)
    data.save(tmp_path / "other")
    assert "edits" not in (tmp_path / "other" / "manifest.json").read_text()


def test_a_folder_may_be_replaced_while_it_is_open(tmp_path: Path) -> None:
    data = sf.prepare(large())
    data.save(tmp_path)
    later = data.append(large(30, 1, 4))
    later.save(tmp_path)
    loaded = sf.load(tmp_path)
    for _ in range(2):
        sf.prepare(TABLE).save(tmp_path)
    assert not [*tmp_path.glob("items_places*")]
    assert_same_data(loaded, later)
    assert loaded.append(TABLE).fingerprint == later.append(TABLE).fingerprint


def test_an_append_that_is_cut_short_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    data = sf.prepare(large())
    data.save(folder)
    later = data.append(large(30, 1, 4))
    monkeypatch.setattr(manifest, "write", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        later.save(folder)
    monkeypatch.undo()
    assert_same_data(sf.load(folder, verify=True), data)
    assert not any("places" in name for name in sizes(folder))
    later.save(folder)
    assert_same_data(sf.load(folder, verify=True), later)


@pytest.mark.parametrize("part", ["items_places", "items_values", "log_times_values"])
def test_a_damaged_edit_is_named(part: str, tmp_path: Path) -> None:
    data = sf.prepare(large())
    data.save(tmp_path)
    data.append(large(30, 1, 4)).save(tmp_path)
    (path,) = tmp_path.glob(f"{part}-*.npy")
    array = np.load(path)
    array[0] += 1
    np.save(path, array)
    with pytest.raises(sf.DataError, match=f"{path.name} is damaged: its content does not match"):
        sf.load(tmp_path, verify=True)


def test_data_without_a_log_is_refused() -> None:
    with pytest.raises(sf.DataError, match="the data has no log of its rows to append to"):
        replace(sf.prepare(TABLE), log=None).append(TABLE)


def test_who_is_changed_follows_from_what_is_kept() -> None:
    """With as many rows they may be others; and new rows may be dropped."""
    table = {"user_id": [1, 1, 2, 2], "item_id": [5, 6, 5, 6], "timestamp": [1, 2, 1, 2]}
    again = {"user_id": [1], "item_id": [5], "timestamp": [3]}
    options = {"min_user_interactions": 1, "holdout": 0, "num_negatives": 0}
    last = sf.prepare(table, duplicates="last", **options).append(again)
    assert last.changed_users.tolist() == changed_users(sf.prepare(table, **options), last) == [1]
    core = sf.prepare(table, min_item_interactions=2, **options)
    rare = {"user_id": [2], "item_id": [7], "timestamp": [3]}
    assert core.append(rare).changed_users.tolist() == []
    revived = core.append(rare).append({"user_id": [1], "item_id": [7], "timestamp": [3]})
    assert revived.changed_users.tolist() == [1, 2]
