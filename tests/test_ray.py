"""A Ray Dataset gives the data that its rows give in memory; where Ray is installed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from sasrec_fast.preparing.engines import ray as ray_tables

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("are_text", [False, True])
def test_ray_gives_the_same_data(
    tmp_path: Path, are_text: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'ray[data]'")
    if not ray.is_initialized():
        ray.init(num_cpus=2, include_dashboard=False, object_store_memory=200 << 20)
    monkeypatch.setattr(ray_tables, "_ROWS", 500)
    draw = np.random.default_rng(0)
    table = pd.DataFrame({name: draw.integers(0, 60, 3_000) for name in ("user_id", "item_id")})
    table["timestamp"] = draw.integers(0, 400, len(table))
    if are_text:
        table = table.astype({"user_id": str, "item_id": str})
    options = {"ties": "hash", "num_negatives": 0, "min_item_interactions": 40}
    dataset = ray.data.from_pandas([table[:1000], table[1000:]])
    found = sf.prepare(dataset, output=tmp_path / "data", **options)
    expected = sf.prepare(table, **options)
    assert found.fingerprint == expected.fingerprint
    assert found.report == expected.report
