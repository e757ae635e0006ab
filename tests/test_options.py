"""What the options of prepare() mean where the reference cannot say it: errors, types, memory."""

import datetime
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

import sasrec_fast as sf
from sasrec_fast.columns import boundaries
from sasrec_fast.columns.ids_and_times import read_timestamps
from sasrec_fast.store import memory


def table(users: int = 30, each: int = 12) -> dict[str, npt.NDArray[Any]]:
    """Users who walk through 40 items, all at the same times."""
    user = np.repeat(np.arange(users), each)
    step = np.tile(np.arange(each), users)
    return {"user_id": user, "item_id": (user * 7 + step * 3) % 40 + 100, "timestamp": step}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ties": "random"}, r"\['input', 'hash'\] or \('column', name\), received 'random'"),
        (
            {"windows": "all"},
            r"windows must be one of \['last', 'prefixes'\] or \('stride', s\), received",
        ),
        (
            {"windows": ("stride", 0)},
            r"s of windows=.* must be in 1\.\.200, received 0",
        ),
        ({"windows": ("stride", 201)}, r"windows=.* must be in 1\.\.200, received 201"),
        (
            {"windows": "prefixes", "truncation": "oldest"},
            "windows='prefixes' shows the most recent .* truncation must be 'recent', received 'ol",
        ),
        (
            {"negatives": "zipf"},
            r"negatives must be one of .*'popularity'\] or .*'zipf'",
        ),
        ({"negatives": ("popularity", -1)}, r"a of negatives=.* must be in \[0, inf\), received"),
        ({"negatives": ("popularity", float("nan"))}, r"must be in \[0, inf\), received nan"),
        ({"min_rating": float("nan")}, "min_rating must be finite, received nan"),
        ({"split_at": 5}, "split_at must be None or two times, .* received 5"),
        ({"split_at": (5, 5)}, r"split_at is \(5, 5\); validation starts before test does"),
        ({"split_at": (5, float("inf"))}, r"split_at\[1\] is inf; a start is a finite number"),
        ({"split_at": (5, 2**70)}, r"split_at\[1\] is .*, which no int64 timestamp reaches"),
        ({"split_at": (5, 6), "holdout": 1}, "holdout is 1, but split_at says what is held out"),
        ({"split_at": (5, 6), "timestamp": None}, "timestamp is None: there are no times"),
        ({"items": "raw"}, r"items must be one of \[None, 'identity'\] or a Vocabulary"),
        ({"items": sf.Vocabulary(np.array(["a"], object))}, "has integer ids, the vocabulary to"),
        ({"items": sf.Vocabulary(np.zeros(0, np.int64))}, "vocabulary without ids"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sf.prepare(table(), **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"windows": ("stride", 2.0)},
            r"windows=.* must be an integer, received 2\.0",
        ),
        ({"seed": True}, "seed must be an integer, received True"),
        ({"min_rating": "3"}, "min_rating must be a number, received '3'"),
        ({"negatives": ("popularity", "1")}, r"negatives=.* must be a number, received '1'"),
    ],
)
def test_options_of_another_type_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        sf.prepare(table(), **options)


@pytest.mark.parametrize(
    ("column", "moment", "said"),
    [
        (np.arange(9), "2020-01-01", "holds numbers (int64); give a number in their unit"),
        (np.arange(9), True, "split_at[0] is True"),
        (np.arange(9).astype("M8[s]"), 3, "holds datetimes (datetime64[s]); give a datetime"),
        (np.arange(9).astype("M8[s]"), "soon", "split_at[0] is 'soon', which is no datetime"),
        (np.arange(9).astype("M8[s]"), np.datetime64("NaT", "ns"), "a start is a datetime"),
        (np.arange(9).astype("M8[ns]"), "9999-01-01", "which no datetime64[ns] timestamp reaches"),
    ],
)
def test_a_start_of_another_kind_is_refused(
    column: npt.NDArray[Any], moment: Any, said: str
) -> None:
    times = read_timestamps(column, "when")
    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        boundaries((moment, moment), times, "when")


@pytest.mark.parametrize(
    ("dtype", "starts", "expected"),
    [
        ("int64", (1.5, np.int32(4)), [2, 4]),
        ("int64", (-(2**63), 2**63 - 1), [-(2**63), 2**63 - 1]),
        ("float64", (1, 2**53 + 1), [1.0, 2.0**53 + 2]),
        ("M8[s]", (datetime.datetime(1970, 1, 1, 0, 0, 2), "1970-01-01 00:00:03.5"), [2, 4]),
        ("M8[ns]", (pd.Timestamp(7), np.datetime64(1, "s")), [7, 10**9]),
        ("M8[D]", (datetime.date(1970, 1, 2), "1970-01-03 12:00"), [1, 3]),
        ("M8[D]", ("1969-12-30 12:00", "1969-12-31"), [-1, -1 + 0]),
    ],
)
def test_starts_are_exact(dtype: str, starts: Any, expected: list[float]) -> None:
    times = read_timestamps(np.arange(9).astype(dtype), "when")
    if expected[0] == expected[1]:
        with pytest.raises(ValueError, match="validation starts before test"):
            boundaries(starts, times, "when")
        return
    assert boundaries(starts, times, "when").tolist() == expected


def test_large_unsigned_timestamps_are_split_where_they_are() -> None:
    times = np.array([0, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
    starts = boundaries((2**63, 2**64 - 1), read_timestamps(times, "when"), "when")
    assert (read_timestamps(times, "when").values < starts[0]).tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert (read_timestamps(times, "when").values < starts[1]).tolist() == [True] * 3 + [False]


def test_a_start_in_another_unit_is_noticed() -> None:
    with pytest.raises(sf.DataError, match=r"two interactions before 0, .* runs from 0 to 11"):
        sf.prepare(table(), split_at=(0, 1))
    dated = table() | {"timestamp": table()["timestamp"].astype("M8[s]")}
    with pytest.raises(sf.DataError, match=r"from 1970-01-01T00:00:00 to 1970-01-01T00:00:11"):
        sf.prepare(dated, split_at=("1960-01-01", "2020-01-01"))


def test_dated_splits_survive_saving(tmp_path: Any) -> None:
    data = sf.prepare(table(), split_at=(6, 9), negatives=("popularity", 0.75), num_negatives=3)
    data.save(tmp_path / "data")
    loaded = sf.load(tmp_path / "data", verify=True)
    assert loaded.fingerprint == data.fingerprint
    assert loaded.options["split_at"] == (6, 9)
    for name in ("train", "validation", "test"):
        one, other = getattr(data, name), getattr(loaded, name)
        assert len(one) == 30
        for field, array in vars(one.arrays(3)).items():
            np.testing.assert_array_equal(array, getattr(other.arrays(3), field))
    assert data.train.arrays().item_ids[0].tolist()[:6] == [*data.sequences.items[:5].tolist(), 0]


@pytest.mark.parametrize(("windows", "count"), [(("stride", 2), 4), ("prefixes", 9)])
def test_windows_survive_saving(windows: Any, count: int, tmp_path: Any) -> None:
    data = sf.prepare(table(), windows=windows, max_sequence_length=3)
    data.save(tmp_path / "data")
    loaded = sf.load(tmp_path / "data")
    numbers = list(range(count)) * 30
    assert loaded.train.windows.tolist() == data.train.windows.tolist() == numbers
    assert loaded.train.digest == data.train.digest
    for name, array in vars(data.train.arrays()).items():
        np.testing.assert_array_equal(getattr(loaded.train.arrays(), name), array)


def test_each_prefix_is_a_row_in_which_its_last_target_counts_alone() -> None:
    data = sf.prepare(table(3, 9), windows="prefixes", max_sequence_length=4, holdout=1)
    arrays, train = data.train.arrays(), data.train
    assert train.windows.tolist() == [0, 1, 2, 3, 4, 5, 6] * 3
    assert train.lengths.tolist() == [4, 4, 4, 4, 3, 2, 1] * 3
    assert arrays.sample_weight.sum(axis=1).tolist() == [1] * 21
    history = data.sequences.items[:8].tolist()
    for row in range(7):
        *before, target = history[: 8 - row]
        before = before[-4:]
        assert arrays.item_ids[row, : len(before)].tolist() == before
        assert arrays.positive_sequence[row][arrays.sample_weight[row] > 0].tolist() == [target]
    plain = sf.prepare(table(3, 9), max_sequence_length=4, holdout=1)
    np.testing.assert_array_equal(train.item_counts, plain.train.item_counts)
    assert data.report.rows_by_split == {"train": 21, "validation": 3}
    assert data.report.fill_rate == 22 / 28
    assert data.report.interactions_truncated == 0
    # 8 bytes more of each of 3 rows that there were, and 12 of each further one
    assert data.report.store_bytes - plain.report.store_bytes == 21 * 12 - 3 * 8
    assert plain.train.digest != train.digest
    some = train.of_users([1])
    assert (len(some), some.users.tolist()) == (7, [1] * 7)
    np.testing.assert_array_equal(some.fill([0]).item_ids, arrays.item_ids[7:8])
    assert len(train.sample(2)) == 14


def test_a_stride_of_the_window_shows_every_target_once() -> None:
    data = sf.prepare(table(2, 39), windows=("stride", 4), max_sequence_length=4, holdout=0)
    arrays = data.train.arrays()
    for user in (0, 1):
        rows = data.train.users == user
        targets = arrays.positive_sequence[rows][arrays.padding_mask[rows]]
        assert sorted(targets) == sorted(data.sequences.items[user * 39 + 1 : user * 39 + 39])
    assert data.report.interactions_truncated == 0


def test_a_vocabulary_is_reused_and_extended() -> None:
    old = sf.prepare(table())
    rows = table() | {"item_id": np.where(table()["item_id"] == 103, 7, table()["item_id"])}
    unknown = int((rows["item_id"] == 7).sum())
    new = sf.prepare(rows, items=old.items)
    assert new.items is old.items
    assert new.report.rows_dropped_by_unknown_item == unknown > 0
    assert "dropped by unknown item" in str(new.report)
    items = old.items.extend([7, 104, 5000, 7])
    assert items.ids.tolist() == [*old.items.ids.tolist(), 7, 5000]
    kept = sf.prepare(rows, items=items)
    assert kept.report.rows_dropped_by_unknown_item == 0
    assert kept.items.index([100, 7, 5000]).tolist() == [1, 41, 42]
    assert kept.vocabulary_size == 43
    with pytest.raises(sf.DataError, match="3 are of items outside the vocabulary to reuse"):
        sf.prepare({"user_id": [1] * 3, "item_id": [1, 2, 3]}, timestamp=None, items=old.items)


def test_an_extended_vocabulary_survives_saving(tmp_path: Any) -> None:
    items = sf.prepare(table()).items.extend([7])
    data = sf.prepare(table(), items=items)
    data.save(tmp_path / "data")
    assert sf.load(tmp_path / "data").items == items
    assert sf.load(tmp_path / "data").options["items"] == items


def test_vocabularies_are_extended_in_kind() -> None:
    strings = sf.Vocabulary(np.array(["b", "c"], object))
    assert strings.extend(["a", "c", "z"]).ids.tolist() == ["b", "c", "a", "z"]
    assert sf.Vocabulary.identity(3).extend([5, 2]).ids.tolist() == [1, 2, 3, 4, 5]
    assert sf.Vocabulary(np.array([5])).extend([2**64 - 1]).ids.dtype == np.uint64
    with pytest.raises(
        TypeError, match="id 3 to extend by; the ids of this vocabulary are strings"
    ):
        strings.extend([3])
    with pytest.raises(TypeError, match=r"id 'a' to extend by; .* are integers"):
        sf.Vocabulary(np.array([5])).extend(["a"])
    with pytest.raises(ValueError, match=r"id 0 to extend by; indices are 1\.\.2147483646"):
        sf.Vocabulary.identity(3).extend([0])
    with pytest.raises(ValueError, match="they fit neither int64 nor uint64"):
        sf.Vocabulary(np.array([-5])).extend([2**63])


def test_proposals_follow_popularity() -> None:
    rows = {"user_id": np.repeat([1, 2, 3, 4], 5), "item_id": [1, 2, 3, 4, 5] * 3 + [1, 1, 6, 7, 8]}
    data = sf.prepare(rows, timestamp=None, negatives="popularity")
    counts = data.train.item_counts
    expected = np.maximum(counts, 1) * (np.arange(9) > 0)
    np.testing.assert_allclose(data.test.negative_probabilities, expected / expected.sum())
    uniform = sf.prepare(rows, timestamp=None).train.negative_probabilities
    np.testing.assert_allclose(uniform, [0.0, *[1 / 8] * 8])


def test_an_owner_of_all_but_one_item_is_sampled_in_bounded_time() -> None:
    """200 positions whose one negative out of 100,000 is the rarest item."""
    many = np.arange(100_000)
    rows = {
        "user_id": np.concatenate([np.ones_like(many), [2, 2, 2], np.full(500, 3)]),
        "item_id": np.concatenate([many, [0, 1, 100_000], np.repeat([5, 6], 250)]),
    }
    for negatives in ("uniform", "popularity"):
        data = sf.prepare(rows, timestamp=None, negatives=negatives)
        assert set(data.test.arrays().negative_sequence[0].tolist()) == {100_001}


def test_large_arrays_are_refused_before_they_are_allocated(monkeypatch: Any) -> None:
    data = sf.prepare(table(), max_sequence_length=2**31 - 2)
    assert data.train.nbytes == 30 * (2**31 - 2) * 17
    with pytest.raises(
        MemoryError, match=r"train \(30 rows, .* take 1\.1 TB, more than half .*batc"
    ):
        data.train.arrays()
    small = sf.prepare(table(), max_sequence_length=10)
    assert small.train.arrays(max_bytes=30 * 10 * 17)
    with pytest.raises(MemoryError, match=r"take 5\.1 kB, more than max_bytes, 5\.1 kB"):
        small.train.arrays(max_bytes=30 * 10 * 17 - 1)
    monkeypatch.setattr("sasrec_fast.store.memory.free_memory", lambda: 10**8)
    large = sf.prepare(table(), max_sequence_length=10**5)
    with pytest.raises(
        MemoryError, match=r"take 51\.0 MB, more than half of the free .*, 50\.0 MB"
    ):
        large.train.arrays()
    assert large.train.fill(range(29), length=10**5)
    with pytest.raises(MemoryError, match=r"\(30 rows, 100,000 positions"):
        large.train.fill(range(30))


def test_the_limit_of_a_container_counts(monkeypatch: Any, tmp_path: Any) -> None:
    monkeypatch.setattr(memory, "_CONTROL_GROUP", tmp_path)
    unlimited = memory.free_memory()
    assert unlimited > 1 << 20
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5000\n")
    assert memory.free_memory() > 1 << 20
    (tmp_path / "memory.max").write_text("12000\n")
    assert memory.free_memory() == 7000
    (tmp_path / "memory.max").write_text("4000\n")
    assert memory.free_memory() == 0


@pytest.mark.parametrize("options", [{}, {"split_at": (6, 9)}, {"holdout": 1}, {"holdout": 0}])
@pytest.mark.parametrize("as_text", [False, True])
def test_what_is_kept_is_compact(options: dict[str, Any], as_text: bool) -> None:
    rows: dict[str, Any] = table(2000, 12)
    if as_text:
        rows["user_id"] = [f"user {user}" for user in rows["user_id"]]
    data = sf.prepare(rows, **options)
    splits = [split for split in (data.train, data.validation, data.test) if split is not None]
    kept = [*vars(data.sequences).values()]
    kept += [column for split in splits for column in vars(split.sequence_rows).values()]
    own = [array for array in kept if not np.shares_memory(array, data.users.ids)]
    assert data.report.store_bytes == sum(array.nbytes for array in own)
    assert data.report.store_bytes <= 8 * data.report.rows_kept + 24 * data.report.users


def test_narrow_integers_of_numpy_are_pythons_own() -> None:
    names = ("min_user_interactions", "min_item_interactions", "max_sequence_length")
    options = {name: np.int8(100 if "length" in name else 2) for name in names}
    narrow = {**options, "num_negatives": np.int8(50), "holdout": np.uint8(1), "seed": np.int8(7)}
    data = sf.prepare(table(), **narrow)
    plain = sf.prepare(table(), **{name: int(value) for name, value in narrow.items()})
    assert data.train.nbytes == plain.train.nbytes == 30 * 100 * (13 + 4 * 50)
    assert data.fingerprint == plain.fingerprint
    assert {type(data.options[name]) for name in narrow} == {int}


def test_items_are_counted_once() -> None:
    data = sf.prepare(table())
    counts = data.item_counts
    assert counts is data.item_counts
    assert not counts.flags.writeable
    assert counts.tolist() == np.bincount(data.sequences.items, minlength=len(counts)).tolist()
