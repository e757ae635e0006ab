"""The kernel of attention: values and gradients, the bits of dropout, where it is used."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sasrec_fast.backend import native_attention
from sasrec_fast.layers.dropout import keep_mask
from small_models import keras, make_model

pytestmark = pytest.mark.skipif(
    not native_attention.is_fast(), reason="this processor has none of the vectors"
)
SEED = np.array([5, 9], np.uint32)


@jax.jit
def seen_and_gradients(arrays, padding_mask, keep_all):
    """What is seen, and the gradients of queries, keys and values."""

    def seen(*parts):
        whole = native_attention.causal_attention(*parts, padding_mask)
        dropped = native_attention.causal_attention(*parts, padding_mask, (SEED, 0.6))
        return jnp.where(keep_all, whole, dropped)

    view, back = jax.vjp(seen, *arrays[:3])
    return view, *back(arrays[3])


def formulas(arrays, padding_mask, factors):
    """The same in double precision; `factors` are what dropout multiplies shares by."""
    query, key, value, slope = (np.asarray(array, np.float64) for array in arrays)
    scale = query.shape[-1] ** -0.5
    scores = np.einsum("nqhd,nkhd->nhqk", query, key) * scale
    scores = np.where(padding_mask[:, None, None], scores, -1e9)
    scores = np.where(np.tri(query.shape[1], dtype=bool), scores, -np.inf)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    share_slopes = np.einsum("nqhd,nkhd->nhqk", slope, value) * factors
    mean = (shares * share_slopes).sum(axis=-1, keepdims=True)
    score_slopes = shares * (share_slopes - mean) * padding_mask[:, None, None] * scale
    return (
        np.einsum("nhqk,nkhd->nqhd", shares * factors, value),
        np.einsum("nhqk,nkhd->nqhd", score_slopes, key),
        np.einsum("nhqk,nqhd->nkhd", score_slopes, query),
        np.einsum("nhqk,nqhd->nkhd", shares * factors, slope),
    )


@pytest.mark.parametrize("shape", [(1, 1, 1, 4), (5, 77, 2, 18)])
def test_values_and_gradients_are_those_of_the_formulas(shape):
    rows, length, heads, _ = shape
    arrays = np.random.default_rng(0).normal(size=(4, *shape), scale=2).astype(np.float32)
    mask = np.arange(length) < np.array([length, 41, 1, 0, length])[:rows, None]
    kept = np.asarray(keep_mask((rows, heads, length, length), 0.6, SEED))
    for keep_all, factors in ((True, 1.0), (False, kept / 0.6)):
        found = seen_and_gradients(arrays, mask, keep_all)
        for got, expected in zip(found, formulas(arrays, mask, factors), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-5)


def test_bits_of_dropout_are_those_of_its_mask():
    length, heads = 50, 2
    zeros = np.zeros((3, length, heads, length), np.float32)
    identity = np.broadcast_to(np.eye(length, dtype=np.float32)[:, None], zeros.shape)
    shares = native_attention.causal_attention(zeros, zeros, identity, None, (SEED, 0.3))
    kept = np.asarray(keep_mask((3, heads, length, length), 0.3, SEED))
    kept = kept & np.tri(length, dtype=bool)
    np.testing.assert_array_equal(np.asarray(shares).swapaxes(1, 2) != 0, kept)


def test_steps_in_one_program_are_steps_one_by_one():
    draw = np.random.default_rng(1)
    start = jnp.asarray(draw.normal(size=(2, 3, 20, 1, 8)).astype(np.float32))

    def step(state, count):
        query, key = state

        def loss(query, key):
            drops = jnp.stack([jnp.uint32(3), count]), 0.8
            return jnp.sum(
                native_attention.causal_attention(query, key, query + key, None, drops) ** 2
            )

        value, slopes = jax.value_and_grad(loss, (0, 1))(query, key)
        return state - 0.01 * jnp.stack(slopes), value

    counts = jnp.arange(4, dtype=jnp.uint32)
    one, state, losses = jax.jit(step), start, []
    for count in counts:
        state, loss = one(state, count)
        losses.append(loss)
    run = jax.jit(lambda state, counts: jax.lax.scan(step, state, counts), donate_argnums=0)
    scanned = run(start + 0, counts)
    np.testing.assert_allclose(scanned[0], state, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scanned[1], losses, rtol=1e-5)
    assert losses[0] != losses[-1]


@pytest.fixture
def calls(monkeypatch):
    """Shapes of the queries that the kernel was given."""
    shapes, attention = [], native_attention.causal_attention

    def counted(query, *rest):
        shapes.append(query.shape)
        return attention(query, *rest)

    monkeypatch.setattr(native_attention, "causal_attention", counted)
    return shapes


IDS = np.array([[3, 7, 1, 4, 2, 9], [5, 2, 8, 0, 0, 0]], np.int32)


def embeddings(model, training=False):
    """A function of the values of a model's variables."""
    model.build()

    def embedded(*variables):
        inputs = {"item_ids": IDS, "padding_mask": IDS != 0}
        outputs, _ = model.stateless_call(*variables, inputs, training=training)
        return outputs["item_sequence_embedding"]

    variables = model.trainable_variables, model.non_trainable_variables
    return jax.jit(embedded), [[variable.value for variable in group] for group in variables]


def test_models_learn_by_it_and_are_called_without(calls):
    model = make_model(num_layers=2, dropout=0.0)
    learning, variables = embeddings(model, training=True)
    learned = learning(*variables)
    assert calls == [(2, 6, 1, 8)] * 2
    answered = embeddings(model)[0](*variables)
    assert len(calls) == 2
    np.testing.assert_allclose(learned[IDS != 0], answered[IDS != 0], atol=1e-5)
    # The last block has a form of its own for answers; what this process compiles for itself may
    # contain the kernel.
    last = model.encode_last({"item_ids": IDS, "padding_mask": IDS != 0})
    assert len(calls) == 3
    np.testing.assert_allclose(last, answered[[0, 1], [5, 2]], atol=1e-5)


def test_other_precisions_and_several_devices_go_without(calls, monkeypatch):
    function, variables = embeddings(make_model(dtype="mixed_bfloat16"), training=True)
    function.trace(*variables)
    function, variables = embeddings(make_model(), training=True)
    monkeypatch.setattr(keras.distribution, "distribution", object)
    function.trace(*variables)
    assert not calls
