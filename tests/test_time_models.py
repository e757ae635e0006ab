"""Models that look at when items were, and at the moment of the question."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sasrec_fast as sf
import training_run
from sasrec_fast.layers import attention, gap_buckets, times
from sasrec_fast.model.checkpoint import FILE
from small_models import ITEMS, LENGTH, Arrays, compiled, keras, make_model, make_rows
from test_devices import on_two

KINDS = {
    "transformer": {"time": "buckets", "num_heads": 2},
    "ligr, members": {"time": "decay", "block": "ligr", "positions": "rotary", "num_members": 2},
    "between items": {"time": "buckets", "query_time": False, "pre_norm": False},
}


def table(seed: int = 0, users: int = 30) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    rows = users * 9
    return {
        "user_id": np.repeat(np.arange(users), 9),
        "item_id": generator.integers(1, ITEMS + 1, rows),
        "timestamp": np.cumsum(10 ** generator.integers(0, 6, rows)),
    }


@pytest.fixture(scope="module")
def data() -> sf.Prepared:
    return sf.prepare(table(), times=True, max_sequence_length=LENGTH, items="identity")


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, data: sf.Prepared) -> Any:
    """A fitted one of each kind."""
    made = compiled(make_model(**KINDS[request.param]), 0.01, "Adam")
    made.fit(data.train, batch_size=15, epochs=2, verbose=0)
    return made


def timed_rows(lengths: list[int], seed: int = 0) -> Arrays:
    x, _ = make_rows(lengths)
    gaps = 10 ** np.random.default_rng(seed).integers(0, 7, (len(lengths), LENGTH + 1))
    moments = np.cumsum(gaps, axis=1)
    moments -= moments[:, :1]
    real = x["padding_mask"]
    both = {"times": moments[:, :-1], "query_times": moments[:, 1:]}
    return {**x, **{n: np.where(real, v, 0).astype(np.int32) for n, v in both.items()}}


def test_gaps_are_in_logarithmic_buckets():
    generator = np.random.default_rng(0)
    gaps = [-5, 0, 1, 2, 2**31 - 1, *(10 ** generator.uniform(0, 9.3, 200)).astype(int).tolist()]
    expected = [math.floor(math.log(max(1, gap)) / 0.301) for gap in gaps]
    found = gap_buckets(jnp.array(gaps, jnp.int32), jnp.zeros(len(gaps), jnp.int32))
    assert np.asarray(found).tolist() == expected
    assert max(expected) == times.NUM_BUCKETS - 1


@pytest.mark.parametrize("kind", times.TIMES)
def test_attention_adds_the_bias_to_its_scores(kind, monkeypatch):
    monkeypatch.setattr(attention, "_BLOCK", 2)
    generator = np.random.default_rng(1)
    layer = attention.CausalAttention(2, 3, time=kind)
    x = generator.normal(size=(2, 5, 6)).astype(np.float32)
    gaps = generator.integers(0, 72, (2, 5, 5)).astype(np.uint8)
    layer.build(x.shape)
    for weight in layer.weights:
        weight.assign(weight + generator.normal(size=weight.shape, scale=0.3))
    table = np.asarray(layer.bias.by_bucket())
    if kind == "decay":
        logs = 0.301 * np.arange(72)
        height, rate, power = (np.asarray(w) for w in layer.bias.weights)
        rates = np.exp(-np.exp(rate))  # the g of a * g^(gap^b)
        np.testing.assert_allclose(
            table, height * rates ** (np.exp(logs) ** power), rtol=1e-4, atol=1e-30
        )
    parts = (layer.query_dense, layer.key_dense, layer.value_dense)
    query, key, value = (np.asarray(part(x)) for part in parts)
    expected = np.zeros((2, 5, 2, 3))
    for row, position, head in np.ndindex(2, 5, 2):
        scores = [
            query[row, position, head] @ key[row, seen, head] / math.sqrt(3)
            + table[head, gaps[row, position, seen]]
            for seen in range(position + 1)
        ]
        shares = np.exp(scores) / np.exp(scores).sum()
        expected[row, position, head] = shares @ value[row, : position + 1, head]
    found = layer(x, gaps=jnp.asarray(gaps))
    np.testing.assert_allclose(found, layer.output_dense(expected.astype(np.float32)), atol=2e-6)


def test_gradients_are_the_same_off_the_cpu(monkeypatch):
    generator = np.random.default_rng(2)
    table = jnp.asarray(generator.normal(size=(2, 72)), jnp.float32)
    buckets = jnp.asarray(generator.integers(0, 72, (3, 7, 7)), jnp.uint8)
    slopes = jnp.asarray(generator.normal(size=(2, 3, 7, 7)), jnp.float32)

    def gradient() -> Any:
        return jax.grad(lambda table: (times._looked_up(table, buckets) * slopes).sum())(table)

    here = gradient()
    monkeypatch.setattr(times, "on_cpu", lambda: False)
    np.testing.assert_allclose(gradient(), here, atol=1e-5)
    expected = np.zeros((2, 72))
    for head in range(2):
        np.add.at(expected[head], np.asarray(buckets), np.asarray(slopes[head]))
    np.testing.assert_allclose(here, expected, atol=1e-5)


def test_the_last_state_is_that_of_all_states(model):
    x = timed_rows([6, 1, 3])
    states = np.asarray(model.encode(x))[np.arange(3), [5, 0, 2]]
    np.testing.assert_allclose(model.encode_last(x), states, atol=1e-5)
    left = {name: np.roll(values[1:2], 5, axis=1) for name, values in x.items()}
    np.testing.assert_allclose(model.encode_last(left), states[1:2], atol=1e-5)


def test_no_position_knows_a_later_time(model):
    x = timed_rows([6])
    before = np.asarray(model.encode(x))
    later = {name: values.copy() for name, values in x.items()}
    later["query_times"][0, 3:] += 10**6
    later["times"][0, 4:] += 10**6
    after = np.asarray(model.encode(later))
    np.testing.assert_array_equal(after[0, :3], before[0, :3])
    assert not np.allclose(after[0, 5], before[0, 5]) or not model.block_options.query_time
    moved = {**x, "query_times": x["query_times"].copy()}
    moved["query_times"][0, 5] += 10**6
    changed = not np.array_equal(model.encode_last(moved), model.encode_last(x))
    assert changed == model.block_options.query_time


def test_times_count_by_their_differences(model):
    x = timed_rows([6])
    moved = {**x, **{name: x[name] + 10**6 for name in ("times", "query_times")}}
    np.testing.assert_array_equal(model.encode_last(moved), model.encode_last(x))


def test_a_saved_model_answers_as_before(model, data, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = sf.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    assert loaded.clock == data.sequences.clock
    histories, moments = [data.items.ids[:3].tolist()], [[100, 200, 5000]]
    options: dict[str, Any] = {"histories": histories, "times": moments, "k": 3}
    if model.block_options.query_time:
        options["at"] = 9000
    expected = sf.recommend(model, **options)
    found = sf.recommend(loaded, **options)
    assert found.item_id.tolist() == expected.item_id.tolist()
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-5)


def test_what_is_measured_is_served(model, data):
    knows = model.block_options.query_time
    found = {
        moment: sf.evaluate(model, data, (1, 5), query_time=moment) for moment in ("last", "target")
    }
    said = {moment: metrics.query_time for moment, metrics in found.items()}
    assert said == ({"last": "last", "target": "target"} if knows else dict.fromkeys(said))
    assert ("asked at the time of the target" in str(found["target"])) == knows
    assert (found["last"].ranks.tolist() == found["target"].ranks.tolist()) == (not knows)
    store, rows = data.sequences, data.test.sequence_rows
    last = store.offsets[rows.users] + rows.ends - 1
    users = [store.items[store.offsets[u] : end] for u, end in zip(rows.users, last, strict=True)]
    given = {"histories": [data.items.lookup(items).tolist() for items in users]}
    seconds = store.times.astype(int) + store.clock.origin
    spans = zip(store.offsets[rows.users], last, strict=True)
    given["times"] = [seconds[start:end].tolist() for start, end in spans]
    for moment, metrics in found.items():
        at = {"at": seconds[last].tolist()} if moment == "target" and knows else {}
        served = sf.recommend(model, data, **given, **at, k=5)
        best = {row: set(of.item_id) for row, of in served.groupby("history")}
        hits = [int(store.items[end]) in best.get(row, ()) for row, end in enumerate(last)]
        np.testing.assert_array_equal(metrics.per_user["hit_rate@5"] > 0.5, hits)


def test_users_are_asked_at_a_moment(model, data):
    if not model.block_options.query_time:
        with pytest.raises(ValueError, match="knows no moment of the question"):
            model.recommend(data, users=[3], at=5)
        return
    store = data.sequences
    last = int(store.times[store.offsets[4] - 1]) + store.clock.origin
    at = [last + 10, last + 10**5]  # as training has shown
    both = model.recommend(data, users=[3, 3], at=at, k=4)
    alone = [model.recommend(data, users=[3], at=moment, k=4) for moment in at]
    np.testing.assert_allclose(both.score, [*alone[0].score, *alone[1].score], rtol=1e-5)
    assert not np.allclose(alone[0].score, alone[1].score, rtol=1e-4)
    with pytest.warns(UserWarning, match="at is before the last item of 1 of 1"):
        early = model.recommend(data, users=[3], at=data.sequences.clock.origin, k=4)
    now = model.recommend(data, users=[3], k=4)
    np.testing.assert_array_equal(early.score, now.score)


def test_what_is_missing_is_said(model, data):
    plain = sf.prepare(table(), max_sequence_length=LENGTH, items="identity")
    with pytest.raises(ValueError, match=r"the test split has no times, .* prepare .* times=True"):
        sf.evaluate(model, plain)
    with pytest.raises(ValueError, match="the train split has no times"):
        model.fit(plain.train, verbose=0)
    with pytest.raises(ValueError, match="the data has no times"):
        model.recommend(plain, users=[3])
    with pytest.raises(ValueError, match="give those of the histories, times="):
        model.recommend(histories=[[1, 2]])
    with pytest.raises(ValueError, match="inputs have no times and no query_times"):
        model.encode_last(make_rows([3])[0])
    wrong = {**timed_rows([3]), "times": np.full((1, LENGTH), -1)}
    with pytest.raises(ValueError, match=r"times must be in 0\.\.2147483647"):
        model.encode_last(wrong)
    with pytest.raises(ValueError, match="query_time must be one of"):
        sf.evaluate(model, data, query_time="now")
    chain = sf.baselines.MarkovChain(data.train)
    assert sf.evaluate(chain, data, query_time="target").query_time is None
    with pytest.raises(ValueError, match="at is given, but the model looks at no times"):
        sf.recommend(chain, data, at=5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time": "hours"}, "time must be one of"),
        ({"time": "buckets", "block": "keras_hub"}, "attention that knows no times"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_model(**options)


def test_a_resumed_run_ends_in_the_same_weights(data, tmp_path):
    def fitted(folder: Any, epochs: int) -> Any:
        made = compiled(make_model(**KINDS["transformer"]), 0.01, "Adam")
        batches = data.train.batches(15, max_buckets=1)
        made.fit(batches, epochs=epochs, resume=folder, verbose=0)
        return made

    fitted(tmp_path / "run", 1)
    resumed, whole = fitted(tmp_path / "run", 2), fitted(tmp_path / "whole", 2)
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other = sf.prepare(table(1), times=True, max_sequence_length=LENGTH, items="identity")
    made = compiled(make_model(**KINDS["transformer"]), 0.01, "Adam")
    with pytest.raises(ValueError, match="interactions"):
        made.fit(other.train.batches(15, max_buckets=1), resume=tmp_path / "run", verbose=0)
    assert not (tmp_path / "run" / FILE).exists()


@pytest.mark.slow
def test_two_devices_train_to_the_loss_of_one_with_times():
    options = {"epochs": 3, "dropout": 0.0, "run_length": 3, "time": "buckets"}
    one, two = training_run.run(**options), on_two(**options)
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=2e-5)
    np.testing.assert_allclose(two["embeddings"], one["embeddings"], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "least"), [("query", 0.95), ("past", 0.75)])
def test_a_gap_that_decides_is_learnt(rule, least):
    generator = np.random.default_rng(0)
    users, events, items = 300, 9, 12
    long = generator.random((users, events)) < 0.5
    steps = np.where(long[:, 1:] if rule == "query" else long[:, :-1], 5, 1)
    first = generator.integers(items, size=(users, 1))
    found = np.concatenate([first, first + np.cumsum(steps, axis=1)], axis=1) % items + 1
    rows = {
        "user_id": np.repeat(np.arange(users), events),
        "item_id": found.ravel(),
        "timestamp": np.cumsum(np.where(long, 10**6, 10), axis=1).ravel(),
    }
    data = sf.prepare(rows, times=True, num_negatives=0, max_sequence_length=8)
    best = {}
    for name, options in {"without": {}, "with": {"time": "buckets"}}.items():
        keras.utils.set_random_seed(0)
        made = sf.SASRec.for_data(data, num_layers=1, hidden_dim=16, dropout=0.0, **options)
        made.compile(keras.optimizers.Adam(0.01), loss="softmax")
        made.fit(data.train.batches(30, max_buckets=1), epochs=25, verbose=0)
        asked = sf.evaluate(made, data, 1, exclude_seen=False, query_time="target")
        best[name] = asked["hit_rate@1"]
    assert best["with"] > least
    assert best["without"] < 0.65
