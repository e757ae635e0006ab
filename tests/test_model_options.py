"""Options of SASRec: each changes what it says, keeps causality, and is saved with the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf
from sasrec_fast.layers import RandomShift, positions_from_end
from sasrec_fast.layers.blocks import LiGRBlock
from sasrec_fast.layers.last_position import _scores, _view
from sasrec_fast.model import inference
from small_models import ITEMS, LENGTH, WIDTH, Arrays, embeddings, keras, make_model, make_rows

OPTIONS: dict[str, dict[str, Any]] = {
    "the paper's": {},
    "from the start": {"positions": "start"},
    "rotary": {"positions": "rotary", "num_heads": 2, "num_layers": 2},
    "post-norm": {"pre_norm": False, "activation": "gelu", "feed_forward_dim": 24},
    "separate, members": {
        "tie_embeddings": False,
        "scale_embeddings": False,
        "num_layers": 2,
        "num_members": 3,
    },
    "ligr": {"block": "ligr", "num_heads": 2, "num_layers": 2, "position_shift": 5},
}


@pytest.fixture(scope="module", params=OPTIONS)
def model(request: pytest.FixtureRequest) -> Any:
    model = make_model(**OPTIONS[request.param])
    model.build()
    return model


@pytest.fixture(scope="module")
def rows() -> Arrays:
    return make_rows([6, 4, 1, 0])[0]


def states(model: Any, rows: Arrays) -> np.ndarray:
    """Hidden states of every position, compiled."""
    found: np.ndarray = model._infer(model.encode, rows)
    return found


def test_a_position_sees_no_later_item(model, rows):
    other = {**rows, "item_ids": rows["item_ids"].copy()}
    other["item_ids"][0, 3] = rows["item_ids"][0, 3] % ITEMS + 1
    before, after = states(model, rows)[0], states(model, other)[0]
    np.testing.assert_array_equal(before[:3], after[:3])
    assert (np.abs(before[3:] - after[3:]).max(axis=1) > 1e-6).all()


def test_padding_changes_nothing_and_a_row_without_items_is_finite(model, rows):
    shorter = {name: values[1:3, :4] for name, values in rows.items()}
    np.testing.assert_allclose(states(model, shorter), states(model, rows)[1:3, :4], atol=2e-6)
    garbage = {**rows, "item_ids": np.where(rows["padding_mask"], rows["item_ids"], 17)}
    real = rows["padding_mask"]
    np.testing.assert_array_equal(states(model, garbage)[real], states(model, rows)[real])
    assert np.isfinite(states(model, rows)).all()


def test_a_loaded_model_has_the_same_options_and_scores(model, rows, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.score_items(rows), model.score_items(rows))
    assert loaded.get_config() == model.get_config()


def test_every_argument_is_in_the_config():
    options = {
        "block": "ligr",
        "feed_forward_dim": 12,
        "activation": keras.activations.gelu,
        "pre_norm": True,
        "positions": "start",
        "scale_embeddings": False,
        "tie_embeddings": False,
        "hidden_dim": np.int64(8),
        "dropout": 0.3,
        "attention_dropout": 0.1,
        "position_shift": 3,
        "num_members": 2,
    }
    config = make_model(**options).get_config()
    assert config == {**config, **options, "activation": "gelu"}
    assert sf.SASRec.from_config(config).get_config() == config


def test_defaults_are_the_paper_s():
    config = make_model().get_config()
    assert config == {
        **config,
        "block": "transformer",
        "pre_norm": True,
        "positions": "end",
        "scale_embeddings": True,
        "tie_embeddings": True,
        "attention_dropout": None,
        "position_shift": 0,
    }
    block = make_model().transformer_layers[0]
    assert block.intermediate_dim == WIDTH
    assert block.activation is keras.activations.relu
    model = make_model(dropout=0.3)
    model.build()
    assert model.transformer_layers[0].attention.rate == 0.3


@pytest.mark.parametrize("block", ["transformer", "ligr"])
def test_shares_of_attention_have_a_rate_of_their_own(block):
    model = make_model(block=block, dropout=0.3, attention_dropout=0.0)
    model.build()
    layer = model.transformer_layers[0]
    assert (layer.attention.rate, layer.attention_dropout.rate) == (0.0, 0.3)
    assert model.embeddings_dropout.rate == 0.3
    copy = type(layer).from_config(layer.get_config())
    assert (copy.attention_rate, copy.dropout) == (0.0, 0.3)


def test_positions_count_back_from_the_last_item_wherever_the_padding_is():
    mask = np.array([[1, 1, 1, 0], [0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
    expected = [[2, 1, 0, 0], [3, 2, 1, 0], [3, 2, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(positions_from_end(mask), expected)


@pytest.mark.parametrize(
    ("from_end", "rows", "unshifted", "most"),
    [
        (True, [[1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0], [0, 1, 1, 0]], None, [2, 2, 0, 1]),
        (False, [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]], [[0, 1, 2, 3]], [2, 1, 2]),
    ],
)
def test_every_shift_is_as_likely_as_another_and_keeps_the_table(from_end, rows, unshifted, most):
    mask = np.array(rows, bool)
    layer = RandomShift(2, 5, from_end)
    positions = positions_from_end(mask) if unshifted is None else np.array(unshifted)
    many = layer(
        np.repeat(np.broadcast_to(positions, mask.shape), 2000, 0), np.repeat(mask, 2000, 0)
    )
    shifted = np.array(many).reshape(len(mask), 2000, -1)
    assert shifted.min() >= 0
    assert shifted.max() < layer.table_length == (7 if from_end else 5)
    size = layer.table_length
    for row, place in enumerate(positions if from_end else np.repeat(positions, len(mask), 0)):
        steps = (place - shifted[row]) % size if from_end else shifted[row] - place
        steps = steps[:, mask[row]]
        assert (steps == steps[:, :1]).all()
        counts = np.bincount(steps[:, 0])
        assert len(counts) == most[row] + 1
        assert (abs(counts - 2000 / len(counts)) < 120).all()


def repeated(rows: Arrays, times: int) -> Arrays:
    """The first four positions of the first row, so often."""
    return {name: np.repeat(values[:1, :4], times, axis=0) for name, values in rows.items()}


@pytest.mark.parametrize("masked", [True, False])
def test_training_asks_after_each_item_of_a_row_as_after_its_prefix(masked, monkeypatch, rows):
    monkeypatch.setattr("sasrec_fast.layers.options.on_cpu", lambda: masked)
    model = make_model(position_shift=LENGTH - 1, dropout=0.0)
    model.build()
    assert model.position_embedding.position_embeddings.shape == (2 * LENGTH - 1, WIDTH)
    shown = np.tri(4, dtype=bool)
    prefixes = {"item_ids": rows["item_ids"][0, :4] * shown, "padding_mask": shown}
    found = np.array(model.encode(repeated(rows, 60), training=True))
    same = np.isclose(found, model.encode_last(prefixes), atol=1e-5).all(axis=2)
    assert (same.sum(axis=1) == 1).all()
    assert same.any(axis=0).all()


def test_rows_counted_from_the_start_are_shifted_within_the_table(rows):
    model = make_model(positions="start", position_shift=LENGTH - 1, dropout=0.0)
    model.build()
    assert model.position_embedding.position_embeddings.shape == (LENGTH, WIDTH)
    found = np.array(model.encode(repeated(rows, 60), training=True))
    number = 0
    for shift in range(3):
        moved = {k: np.pad(v, ((0, 0), (shift, 0))) for k, v in repeated(rows, 1).items()}
        same = np.isclose(found, np.array(model.encode(moved))[:, shift:], atol=1e-5)
        number += same.all(axis=(1, 2)).sum()
        assert same.all(axis=(1, 2)).any()
    assert number == 60


def test_shifts_that_change_nothing_or_leave_the_row_are_refused():
    with pytest.raises(
        ValueError, match="position_shift=1 changes nothing with positions='rotary'"
    ):
        make_model(positions="rotary", position_shift=1)
    with pytest.raises(ValueError, match=rf"position_shift must be in 0..{LENGTH - 1}, received 6"):
        make_model(position_shift=LENGTH)


@pytest.mark.parametrize(("positions", "same"), [("end", True), ("rotary", True), ("start", False)])
def test_left_and_right_padded_rows_are_equal_unless_positions_count_from_the_start(
    positions, same
):
    model = make_model(positions=positions)
    rows = make_rows([4, 2])[0]
    rolled = {name: np.stack([np.roll(r, s) for r, s in zip(v, (2, 4), strict=True)])
              for name, v in rows.items()}  # fmt: skip
    right, left = model.encode_last(rows), model.encode_last(rolled)
    assert np.allclose(left, right, atol=1e-5) == same


def test_scaled_embeddings_enter_multiplied_by_the_root_of_their_width(rows):
    scaled, plain = make_model(), make_model(scale_embeddings=False)
    table = embeddings(scaled)
    plain.build()
    plain.set_weights(scaled.get_weights())
    assert np.abs(states(scaled, rows) - states(plain, rows)).max() > 1e-3
    plain.item_embedding.embeddings.assign(WIDTH**0.5 * table)
    np.testing.assert_allclose(states(plain, rows), states(scaled, rows), atol=1e-5)


def test_a_separate_table_scores_retrieves_learns_and_is_penalised(rows):
    model = make_model(tie_embeddings=False, l2=0.5, dropout=0.0)
    inputs = embeddings(model)
    table = np.array(model.output_embedding.embeddings.value)
    assert table.shape == inputs.shape
    expected = model.encode_last(rows) @ table.T
    np.testing.assert_allclose(model.score_items(rows), expected, atol=1e-6)
    best = np.argsort(-expected[:, 1:], axis=1)[:, :4] + 1
    np.testing.assert_array_equal(model.predict(rows, verbose=0)["predictions"], best)
    assert float(sum(model.losses)) == pytest.approx(
        0.5 * ((inputs**2).sum() + (table**2).sum()), rel=1e-5
    )
    model.l2 = 0.0
    model.compile(keras.optimizers.SGD(0.1))
    x, y = make_rows([3, 3])
    model.train_on_batch(x, y)
    moved = np.abs(np.array(model.output_embedding.embeddings.value) - table).max(axis=1) > 1e-3
    assert moved[np.unique(y["positive_sequence"][x["padding_mask"]])].all()


def test_a_tied_model_has_one_table():
    model = make_model()
    model.build()
    assert model.output_embedding is None
    assert model.scoring_table is model.item_embedding.embeddings
    assert [tuple(w.shape) for w in model.weights].count((ITEMS + 1, WIDTH)) == 1


def test_the_feed_forward_layer_has_its_width_and_activation(rows):
    wide = make_model(feed_forward_dim=24, activation="gelu").transformer_layers[0]
    assert wide.intermediate_dim == 24
    assert wide.activation is keras.activations.gelu
    gated = make_model(block="ligr").transformer_layers[0]
    assert (gated.intermediate_dim, gated.activation) == (4 * WIDTH, keras.activations.silu)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def plain_ligr(block: Any, x: np.ndarray) -> np.ndarray:
    """One row without padding, one head, as the formula is written."""
    weight = {w.path.split("/", 1)[1]: np.array(w.value, np.float64) for w in block.weights}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        normal = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return normal * weight[f"{name}/gamma"] + weight[f"{name}/beta"]

    def project(x: np.ndarray, name: str) -> np.ndarray:
        kernel = weight[f"attention/{name}/kernel"].reshape(x.shape[-1], -1)
        return x @ kernel + weight[f"attention/{name}/bias"].ravel()

    def gate(x: np.ndarray, name: str) -> np.ndarray:
        return sigmoid(x @ weight[f"{name}/kernel"] + weight[f"{name}/bias"])

    normal = norm(x, "attention_norm")
    scores = project(normal, "query") @ project(normal, "key").T / np.sqrt(x.shape[-1])
    powers = np.where(np.tri(len(x)), np.exp(scores), 0)
    attended = powers / powers.sum(-1, keepdims=True) @ project(normal, "value")
    x = x + gate(x, "attention_gate") * project(attended, "attention_output")
    normal = norm(x, "feed_forward_norm")
    inner = normal @ weight["up_gate/kernel"]
    fed = (inner * sigmoid(inner) * (normal @ weight["up/kernel"])) @ weight["down/kernel"]
    return x + gate(x, "feed_forward_gate") * fed


def test_a_ligr_block_is_its_formula():
    keras.utils.set_random_seed(3)
    block = LiGRBlock(12, 1, name="block")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 5, WIDTH)).astype(np.float32)
    block.build(x.shape)
    for variable in block.weights:
        variable.assign(0.5 * rng.normal(size=variable.shape))
    found = block(x, decoder_padding_mask=np.ones((1, 5), bool))
    np.testing.assert_allclose(found[0], plain_ligr(block, x[0].astype(np.float64)), atol=1e-5)
    copy = LiGRBlock.from_config(block.get_config())
    assert copy.get_config() == block.get_config()


def test_mixed_bfloat16_trains_every_block_with_float32_weights():
    for options in ({}, {"block": "ligr"}):
        model = make_model(dtype="mixed_bfloat16", **options)
        model.compile(keras.optimizers.Adam(0.01), loss="softmax")
        x, y = make_rows([6, 4])
        values = [float(model.train_on_batch(x, y)) for _ in range(5)]
        assert values[-1] < values[0]
        assert {weight.dtype for weight in model.trainable_variables} == {"float32"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"block": "mamba"},
            r"block must be one of \['transformer', 'ligr', 'keras_hub'\], received 'mamba'",
        ),
        ({"positions": "middle"}, r"positions must be one of \['end', 'start', 'rotary'\]"),
        (
            {"positions": "rotary", "num_heads": WIDTH},
            "heads of an even width, received hidden_dim",
        ),
        ({"attention_dropout": 1.0}, r"attention_dropout must be in \[0, 1\), received 1.0"),
        ({"block": "keras_hub", "attention_dropout": 0.0}, "keras_hub' has one rate of dropout"),
        ({"feed_forward_dim": 0}, "feed_forward_dim must be at least 1"),
        ({"block": "ligr", "pre_norm": False}, "pre_norm must be True"),
        ({"activation": "reluu"}, "reluu"),
    ],
)
def test_an_option_out_of_range_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        make_model(**options)


def test_the_longest_row_has_a_position_for_each_item():
    model = make_model(positions="end")
    scores = model.score_items(make_rows([LENGTH])[0])
    assert np.isfinite(scores).all()


def test_the_last_state_alone_drops_out_as_all_states_do():
    """On average a query sees what it sees without dropout, its bias included."""
    model = make_model(attention_dropout=0.5, dropout=0.0, num_heads=2)
    model.build()
    attention = model.transformer_layers[0].attention
    attention.value_dense.bias.assign(np.full((2, WIDTH // 2), 0.3))
    x = np.random.default_rng(0).normal(size=(1, 4, WIDTH)).astype(np.float32)
    mask = np.array([[1, 1, 1, 0]], bool)

    def seen(count, **now):
        rows = np.repeat(x, count, axis=0)
        states, masks = (rows[:, 2:3], rows), np.repeat(mask, count, 0)
        scores = _scores(attention, states, masks, None)
        return np.array(_view(attention, states, masks, scores, now))

    plain = seen(1, turn=None, training=False)
    dropped = seen(20_000, turn=0, training=True)
    assert np.ptp(dropped, axis=0).max() > 0.1
    np.testing.assert_allclose(dropped.mean(axis=0), plain[0], atol=0.01)
    np.testing.assert_allclose(plain, attention(x, mask)[:, 2:3], atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"num_layers": 2, "num_heads": 2},
        {"pre_norm": False},
        {"block": "ligr", "num_heads": 2},
        {"positions": "rotary", "num_heads": 2, "num_members": 2},
        {"positions": "rotary", "block": "ligr", "num_layers": 2},
        {"num_layers": 0, "num_members": 2},
    ],
    ids=["two layers", "post-norm", "ligr", "rotary members", "rotary ligr", "no block"],
)
def test_the_last_state_alone_is_that_of_all_states(options, monkeypatch):
    """Wherever the padding is, also for rows that are encoded a few at a time."""
    monkeypatch.setattr(inference, "_STATES_AT_ONCE", 3 * LENGTH * WIDTH)
    model = make_model(**options)
    rows = make_rows([LENGTH, 3, 1, 0, 4])[0]
    rows = {name: np.concatenate([v[:4], v[4:, ::-1]]) for name, v in rows.items()}
    model.build()
    for weight in model.trainable_weights:  # biases, too, are not 0
        waves = np.cos(np.arange(np.prod(weight.shape)))
        weight.assign(weight + 0.1 * waves.reshape(weight.shape))
    expected = model._infer(model.encode, rows)[np.arange(5), [LENGTH - 1, 2, 0, 0, LENGTH - 1]]
    found = model.encode_last(rows)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(np.delete(found, 3, 0), np.delete(expected, 3, 0), atol=2e-5)
