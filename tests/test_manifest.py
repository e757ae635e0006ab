"""What a manifest can hold, and how it is read."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime

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
    {"a": 2**64 - 1, "b": {1: "x", (2, 3): 1e-300}},
    np.datetime64("2020-01-01T00:00:00.123456789"),
    pd.Timestamp("2020-01-01 00:00:00.123456789", tz="Europe/Berlin"),
    datetime(2020, 1, 1, 12),
    datetime(2020, 1, 1).date(),
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


@dataclass(frozen=True)
class Figures:
    lengths: Report | None
    by_split: dict[str, Report]
    name: str = "none"


def test_reports_are_rebuilt_field_by_field():
    report = prepared().report
    figures = Figures(report, {"train": report}, "all")
    assert manifest.rebuild(Figures, asdict(figures), "here") == (figures, [])
    other, unknown = manifest.rebuild(
        Figures, {"lengths": None, "by_split": {"x": {**report.to_dict(), "more": 1}}, "n": 2}, ""
    )
    assert other == Figures(None, {"x": report})
    assert unknown == ["n", "by_split.x.more"]
    with pytest.raises(sf.DataError, match="here has no 'by_split', which Figures needs"):
        manifest.rebuild(Figures, {"lengths": None}, "here")
