"""The hit rate that evaluate() gives is that of the lists recommend() serves, repeats included."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from small_models import make_model

K = 5


def again() -> pd.DataFrame:
    """40 users who end with the two items that they began with."""
    rng, rows = np.random.default_rng(0), []
    for user in range(1, 41):
        items = (100 + rng.choice(30, 6)).tolist()
        rows += [(user, item, time) for time, item in enumerate(items + items[:2])]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return sf.prepare(again(), max_sequence_length=8)


@pytest.fixture(scope="module")
def models(data: sf.Prepared) -> dict[str, Any]:
    return {
        "popularity": sf.baselines.Popularity(data.train),
        "chain": sf.baselines.MarkovChain(data.train),
        "neighbours": sf.baselines.ItemNeighbours(data.train),
        "sasrec": make_model(
            vocabulary_size=data.vocabulary_size, items=data.items, max_sequence_length=8
        ),
    }


def hits(model: Any, data: sf.Prepared, **options: Any) -> np.ndarray:
    """Whether each user's last item is in the list served before it."""
    histories = again().groupby("user_id").item_id.apply(list)
    found = sf.recommend(model, data, histories=[h[:-1] for h in histories], k=K, **options)
    served = found.groupby("history").item_id.apply(set)
    return np.array([h[-1] in served.get(n, ()) for n, h in enumerate(histories)])


@pytest.mark.parametrize("name", ["popularity", "chain", "sasrec"])
@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize(
    "chosen",
    [{}, {"candidates": np.arange(100, 115)}, {"exclude": [100, 107]}],
    ids=["all", "candidates", "exclude"],
)
def test_each_hit_is_a_hit_of_the_list(data, models, name, exclude_seen, chosen):
    """But for ties at the cut-off, where evaluate() gives the chance of a hit."""
    metrics = sf.evaluate(models[name], data.test, k=K, exclude_seen=exclude_seen, **chosen)
    served = hits(models[name], data, exclude_seen=exclude_seen, **chosen)
    measured = metrics.per_user[f"hit_rate@{K}"]
    certain = np.isin(measured, [0, 1])
    np.testing.assert_array_equal(measured[certain], served[certain])
    assert certain.mean() > 0.5
    if exclude_seen:
        assert metrics[f"hit_rate@{K}"] == served.mean() == 0
    elif name == "sasrec":
        assert metrics[f"hit_rate@{K}"] == served.mean()
    assert metrics.repeated_targets == 40


def test_repeats_are_warned_of_where_they_are_misses(data, models):
    with pytest.warns(sf.DataWarning, match=r"40 of 40 test targets \(100.0%\)") as caught:
        sf.evaluate(models["chain"], data.test)
    assert "exclude_seen=False" in str(caught[0].message)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sf.evaluate(models["chain"], data.test, exclude_seen=False)


def test_preparation_counts_and_warns_of_repeats():
    with pytest.warns(sf.DataWarning) as caught:
        report = sf.prepare(again(), max_sequence_length=8).report
    assert report.repeated_targets == {"validation": 40, "test": 40}
    assert report.repeated_share == {"validation": 1.0, "test": 1.0}
    assert report.to_dict()["repeated_share"] == report.repeated_share
    assert "that the user had before" in str(report)
    said = [str(warning.message) for warning in caught if "exclude_seen" in str(warning.message)]
    assert [text.split(" (")[0] for text in said] == [
        "40 of 40 validation targets",
        "40 of 40 test targets",
    ]


@pytest.mark.parametrize("seed", range(3))
def test_repeats_are_counted_as_one_by_one(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 12, 50)
    table = {
        "user_id": np.repeat(np.arange(50), lengths),
        "item_id": rng.integers(0, 9, lengths.sum()),
    }
    data = sf.prepare(table, timestamp=None, num_negatives=1, negative_scope="past")
    for split in (data.validation, data.test):
        pairs = zip(split.starts, split.ends, strict=True)
        items = split.sequences.items
        expected = sum(items[end - 1] in items[start : end - 1] for start, end in pairs)
        assert data.report.repeated_targets[split.name] == expected > 0


def test_nothing_is_warned_of_without_repeats():
    users, steps = np.repeat(np.arange(16), 5), np.tile(np.arange(5), 16)
    table = {"user_id": users, "item_id": (users + steps) % 8}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = sf.prepare(table, timestamp=None)
        metrics = sf.evaluate(sf.baselines.Popularity(data), data.test)
    assert data.report.repeated_targets == {"validation": 0, "test": 0}
    assert metrics.repeated_targets == 0
    assert "before" not in str(metrics)


def test_saved_data_keeps_the_count(data, tmp_path):
    data.save(tmp_path / "data")
    assert sf.load(tmp_path / "data").report == data.report
