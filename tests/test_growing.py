"""A model for further items: what it knows it keeps, bit for bit, and what is new has a rule."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from sasrec_fast.model.new_rows import NEAREST, WINDOW, Growth, shares_by_neighbours

OLD, LENGTH = 12, 5


def table(items: list[int], user: int = 0, start: int = 0) -> dict[str, Any]:
    times = range(start, start + len(items))
    return {"user_id": [user] * len(items), "item_id": items, "timestamp": times}


def interactions() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    items = np.concatenate([np.arange(1, OLD + 1), rng.integers(1, OLD + 1, 100)])
    return {
        "user_id": rng.integers(0, 15, len(items)),
        "item_id": items,
        "timestamp": np.arange(len(items)),
    }


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return sf.prepare(interactions(), max_sequence_length=LENGTH)


def trained(
    data: sf.Prepared, loss: str = "softmax", optimizer: Any = "adam", **options: Any
) -> Any:
    keras.utils.set_random_seed(1)
    model = sf.SASRec.for_data(data, **{"hidden_dim": 4, "num_layers": 1, **options})
    given = sf.losses.SampledSoftmax(4, item_counts=data.train.item_counts)
    model.compile(optimizer, given if loss == "sampled" else loss)
    model.fit(data.train, batch_size=8, epochs=1, verbose=0)
    return model


ROWS = {
    "item_ids": np.array([[1, 2, 3, 0, 0], [5, 9, 12, 1, 4]], np.int32),
    "padding_mask": np.array([[1, 1, 1, 0, 0], [1] * 5], bool),
}


@pytest.mark.parametrize(
    ("loss", "optimizer", "options"),
    [
        ("softmax", lambda: "adam", {}),
        (
            "bce",
            lambda: keras.optimizers.AdamW(1e-3, use_ema=True),
            {"block": "ligr", "positions": "rotary", "num_members": 2},
        ),
        (
            "sampled",
            lambda: sf.optimizers.LazyAdam(min_rows=1),
            {"tie_embeddings": False, "pre_norm": False},
        ),
    ],
    ids=["adam", "averages, ligr, members", "lazy, two tables"],
)
def test_what_is_known_stays_as_it_is(data, loss, optimizer, options):
    model = trained(data, loss, optimizer(), **options)
    with pytest.warns(UserWarning, match="2 of 2 new items have neither"):
        grown = model.extended([40, 30])
    assert grown.items.ids.tolist() == [*range(1, OLD + 1), 30, 40]
    assert grown.vocabulary_size == OLD + 3
    np.testing.assert_array_equal(grown.encode_last(ROWS), model.encode_last(ROWS))
    np.testing.assert_array_equal(grown.item_vectors()[: OLD + 1], model.item_vectors())
    found = sf.recommend(grown, histories=[[1, 2], [5]], k=5)
    expected = sf.recommend(model, histories=[[1, 2], [5]], k=5)
    assert found.equals(expected)  # new ones have no interaction
    assert grown.growth == Growth(OLD, 0, 0, 2)
    mean = model.item_vectors()[1:].mean(axis=0)
    np.testing.assert_allclose(grown.item_vectors()[OLD + 1 :], [mean, mean], rtol=1e-5)
    assert type(grown.optimizer) is type(model.optimizer)
    assert int(grown.optimizer.iterations) == int(model.optimizer.iterations)
    for one, other in zip(model.optimizer.variables, grown.optimizer.variables, strict=True):
        before, after = np.array(one), np.array(other)
        np.testing.assert_array_equal(after[: len(before)] if before.ndim else after, before)
        if before.shape != after.shape and "average" not in other.path:
            assert not after[len(before) :].any()
    assert len(grown.item_counts) == OLD + 3


def test_training_goes_on_with_what_came(data):
    model = trained(data, "sampled")
    later = data.append(table([3, 50, 4, 7, 50, 3], user=99, start=1000), keep_items=True)
    grown = model.extended(later)
    assert grown.growth == Growth(OLD, 0, 1, 0)
    assert grown.items == later.items
    assert grown.item_counts.tolist() == later.item_counts.tolist()
    table_before = model.item_vectors().astype(float)
    shares = {3: 1, 4: 1, 7: 0.5}  # next to it or one further; what is held out is not looked at
    expected = sum(share * table_before[item] for item, share in shares.items()) / 2.5
    np.testing.assert_allclose(grown.item_vectors()[OLD + 1], expected, rtol=1e-5)
    before = np.array(grown.item_vectors())
    changed = later.train.of_users(later.changed_users)
    history = grown.fit(changed, batch_size=4, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert not np.array_equal(grown.item_vectors(), before)
    assert (
        50
        in sf.recommend(grown, later, users=[1], k=OLD + 1, exclude_seen=False)["item_id"].tolist()
    )


@pytest.mark.parametrize("holdout", [0, 1, 2])
def test_neighbours_are_those_of_plain_loops(holdout):
    """Of new items beside each other, at ends, alone in a row, and among those not learnt."""
    rng = np.random.default_rng(holdout)
    known, rows = 8, {"user_id": rng.integers(0, 30, 200), "item_id": rng.integers(1, 15, 200)}
    rows["item_id"][:14] = range(1, 15)
    data = sf.prepare(rows, timestamp=None, holdout=holdout, min_user_interactions=1)
    learnt = np.arange(known + 1) > 1
    expected = np.zeros((len(data.items) - known, known + 1))
    rows_of_train = data.train.sequence_rows
    for end, user in zip(rows_of_train.ends, rows_of_train.users, strict=True):
        start = data.sequences.offsets[user]
        sequence = data.sequences.items[start : start + end]
        for place, item in enumerate(sequence):
            for other, neighbour in enumerate(sequence):
                if item > known and neighbour <= known and learnt[neighbour]:
                    distance = abs(place - other)
                    expected[item - known - 1, neighbour] += (distance <= WINDOW) / distance
    expected /= np.maximum(expected.sum(axis=1, keepdims=True), 1e-9)
    np.testing.assert_allclose(shares_by_neighbours(data.train, learnt).toarray(), expected)


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of somebody's own, without a config."""

    def __call__(self, step: Any) -> Any:
        return 0.1 / (1.0 + keras.ops.cast(step, "float32"))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_model_extended_by_nothing_trains_as_the_model_does(data, frozen):
    """Optimizer, rate, random numbers of dropout and the number of the epoch are all there."""
    model = trained(data, "sampled", keras.optimizers.Adagrad(Falling()), dropout=0.5)
    if frozen:
        model.item_embedding.trainable = False
        model.compile("sgd", "softmax", run_eagerly=False, steps_per_execution=2)
    same = model.extended([])
    assert same.steps_per_execution == model.steps_per_execution
    for one in (model, same):
        one.fit(data.train, batch_size=8, epochs=1, verbose=0)
    for one, other in zip(model.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_vector_unlike_all_others_makes_no_item_servable(data):
    model = sf.SASRec.for_data(data, hidden_dim=4, num_layers=1)
    vectors = {item: [1.0, 0.0] for item in range(1, OLD + 1)} | {60: [-1.0, 0.0]}
    with pytest.warns(UserWarning, match="1 of 1 new items"):
        grown = model.extended([60], item_vectors=vectors)
    assert grown.growth == Growth(OLD, 0, 0, 1)
    assert 60 not in sf.recommend(grown, histories=[[1]], k=99)["item_id"].tolist()


def test_an_item_with_a_vector_is_recommended_before_anybody_had_it(data, tmp_path):
    model = trained(data)
    rng = np.random.default_rng(1)
    vectors = {item: rng.normal(size=3) for item in range(1, OLD + 1)}
    vectors[60] = 2 * vectors[5]
    with (
        pytest.warns(UserWarning, match="1 of 2 new items"),
        pytest.warns(UserWarning, match="1 of 14 item_vectors are of no item .*first 77"),
    ):
        grown = model.extended([60, 61], item_vectors={**vectors, 77: [1, 1, 1]})
    assert grown.growth == Growth(OLD, 1, 0, 1)
    with pytest.warns(UserWarning, match="1 of 2 new items"):
        framed = model.extended([60, 61], item_vectors=pd.DataFrame(vectors).T)
    np.testing.assert_array_equal(framed.item_vectors(), grown.item_vectors())
    unit = {item: vector / np.linalg.norm(vector) for item, vector in vectors.items()}
    cosines = {item: unit[item] @ unit[60] for item in range(1, OLD + 1)}
    best = sorted(cosines, key=lambda item: -cosines[item])[:NEAREST]
    weights = np.array([max(cosines[item], 0) for item in best])
    expected = weights @ model.item_vectors()[best] / weights.sum()
    np.testing.assert_allclose(grown.item_vectors()[OLD + 1], expected, rtol=1e-4, atol=1e-6)
    items = sf.recommend(grown, histories=[[1]], k=99)["item_id"].tolist()
    assert 60 in items
    assert 61 not in items  # nothing speaks for it
    grown.save(tmp_path / "model.keras")
    loaded = sf.load_model(tmp_path / "model.keras")
    assert sf.recommend(loaded, histories=[[1]], k=99)["item_id"].tolist() == items
    assert 60 in sf.Recommender(loaded).recommend([[1]], k=99)[0].item_ids
    with pytest.warns(UserWarning, match="1 of 1"):
        again = loaded.extended([62])
    assert again.described.tolist() == [*grown.described.tolist(), False]


def test_candidates_stay_and_new_ones_join(data):
    model = sf.SASRec.for_data(data, hidden_dim=4, num_layers=1, candidates=[1, 2, 3])
    with pytest.warns(UserWarning, match="1 of 1"):
        grown = model.extended(sf.Vocabulary([*range(1, OLD + 1), 90]))
    assert np.flatnonzero(grown.candidate_mask).tolist() == [1, 2, 3, OLD + 1]
    same = model.extended([])
    assert same.growth.mean == 0
    np.testing.assert_array_equal(same.item_vectors(), model.item_vectors())


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda m, d: m.extended(sf.Vocabulary([2, 1])),
            "index 1 is 1 in the model and 2 in items",
        ),
        (lambda m, d: m.extended(sf.Vocabulary([1, 2])), "index 3 is 3 in the model and no item"),
        (
            lambda m, d: m.extended(sf.Vocabulary(list("abcdefghijklm"))),
            "index 1 is 1 in the model",
        ),
        (lambda m, d: m.extended([70], data=d), "data has 12 items and not the 13"),
        (
            lambda m, d: m.extended([70], item_vectors=np.ones((3, 2))),
            r"expected a mapping.*\[14, f\]",
        ),
        (
            lambda m, d: m.extended([70], item_vectors={1: [1, 2], 70: [1]}),
            "item_vectors have shapes",
        ),
        (lambda m, d: m.extended([70], item_vectors={1: [np.nan], 70: [1]}), "not finite"),
        (
            lambda m, d: m.extended([70], item_vectors={70: [1]}),
            "no vector of an item that the model",
        ),
    ],
)
def test_what_does_not_extend_is_refused(data, ask, message):
    model = sf.SASRec.for_data(data, hidden_dim=4, num_layers=1)
    with pytest.raises(ValueError, match=message):
        ask(model, data)
    bare = sf.SASRec(5, hidden_dim=4, num_layers=1)
    with pytest.raises(ValueError, match="no item ids to extend"):
        bare.extended([1])
