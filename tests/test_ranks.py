"""Ranks of targets among dot products: natively, by a device, and by the matrix of all scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax.export
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import sasrec_fast as sf
from sasrec_fast import _core
from sasrec_fast.evaluation import vector_ranks
from sasrec_fast.layers import attention
from sasrec_fast.model import inference
from small_models import make_model
from test_top_k import behind_offsets, searches
from training_run import small_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from test_top_k import Search

SIZE, CUTOFFS = 51, (1, 3, 10)


@given(searches(), st.data())
def test_they_equal_the_reference(search: Search, draw: st.DataObject) -> None:
    queries, items = len(search.queries), len(search.vectors)
    numbers = st.lists(st.integers(-1, items - 1), min_size=queries, max_size=queries)
    targets = np.array(draw.draw(numbers), np.int32)
    k = draw.draw(st.sampled_from([0, search.k]))
    scores = (search.queries.astype(np.float64) @ search.vectors.T).tolist()
    offsets, excluded = behind_offsets(search.excluded)
    twice = (2 * offsets, np.repeat(excluded, 2))  # whoever had an item twice is not served less
    (own, above, level), best = _core.count_above(search.queries, search.vectors, twice, targets, k)
    expected = reference.count_above(scores, search.excluded, targets.tolist())
    assert list(zip(above.tolist(), level.tolist(), strict=True)) == expected
    assert own.tolist() == [
        row[target] if target >= 0 else -np.inf
        for row, target in zip(scores, targets.tolist(), strict=True)
    ]
    if k:
        found = _core.top_k(search.queries, search.vectors, (offsets, excluded), k)[1]
        np.testing.assert_array_equal(best, found)
    else:
        assert best.shape == (queries, 0)


@given(searches(), st.integers(0, 9), st.integers(0, 5))
def test_those_among_negatives_equal_the_reference(search: Search, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    queries, items = len(search.queries), len(search.vectors)
    targets = rng.integers(0, items, queries).astype(np.int32)
    others = rng.integers(-1, items, (queries, count)).astype(np.int32)
    own, above, level = _core.count_among(search.queries, search.vectors, targets, others)
    scores = search.queries.astype(np.float64) @ search.vectors.T
    assert own.tolist() == scores[np.arange(queries), targets].tolist()
    for row, some in enumerate(others):
        among = scores[row, some[some >= 0]]
        assert above[row] == np.count_nonzero(among > scores[row, targets[row]])
        assert level[row] == 1 + np.count_nonzero(among == scores[row, targets[row]])


@pytest.mark.parametrize("queries", [1, 5, 6, 65, 134])
@pytest.mark.parametrize("width", [3, 64, 301])
def test_equal_vectors_are_level_though_scores_round(queries: int, width: int) -> None:
    """In whichever tile or block the target stands, also at their ends."""
    rng = np.random.default_rng(width)
    vectors = rng.standard_normal((1025, width), np.float32)
    copies = np.array([0, 3, 7, 511, 512, 1023, 1024], np.int32)
    vectors[copies] = vectors[0]
    asked = rng.standard_normal((queries, width), np.float32)
    targets = np.resize(copies, queries)
    none = behind_offsets([set()] * queries)
    (_, above, level), _ = _core.count_above(asked, vectors, none, targets, 0)
    assert level.tolist() == [len(copies)] * queries
    exact = asked.astype(np.float64) @ vectors.T
    plain = (exact > exact[:, [0]] + 1e-6).sum(axis=1)
    assert np.abs(above - plain).max() <= 1
    others = np.tile(np.arange(1025, dtype=np.int32), (queries, 1))
    assert (_core.count_among(asked, vectors, targets, others)[2] == len(copies) + 1).all()


def test_what_does_not_fit_together_is_refused() -> None:
    ones, none = np.ones((2, 3), np.float32), behind_offsets([set()] * 2)
    two = np.zeros(2, np.int32)
    for targets in (two[:1], two + 2, two - 2):
        with pytest.raises(ValueError, match=r"target"):
            _core.count_above(ones, ones, none, targets, 0)
        with pytest.raises(ValueError, match=r"target"):
            _core.count_among(ones, ones, targets, two[:, None])
    with pytest.raises(ValueError, match="k is 3, of 2 vectors"):
        _core.count_above(ones, ones, none, two, 3)
    with pytest.raises(ValueError, match="target 2 of 2 vectors"):
        _core.count_among(ones, ones, two, two[:, None] + 2)
    with pytest.raises(ValueError, match="1 rows of others of 2 queries"):
        _core.count_among(ones, ones, two, two[:1, None])
    ones[1, 0] = np.nan
    for asked, vectors, row in ((ones, ones[:1], 1), (ones[:1], ones, 0)):
        targets, some = two[: len(asked)], np.full((len(asked), 1), len(vectors) - 1, np.int32)
        with pytest.raises(ValueError, match=f"NaN, first in row {row} of a batch of"):
            _core.count_above(asked, vectors, behind_offsets([set()] * len(asked)), targets, 0)
        with pytest.raises(ValueError, match=f"NaN, first in row {row} of a batch of"):
            _core.count_among(asked, vectors, targets, some)


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return small_data()


@pytest.fixture(scope="module")
def model(data: sf.Prepared) -> Any:
    """With items that are level, one of them without candidates; compiled once for all tests."""
    chosen = np.flatnonzero(np.arange(SIZE) % 9)
    model = make_model(vocabulary_size=SIZE, max_sequence_length=9, candidate_indices=chosen)
    model.build()
    table = np.array(model.item_embedding.embeddings.value)
    table[20:31] = table[20]
    model.item_embedding.embeddings.assign(table)
    return model


@dataclass
class ByScores:
    """A model of which no vectors are known."""

    model: Any

    def __post_init__(self) -> None:
        self.vocabulary_size = self.model.vocabulary_size
        self.max_sequence_length = self.model.max_sequence_length
        self.candidate_mask = self.model.candidate_mask

    def score_items(self, x: Mapping[str, Any]) -> npt.NDArray[np.float32]:
        scores: npt.NDArray[np.float32] = np.array(self.model.score_items(x))
        scores[:, 20:31] = scores[:, [20]]
        return scores


SAMPLED = {"candidates": ("uniform", 20, 1)}
WAYS = [{}, {"exclude_seen": False}, {"exclude": range(1, 15)}, {"batch_size": 30}, SAMPLED]


@pytest.mark.parametrize("options", WAYS, ids=["all", "seen", "exclude", "batches", "sampled"])
def test_every_way_gives_the_same_metrics(data, model, monkeypatch, options):
    expected = sf.evaluate(ByScores(model), data.test, k=CUTOFFS, **options)
    ways = [sf.evaluate(model, data.test, k=CUTOFFS, **options)]
    monkeypatch.setattr(vector_ranks, "on_cpu", lambda: False)
    monkeypatch.setattr(vector_ranks, "_AHEAD", 1)
    ways.append(sf.evaluate(model, data.test, k=CUTOFFS, **options))
    assert (expected.ranks[np.isfinite(expected.ranks)] % 1).any()  # some are level with others
    for found in ways:
        np.testing.assert_array_equal(found.ranks, expected.ranks)
        assert dict(found) == pytest.approx(dict(expected))
        assert found.cold_targets == expected.cold_targets


def test_a_device_holds_few_scores_and_returns_none(data, model, monkeypatch):
    """Rows are encoded, and scored, a few at a time."""
    expected = sf.evaluate(model, data.test, k=CUTOFFS)
    model._inference = None
    monkeypatch.setattr(vector_ranks, "on_cpu", lambda: False)
    monkeypatch.setattr(inference, "_SCORES_AT_ONCE", 7 * SIZE)
    monkeypatch.setattr(inference, "_STATES_AT_ONCE", 7 * 9 * model.hidden_dim)
    count, shapes = type(model).count_above, []

    def counted(self, *args, **options):
        found = count(self, *args, **options)
        shapes.append(found.shape)
        return found

    monkeypatch.setattr(type(model), "count_above", counted)
    found = sf.evaluate(model, data.test, k=CUTOFFS)
    assert dict(found) == pytest.approx(dict(expected))
    assert shapes == [(len(data.test), 3 + CUTOFFS[-1])]
    metrics = sf.RankingMetrics(data.test, k=CUTOFFS)
    metrics.set_model(model)
    metrics.on_epoch_end(0)
    assert shapes[1:] == [(len(data.test), 3)]
    np.testing.assert_array_equal(metrics.metrics.ranks, found.ranks)
    model.item_embedding.embeddings.assign(model.item_embedding.embeddings * np.nan)
    with pytest.raises(ValueError, match="not finite, first in row 0 of a batch of 60"):
        sf.evaluate(model, data.test)
    model._inference = None


def test_vectors_that_somebody_replaced_are_ranked_and_not_the_models(data, model, monkeypatch):
    monkeypatch.setattr(vector_ranks, "on_cpu", lambda: False)

    class Opposite(type(model)):
        def encode_last(self, x):
            return -super().encode_last(x)

    other = Opposite(SIZE, num_layers=1, hidden_dim=8, max_sequence_length=9)
    other.build()
    found = sf.evaluate(other, data.test)

    class Scores(ByScores):
        def score_items(self, x):
            return -self.model.score_items(x)

    expected = sf.evaluate(Scores(other), data.test)
    np.testing.assert_allclose(found.ranks, expected.ranks)


def test_the_counting_lowers_for_cuda_and_asks_the_host_nothing(model, monkeypatch):
    for module in (inference, attention):
        monkeypatch.setattr(module, "on_cpu", lambda: False)
    rows = {
        name: np.zeros((16, 9), kind) for name, kind in (("item_ids", "i4"), ("padding_mask", bool))
    }
    rows |= {
        "hidden": rows["item_ids"],
        "targets": np.ones(16, "i4"),
        "candidates": np.arange(SIZE) > 0,
    }

    def counted(inputs: dict[str, Any]) -> Any:
        return model._count_above(inputs, 0)

    lowered = jax.export.export(jax.jit(counted), platforms=["cuda"])(rows)
    assert [value.shape for value in lowered.out_avals] == [(16, 3)]
    assert "callback" not in lowered.mlir_module()
