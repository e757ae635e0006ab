"""The five defects of the Keras example for sequential retrieval, none of them here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf
from small_models import (
    ITEMS,
    LENGTH,
    compiled,
    embeddings,
    hidden,
    make_model,
    make_rows,
    weights_like,
)


def interactions(histories: dict[int, list[int]]) -> dict[str, np.ndarray]:
    users = [user for user, items in histories.items() for _ in items]
    items = [item for items in histories.values() for item in items]
    return {
        "user_id": np.array(users),
        "item_id": np.array(items),
        "timestamp": np.arange(len(users)),
    }


def test_1_predictions_follow_the_last_item_of_each_history():
    """The example inverts the mask and reads position (padding - 1) instead of (items - 1)."""
    model = make_model(k=20)
    x, _ = make_rows([1, 2, 4, 5, 6])
    table = embeddings(model)
    states = hidden(model, x)
    predictions = model.predict(x, verbose=0)["predictions"]
    for row, length in enumerate([1, 2, 4, 5, 6]):
        best = np.argsort(-(table[1:] @ states[row, length - 1]), kind="stable") + 1
        np.testing.assert_array_equal(predictions[row], best)
        inverted = max(LENGTH - length - 1, 0)
        if inverted != length - 1:
            example = np.argsort(-(table[1:] @ states[row, inverted]), kind="stable") + 1
            assert (predictions[row] != example).any()


def test_2_long_histories_keep_their_recent_items_and_their_validation_target():
    """The example shows the oldest 201 items, and no validation target beyond them."""
    data = sf.prepare(
        interactions({1: list(range(1, 13)), 2: [20, 21, 22, 23]}),
        holdout=1,
        max_sequence_length=LENGTH,
        items="identity",
    )
    assert data.train.arrays().item_ids[0].tolist() == [5, 6, 7, 8, 9, 10]
    validation = data.validation.arrays()
    assert validation.item_ids[0].tolist() == [6, 7, 8, 9, 10, 11]
    assert validation.sample_weight[0].tolist() == [0, 0, 0, 0, 0, 1]
    assert validation.positive_sequence[0, -1] == 12


def test_3_negatives_are_fresh_each_epoch_leave_held_out_items_in_and_always_end():
    """The example draws once, rejects the held-out items too, and loops where nothing is left."""
    table = interactions({1: list(range(1, 9)), 2: [20, 21, 22, 23]})
    data = sf.prepare(table, holdout=1, max_sequence_length=LENGTH, items="identity")
    epochs = [data.train.arrays(epoch) for epoch in range(40)]
    assert (epochs[0].negative_sequence != epochs[1].negative_sequence).any()
    np.testing.assert_array_equal(
        epochs[1].negative_sequence, data.train.arrays(1).negative_sequence
    )
    drawn = {int(item) for arrays in epochs for item in arrays.negative_sequence[0]}
    assert 8 in drawn  # held out: to reject it would tell the model what not to push down
    assert not drawn & set(range(1, 8))
    everything = interactions({1: [1, 2, 3, 4], 2: [1, 2, 3]})
    with pytest.raises(sf.DataError, match=r"user 1 .* no negative exists"):
        sf.prepare(everything, holdout=1, max_sequence_length=LENGTH)


def test_4_the_l2_penalty_shrinks_the_embeddings():
    """The example's compute_loss ignores `losses`, so its regulariser does nothing."""
    x, y = make_rows([3, 3])
    used = np.concatenate([x["item_ids"], *y.values()])
    untouched = np.setdiff1d(np.arange(1, ITEMS + 1), used)
    changes, losses = {}, {}
    for l2 in (0.0, 0.1):
        model = compiled(make_model(l2=l2, dropout=0.0), 0.5)
        before = embeddings(model)
        weight = weights_like(x["padding_mask"].astype(np.float32))
        losses[l2] = (
            float(model.test_on_batch(x, y, weight)),
            float(model.train_on_batch(x, y, weight)),
        )
        changes[l2] = embeddings(model)[untouched] / before[untouched]
    np.testing.assert_array_equal(changes[0.0], 1.0)
    np.testing.assert_allclose(changes[0.1], 1.0 - 0.5 * 2 * 0.1, rtol=1e-5)
    penalty = 0.1 * (before**2).sum()
    assert losses[0.1][1] == pytest.approx(losses[0.0][1] + penalty, rel=1e-5)
    assert losses[0.1][0] == pytest.approx(losses[0.0][0], rel=1e-6)  # comparable


def prefer_what_may_not_be_recommended(model: Any, data: sf.Prepared) -> None:
    """Give padding and the odd, unrated items the highest scores."""
    table = embeddings(model)
    direction = model.encode_last(data.inputs()).mean(axis=0)
    table[0], table[1::2] = 100 * direction, 50 * direction
    model.item_embedding.embeddings.assign(table)
    assert (model.score_items(data.inputs()).argmax(axis=1) == 0).all()


def test_5_padding_unrated_and_seen_items_are_never_recommended():
    """The example ranks index 0 and ids nobody rated, and items the user has seen."""
    data = sf.prepare(
        interactions({1: [2, 4, 6, 8, 2], 2: [10, 12, 14, 16], 3: [18, 20, 2, 4]}),
        max_sequence_length=LENGTH,
        items="identity",
    )
    rated = np.arange(2, 21, 2)
    model = make_model(k=10, candidate_indices=np.flatnonzero(data.item_counts))
    prefer_what_may_not_be_recommended(model, data)
    predictions = model.predict(data.inputs(), verbose=0)["predictions"]
    for row in predictions:
        assert sorted(row) == rated.tolist()
    every = make_model(k=20)  # candidates come from the data where the model has none of its own
    every.build()
    every.set_weights(model.get_weights())
    for recommender in (model, every):
        table = sf.recommend(recommender, data, k=20)
        for user, seen in {1: {2, 4, 6, 8}, 2: {10, 12, 14, 16}, 3: {18, 20, 2, 4}}.items():
            found = table.loc[table["user_id"] == user, "item_id"]
            assert sorted(found) == sorted(set(rated.tolist()) - seen)
