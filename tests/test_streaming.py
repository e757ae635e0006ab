"""What is prepared by way of the disk equals what is prepared in memory."""

import pickle
import tempfile
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sasrec_fast as sf
from exactness import arguments, refusal
from sasrec_fast import _core
from sasrec_fast.preparing.streaming import driver as streaming
from saved_data import assert_same_data
from strategies import EXTREMES, Case, cases


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows make a chunk, and a few more a shard."""
    monkeypatch.setattr(streaming, "_LEAST_CHUNK", 7)
    monkeypatch.setattr(streaming, "_LARGEST_CHUNK", 7)
    monkeypatch.setattr(streaming, "_ROW_BYTES", streaming.LEAST_BYTES // 6)
    monkeypatch.setattr(streaming, "_require_shards", lambda spill, limit: None)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # which takes most of the time


def pieces(case: Case, cuts: list[int]) -> Iterator[pd.DataFrame]:
    frame = case.frame()
    for first, end in zip([0, *cuts], [*cuts, len(frame)], strict=True):
        yield frame.iloc[first:end]


@given(cases(), st.data())
def test_streamed_is_prepared_in_memory(case: Case, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(case.rows)), max_size=4).map(sorted))
    options = {"rating": "rating", **arguments(case)}

    def streamed(folder: str) -> sf.Prepared:
        return sf.prepare(
            pieces(case, cuts), output=f"{folder}/data", max_bytes=streaming.LEAST_BYTES, **options
        )

    with tempfile.TemporaryDirectory() as folder:
        said = refusal(lambda: sf.prepare(case.frame(), **options))
        if said is None:
            expected, found = sf.prepare(case.frame(), **options), streamed(folder)
            assert found.fingerprint == expected.fingerprint
            assert found.report == expected.report
            assert list(found.users.ids) == list(expected.users.ids)
        else:
            assert refusal(lambda: streamed(folder)) == said
            assert not [*Path(folder).iterdir()]


def test_text_that_is_not_utf8_is_refused(tmp_path):
    offsets = pa.py_buffer(np.array([0, 1, 2, 3], np.int32))
    users = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"ab\xff"))
    table = pa.table({"user_id": users, "item_id": [1, 2, 3], "timestamp": [1, 2, 3]})
    with pytest.raises(sf.DataError, match=r"column 'user_id' cannot be read as text: .*UTF8"):
        sf.prepare([table], output=tmp_path / "data", max_bytes=streaming.LEAST_BYTES)
    assert not [*tmp_path.iterdir()]


def test_loaded_data_is_the_same(tmp_path):
    generator = np.random.default_rng(0)
    table = {
        "user_id": generator.integers(-5, 20, 300),
        "item_id": generator.integers(1, 60, 300),
        "timestamp": generator.integers(0, 90, 300),
    }
    expected = sf.prepare(table, max_sequence_length=5)
    expected.save(tmp_path / "saved")
    found = sf.prepare(table, max_sequence_length=5, output=tmp_path / "data")
    assert_same_data(found, sf.load(tmp_path / "saved"))
    assert_same_data(sf.load(tmp_path / "data", verify=True), found)


COLUMNS = st.integers(0, 4).flatmap(
    lambda kind: st.lists(
        st.tuples(
            st.integers(-3, 9) | st.sampled_from(EXTREMES),
            st.integers(-9, 200) | (st.sampled_from(EXTREMES) if kind else st.just(0)),
            st.integers(-4, 4).map(lambda t: t * (1, 1000, 10**6, 10**9, 7)[kind]),
            st.booleans(),
        ),
        max_size=30,
    )
)


def columns(rows: list[tuple[int, int, int, bool]]) -> Any:
    users, items, times, keep = zip(*rows, strict=True) if rows else ((), (), (), ())
    ids = [np.array(of, np.int64) for of in (users, items, times)]
    return ids[0], ids[1], ids[2], np.array(keep, np.bool_)


def mixed(number: int) -> int:
    """The finaliser of SplitMix64."""
    word = (number + 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
    return word ^ word >> 31


@given(COLUMNS, st.integers(0, 30), st.integers(0, 3))
def test_spans_of_chunks_are_those_of_all(rows, cut, copies) -> None:
    whole = _core.scan(columns(rows), 0)
    parts = [
        _core.scan(columns(rows[:cut]), 0),
        _core.scan(columns(rows[cut:]), min(cut, len(rows))),
    ]
    merged = [parts[0].merge(parts[1]), parts[1].merge(parts[0])]
    kept = [(number, *row[:3]) for number, row in enumerate(rows) if row[3]]
    times = [time for *_, time in kept]
    scale = next(s for s in (10**9, 10**6, 1000, 1) if not any(t % s for t in times))
    sample = sorted((mixed(number), user) for number, user, *_ in kept)
    for span in [whole, *merged, pickle.loads(pickle.dumps(whole))]:
        assert span.rows == len(kept)
        users = [user for _, user, *_ in kept]
        assert span.users == ((min(users), max(users)) if users else None)
        assert span.item_ids.tolist() == sorted({item for _, _, item, _ in kept})
        assert span.times == ((min(times), max(times), scale) if times else None)
        assert list(zip(*(of.tolist() for of in span.sample), strict=True)) == sample
        bounds = [sorted(users)[s * len(users) // 4] for s in (1, 2, 3)] if users else []
        assert span.bounds(4).tolist() == bounds


@given(COLUMNS.filter(lambda rows: any(row[3] for row in rows)), st.integers(1, 5))
def test_rows_are_routed_in_order(rows, shards) -> None:
    chunk = columns(rows)
    span = _core.scan(chunk, 0)
    assert span.users is not None
    assert span.times is not None
    firsts = np.concatenate([[span.users[0]], span.bounds(shards)])
    item_ids = span.item_ids.tolist()
    least, _, scale = span.times
    edges = [*firsts.tolist(), span.users[1]]
    narrow = all(end - first < 2**31 for first, end in pairwise(edges))
    expected: list[list[tuple[int, int, int]]] = [[] for _ in firsts]
    for user, item, time, keep in rows:
        if keep:
            shard = sum(bound <= user for bound in firsts[1:].tolist())
            local = user - int(firsts[shard]) if narrow else user
            expected[shard].append((local, item_ids.index(item) + 1, (time - least) // scale))
    codes, ends = _core.ItemCodes(span.item_ids), (firsts, span.users[1])
    *found, starts = _core.route(chunk, ends, codes, (int(least), int(scale)))
    assert list(zip(*(of.tolist() for of in found), strict=True)) == [
        *chain.from_iterable(expected)
    ]
    assert starts.tolist() == [0, *np.cumsum([len(shard) for shard in expected])]
    assert found[0].dtype == (np.int32 if narrow else np.int64)
    as_they_are = _core.route(chunk, ends, codes, None)[2]
    assert as_they_are is not None
    assert ((as_they_are - least) // scale).tolist() == found[2].tolist()


def test_floats_are_whole_or_not():
    users = np.zeros(3, np.int64)

    def times(*values: float) -> Any:
        return _core.scan((users, users, np.array(values), None), 0).times

    assert times(3.0, -2.0, -0.0) == (-2.0, 3.0, True)
    assert times(3.0, 0.5, 1.0) == (0.5, 3.0, False)
    assert times(3.0, 2.0**53 + 2, 1.0) == (1.0, 2.0**53 + 2, False)


def test_arrow_tables_are_streamed(tmp_path):
    table = pa.table({"user_id": ["b", "a", "b", "a"] * 3, "item_id": ["y", "x", "z", "é"] * 3})
    expected = sf.prepare(table, timestamp=None, holdout=1)
    for number, source in enumerate(
        [table, table.to_reader(5), iter(table.to_batches(5)), [table]]
    ):
        found = sf.prepare(source, timestamp=None, holdout=1, output=tmp_path / str(number))
        assert found.fingerprint == expected.fingerprint


def test_periods_begin_between_whole_times(tmp_path):
    """Times that are whole are counted, and a start need not be."""
    rows = np.arange(60)
    table = {"user_id": rows % 5, "item_id": rows * 7 % 41, "timestamp": (rows % 12) * 1000.0}
    for number, starts in enumerate(
        [(3000.5, 7999.5), (3000, 8000), (-0.5, 11000.0), (5e3, 1e300)]
    ):
        said = refusal(lambda starts=starts: sf.prepare(table, split_at=starts))
        streamed = {"split_at": starts, "output": tmp_path / str(number)}
        if said is None:
            expected = sf.prepare(table, split_at=starts).fingerprint
            assert sf.prepare(table, **streamed).fingerprint == expected
        else:
            assert refusal(lambda given=streamed: sf.prepare(table, **given)) == said
