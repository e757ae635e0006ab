"""Days of real data, run by `make test-slow`: a model that grows keeps up for part of the time."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import growing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def test_a_model_that_grows_by_days_keeps_up(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "EPOCHS", 10)
    rows = growing.ratings(real_data / "ml-100k" / "ratings.dat")
    days: list[Any] = sorted(rows["day"].unique())[-4:]
    found = pd.DataFrame(growing.week(rows, days, seed=0))
    last = found[found["day"] == 3].set_index("model")
    known = rows.loc[rows["day"] < days[3], "item_id"].nunique()
    assert last["items"].tolist() == [known] * 3
    later = found[found["day"] > 0]
    seconds = later.groupby("model")["seconds"].sum()
    assert seconds["grown"] < seconds["anew"] / 2
    hits = (later["hit"] * later["users"]).groupby(later["model"]).sum()
    users = later.groupby("model")["users"].sum()
    # So few questions tell little: a model that forgot, or learnt nothing, would hit none.
    assert users["grown"] >= 20
    assert hits["grown"] >= hits["anew"] / 2 > 0
