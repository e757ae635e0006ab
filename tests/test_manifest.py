"""What a manifest can hold, and how it is read."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from sasrec_fast.saving import manifest
from sasrec_fast.store import Report
from saved_data import prepared

VALUES = [
    None,
    (("popularity", 0.75), ["stride", 3]),
    [2**64 - 1, 1e-300, "x"],
    np.datetime64("2020-01-01T00:00:00.123456789"),
    pd.Timestamp("2020-01-01 00:00:00.123456789", tz="Europe/Berlin"),
    datetime(2020, 1, 1, 12),
    datetime(2020, 1, 1, tzinfo=UTC),
    datetime(2020, 1, 1).date(),
    *(np.datetime64(7, unit) for unit in ("Y", "M", "D", "h", "s", "ms", "us", "ns", ("h", 6))),
    np.int32(3),
    np.bool_(True),
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_option_values_of_many_kinds_are_kept(value, tmp_path):
    data = prepared()
    replace(data, options={**data.options, "other": value}).save(tmp_path / "data")
    loaded = sf.load(tmp_path / "data").options["other"]
    assert loaded == value
    assert type(loaded) is type(value) or isinstance(value, np.generic)


def test_reports_are_rebuilt_field_by_field():
    report = prepared().report
    values = {**vars(report), "more": 1, "tied_share": 0.5}
    assert manifest.rebuild(Report, values, "here") == (report, ["more"])
    with pytest.raises(sf.DataError, match=r"here: .* missing 1 required .*'rows_in'"):
        manifest.rebuild(Report, {k: v for k, v in vars(report).items() if k != "rows_in"}, "here")


def test_a_value_of_an_unknown_kind_is_refused():
    with pytest.raises(sf.DataError, match=r"unknown kind: .*'later'"):
        manifest.decode({"$": "later", "value": 1})
