"""`split_at` names moments on the clock of the timestamp column."""

import datetime
import re
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import sasrec_fast as sf

NEW_YORK = "America/New_York"
DAYS = ["2024-04-01 10:00", "2024-04-02 10:00", "2024-04-30 21:00", "2024-05-10", "2024-06-10"]
FRAME = pd.DataFrame(
    [
        (user, user * 10 + number, pd.Timestamp(day, tz=NEW_YORK))
        for user in (1, 2)
        for number, day in enumerate(DAYS, 1)
    ],
    columns=["user_id", "item_id", "timestamp"],
)


def of_times(times: Any) -> dict[str, Any]:
    return {"user_id": FRAME.user_id, "item_id": FRAME.item_id, "timestamp": times}


def python_times(zone: datetime.tzinfo) -> list[datetime.datetime]:
    return [time.to_pydatetime().astimezone(zone) for time in FRAME.timestamp]


SUMMER = datetime.timezone(datetime.timedelta(hours=-4))
ZONED: dict[str, Callable[[], Any]] = {
    "pandas": lambda: FRAME,
    "pandas in seconds": lambda: FRAME.astype({"timestamp": f"datetime64[s, {NEW_YORK}]"}),
    "pandas objects": lambda: FRAME.astype({"timestamp": object}),
    "pandas categories": lambda: FRAME.astype({"timestamp": "category"}),
    "pandas by Arrow": lambda: FRAME.convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda: pl.from_pandas(FRAME),
    "Arrow": lambda: pa.Table.from_pandas(FRAME),
    "Arrow dictionary": lambda: of_times(pa.array(FRAME.timestamp).dictionary_encode()),
    "datetimes": lambda: of_times(python_times(zoneinfo.ZoneInfo(NEW_YORK))),
    "a fixed offset": lambda: of_times(python_times(SUMMER)),
    "a fixed offset of Arrow": lambda: of_times(pa.array(python_times(SUMMER))),
    "an extension array": lambda: of_times(FRAME.timestamp.array),
}
WITHOUT_ZONE: dict[str, tuple[Any, Any]] = {
    "text": ("2024-05-01", "2024-06-01"),
    "text with a time": ("2024-05-01 00:00", "2024-06-01T00:00:00"),
    "datetimes": (datetime.datetime(2024, 5, 1), datetime.datetime(2024, 6, 1)),
    "dates": (datetime.date(2024, 5, 1), datetime.date(2024, 6, 1)),
    "pandas": (pd.Timestamp("2024-05-01"), pd.Timestamp("2024-06-01")),
}
WITH_ZONE = (pd.Timestamp("2024-05-01", tz=NEW_YORK), "2024-06-01 00:00-04:00")


def targets(table: Any, split_at: tuple[Any, Any]) -> list[Any]:
    split = sf.prepare(table, split_at=split_at, max_sequence_length=5).validation
    last = split.sequences.offsets[split.sequence_rows.users] + split.sequence_rows.ends - 1
    ids: list[Any] = split.items.lookup(split.sequences.items[last]).tolist()
    return ids


@pytest.mark.parametrize("kind", ZONED)
def test_a_start_without_zone_is_of_the_zone_of_the_column(kind: str) -> None:
    table = ZONED[kind]()
    for starts in (*WITHOUT_ZONE.values(), WITH_ZONE):
        assert targets(table, starts) == [14, 24], starts


def test_files_are_split_in_the_zone_that_they_name(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "zoned.parquet")
    in_utc = FRAME.assign(timestamp=FRAME.timestamp.dt.tz_convert("UTC"))
    in_utc.to_csv(tmp_path / "utc.csv", index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
    for starts in (*WITHOUT_ZONE.values(), WITH_ZONE):
        assert targets(str(tmp_path / "zoned.parquet"), starts) == [14, 24]
    assert targets(str(tmp_path / "utc.csv"), ("2024-05-01", "2024-06-01")) == [13, 23]
    assert targets(str(tmp_path / "utc.csv"), WITH_ZONE) == [14, 24]
    assert targets(in_utc, (np.datetime64("2024-05-01"), np.datetime64("2024-06-01"))) == [13, 23]


OFFSETS = {
    "one offset": (lambda time: f"{time:%Y-%m-%dT%H:%M:%S}-04:00", [14, 24]),
    "one without a colon": (lambda time: f"{time:%Y-%m-%d %H:%M:%S}-0400", [14, 24]),
    "one with half an hour": (lambda time: f"{time:%Y-%m-%dT%H:%M:%S.000}+05:30", [14, 24]),
    "UTC": (lambda time: f"{time.tz_convert('UTC'):%Y-%m-%dT%H:%M:%SZ}", [13, 23]),
    "UTC as an offset": (
        lambda time: f"{time.tz_convert('UTC'):%Y-%m-%dT%H:%M:%S+00:00}",
        [13, 23],
    ),
    "one a season": (lambda time: f"{time:%Y-%m-%dT%H:%M:%S}-0{4 + time.month % 2}:00", None),
}


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "parts"])
@pytest.mark.parametrize("kind", OFFSETS)
def test_text_is_split_by_the_clock_of_its_offsets(name: str, kind: str, tmp_path: Path) -> None:
    written, expected = OFFSETS[kind]
    table = FRAME.assign(timestamp=FRAME.timestamp.map(written))
    path = tmp_path / name
    if name == "a.jsonl":
        table.to_json(path, orient="records", lines=True)
    elif name == "parts":
        path.mkdir()
        for part, rows in table.groupby("user_id"):
            rows.to_csv(path / f"{part}.csv", index=False)
    else:
        table.to_csv(path, index=False, sep="\t" if name == "a.tsv" else ",")
    if expected is None:
        with pytest.raises(TypeError, match="without a zone, but the times of column 'timestamp'"):
            targets(str(path), WITHOUT_ZONE["text"])
        assert len(targets(str(path), WITH_ZONE)) == 2
    else:
        assert targets(str(path), WITHOUT_ZONE["text"]) == expected


def test_files_of_different_offsets_have_no_clock_in_common(tmp_path: Path) -> None:
    for user, offset in ((1, "-04:00"), (2, "-05:00")):
        table = FRAME[FRAME.user_id == user]
        times = table.timestamp.map(lambda time: f"{time:%Y-%m-%dT%H:%M:%S}" + offset)  # noqa: B023
        table.assign(timestamp=times).to_csv(tmp_path / f"{user}.csv", index=False)
    with pytest.raises(TypeError, match="are in several; give it with a zone"):
        targets(str(tmp_path), WITHOUT_ZONE["text"])
    assert targets(str(tmp_path), WITH_ZONE) == [14, 24]


NAIVE = {
    "pandas": FRAME.assign(timestamp=FRAME.timestamp.dt.tz_localize(None)),
    "numpy": of_times(FRAME.timestamp.dt.tz_localize(None).to_numpy()),
    "dates": of_times(FRAME.timestamp.dt.date.tolist()),
    "Arrow dates": of_times(pa.array(FRAME.timestamp.dt.date)),
}


@pytest.mark.parametrize("kind", NAIVE)
def test_times_without_zone_are_compared_with_starts_without(kind: str) -> None:
    for starts in WITHOUT_ZONE.values():
        assert targets(NAIVE[kind], starts) == [14, 24]
    with pytest.raises(TypeError, match=r"split_at\[0\] is .*, with a zone, but the times of"):
        targets(NAIVE[kind], WITH_ZONE)


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "numpy": (np.datetime64("2024-05-01"), TypeError, "which has no zone, but the times of column"),
    "an integer": (1714521600, TypeError, "but column 'timestamp' holds datetimes"),
    "huge": (10**400, TypeError, "but column 'timestamp' holds datetimes"),
    "a day or a month first": ("01/05/2024", ValueError, "may begin with the day or the month"),
    "no date": ("12:00", ValueError, "it names no year"),
    "now": ("now", ValueError, "it names no year"),
    "shown twice": ("2024-11-03 01:30", ValueError, "which the clocks of America/New_York show"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_names_no_one_moment_is_refused(kind: str) -> None:
    start, error, said = REFUSED[kind]
    with pytest.raises(error, match=re.escape(said)) as refusal:
        targets(FRAME, (start, "2024-12-01"))
    assert len(str(refusal.value)) < 400


def test_where_nothing_is_before_the_times_are_shown_as_the_column_has_them() -> None:
    with pytest.raises(sf.DataError, match=r"runs from 2024-04-01 10:00:00-04:00 to 2024-06-10"):
        targets(FRAME, ("2024-01-01", "2024-02-01"))


def test_a_time_that_the_clocks_skip_is_when_they_skip_it() -> None:
    hours = ["2024-03-10 00:30", "2024-03-10 01:30", "2024-03-10 03:00", "2024-03-10 04:00"]
    table = {
        "user_id": [1] * 4 + [2] * 4,
        "item_id": [1, 2, 3, 4, 5, 6, 7, 8],
        "timestamp": pd.to_datetime(hours * 2).tz_localize(NEW_YORK),
    }
    assert targets(table, ("2024-03-10 02:30", "2024-03-10 03:30")) == [3, 7]


def test_times_of_several_zones_have_no_clock_in_common() -> None:
    zones = [SUMMER, datetime.UTC]
    times = [time.astimezone(zones[n % 2]) for n, time in enumerate(python_times(SUMMER))]
    with pytest.raises(TypeError, match="without a zone, but the times of column 'timestamp' are"):
        targets(of_times(times), ("2024-05-01", "2024-06-01"))
    assert targets(of_times(times), WITH_ZONE) == [14, 24]


@pytest.mark.parametrize("start", [10**400, -(10**400), 2**70, float("nan"), "2024-05-01", True])
@pytest.mark.parametrize("dtype", ["int64", "uint64", "float64"])
def test_a_start_that_no_number_reaches_is_refused(start: Any, dtype: str) -> None:
    table = of_times(np.tile(np.arange(5), 2).astype(dtype))
    if start == 2**70 and dtype == "float64":
        start = float("inf")
    with pytest.raises((TypeError, ValueError), match=r"^split_at\[1\] is ") as refusal:
        sf.prepare(table, split_at=(2, start))
    assert len(str(refusal.value)) < 400
