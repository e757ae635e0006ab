"""similar_items(): the nearest vectors, in external ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from groceries import STRINGS, prepared
from sasrec_fast.evaluation import Popularity
from small_models import make_model


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return prepared()


@pytest.fixture(scope="module")
def model(data: sf.Prepared) -> Any:
    return make_model(vocabulary_size=data.vocabulary_size, items=data.items)


def scores(model: Any, metric: str) -> Any:
    vectors = model.item_vectors()[1:].astype(np.float64)
    if metric == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_it_gives_the_nearest_items_and_never_the_item_itself(model: Any, metric: str) -> None:
    found = sf.similar_items(model, "tea", k=4, metric=metric)
    assert found.columns.tolist() == ["query_item_id", "item_id", "rank", "score"]
    own = scores(model, metric)[STRINGS.index("tea")]
    best = [i for i in np.argsort(-own, kind="stable") if STRINGS[i] != "tea"][:4]
    assert found["item_id"].tolist() == [STRINGS[i] for i in best]
    assert found["rank"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(found["score"], own[best], rtol=1e-5)
    assert found["score"].dtype == np.float32
    if metric == "cosine":
        assert found["score"].abs().max() <= 1 + 1e-6


def test_several_items_come_in_the_order_asked_for(model: Any, data: sf.Prepared) -> None:
    found = sf.similar_items(model, ["wine", "tea", "wine"], k=2, data=data)
    alone = [sf.similar_items(model, item, k=2) for item in ("wine", "tea", "wine")]
    pd.testing.assert_frame_equal(found, pd.concat(alone, ignore_index=True), rtol=1e-5)
    none = sf.similar_items(model, [])
    assert len(none) == 0
    pd.testing.assert_series_equal(none.dtypes, found.dtypes)


def test_data_stands_in_for_a_model_without_ids(model: Any, data: sf.Prepared) -> None:
    bare = make_model(vocabulary_size=data.vocabulary_size)
    expected = sf.similar_items(model, "oil")
    pd.testing.assert_frame_equal(sf.similar_items(bare, "oil", data=data), expected)
    assert len(expected) == len(STRINGS) - 1  # no more are left
    with pytest.raises(ValueError, match="no item vocabulary: give the data, or a model"):
        sf.similar_items(bare, "oil")


def test_integer_ids_and_titles(data: sf.Prepared) -> None:
    model = make_model(items=sf.Vocabulary(np.arange(0, 200, 10)))
    found = sf.similar_items(model, np.int64(30), k=2, titles={10 * i: f"t{i}" for i in range(20)})
    assert found["item_id"].dtype == np.int64
    assert found["title"].tolist() == [f"t{item // 10}" for item in found["item_id"]]


def test_items_that_are_never_recommended_are_not_similar_but_can_be_asked_for(
    data: sf.Prepared,
) -> None:
    counts = data.item_counts.copy()
    counts[data.items.index(["oil", "tea"])] = 0
    model = make_model(vocabulary_size=11, items=data.items, item_counts=counts)
    assert set(sf.similar_items(model, "oil")["item_id"]) == set(STRINGS) - {"oil", "tea"}
    assert set(sf.similar_items(model, "wine")["item_id"]) == set(STRINGS) - {"oil", "tea", "wine"}


def test_a_vector_of_length_0_is_like_nothing(data: sf.Prepared) -> None:
    model = make_model(vocabulary_size=11, items=data.items)
    table = model.item_vectors().copy()
    table[data.items.index(["tea"])] = 0
    model.item_embedding.embeddings.assign(table)
    assert (sf.similar_items(model, "tea")["score"] == 0).all()


@pytest.mark.parametrize(
    ("item", "options", "error", "said"),
    [
        ("gold", {}, KeyError, "items the model does not know: 'gold'; its 10 items are .* 'corn'"),
        (["tea", 7], {}, KeyError, "does not know: 7;"),
        ("tea", {"metric": "l2"}, ValueError, r"metric must be one of \['cosine', 'dot'\], .*'l2'"),
        ("tea", {"k": 0}, ValueError, "k must be at least 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    model: Any, item: Any, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        sf.similar_items(model, item, **options)


def test_a_baseline_has_no_vectors(data: sf.Prepared) -> None:
    with pytest.raises(TypeError, match="takes a SASRec: a Popularity has no vectors"):
        sf.similar_items(Popularity(data.item_counts), "tea", data=data)


def test_data_of_other_items_is_refused(model: Any) -> None:
    other = prepared({"a": list("abcdefgh"), "b": list("ijab")})
    with pytest.raises(ValueError, match="index 1 is 'corn' in the model and 'a' in the data"):
        sf.similar_items(model, "tea", data=other)
