"""Each loss equals its plain NumPy formula, and so does its gradient."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from jax import export

import plain_losses as plain
import small_models  # noqa: F401  (quick compilation)
from sasrec_fast import losses
from sasrec_fast.losses import chunked
from sasrec_fast.losses.alias import alias_table, draw, split_bins
from sasrec_fast.losses.chunked import chunk_size, same_pass_sum
from sasrec_fast.losses.sampling import ItemSampler, draw_uniformly

ITEMS, WIDTH, COUNT, NEGATIVES = 8, 4, 13, 3
COUNTS = np.array([0, 5, 1, 0, 7, 2, 9, 1, 3])


@pytest.fixture(scope="module")
def arrays() -> tuple[np.ndarray, np.ndarray, plain.Batch]:
    """States, table, and a batch with padding, accidental hits and weights other than 1."""
    rng = np.random.default_rng(5)
    targets = rng.integers(1, ITEMS + 1, COUNT)
    negatives = rng.integers(1, ITEMS + 1, (COUNT, NEGATIVES))
    negatives[1, 0] = targets[1]
    weight = np.where(np.arange(COUNT) % 3 == 1, 0.0, rng.random(COUNT) + 0.5)
    states, table = rng.normal(size=(COUNT, WIDTH)), rng.normal(size=(ITEMS + 1, WIDTH))
    return states, table, plain.Batch(targets, negatives, weight)


def positions(hidden: Any, table: Any, batch: plain.Batch, seed: Any = 0) -> losses.Positions:
    weight = jnp.asarray(batch.weight, jnp.float32)
    return losses.Positions(
        hidden,
        table,
        jnp.asarray(batch.targets, jnp.int32),
        jnp.asarray(batch.negatives, jnp.int32),
        weight,
        weight,
        seed,
    )


def value_and_gradients(
    loss: losses.NextItemLoss, hidden: Any, table: Any, batch: plain.Batch, dtype: Any = jnp.float32
) -> tuple[Any, Any, Any]:
    def total(hidden: Any, table: Any) -> Any:
        return loss(positions(hidden, table, batch))

    compute = jax.jit(jax.value_and_grad(total, (0, 1)))
    value, (states, rows) = compute(jnp.asarray(hidden, dtype), jnp.asarray(table, jnp.float32))
    return value, np.asarray(states, np.float64), np.asarray(rows, np.float64)


DRAWN = np.asarray(draw_uniformly((5,), ITEMS, 0))
DRAWN_BY_COUNT = np.asarray(ItemSampler(COUNTS).draw((5,), 0))
CASES = {
    "bce": (losses.BinaryCrossEntropy, {}, plain.bce),
    "gbce": (losses.GeneralizedBinaryCrossEntropy, {"calibration": 0.6}, plain.gbce(0.6)),
    "softmax": (losses.Softmax, {}, plain.softmax(0.0)),
    "smoothed": (losses.Softmax, {"label_smoothing": 0.2}, plain.softmax(0.2)),
    "sampled": (losses.SampledSoftmax, {"num_negatives": None}, plain.sampled_softmax()),
    "log-q": (
        losses.SampledSoftmax,
        {"num_negatives": None, "item_counts": COUNTS},
        plain.sampled_softmax(COUNTS),
    ),
    "shared": (losses.SampledSoftmax, {"num_negatives": 5}, plain.sampled_softmax(drawn=DRAWN)),
    "shared smoothed": (
        losses.SampledSoftmax,
        {"num_negatives": 5, "item_counts": COUNTS, "label_smoothing": 0.3},
        plain.sampled_softmax(COUNTS, DRAWN_BY_COUNT, 0.3),
    ),
    "own smoothed": (
        losses.SampledSoftmax,
        {"num_negatives": None, "label_smoothing": 0.3},
        plain.sampled_softmax(smoothing=0.3),
    ),
    "shared log-q": (
        losses.SampledSoftmax,
        {"num_negatives": 5, "item_counts": COUNTS},
        plain.sampled_softmax(COUNTS, DRAWN_BY_COUNT),
    ),
}


@pytest.mark.parametrize("max_bytes", [None, 130], ids=["at once", "in chunks"])
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradients_equal_the_plain_formula(case, max_bytes, arrays):
    kind, options, formula = CASES[case]
    hidden, table, batch = arrays
    loss = kind(**options, max_bytes=max_bytes)
    value, states, rows = value_and_gradients(loss, hidden, table, batch)
    assert value.dtype == jnp.float32
    assert float(value) == pytest.approx(formula(hidden, table, batch), rel=1e-5)
    expected = plain.gradient(lambda h: formula(h, table, batch), hidden)
    np.testing.assert_allclose(states, expected, atol=2e-5)
    expected = plain.gradient(lambda e: formula(hidden, e, batch), table)
    np.testing.assert_allclose(rows, expected, atol=2e-5)
    assert (states[batch.weight == 0] == 0).all()
    assert (rows[0] == 0).all()


@pytest.mark.parametrize("case", ["bce", "softmax", "sampled", "shared"])
def test_scores_of_any_size_give_finite_losses_and_gradients(case, arrays):
    kind, options, formula = CASES[case]
    hidden, table, batch = arrays
    loss = kind(**options, max_bytes=130)
    value, states, rows = value_and_gradients(loss, 1e4 * hidden, table, batch)
    assert float(value) == pytest.approx(formula(1e4 * hidden, table, batch), rel=1e-4)
    assert np.isfinite(states).all()
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("case", ["bce", "softmax", "sampled", "shared"])
def test_states_in_bfloat16_give_float32_losses(case, arrays):
    kind, options, formula = CASES[case]
    hidden, table, batch = arrays
    loss = kind(**options, max_bytes=130)
    value, states, _ = value_and_gradients(loss, hidden, table, batch, jnp.bfloat16)
    assert value.dtype == jnp.float32
    assert float(value) == pytest.approx(formula(hidden, table, batch), rel=0.02)
    expected = plain.gradient(lambda h: formula(h, table, batch), hidden)
    np.testing.assert_allclose(states, expected, atol=0.1)


def equations(jaxpr: Any) -> Iterator[Any]:
    """What a computation does, in its loops too."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            for part in value if isinstance(value, tuple) else (value,):
                inner = getattr(part, "jaxpr", part)
                yield from equations(inner) if hasattr(inner, "eqns") else ()


def largest(jaxpr: Any) -> int:
    """Bytes of the largest value that a computation makes."""
    made = [out.aval for equation in equations(jaxpr) for out in equation.outvars]
    return max(value.size * value.dtype.itemsize for value in made)


@pytest.mark.parametrize("kind", ["softmax", "shared", "own"])
def test_scores_take_no_more_than_max_bytes(kind):
    loss = losses.Softmax() if kind == "softmax" else losses.SampledSoftmax(400)
    negatives = np.ones((500, 20), int)
    if kind == "own":
        loss = losses.BinaryCrossEntropy()
    batch = plain.Batch(np.ones(500, int), negatives, np.ones(500))

    def made() -> int:
        def total(hidden: Any, table: Any) -> Any:
            return loss(positions(hidden, table, batch))

        arguments = jnp.ones((500, 16)), jnp.ones((401, 16))
        return largest(jax.make_jaxpr(jax.grad(total, (0, 1)))(*arguments).jaxpr)

    loss.max_bytes = 60_000
    assert made() <= 60_000
    loss.max_bytes = 10**8
    assert made() >= (500 * 20 * 16 * 4 if kind == "own" else 500 * 400 * 4)


@pytest.mark.parametrize("case", ["gbce", "smoothed", "shared log-q"])
def test_off_the_cpu_chunks_are_as_many_as_are_known_beforehand(case, arrays, monkeypatch):
    kind, options, _ = CASES[case]
    hidden, table, batch = arrays
    expected = value_and_gradients(kind(**options, max_bytes=130), hidden, table, batch)
    monkeypatch.setattr(chunked, "on_cpu", lambda: False)
    monkeypatch.setattr(chunked, "_TILE", 4)  # scores of three more rows than the table has
    loss = kind(**options, max_bytes=130)
    for one, other in zip(value_and_gradients(loss, hidden, table, batch), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)

    def operations() -> set[str]:
        def total(hidden: Any, table: Any) -> Any:
            return loss(positions(hidden, table, batch))

        made = jax.make_jaxpr(jax.grad(total, (0, 1)))(jnp.asarray(hidden), jnp.asarray(table))
        return {equation.primitive.name for equation in equations(made.jaxpr)}

    unknown = {"while", "cond", "sort", "cumsum"}  # lengths, and what finds them
    assert "scan" in operations()
    assert not unknown & operations()
    loss.max_bytes = None
    assert not {"scan", *unknown} & operations()


def test_off_the_cpu_a_batch_of_movielens_is_one_chunk_and_a_large_one_few(monkeypatch):
    monkeypatch.setattr(chunked, "on_cpu", lambda: False)
    size = chunk_size(4 * 3456, None)
    assert 128 * 200 <= size <= 2**30 // (4 * 3456)
    monkeypatch.setattr(chunked, "_TILE", 1)
    sizes = []

    def count(shared: Any, gradient: Any, states: Any, each: Any, others: Any) -> Any:
        sizes.append(len(states))
        return jnp.float32(len(states)), gradient, states

    total = same_pass_sum(count, 32, jnp.zeros(1), jnp.zeros(70), (jnp.ones(70), (), ()))
    assert (set(sizes), float(total)) == ({24}, 72.0)  # of nearly equal size


def test_drawing_by_counts_is_two_gathers_without_a_loop_on_a_gpu():
    sampler = ItemSampler(COUNTS)
    sampler.build()

    def drawn(tables: Any, seed: Any) -> Any:
        sampler.variables = tables
        items = sampler.draw((64,), SimpleNamespace(next=lambda: seed))
        return items, sampler.log_q(items)

    tables = [variable.value for variable in sampler.variables]
    lowered = export.export(jax.jit(drawn), platforms=["cuda"])(tables, jnp.zeros(2, "uint32"))
    text = lowered.mlir_module()
    assert text.count('"stablehlo.gather"') == 2
    assert not any(f"stablehlo.{name}" in text for name in ("while", "sort", "case"))


@pytest.mark.parametrize(("real", "chunks"), [(0, 0), (1, 1), (7, 1), (8, 2), (40, 6)])
def test_only_chunks_with_positions_that_count_are_computed(real, chunks):
    def count(shared: Any, gradient: Any, states: Any, each: Any, others: Any) -> Any:
        return 1.0 + 0 * states.sum(), gradient, states

    mask = np.random.default_rng(0).permutation(np.arange(40) < real)
    states = jnp.arange(40.0)
    computed = jax.jit(same_pass_sum, static_argnums=(0, 1))
    total = computed(count, 7, jnp.zeros(1), states, (jnp.asarray(mask), (), ()))
    assert float(total) == chunks
    gradient = jax.grad(lambda s: same_pass_sum(count, 7, jnp.zeros(1), s, (mask, (), ())))(states)
    np.testing.assert_array_equal(np.asarray(gradient)[mask], np.arange(40.0)[mask])


def test_chunks_hold_at_least_one_position_and_fill_the_cache_of_a_cpu():
    assert chunk_size(1000, 10) == 1
    assert chunk_size(1000, 10_000) == 10
    assert chunk_size(1000, 100_000) == 64
    assert chunk_size(4 * 3416, None) >= 64


def test_items_are_drawn_with_their_probability_and_never_padding():
    known = np.maximum(COUNTS[1:], 1)
    for items, q in (
        (draw_uniformly((200, 200), ITEMS, 3), np.full(ITEMS, 1 / ITEMS)),
        (ItemSampler(COUNTS).draw((200, 200), 3), known / known.sum()),
    ):
        assert items.shape == (200, 200)
        assert items.dtype == np.int32
        frequency = np.bincount(np.ravel(items), minlength=ITEMS + 1) / items.size
        np.testing.assert_allclose(frequency, np.append(0, q), atol=0.007)
        assert frequency[0] == 0


def zipf_weights(items: int, interactions: float) -> np.ndarray:
    q = 1 / np.arange(1, items + 1)
    weights = np.maximum(1, np.floor(q / q.sum() * interactions)).astype(np.int64)
    return np.random.default_rng(0).permutation(weights)


@pytest.mark.parametrize("weights", [[1], [3, 3], [7, 1, 2, 60_000], [1, 3, 5, 4]])
def test_the_bins_hold_what_each_item_weighs(weights):
    weights = np.array(weights)
    own, alias = split_bins(weights)
    parts = own.copy()
    np.add.at(parts, alias, weights.sum() - own)
    np.testing.assert_array_equal(parts, len(weights) * weights)
    assert own.min() >= 1


def test_five_million_items_are_drawn_exactly_in_proportion():
    weights = zipf_weights(5_000_000, 1e9)
    own, alias = split_bins(weights)
    total = int(weights.sum())
    assert own.min() >= 1  # every item has a part of its own bin
    assert own.max() <= total
    parts = own.copy()
    np.add.at(parts, alias, total - own)
    np.testing.assert_array_equal(parts, len(weights) * weights)
    table = alias_table(weights)
    np.testing.assert_array_equal(table[:, 2], alias)
    some = np.random.default_rng(1).choice(len(weights), 2000)
    for item in [*some.tolist(), int(weights.argmax()), int(weights.argmin())]:
        threshold = int(table[item, 0]) << 32 | int(table[item, 1])
        assert threshold == min(int(own[item]) * 2**64 // total, 2**64 - 1)


def test_a_draw_is_the_bin_and_the_half_of_64_random_bits():
    weights = zipf_weights(3000, 1e6)
    table = alias_table(weights)
    words = np.random.default_rng(0).integers(0, 2**32, (4000, 2), np.uint32)
    words[:4] = [[0, 0], [2**32 - 1] * 2, [2**32 - 1, 0], [0, 2**32 - 1]]
    for item, (upper, lower) in zip(
        np.asarray(jax.jit(draw)(table, words)).tolist(), words.tolist(), strict=True
    ):
        product = (upper << 32 | lower) * 3000
        chosen, rest = product >> 64, product & (2**64 - 1)
        threshold = int(table[chosen, 0]) << 32 | int(table[chosen, 1])
        assert item == (chosen if rest < threshold else table[chosen, 2])


def test_a_few_thousand_items_come_as_often_as_they_should():
    counts = np.append(0, zipf_weights(3000, 2e5))
    sampler = ItemSampler(counts)
    drawn = np.bincount(np.asarray(sampler.draw((4_000_000,), 5)), minlength=3001)[1:]
    expected = counts[1:] / counts.sum() * 4_000_000
    assert drawn.min() > 0
    chi_square = ((drawn - expected) ** 2 / expected).sum()
    assert abs(chi_square - 3000) < 5 * (2 * 3000) ** 0.5
    log_q = np.asarray(sampler.log_q(np.arange(3001)))
    np.testing.assert_allclose(np.exp(log_q[1:], dtype=float), counts[1:] / counts.sum(), rtol=1e-6)
    assert log_q[0] == 0


def test_counts_beyond_64_bits_are_scaled_and_the_probabilities_with_them():
    sampler = ItemSampler(np.array([0, 2**62, 2**61, 0]))
    assert sampler.weights.tolist()[0] == 2 * sampler.weights.tolist()[1]
    own, _ = split_bins(sampler.weights)
    assert own.min() >= 1
    assert np.exp(np.asarray(sampler.log_q(np.array([1])))) == pytest.approx(2 / 3)


def test_each_training_step_draws_other_items_and_evaluation_always_the_same(arrays):
    hidden, table, batch = (jnp.asarray(arrays[0]), jnp.asarray(arrays[1]), arrays[2])
    for loss in (losses.SampledSoftmax(2), losses.SampledSoftmax(2, shared=False)):
        seed = keras.random.SeedGenerator(1)
        drawn = {float(loss(positions(hidden, table, batch, seed))) for _ in range(3)}
        same = {float(loss(positions(hidden, table, batch))) for _ in range(2)}
        assert (len(drawn), len(same)) == (3, 1)


def test_beta_of_gbce_runs_from_1_to_the_sampling_rate():
    assert losses.GeneralizedBinaryCrossEntropy(0.0).beta(10, 101) == pytest.approx(1.0)
    assert losses.GeneralizedBinaryCrossEntropy(1.0).beta(10, 101) == pytest.approx(0.1)
    assert losses.GeneralizedBinaryCrossEntropy(0.75).beta(256, 3416) == pytest.approx(
        256 / 3415 * (0.75 * (1 - 3415 / 256) + 3415 / 256)
    )


def test_negatives_may_have_weights_of_their_own(arrays):
    hidden, table, batch = arrays
    there = positions(jnp.asarray(hidden), jnp.asarray(table), batch)
    none = dataclasses.replace(there, negative_weight=0 * there.weight)
    for max_bytes in (None, 130):
        value = losses.BinaryCrossEntropy(max_bytes)(none)
        scores = (table[batch.targets] * hidden).sum(-1)
        expected = -(batch.weight * plain.log_sigmoid(scores)).sum()
        assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.get("mse"), r"loss is 'mse'; the names are \['bce', 'gbce', "),
        (lambda: losses.GeneralizedBinaryCrossEntropy(1.5), r"calibration must be in \[0, 1\]"),
        (lambda: losses.Softmax(1.0), r"label_smoothing must be in \[0, 1\)"),
        (lambda: losses.Softmax(max_bytes=0), "max_bytes must be at least 1"),
        (lambda: losses.SampledSoftmax(0), "num_negatives must be at least 1"),
        (lambda: losses.SampledSoftmax(item_counts=[0.5, 1.0]), "whole numbers of 0 or more"),
        (lambda: losses.SampledSoftmax(item_counts=[0, -1]), "whole numbers of 0 or more"),
    ],
)
def test_an_argument_out_of_range_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_loss_of_another_kind_is_refused():
    with pytest.raises(TypeError, match=r"object of sasrec_fast.losses, received MeanSquared"):
        losses.get(keras.losses.MeanSquaredError())
