"""Times of interactions: in the store, in rows, in folders, after append, and from streams."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sasrec_fast as sf
from local_engine import LocalTable
from sasrec_fast.batching import Runs, run_batch
from sasrec_fast.preparing.engines.driver import prepare_on
from sasrec_fast.preparing.options import Options
from sasrec_fast.reading import ColumnNames
from sasrec_fast.store import TimedArrays

GENERATOR = np.random.default_rng(0)
USERS, ITEMS = GENERATOR.integers(0, 12, 300), GENERATOR.integers(1, 40, 300)
SECONDS = GENERATOR.integers(-(10**6), 10**6, 300) * 60
KINDS = {
    "minutes as seconds": (SECONDS, True),
    "seconds": (SECONDS + GENERATOR.integers(0, 60, 300), True),
    "narrow": ((SECONDS // 60).astype(np.int16), True),
    "milliseconds": (SECONDS * 1000 + 1, "ms"),
    "whole milliseconds": (SECONDS * 1000, "ms"),
    "nanoseconds": (SECONDS * 10**9, "ns"),
    "floats": (SECONDS + GENERATOR.random(300), True),
    "whole floats": (SECONDS.astype(np.float64), "s"),
    "datetime64[ns]": (SECONDS.astype("datetime64[s]").astype("datetime64[ns]"), True),
    "datetime64[s]": (SECONDS.astype("datetime64[s]"), True),
    "days": ((SECONDS // 86_400).astype("datetime64[D]"), True),
}


def table(times: Any = SECONDS) -> dict[str, Any]:
    return {"user_id": USERS, "item_id": ITEMS, "timestamp": times}


def whole_seconds(times: Any, unit: Any) -> np.ndarray:
    if times.dtype.kind == "M":
        return times.astype("datetime64[s]").astype(np.int64)
    return np.floor(times / {"ms": 1000, "ns": 10**9}.get(unit, 1)).astype(np.int64)


def expected_times(times: Any, unit: Any) -> list[int]:
    """Those of a store: of each user, in time order, since the earliest of all."""
    seconds = whole_seconds(times, unit)
    order = np.lexsort((np.arange(300), times, USERS))
    return (seconds[order] - seconds.min()).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_has_seconds_since_the_earliest_row(kind):
    times, unit = KINDS[kind]
    data = sf.prepare(table(times), times=unit)
    assert data.sequences.times.tolist() == expected_times(times, unit)
    assert data.sequences.clock.origin == whole_seconds(times, unit).min()
    assert data.report.store_bytes == sf.prepare(table(times)).report.store_bytes + 4 * 300
    assert data.fingerprint != sf.prepare(table(times)).fingerprint


@pytest.mark.parametrize("kind", ["seconds", "whole milliseconds", "floats", "datetime64[ns]"])
@pytest.mark.parametrize("options", [{}, {"min_item_interactions": 9, "ties": "hash"}])
def test_streams_folders_and_appended_rows_give_the_same_times(kind, options, tmp_path):
    times, unit = KINDS[kind]
    options = {**options, "times": unit}
    data = sf.prepare(table(times), **options)
    streamed = sf.prepare(table(times), output=tmp_path / "streamed", **options)
    assert streamed.fingerprint == data.fingerprint
    assert streamed.sequences.clock == data.sequences.clock
    assert streamed.report == data.report
    parts = [
        {k: v[part] for k, v in table(times).items()} for part in (slice(250), slice(250, 300))
    ]
    earlier = sf.prepare(parts[0], **options)
    earlier.save(tmp_path / "saved")
    loaded = sf.load(tmp_path / "saved", verify=True)
    assert loaded.fingerprint == earlier.fingerprint
    np.testing.assert_array_equal(loaded.sequences.times, earlier.sequences.times)
    appended = loaded.append(parts[1])
    assert appended.fingerprint == data.fingerprint
    assert appended.sequences.clock == data.sequences.clock
    appended.save(tmp_path / "saved")
    again = sf.load(tmp_path / "saved", verify=True)
    assert again.fingerprint == data.fingerprint
    copied = pickle.loads(pickle.dumps(again.sequences))
    np.testing.assert_array_equal(copied.times, data.sequences.times)
    assert copied.clock == data.sequences.clock


def test_times_in_seconds_are_those_of_the_log(tmp_path):
    data = sf.prepare(table(KINDS["seconds"][0]), times=True)
    assert data.sequences.times is data.log.shard.times
    data.save(tmp_path / "data")
    names = [path.name.partition("-")[0] for path in (tmp_path / "data").iterdir()]
    assert "times" in names
    assert "log_times" not in names
    loaded = sf.load(tmp_path / "data")
    np.testing.assert_array_equal(loaded.log.opened.shard.times, data.log.shard.times)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), min_size=8, max_size=40),
    st.sampled_from(
        [
            {},
            {"windows": ("stride", 2)},
            {"windows": "prefixes"},
            {"truncation": "oldest"},
            {"split_at": (20, 35)},
        ]
    ),
    st.integers(1, 5),
)
def test_rows_show_the_times_of_their_items(rows, options, length):
    """Each row of the table is an item of its own, so that items tell times."""
    users, times = map(np.array, zip(*rows, strict=True))
    columns = {"user_id": users, "item_id": np.arange(1, len(rows) + 1), "timestamp": times}
    options = {"items": "identity", "max_sequence_length": length, **options}
    try:
        data = sf.prepare(columns, num_negatives=0, times=True, min_user_interactions=1, **options)
    except sf.DataError:  # nobody has a row before the first moment
        return
    time_of = np.concatenate([[0], times])
    for split in filter(None, (data.train, data.validation, data.test)):
        arrays = split.arrays()
        assert isinstance(arrays, TimedArrays)
        first = time_of[arrays.item_ids[:, :1]]
        real = arrays.padding_mask
        expected = np.where(real, time_of[arrays.item_ids] - first, 0)
        np.testing.assert_array_equal(arrays.times, expected)
        expected = np.where(real, time_of[arrays.positive_sequence] - first, 0)
        np.testing.assert_array_equal(arrays.query_times, expected)
        assert arrays.times.dtype == arrays.query_times.dtype == np.int32


def test_a_run_of_batches_is_the_batches():
    data = sf.prepare(table(), times=True, max_sequence_length=8)
    batches = data.train.batches(4, run_length=2, workers=0)
    runs = Runs(batches, negatives=True)
    run = runs[0][0]
    for index in range(2):
        for ours, theirs in zip(run_batch(run, index), batches[index], strict=True):
            assert set(ours) == set(theirs)
            for name, values in theirs.items():
                np.testing.assert_array_equal(np.asarray(ours[name]), values, err_msg=name)


def test_inputs_have_times_and_the_moment_of_the_question():
    data = sf.prepare(table(), times=True, max_sequence_length=4)
    plain = data.inputs([3])
    store, last = data.sequences, data.sequences.offsets[4]
    shown = store.times[last - 4 : last].astype(int)
    assert plain["times"].tolist() == [(shown - shown[0]).tolist()]
    assert plain["query_times"].tolist() == [
        [*(shown[1:] - shown[0]).tolist(), shown[3] - shown[0]]
    ]
    origin = store.clock.origin
    asked = data.inputs([3], at=int(shown[3]) + origin + 500)["query_times"]
    assert asked[0, 3] == plain["query_times"][0, 3] + 500
    early = data.inputs([3, 4], at=[int(shown[3]) + origin - 1, 10**9])["query_times"]
    assert early[0].tolist() == plain["query_times"][0].tolist()
    ids, times = data.items.ids[[4, 9, 2]].tolist(), [100, 160, 161]
    encoded = data.encode([ids, []], times=[times, []], at=200)
    assert encoded["times"].tolist() == [[0, 60, 61, 0], [0] * 4]
    assert encoded["query_times"].tolist() == [[60, 61, 100, 0], [0] * 4]
    with pytest.warns(UserWarning, match="unknown"):
        encoded = data.encode([[ids[0], 10**6, ids[1]]], times=[times])
    assert encoded["times"].tolist() == [[0, 61, 0, 0]]


def test_moments_are_named_as_the_timestamps_are():
    days = np.array(["2024-01-01", "2024-01-02", "2024-01-05"], "datetime64[D]")
    frame = {"user_id": [1, 1, 1], "item_id": [1, 2, 3], "timestamp": days}
    data = sf.prepare(frame, times=True, num_negatives=0)
    asked = data.inputs(at="2024-01-05 00:00:30")["query_times"]
    assert asked[0, 2] - asked[0, 1] == 30
    encoded = data.encode(
        [[1, 2]], times=[np.array(["2024-01-01", "2024-01-01T01"], "datetime64[s]")]
    )
    assert encoded["times"][0, :2].tolist() == [0, 3600]
    with pytest.raises(TypeError, match=r"at is 5, but column 'timestamp' holds datetimes"):
        data.inputs(at=5)
    with pytest.raises(sf.DataError, match=r"times holds numbers, .* datetimes"):
        data.encode([[1, 2]], times=[[1, 2]])


BAD = {
    "unit": ({"times": "h"}, ValueError, r"times must be one of \['s', 'ms', 'us', 'ns'\]"),
    "kind": ({"times": 1}, TypeError, "times must be True or False, received 1"),
    "no column": ({"times": True, "timestamp": None}, ValueError, "there are no times"),
}


@pytest.mark.parametrize("name", BAD)
def test_options_without_sense_are_refused(name, tmp_path):
    options, error, message = BAD[name]
    for output in (None, tmp_path / "data"):
        with pytest.raises(error, match=message):
            sf.prepare(table(), **options, output=output)


def test_times_that_are_no_seconds_are_refused():
    with pytest.raises(
        sf.DataError, match=r"'timestamp' runs over .* say what they are: times='ms'"
    ):
        sf.prepare(table(SECONDS * 10**6), times=True)
    with pytest.raises(ValueError, match=r"times is 'ms', but column 'timestamp' holds datetimes"):
        sf.prepare(table(KINDS["days"][0]), times="ms")


FAULTS = {
    "lengths": ({"times": [[1], [2]]}, ValueError, "other lengths than histories, first at 0"),
    "rows": ({"times": [[1, 2]]}, ValueError, "other lengths than histories, first at 1"),
    "order": ({"times": [[2, 1], [1]]}, ValueError, "times of history 0 do not ascend"),
    "moments": ({"times": [[1, 2], [1]], "at": [5]}, ValueError, "at holds 1 moments, .* of 2"),
    "none": ({"at": 5}, ValueError, "the times of items are missing"),
    "names": ({"times": {"a": [1, 2], "b": [1]}}, ValueError, "called otherwise than histories"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_times_that_do_not_fit_histories_are_refused(name):
    data = sf.prepare(table(), times=True)
    options, error, message = FAULTS[name]
    with pytest.raises(error, match=message):
        data.encode([data.items.ids[:2].tolist(), data.items.ids[:1].tolist()], **options)


def test_what_an_engine_writes_has_no_times(tmp_path):
    recorded = {**sf.prepare(table()).options, "times": True}
    names = ColumnNames(*(recorded.pop(role) for role in ("user", "item", "timestamp", "rating")))
    rows = LocalTable.of(pa.table(table()), "user_id")
    with pytest.raises(ValueError, match=r"times is True, but what an engine writes has no times"):
        prepare_on(rows, names, Options(**recorded), tmp_path)


def test_a_damaged_clock_is_an_error_of_its_file(tmp_path):
    data = sf.prepare(table(), times=True)
    clock = data.sequences.clock
    assert type(clock).from_dict(clock.to_dict()) == clock
    for change in ({"dtype": "O"}, {"dtype": 3}, {"per_second": 7}, {"origin": "x"}, {"zone": 1}):
        with pytest.raises((TypeError, ValueError)):
            type(clock).from_dict({**clock.to_dict(), **change})
    aware = replace(clock, dtype=np.dtype("<M8[us]"), zone="Europe/Berlin")
    assert type(clock).from_dict(aware.to_dict()) == aware
    assert aware.second_of("1970-01-01 01:00:01") == 1
