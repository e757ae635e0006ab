"""Item neighbours equal plain sets of users, item by item."""

from __future__ import annotations

from collections import defaultdict
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sasrec_fast as sf
from sasrec_fast.evaluation.baselines import neighbours as module

Sets = dict[int, set[int]]


def prepared(histories: list[list[int]]) -> sf.Prepared:
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    table = {"user_id": users, "item_id": np.concatenate(histories)}
    return sf.prepare(table, timestamp=None, min_user_interactions=1, num_negatives=0)


def plain(
    users: Sets, count: int, neighbours: int, shrinkage: float
) -> dict[int, dict[int, float]]:
    """The similarities of each item's neighbours."""
    found: dict[int, dict[int, float]] = {}
    for i in range(1, count + 1):
        pairs = []
        for j in range(1, count + 1):
            shared = len(users[i] & users[j])
            if i != j and shared:
                norm = sqrt(len(users[i]) * len(users[j])) + shrinkage
                pairs.append((-shared / norm, j))
        found[i] = {j: -s for s, j in sorted(pairs)[:neighbours]}
    return found


histories = st.lists(st.lists(st.integers(1, 9), min_size=4, max_size=9), min_size=2, max_size=8)


@given(
    histories,
    st.integers(1, 4),
    st.sampled_from([0.0, 2.0]),
    st.sampled_from(["session", "last"]),
    st.sampled_from([1, 20, 1 << 22]),
)
def test_scores_equal_plain_sets_of_users(histories, neighbours, shrinkage, form, products):
    data = prepared(histories)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_PRODUCTS", products)
        model = sf.baselines.ItemNeighbours(data, neighbours, form, shrinkage)
    users: Sets = defaultdict(set)
    for user, history in enumerate(histories):
        for item in data.items.index(history[:-2]):
            users[int(item)].add(user)
    similar = plain(users, len(data.items), neighbours, shrinkage)
    x = data.inputs()
    scores = model.score_items(x)
    counts = data.train.item_counts
    for row, (ids, mask) in enumerate(zip(x["item_ids"], x["padding_mask"], strict=True)):
        history = ids[mask].tolist()
        history = history[-1:] if form == "last" else sorted(set(history))
        for item in range(1, len(data.items) + 1):
            near = [similar[own][item] for own in history if item in similar[own]]
            expected = 1 + sum(near) if near else counts[item] / (counts[1:].max() + 1)
            assert scores[row, item] == pytest.approx(expected)


def test_it_is_evaluated_and_recommends_as_the_other_baselines():
    data = sf.prepare(sf.datasets.synthetic(300, 400, seed=1).ratings, max_sequence_length=20)
    found = {
        form: sf.evaluate(sf.baselines.ItemNeighbours(data, form=form), data)
        for form in ("session", "last")
    }
    popularity = sf.evaluate(sf.baselines.Popularity(data), data)
    assert all(metrics["ndcg@10"] > popularity["ndcg@10"] for metrics in found.values())
    assert found["session"]["mrr"] != found["last"]["mrr"]
    table = sf.recommend(sf.baselines.ItemNeighbours(data), data, users=[1], k=5)
    assert len(table) == 5
    once = sf.evaluate(sf.baselines.ItemNeighbours(data.train), data, batch_size=7)
    assert dict(once) == pytest.approx(dict(found["session"]))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"neighbours": 0}, ValueError, "neighbours must be at least 1"),
        ({"form": "cosine"}, ValueError, r"form must be one of \['session', 'last'\]"),
        ({"shrinkage": -1}, ValueError, r"shrinkage must be in \[0, inf\)"),
        ({"train": [1, 2]}, TypeError, "ItemNeighbours takes a split, usually data.train, receiv"),
    ],
)
def test_what_makes_no_sense_is_refused(options, kind, message):
    data = prepared([[1, 2, 3, 4], [2, 3, 4, 5]])
    with pytest.raises(kind, match=message):
        sf.baselines.ItemNeighbours(**{"train": data, **options})
