"""A model or baseline made for one set of items refuses others, and names the first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from sasrec_fast.evaluation import MarkovChain, Popularity
from small_models import make_model


def table(shift: int = 0, items: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    chosen = [rng.choice(np.arange(2, items + 2), 8, replace=False) for _ in range(40)]
    return pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(1, 41), 8),
            "item_id": np.concatenate([*chosen]) + shift,
            "timestamp": np.tile(np.arange(8), 40),
        }
    )


def prepared(frame: pd.DataFrame, **options: Any) -> sf.Prepared:
    return sf.prepare(frame, max_sequence_length=8, **options)


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return prepared(table())


@pytest.fixture(scope="module")
def other() -> sf.Prepared:
    return prepared(table(shift=1000))


MADE = {
    "chain": lambda data: MarkovChain(data.train),
    "popularity": lambda data: Popularity(data.train),
    "counts": lambda data: Popularity(data.item_counts, items=data.items),
    "sasrec": lambda data: make_model(
        vocabulary_size=data.vocabulary_size, items=data.items, max_sequence_length=8
    ),
}


@pytest.mark.parametrize("kind", MADE)
def test_data_of_other_items_is_refused(data, other, kind):
    model = MADE[kind](data)
    assert data.vocabulary_size == other.vocabulary_size
    differs = "other items than .*: index 1 is 2 in the model and 1002 in"
    with pytest.raises(ValueError, match=differs):
        sf.evaluate(model, other.test)
    with pytest.raises(ValueError, match=differs):
        sf.recommend(model, other)
    with pytest.raises(ValueError, match=differs):
        sf.recommend(model, other, histories=[[1002]])
    sf.evaluate(model, data.test)


def test_similar_items_and_metrics_in_fit_refuse_other_items(data, other):
    model = MADE["sasrec"](data)
    with pytest.raises(ValueError, match="index 1 is 2 in the model and 1002 in the data"):
        sf.similar_items(model, 1002, data=other)
    model.compile("adam")
    metrics = sf.RankingMetrics(other.validation)
    with pytest.raises(ValueError, match="1002 in the validation split"):
        model.fit(data.train.batches(64, max_buckets=1), callbacks=[metrics], verbose=0)


def test_a_model_fitted_on_other_data_refuses_too(data, other):
    model = make_model(vocabulary_size=data.vocabulary_size, max_sequence_length=8)
    model.compile("adam")
    model.fit(data.train.batches(64, max_buckets=1), verbose=0)
    with pytest.raises(ValueError, match="index 1 is 2 in the model and 1002"):
        sf.evaluate(model, other.test)


def test_equal_items_are_the_same_wherever_they_come_from(data, tmp_path):
    data.save(tmp_path / "data")
    loaded = sf.load(tmp_path / "data")
    again = prepared(table())
    for kind, make in MADE.items():
        expected = dict(sf.evaluate(make(data), data.test))
        for same in (loaded, again):
            if kind != "sasrec":  # whose weights are others each time
                assert dict(sf.evaluate(make(same), data.test)) == expected
            sf.evaluate(make(data), same.test)
    unsigned = prepared(table().astype({"item_id": np.uint64}))
    sf.evaluate(MarkovChain(data.train), unsigned.test)  # equal ids of another dtype


def test_a_vocabulary_that_was_extended_is_another_one(data):
    extended = prepared(table(), items=data.items.extend([500]))
    chain = MarkovChain(data.train)
    said = r"vocabulary_size=\d+, the test split has .*: index \d+ is 500, in the test split alone"
    with pytest.raises(ValueError, match=said):
        sf.evaluate(chain, extended.test)
    with pytest.raises(ValueError, match="is 500, in the model alone"):
        sf.recommend(MarkovChain(extended.train), data)


def test_ids_of_another_kind_are_other_items(data):
    text = prepared(table().astype({"item_id": str}))
    with pytest.raises(ValueError, match="index 1 is 2 in the model and '10' in the test split"):
        sf.evaluate(MarkovChain(data.train), text.test)


def test_bare_counts_are_known_by_their_number_alone(data, other):
    bare = Popularity(data.item_counts)
    assert bare.items is None
    sf.evaluate(bare, other.test)
    with pytest.raises(ValueError, match="vocabulary_size=5, the test split has vocabulary_size=6"):
        sf.evaluate(Popularity(np.ones(5)), data.test)


def test_a_baseline_that_knows_its_items_needs_no_data(data):
    chain = MarkovChain(data.train)
    histories = [[2, 3], [4]]
    found = sf.recommend(chain, histories=histories, k=3)
    pd.testing.assert_frame_equal(found, sf.recommend(chain, data, histories=histories, k=3))


def test_popularity_of_a_split_is_that_of_its_counts(data):
    for given in (data, data.train):
        np.testing.assert_array_equal(Popularity(given).counts, data.train.item_counts)
    np.testing.assert_array_equal(Popularity(data.test).counts, data.test.item_counts)
    assert dict(sf.evaluate(MarkovChain(data), data.test)) == dict(
        sf.evaluate(MarkovChain(data.train), data.test)
    )


@pytest.mark.parametrize(
    ("counts", "error", "said"),
    [
        (pd.Series([3, 1], index=[7, 9]), TypeError, "by something else than item indices"),
        ({7: 3, 9: 1}, TypeError, "counts is a dict by something else than item indices"),
        (["a", "b"], TypeError, "counts must be a split, such as data.train, or numbers"),
        (None, TypeError, "counts is None; pass a split"),
    ],
)
def test_counts_in_another_order_are_refused(counts, error, said):
    with pytest.raises(error, match=said):
        Popularity(counts)


def test_counts_and_items_agree(data):
    with pytest.raises(ValueError, match="counts has 5 entries, items"):
        Popularity(np.ones(5), items=data.items)
    with pytest.raises(TypeError, match="items must be a Vocabulary"):
        Popularity(np.ones(5), items=[1, 2, 3, 4])


def test_plots_refuse_metrics_of_other_data_of_equal_size(data):
    metrics = sf.evaluate(MarkovChain(data.train), data.test)
    reversed_times = table().assign(timestamp=np.tile(np.arange(8)[::-1], 40))
    elsewhere = prepared(reversed_times)
    assert len(elsewhere.test) == len(data.test)
    with pytest.raises(ValueError, match="metrics is of the test split of other data"):
        sf.plots.ndcg_by_history_length(metrics, elsewhere)
    sf.plots.ndcg_by_history_length(metrics, prepared(table()))
