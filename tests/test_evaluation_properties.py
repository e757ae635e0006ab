"""evaluate() equals a plain ranking for any data, scores, candidates and ties."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sasrec_fast as sf
from plain_ranking import metrics_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ITEMS = 7
ABSENT = 3
"""Item indices that nobody has interacted with."""
SIZE = ITEMS + ABSENT + 1


@dataclass
class ByLastItem:
    """Scores that depend on the last item alone."""

    table: np.ndarray
    candidates: list[int]
    max_sequence_length: int
    vocabulary_size: int = SIZE

    @property
    def candidate_mask(self) -> np.ndarray:
        return np.isin(np.arange(SIZE), self.candidates)

    def score_items(self, x: Mapping[str, Any]) -> np.ndarray:
        last = np.maximum(x["padding_mask"].sum(axis=1) - 1, 0)
        return self.table[x["item_ids"][np.arange(len(last)), last]]


@st.composite
def rankings(draw: st.DrawFn) -> tuple[sf.Prepared, ByLastItem, dict[str, Any]]:
    histories = draw(st.lists(st.lists(st.integers(1, ITEMS), min_size=4, max_size=9), min_size=1))
    histories.append([*range(1, ITEMS + 1), SIZE - 1])  # every item occurs
    length = draw(st.integers(1, 7))
    data = sf.prepare(
        {
            "user_id": np.repeat(np.arange(len(histories)), [len(h) for h in histories]),
            "item_id": np.concatenate(histories),
        },
        timestamp=None,
        items="identity",
        holdout=draw(st.integers(0, 2)),
        max_sequence_length=length,
    )
    values = draw(st.sampled_from([[0, 1], [-np.inf, 0, np.inf], [0, 1, 2, 3, 4, 5, 6, 7, 8]]))
    table = np.random.default_rng(draw(st.integers(0, 99))).choice(values, (SIZE, SIZE))
    lists = st.lists(st.integers(1, SIZE - 1), min_size=1, unique=True)
    model = ByLastItem(
        table.astype(np.float32), draw(st.just(list(range(1, SIZE))) | lists), length
    )
    sampled = st.tuples(st.just("uniform"), st.integers(1, 9), st.integers(0, 3))
    options = {
        "candidates": draw(st.none() | lists | sampled),
        "exclude_seen": draw(st.booleans()),
    }
    return data, model, options


@contextmanager
def ignored() -> Iterator[None]:
    """Candidates that nobody is recommended are warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@given(rankings(), st.sampled_from(["train", "validation", "test"]), st.integers(1, 5))
def test_any_ranking_is_that_of_a_plain_one(ranking, name, batch_size):
    data, model, options = ranking
    split = getattr(data, name)
    if split is None:
        split = data.train
    options["k"] = (1, 2, 5, 30)
    known = set(data.sequences.items.tolist())
    allowed = known & set(model.candidates)
    if isinstance(options["candidates"], list):
        allowed &= set(options["candidates"])
    if not allowed:
        with pytest.raises(ValueError, match="no item is left"), ignored():
            sf.evaluate(model, split, **options)
        return
    with ignored():
        found = sf.evaluate(model, split, batch_size=batch_size, **options)
    expected = metrics_of(model, data, split, options.pop("k"), **options)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-12, abs=1e-15), key


@given(rankings(), st.sampled_from(["validation", "test"]), st.integers(1, 4), st.data())
def test_what_is_measured_is_what_is_served(ranking, name, k, more):
    """The hit rate is that of recommend's lists for the same histories, where no score is tied."""
    data, model, options = ranking
    split = getattr(data, name)
    if split is None or isinstance(options["candidates"], tuple):
        return
    seed = more.draw(st.integers(0, 99))
    model.table = np.random.default_rng(seed).permuted(np.tile(np.arange(SIZE), (SIZE, 1)), axis=1)
    model.table = np.where(model.table < more.draw(st.integers(0, 4)), -np.inf, model.table)
    options["exclude"] = more.draw(st.none() | st.lists(st.integers(1, SIZE), unique=True))
    store, ends = split.sequences, split.ends
    ids = [
        data.items.lookup(store.items[a : b - 1]) for a, b in zip(split.starts, ends, strict=True)
    ]
    targets = data.items.lookup(store.items[ends - 1])
    try:
        with ignored():
            lists = sf.recommend(model, data, histories=ids, k=k, **options)
            found = sf.evaluate(model, split, k=k, **options)
    except ValueError as refused:
        assert "no item is left" in str(refused)  # noqa: PT017  (both refuse, or neither)
        with pytest.raises(ValueError, match="no item is left"), ignored():
            sf.evaluate(model, split, k=k, **options)
        return
    served = set(zip(lists["history"], lists["item_id"], strict=True))
    hits = [(row, target) in served for row, target in enumerate(targets.tolist())]
    assert found[f"hit_rate@{k}"] == pytest.approx(np.mean(hits))
    assert found.per_user[f"hit_rate@{k}"].tolist() == hits
    seen = [target in history for target, history in zip(targets, ids, strict=True)]
    assert found.repeated_targets == np.count_nonzero(seen)
