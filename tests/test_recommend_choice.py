"""recommend(): what may be recommended, what popularity stands in for, and shapes of batches."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import sasrec_fast as sf
from groceries import HISTORIES, STRINGS, prepared
from sasrec_fast.evaluation import Popularity
from sasrec_fast.model.inference import ItemScorer
from sasrec_fast.recommendation import ranking
from small_models import make_model


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return prepared()


@pytest.fixture(scope="module")
def model(data) -> Any:
    return make_model(vocabulary_size=data.vocabulary_size, items=data.items)


@pytest.fixture(scope="module")
def informed(data) -> Any:
    """The same model, which knows how popular the items are."""
    return make_model(
        vocabulary_size=data.vocabulary_size, items=data.items, item_counts=data.item_counts
    )


@pytest.mark.parametrize("kind", ["model", "baseline"])
def test_candidates_are_the_only_items_and_excluded_ones_are_not_among_them(data, model, kind):
    scorer = model if kind == "model" else Popularity(data.item_counts)
    everything = sf.recommend(scorer, data, k=10)
    allowed, blocked = ["wine", "corn", "soap", "tea"], ["soap", "eggs"]
    for options, kept in [
        ({"candidates": allowed}, set(allowed)),
        ({"exclude": blocked}, set(STRINGS) - set(blocked)),
        ({"candidates": np.array(allowed), "exclude": pd.Series(blocked)}, {"wine", "corn", "tea"}),
    ]:
        expected = everything[everything["item_id"].isin(kept)].reset_index(drop=True)
        expected["rank"] = expected.groupby("user_id").cumcount() + 1
        pd.testing.assert_frame_equal(sf.recommend(scorer, data, k=10, **options), expected)


def test_k_counts_after_what_is_left_out(data, model):
    best = sf.recommend(model, data, users=["ada"], k=10)["item_id"].tolist()
    found = sf.recommend(model, data, users=["ada"], k=2, exclude=best[:3])
    assert found["item_id"].tolist() == best[3:5]


def test_unknown_candidates_and_blocked_ids_are_counted(data, model):
    with pytest.warns(UserWarning, match="2 of 3 item ids in candidates are unknown .* 'gold'"):
        found = sf.recommend(model, data, candidates=["tea", "gold", 7], exclude_seen=False)
    assert set(found["item_id"]) == {"tea"}
    with pytest.warns(UserWarning, match="1 of 2 item ids in exclude are unknown and have no eff"):
        found = sf.recommend(model, data, exclude=["tea", "gold"], exclude_seen=False)
    assert set(found["item_id"]) == set(STRINGS) - {"tea"}


def test_warnings_point_to_the_caller(data, model):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sf.recommend(model, data, histories=[["gold"]], candidates=["tea", 1], exclude=["silk"])
    assert len(caught) == 4
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"candidates": ["gold", 1]}, ValueError, "none of the 2 candidates is .* first 'gold'"),
        ({"candidates": []}, ValueError, "none of the 0 candidates .* an empty list; .* 'corn'"),
        ({"candidates": "tea"}, TypeError, "candidates must be a list of item ids, .* 'tea'"),
        ({"exclude": 5}, TypeError, "exclude must be a list of item ids, received 5"),
        ({"exclude": STRINGS}, ValueError, "no item is left to recommend: of 10 items"),
        ({"candidates": ["tea"], "exclude": ["tea"]}, ValueError, "no item is left to recommend"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(data, model, options, error, said):
    with pytest.raises(error, match=said):
        sf.recommend(model, data, **options)


def test_candidates_that_are_never_recommended_are_counted(data):
    counts = data.item_counts.copy()
    counts[data.items.index(["oil"])] = 0
    model = make_model(vocabulary_size=11, items=data.items, item_counts=counts)
    with pytest.warns(UserWarning, match="1 of 2 known candidates are never .* first 'oil'"):
        found = sf.recommend(model, histories=[["tea"]], candidates=["oil", "corn"])
    assert found["item_id"].tolist() == ["corn"]


def test_a_model_that_knows_popularity_needs_no_data_for_empty_histories(data, informed):
    histories: list[list[str]] = [["tea"], [], []]
    with pytest.warns(UserWarning, match="histories without a known item: 2, first history 1"):
        found = sf.recommend(informed, histories=histories, k=3)
    assert found[found["history"] == 1]["item_id"].tolist() == ["tea", "milk", "rice"]
    assert found[found["history"] == 2]["score"].tolist() == [4, 2, 2]
    with pytest.warns(UserWarning, match="the most popular items"):
        same = sf.recommend(informed, data, histories=histories, k=3)
    pd.testing.assert_frame_equal(same, found)
    with pytest.warns(UserWarning, match="the most popular items"):
        found = sf.recommend(informed, histories=[[]], k=2, exclude=["milk", "tea"])
    assert found["item_id"].tolist() == ["rice", "salt"]


@pytest.mark.parametrize(
    ("counts", "error", "said"),
    [
        (np.ones(10, int), ValueError, r"item_counts has shape \(10,\), expected \(11,\)"),
        (np.ones(11), TypeError, "item_counts must be integers, received float64"),
        (-np.ones(11, int), ValueError, "item_counts must be at least 0, received -1"),
    ],
)
def test_counts_that_are_none_are_refused(counts, error, said):
    with pytest.raises(error, match=said):
        make_model(vocabulary_size=11, item_counts=counts)


def test_batches_have_few_shapes_and_short_ones_are_narrow(monkeypatch):
    items = sf.Vocabulary(np.arange(1, 21))
    model = make_model(items=items, max_sequence_length=64)
    shapes = []
    encode = type(model).encode_last
    monkeypatch.setattr(
        type(model),
        "encode_last",
        lambda self, x: shapes.append(x["item_ids"].shape) or encode(self, x),
    )
    histories = [[1 + (row + i) % 20 for i in range(1 + row % 17)] for row in range(37)]
    found = sf.recommend(model, histories=histories, k=3, batch_size=16, exclude_seen=False)
    assert shapes == [(16, 8), (16, 16), (8, 64)]
    sf.recommend(model, histories=histories[:3], k=3)
    assert shapes[3:] == [(4, 8)]

    inputs = [model.score_items(one_row(history, 64)) for history in histories]
    scores = np.concatenate(inputs)[:, 1:]
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :3] + 1
    assert found["item_id"].tolist() == expected.ravel().tolist()
    best = np.take_along_axis(scores, expected - 1, axis=1)
    np.testing.assert_allclose(found["score"], best.ravel(), atol=1e-5)


def one_row(history: list[int], length: int) -> dict[str, np.ndarray]:
    row = np.zeros((1, length), np.int32)
    row[0, : len(history)] = history
    return {"item_ids": row, "padding_mask": row > 0}


def test_windows_change_nothing(data, informed, monkeypatch):
    rng = np.random.default_rng(0)
    histories = [rng.choice(STRINGS, rng.integers(0, 8)).tolist() for _ in range(40)]
    with pytest.warns(UserWarning, match="histories without a known item"):
        whole = sf.recommend(informed, histories=histories, k=4)
    monkeypatch.setattr(ranking, "WINDOW", 7)
    with pytest.warns(UserWarning, match="histories without a known item"):
        parts = sf.recommend(informed, histories=histories, k=4, batch_size=4)
    pd.testing.assert_frame_equal(parts, whole, rtol=1e-4)


def test_models_score_no_matrix_of_users_and_items(data, model, monkeypatch):
    def refuse(*_: Any) -> None:
        raise AssertionError("scores of all items are held")

    monkeypatch.setattr(ItemScorer, "score_items", refuse)
    assert len(sf.recommend(model, data, k=1)) == len(HISTORIES)


def test_scores_that_are_nan_are_refused(data):
    model = make_model(vocabulary_size=11, items=data.items)
    model.build()
    model.item_embedding.embeddings.assign(model.item_embedding.embeddings * np.nan)
    with pytest.raises(ValueError, match=r"answers are not finite.* training that diverged"):
        sf.recommend(model, data)


def test_arrow_arrays_are_lists_too(data, model):
    histories = [["tea", "rice"], ["milk"]]
    expected = sf.recommend(model, histories=histories, candidates=["oil", "corn"])
    found = sf.recommend(
        model, histories=pa.chunked_array([histories]), candidates=pa.array(["oil", "corn"])
    )
    pd.testing.assert_frame_equal(found, expected)
    users = sf.recommend(model, data, users=pa.array(["bob"]))
    pd.testing.assert_frame_equal(users, sf.recommend(model, data, users=["bob"]))
