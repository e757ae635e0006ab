"""A model takes what it needs from the data: sizes, items, batches, the split to test on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sasrec_fast as sf

TABLE = {
    "user_id": np.repeat(np.arange(1, 21), 8),
    "item_id": (np.arange(160) * 7) % 23 + 100,
    "timestamp": np.arange(160),
}


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return sf.prepare(TABLE, max_sequence_length=5)


def compiled(data: sf.Prepared, **options: Any) -> sf.SASRec:
    keras.utils.set_random_seed(0)
    model = sf.SASRec.for_data(data, num_layers=1, hidden_dim=8, **options)
    model.build()
    model.compile("adam")
    return model


def test_for_data_takes_sizes_items_and_counts(data: sf.Prepared) -> None:
    model = sf.SASRec.for_data(data, hidden_dim=8, k=3)
    assert (model.vocabulary_size, model.max_sequence_length) == (24, 5)
    assert model.items is data.items
    assert model.item_counts is not None
    assert np.array_equal(model.item_counts, data.item_counts)
    assert (model.hidden_dim, model.retrieval.k) == (8, 3)


def test_for_data_gives_way_to_what_is_said(data: sf.Prepared) -> None:
    model = sf.SASRec.for_data(data, hidden_dim=8, max_sequence_length=9, item_counts=None)
    assert model.max_sequence_length == 9
    assert model.item_counts is None


def test_for_data_takes_prepared_data_alone(data: sf.Prepared) -> None:
    with pytest.raises(TypeError, match=r"what prepare\(\) returns, received a Split"):
        sf.SASRec.for_data(data.train)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["split", "prepared", "batches"])
def test_fit_makes_the_batches(data: sf.Prepared, kind: str) -> None:
    model, reference = compiled(data), compiled(data)
    x = {"split": data.train, "prepared": data, "batches": data.train.batches(4)}[kind]
    options = {} if kind == "batches" else {"batch_size": 4}
    history = model.fit(x, epochs=2, verbose=0, **options)
    reference.fit(data.train.batches(4), epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    for found, expected in zip(model.get_weights(), reference.get_weights(), strict=True):
        assert np.array_equal(found, expected)


def test_fit_takes_arrays(data: sf.Prepared) -> None:
    model, reference = compiled(data), compiled(data)
    model.fit(data.train.arrays(), batch_size=7, shuffle=False, verbose=0)
    reference.fit(*data.train.arrays().xyw(), batch_size=7, shuffle=False, verbose=0)
    for found, expected in zip(model.get_weights(), reference.get_weights(), strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", ["split", "prepared", "arrays"])
def test_validation_data_likewise(data: sf.Prepared, kind: str) -> None:
    assert data.validation is not None
    validation: Any = {
        "split": data.validation,
        "prepared": data,
        "arrays": data.validation.arrays(),
    }[kind]
    model = compiled(data)
    history = model.fit(data.train, validation_data=validation, batch_size=4, verbose=0)
    expected = model.evaluate(data.validation.batches(4), verbose=0)
    assert history.history["val_loss"] == pytest.approx([expected])


def test_validation_data_without_a_validation_split_is_refused(data: sf.Prepared) -> None:
    whole = sf.prepare(TABLE, max_sequence_length=5, holdout=0)
    with pytest.raises(ValueError, match="has no validation split"):
        compiled(data).fit(data.train, validation_data=whole)


def test_evaluate_of_keras_takes_splits_and_arrays(data: sf.Prepared) -> None:
    assert data.test is not None
    model = compiled(data)
    expected = model.evaluate(data.test.batches(), verbose=0)
    assert model.evaluate(data.test, verbose=0) == pytest.approx(expected)
    assert model.evaluate(data.test.arrays(), verbose=0) == pytest.approx(expected)


def test_a_model_without_items_adopts_those_of_its_data(data: sf.Prepared, tmp_path: Path) -> None:
    model = sf.SASRec(24, num_layers=1, hidden_dim=8, max_sequence_length=5)
    model.compile("adam")
    model.fit(data.train, verbose=0)
    assert model.items is data.items
    assert model.item_counts is not None
    assert np.array_equal(model.item_counts, data.item_counts)
    model.save(tmp_path / "model.keras")
    loaded = sf.load_model(tmp_path / "model.keras")
    answer = loaded.recommend(histories=[[100, 107]], k=3)
    assert answer.equals(sf.recommend(model, data, histories=[[100, 107]], k=3))


def test_a_model_keeps_its_own_counts(data: sf.Prepared) -> None:
    counts = np.arange(24)
    model = sf.SASRec(24, num_layers=1, hidden_dim=8, max_sequence_length=5, item_counts=counts)
    model.compile("adam")
    model.fit(data.train, verbose=0)
    assert model.items is data.items
    assert model.item_counts is not None
    assert np.array_equal(model.item_counts, counts)


def test_evaluate_of_prepared_data_is_its_test_split(data: sf.Prepared) -> None:
    model = compiled(data)
    metrics = sf.evaluate(model, data)
    assert metrics.name == "test"
    assert str(metrics).startswith("test: 20 users")
    assert data.test is not None
    assert dict(metrics) == dict(sf.evaluate(model, data.test))


def test_evaluate_says_what_it_takes(data: sf.Prepared) -> None:
    popular = sf.baselines.Popularity(data.item_counts)
    short = sf.prepare(TABLE, holdout=1)
    with pytest.raises(ValueError, match=r"no test split.*pass data\.validation"):
        sf.evaluate(popular, short)
    with pytest.raises(TypeError, match=r"split is a dict; evaluate takes a split"):
        sf.evaluate(popular, TABLE)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["metrics", "weighted_metrics"])
def test_keras_metrics_are_refused_at_once(data: sf.Prepared, name: str) -> None:
    model = sf.SASRec.for_data(data, hidden_dim=8)
    with pytest.raises(ValueError, match=rf"^{name}=.*RankingMetrics\(data\.validation\)"):
        model.compile("adam", **{name: ["accuracy"]})
    model.compile("adam", **{name: []})


def test_a_model_shorter_than_its_data_is_refused_in_one_line(data: sf.Prepared) -> None:
    model = compiled(data, max_sequence_length=3)
    short = r"^the model takes sequences of at most 3, the \w+ split has rows of 5: .*$"
    with pytest.raises(ValueError, match=short):
        model.fit(data.train)
    with pytest.raises(ValueError, match=short):
        model.evaluate(data.validation)
    with pytest.raises(ValueError, match=r"^sequences of length 5 are longer than the model's"):
        model.fit(*data.train.arrays().xyw())


def test_a_longer_model_is_fine(data: sf.Prepared) -> None:
    compiled(data, max_sequence_length=30).fit(data.train, verbose=0)


def test_recommend_as_a_method(data: sf.Prepared) -> None:
    model = compiled(data)
    found = model.recommend(data, users=[3, 1], k=4)
    assert found.equals(sf.recommend(model, data, users=[3, 1], k=4))
    histories = [[100, 107], [121]]
    assert model.recommend(histories=histories).equals(sf.recommend(model, histories=histories))
