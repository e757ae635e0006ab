"""Attention in blocks equals Keras'; masks of dropout are random, reproducible, device-free."""

import jax
import numpy as np
import pytest

from sasrec_fast.layers import Dropout, attention
from sasrec_fast.layers.attention import CausalAttention, block_edges
from sasrec_fast.layers.dropout import keep_mask
from small_models import keras

LENGTHS = [90, 41, 1, 70]


@pytest.fixture
def rows():
    keras.utils.set_random_seed(0)  # of the layers' weights
    x = np.random.default_rng(0).normal(size=(4, 90, 8)).astype(np.float32)
    return x, np.arange(90) < np.array(LENGTHS)[:, None]


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_blocks_give_the_values_of_keras_attention(rows, rate, dtype):
    x, mask = rows
    ours = CausalAttention(2, 4, dropout=rate, dtype=dtype)
    theirs = keras.layers.MultiHeadAttention(2, 4, dropout=rate, dtype=dtype)
    ours.build(x.shape)
    theirs.build(x.shape, x.shape)
    theirs.set_weights(ours.get_weights()[: len(theirs.get_weights())])
    assert len(block_edges(90)) > 2
    expected = theirs(x, x, attention_mask=mask[:, None], use_causal_mask=True)
    got = np.asarray(ours(x, mask), np.float32)
    tolerance = 1e-6 if dtype == "float32" else 0.03
    np.testing.assert_allclose(got[mask], np.asarray(expected, np.float32)[mask], atol=tolerance)


def rotated(x):
    """RoFormer, equation 34, of [T, d]: feature i turns with feature i + d / 2."""
    half = x.shape[1] // 2
    angles = np.arange(len(x))[:, None] * 10000.0 ** (-np.arange(half) / half)
    pairs = (x[:, :half] + 1j * x[:, half:]) * np.exp(1j * angles)
    return np.concatenate([pairs.real, pairs.imag], axis=1)


def test_rotary_attention_is_that_of_rotated_queries_and_keys(rows):
    x, mask = rows
    layer = CausalAttention(2, 4, rotary=True)
    layer.build(x.shape)
    for variable in layer.trainable_variables:
        variable.assign(np.random.default_rng(1).normal(size=variable.shape))
    got = np.asarray(layer(x, mask))
    names = ("query", "key", "value")
    kernels, biases = (
        [getattr(layer, f"{n}_dense").get_weights()[i] for n in names] for i in (0, 1)
    )
    out, out_bias = layer.output_dense.get_weights()
    for row, length in zip(range(4), LENGTHS, strict=True):
        expected = out_bias
        for head in range(2):
            q, k, v = (
                x[row, :length].astype(float) @ kernel[:, head] + bias[head]
                for kernel, bias in zip(kernels, biases, strict=True)
            )
            scores = np.where(np.tri(length), rotated(q) @ rotated(k).T / 2, -np.inf)
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            expected = expected + shares / shares.sum(axis=1, keepdims=True) @ v @ out[head]
        np.testing.assert_allclose(got[row, :length], expected, rtol=1e-3, atol=2e-4)
    assert CausalAttention.from_config(layer.get_config()).rotary


@pytest.mark.parametrize("native", [False, True])
def test_in_training_each_position_sees_its_past_and_an_expected_view_of_it(
    rows, native, monkeypatch
):
    if not native:
        monkeypatch.setattr(attention.native_attention, "is_fast", lambda: False)
    x, mask = rows
    layer = CausalAttention(2, 4, dropout=0.4)
    layer.build(x.shape)
    still = np.asarray(layer(x, mask))
    state = layer.drop.seed_generator.state
    views = []
    for count in range(60):
        state.assign([5, count * 10])
        views.append(np.asarray(layer(x, mask, training=True)))
    assert np.abs(views[0] - views[1]).max() > 0.01
    error = np.mean(views, axis=0)[mask] - still[mask]
    assert np.abs(error).mean() < 0.03
    later = x.copy()
    later[:, 60:] += 1
    state.assign([5, 0])
    np.testing.assert_array_equal(
        np.asarray(layer(later, mask, training=True))[:, :60], views[0][:, :60]
    )


def test_every_position_is_in_one_block(monkeypatch):
    for length in (1, 3, 39, 90, 200, 1000):
        edges = block_edges(length)
        assert edges[0] == 0
        assert edges[-1] == length
        assert (np.diff(edges) > 0).all()
        assert len(edges) <= attention._MOST_BLOCKS + 1
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert block_edges(200) == [0, 200]


def masks(count, size=20000, keep=0.8, seed=7):
    made = jax.jit(lambda n: keep_mask((size,), keep, np.array([seed, 0]) + np.array([0, 1]) * n))
    return np.stack([np.asarray(made(n)) for n in range(count)])


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.8, 0.999])
def test_masks_keep_the_share_asked_for(keep):
    made = masks(30, keep=keep)
    error = (keep * (1 - keep) / made.size) ** 0.5
    assert abs(made.mean() - keep) < 4 * error
    for axis, size in ((0, 30), (1, 20000)):
        spread = made.mean(axis=axis).std()
        assert spread == pytest.approx((keep * (1 - keep) / size) ** 0.5, rel=0.1 + 4 / size**0.5)


def test_masks_are_independent_of_their_neighbours_and_of_other_calls():
    made = masks(40, keep=0.5).astype(np.float32) - 0.5
    size = made.shape[1]
    limit = 5 * 0.25 / size**0.5
    between = made @ made.T / size
    np.fill_diagonal(between, 0)
    assert np.abs(between).max() < limit
    for lag in (1, 2, 3, 50, 64, 200, 4096):
        assert np.abs((made[:, lag:] * made[:, :-lag]).mean(axis=1)).max() < limit * 1.2
    other = masks(40, keep=0.5, seed=8).astype(np.float32) - 0.5
    assert np.abs(made @ other.T / size).max() < limit


def test_the_mask_of_a_tensor_is_that_of_its_elements_in_order():
    seed = np.array([3, 4])
    flat = np.asarray(keep_mask((210,), 0.6, seed))
    np.testing.assert_array_equal(np.asarray(keep_mask((5, 6, 7), 0.6, seed)).ravel(), flat)
    np.testing.assert_array_equal(np.asarray(keep_mask((210,), 0.6, seed)), flat)
    assert np.asarray(keep_mask((1000,), 1.0, seed)).all()


def test_dropout_scales_what_it_keeps_and_counts_its_calls():
    layer = Dropout(0.2, seed=1)
    x = np.ones((50, 60), np.float32)
    first, second = (np.asarray(layer(x, training=True)) for _ in range(2))
    assert set(np.unique(first)) == {0.0, np.float32(1 / 0.8)}
    assert (first != second).any()
    assert np.asarray(layer.seed_generator.state).tolist() == [1, 2]
    np.testing.assert_array_equal(np.asarray(layer(x)), x)
    again = Dropout.from_config(layer.get_config())
    np.testing.assert_array_equal(np.asarray(again(x, training=True)), first)


def test_layers_that_are_told_the_turn_drop_by_it_and_count_nothing():
    layer, other = Dropout(0.2, seed=1), Dropout(0.2, seed=2)
    x = np.ones((50, 60), np.float32)
    counted = [np.asarray(layer(x, training=True)) for _ in range(2)]
    for turn, expected in enumerate(counted):
        told = np.asarray(layer(x, turn=turn, training=True))
        np.testing.assert_array_equal(told, expected)
        assert (np.asarray(other(x, turn=turn, training=True)) != told).any()
    assert np.asarray(layer.seed_generator.state).tolist() == [1, 2]
    assert int(layer.next_turn()) == 2
    assert int(layer.next_turn()) == 3
    assert Dropout(0.0).next_turn() is None


def test_the_blocks_of_attention_have_random_bits_of_their_own(rows, monkeypatch):
    x, mask = rows
    layer = CausalAttention(2, 4, dropout=0.4)
    layer.build(x.shape)
    monkeypatch.setattr(attention.native_attention, "is_fast", lambda: False)
    turns = []

    def record(_: object, shares: np.ndarray, turn: int, training: bool) -> np.ndarray:
        turns.append(turn)
        return shares

    monkeypatch.setattr(Dropout, "call", record)
    layer(x, mask, turn=7, training=True)
    assert turns[0] == 7
    assert len(set(turns)) == len(turns) == len(block_edges(90)) - 1 > 1


def plain_mask(size, keep, seed):
    """The formula of `keep_mask`, in 64 bits."""

    def mixed(x, key=0):
        x = ((x ^ x >> 16) * 0x7FEB352D & 0xFFFFFFFF) ^ key
        x = (x ^ x >> 15) * 0x846CA68B & 0xFFFFFFFF
        return x ^ x >> 16

    golden = 0x9E3779B9
    first = mixed(seed[0] ^ mixed(seed[1] + golden & 0xFFFFFFFF))
    second = mixed(first + golden & 0xFFFFFFFF)
    places = [mixed(first + i & 0xFFFFFFFF, second) for i in range(size)]
    return [place < round(keep * 2**32) for place in places]


@pytest.mark.parametrize(("keep", "seed"), [(0.5, (0, 0)), (0.8, (7, 3)), (0.1, (2**32 - 1, 9))])
def test_masks_are_the_formula_that_is_documented(keep, seed):
    made = np.asarray(keep_mask((300,), keep, np.array(seed, np.uint32)))
    assert made.tolist() == plain_mask(300, keep, seed)
