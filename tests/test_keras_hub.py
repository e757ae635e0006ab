"""The layers that are also keras-hub's compute what those do, and its decoder is a block."""

from __future__ import annotations

import sys
from typing import Any

import jax
import numpy as np
import pytest

from sasrec_fast.layers import PositionEmbedding
from sasrec_fast.layers.blocks import TransformerBlock
from sasrec_fast.layers.positions import rotated
from small_models import LENGTH, keras, make_model, make_rows

COLUMNS, WIDTH = 90, 8
MASK = np.arange(COLUMNS) < np.array([90, 41, 1, 70])[:, None]
SAME_PLACE = {
    "_self_attention_layer": "attention",
    "_self_attention_layer_norm": "attention_norm",
    "_feedforward_intermediate_dense": "up",
    "_feedforward_output_dense": "down",
    "_feedforward_layer_norm": "feed_forward_norm",
}


@pytest.fixture(scope="module", autouse=True)
def hub() -> Any:
    """Loaded by these tests alone, as it brings TensorFlow."""
    return pytest.importorskip("keras_hub").layers


@pytest.fixture
def x() -> np.ndarray:
    keras.utils.set_random_seed(0)  # of the layers' weights
    return np.random.default_rng(0).normal(size=(4, COLUMNS, WIDTH)).astype(np.float32)


def copy_weights(decoder: Any, block: Any) -> None:
    """Give our block the weights of keras-hub's decoder."""
    for theirs, ours in SAME_PLACE.items():
        layer = getattr(block, ours)
        weights = getattr(decoder, theirs).get_weights()
        layer.set_weights([*weights, *layer.get_weights()[len(weights) :]])


def values(layer: Any, *inputs: Any, **options: Any) -> np.ndarray:
    return np.asarray(jax.jit(lambda: layer(*inputs, **options))())


@pytest.mark.parametrize("pre_norm", [True, False])
def test_the_transformer_block_is_its_decoder(hub, x, pre_norm):
    ours = TransformerBlock(12, 2, 0.3, pre_norm=pre_norm)
    theirs = hub.TransformerDecoder(12, 2, dropout=0.3, normalize_first=pre_norm)
    for layer in (ours, theirs):
        layer.build(x.shape)
    copy_weights(theirs, ours)
    expected = values(theirs, x, decoder_padding_mask=MASK)
    np.testing.assert_allclose(values(ours, x, MASK)[MASK], expected[MASK], atol=2e-5)


def test_position_embeddings_are_its_own(hub, x):
    ours, theirs = PositionEmbedding(100), hub.PositionEmbedding(100)
    for layer in (ours, theirs):
        layer.build(x.shape)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    theirs.set_weights(ours.get_weights())
    places = np.random.default_rng(1).integers(0, 100, x.shape[:2])
    for positions in (None, places):
        expected = np.asarray(theirs(x, positions=positions))
        np.testing.assert_array_equal(np.asarray(ours(x, positions=positions)), expected)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rotations_are_its_own(hub, x, dtype):
    heads = keras.ops.cast(np.reshape(x, (4, COLUMNS, 2, WIDTH // 2)), dtype)
    expected = hub.RotaryEmbedding(dtype=dtype)(heads)
    found, expected = (np.asarray(y, np.float32) for y in (rotated(heads), expected))
    np.testing.assert_allclose(found, expected, atol=2e-5 if dtype == "float32" else 0.05)


@pytest.mark.parametrize("options", [{}, {"pre_norm": False, "positions": "start"}])
def test_a_model_of_its_decoders_gives_the_scores_of_our_blocks(options):
    theirs = make_model(block="keras_hub", num_layers=2, activation="gelu", **options)
    ours = make_model(num_layers=2, activation="gelu", **options)
    for model in (theirs, ours):
        model.build()
    for name in ("item_embedding", "position_embedding", "layer_norm"):
        getattr(ours, name).set_weights(getattr(theirs, name).get_weights())
    for pair in zip(theirs.transformer_layers, ours.transformer_layers, strict=True):
        copy_weights(*pair)
    rows = make_rows([6, 3, 1])[0]
    np.testing.assert_allclose(ours.score_items(rows), theirs.score_items(rows), atol=1e-5)


def test_a_model_of_its_decoders_trains_and_is_loaded(hub, tmp_path):
    model = make_model(block="keras_hub", feed_forward_dim=12, num_heads=2)
    assert type(model.transformer_layers[0]) is hub.TransformerDecoder
    model.compile(keras.optimizers.Adam(0.01), loss="softmax")
    x, y = make_rows([6, 4])
    values = [float(model.train_on_batch(x, y)) for _ in range(20)]
    assert np.mean(values[-3:]) < values[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.score_items(x), model.score_items(x))
    assert loaded.get_config() == model.get_config()


def test_its_decoder_sees_no_later_item_and_no_padding():
    model = make_model(block="keras_hub")
    x, _ = make_rows([6, 3])
    states = model._infer(model.encode, x)
    later = {**x, "item_ids": x["item_ids"] % 20 + (np.arange(LENGTH) > 2)}
    later["item_ids"][:, :3] = x["item_ids"][:, :3]
    changed = model._infer(model.encode, later)
    np.testing.assert_allclose(changed[:, :3], states[:, :3], atol=1e-6)
    assert np.abs(changed[0, 3:] - states[0, 3:]).max() > 1e-3


def test_rotary_positions_do_not_go_with_it():
    with pytest.raises(ValueError, match=r"block='keras_hub' has no rotary attention: positions"):
        make_model(block="keras_hub", positions="rotary", num_heads=2)


def test_without_keras_hub_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub.layers", None)
    with pytest.raises(ImportError, match=r"block='keras_hub' needs keras-hub \(pip install"):
        make_model(block="keras_hub")
