"""SASRec: what it computes, and which arguments it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import pytest

import sasrec_fast as sf
from sasrec_fast.backend import native_attention
from sasrec_fast.layers import Dropout
from small_models import (
    ITEMS,
    LENGTH,
    WIDTH,
    Arrays,
    compiled,
    embeddings,
    hidden,
    keras,
    make_model,
    make_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CANDIDATES = [1, 2, 3, 5, 8, 13, 20]


@pytest.fixture(scope="module")
def model() -> Any:
    return make_model(candidate_indices=CANDIDATES, num_layers=2, num_heads=2)


@pytest.fixture(scope="module")
def rows() -> Arrays:
    return make_rows([6, 4, 1, 0])[0]


def test_predict_gives_a_state_for_every_position_and_k_candidates_for_every_row(model, rows):
    out = model.predict(rows, verbose=0)
    assert out["item_sequence_embedding"].shape == (4, LENGTH, WIDTH)
    assert out["predictions"].shape == (4, 4)
    assert out["predictions"].dtype == np.int32
    assert set(out["predictions"].ravel()) <= set(CANDIDATES)


def test_training_computes_no_predictions(model):
    x = {
        "item_ids": keras.KerasTensor((4, LENGTH), "int32"),
        "padding_mask": keras.KerasTensor((4, LENGTH), "bool"),
    }
    assert set(model(x, training=True)) == {"item_sequence_embedding"}
    assert set(model(x)) == {"item_sequence_embedding", "predictions"}


def test_predictions_are_the_best_candidates_by_score(model, rows):
    scores = np.where(model.candidate_mask, model.score_items(rows), -np.inf)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :4]
    np.testing.assert_array_equal(model.predict(rows, verbose=0)["predictions"], expected)


@pytest.mark.parametrize("changed", [0, 3, 5])
def test_a_position_sees_no_later_item(model, rows, changed):
    other = {**rows, "item_ids": rows["item_ids"].copy()}
    other["item_ids"][0, changed] = rows["item_ids"][0, changed] % ITEMS + 1
    before, after = hidden(model, rows)[0], hidden(model, other)[0]
    np.testing.assert_array_equal(before[:changed], after[:changed])
    assert (np.abs(before[changed:] - after[changed:]).max(axis=1) > 1e-6).all()


def test_padding_changes_nothing(model, rows):
    shorter = {name: values[1:3, :4] for name, values in rows.items()}
    np.testing.assert_allclose(hidden(model, shorter), hidden(model, rows)[1:3, :4], atol=1e-6)
    np.testing.assert_allclose(model.score_items(shorter), model.score_items(rows)[1:3], atol=1e-6)
    garbage = {**rows, "item_ids": np.where(rows["padding_mask"], rows["item_ids"], 17)}
    real = rows["padding_mask"]
    np.testing.assert_array_equal(hidden(model, garbage)[real], hidden(model, rows)[real])


def test_encode_last_is_the_state_of_the_last_real_item(model, rows):
    expected = hidden(model, rows)[np.arange(3), [5, 3, 0]]
    np.testing.assert_allclose(model.encode_last(rows)[:3], expected, atol=1e-6)


def test_left_padded_rows_are_read_to_their_last_item_without_the_padding(model, rows):
    flipped = {name: np.ascontiguousarray(values[:, ::-1]) for name, values in rows.items()}
    expected = hidden(model, flipped)[np.arange(3), [5, 5, 5]]
    np.testing.assert_allclose(model.encode_last(flipped)[:3], expected, atol=1e-6)
    garbage = {**flipped, "item_ids": np.where(flipped["padding_mask"], flipped["item_ids"], 17)}
    np.testing.assert_array_equal(model.encode_last(garbage)[:3], model.encode_last(flipped)[:3])


def placed(rows: Arrays, order: list[list[int]]) -> Arrays:
    """The rows with their columns in another order."""
    return {name: np.take_along_axis(v, np.array(order), axis=1) for name, v in rows.items()}


ORDERS = [[4, 5, 0, 1, 2, 3], [4, 0, 5, 1, 2, 3], [2, 3, 4, 5, 0, 1], [0, 1, 2, 3, 4, 5]]
"""Of rows of 4, 4, 2 and 6 items: padding before, around and in between, and none."""


def learned(model: Any, x: Arrays) -> list[np.ndarray]:
    """States of the real positions, and the gradients of a sum of them, compiled."""
    real = x["padding_mask"]
    weights = np.random.default_rng(1).normal(size=(*real.shape, WIDTH)) * real[..., None]

    def total(values: Any) -> Any:
        outputs, _ = model.stateless_call(values, others, x, training=True)
        states = outputs["item_sequence_embedding"]
        return (states * weights).sum(), states

    values, others = (
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    gradients, states = jax.jit(jax.grad(total, has_aux=True))(values)
    return [np.asarray(states)[real], *map(np.asarray, gradients)]


@pytest.mark.parametrize("positions", ["end", "start", "rotary"])
def test_a_gpu_gives_the_states_and_gradients_of_a_cpu_wherever_the_padding_is(
    monkeypatch, positions
):
    model = make_model(positions=positions, dropout=0.0)
    model.build()
    x = placed(make_rows([4, 4, 2, 6])[0], ORDERS)
    assert x["padding_mask"][1].tolist() == [False, True, False, True, True, True]
    expected = learned(model, x)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    for cpu, gpu in zip(expected, learned(model, x), strict=True):
        np.testing.assert_allclose(gpu, cpu, atol=2e-5)


def test_score_items_is_the_dot_product_with_every_embedding(model, rows):
    table = embeddings(model)
    np.testing.assert_allclose(
        model.score_items(rows), model.encode_last(rows) @ table.T, atol=1e-6
    )


def test_compiled_scores_follow_the_weights(rows):
    model = make_model()
    before = model.score_items(rows)
    model.item_embedding.embeddings.assign(2 * model.item_embedding.embeddings)
    assert np.abs(model.score_items(rows) - before).max() > 1e-3


@pytest.mark.parametrize("training", [True, False])
def test_every_dropout_knows_whether_the_model_trains(model, monkeypatch, training):
    flags = []

    def record(layer: Any, inputs: Any, turn: Any = None, training: Any = False) -> Any:
        flags.append(training)
        return inputs

    monkeypatch.setattr(Dropout, "call", record)
    monkeypatch.setattr(native_attention, "is_fast", lambda: False)  # it drops out by itself
    shape = (4, LENGTH)
    x = {
        "item_ids": keras.KerasTensor(shape, "int32"),
        "padding_mask": keras.KerasTensor(shape, "bool"),
    }
    model(x, training=training)
    # Embeddings; attention (in training alone), its output and the feed-forward layer's.
    assert len(flags) == 1 + 2 * (3 if training else 2)
    assert set(flags) == {training}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.ones((2, 3), np.int32), "takes a mapping .* received ndarray"),
        ({"item_ids": np.ones((2, 3), np.int32)}, r"received \['item_ids'\]"),
        (
            {"item_ids": np.ones((2, 3), np.int32), "padding_mask": np.ones((2, 4), bool)},
            r"received \(2, 3\) and \(2, 4\)",
        ),
        (make_rows([7], columns=7)[0], "length 7 are longer than .* max_sequence_length=6"),
    ],
)
def test_inputs_of_another_form_are_refused(model, inputs, message):
    with pytest.raises(ValueError, match=message):
        model.score_items(inputs)


def test_more_predictions_than_candidates_are_all_candidates():
    assert sf.SASRec(6).get_config()["k"] == 5
    model = make_model(candidate_indices=[1, 2, 3])
    predictions = model.predict(make_rows([3, 5])[0], verbose=0)["predictions"]
    np.testing.assert_array_equal(np.sort(predictions, axis=1), [[1, 2, 3]] * 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary_size": 1}, "vocabulary_size must be at least 2, received 1"),
        ({"num_layers": -1}, "num_layers must be at least 0"),
        ({"num_heads": 0}, "num_heads must be at least 1"),
        ({"hidden_dim": 50, "num_heads": 3}, "hidden_dim=50 is not divisible by num_heads=3"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), received 1.0"),
        ({"dropout": -0.1}, r"dropout must be in \[0, 1\)"),
        ({"dropout": float("nan")}, r"dropout must be in \[0, 1\)"),
        ({"max_sequence_length": 0}, "max_sequence_length must be at least 1"),
        ({"l2": -1.0}, r"l2 must be in \[0, inf\)"),
        ({"k": 0}, "k must be at least 1, received 0"),
        ({"candidate_indices": [0, 1]}, "1 indices outside 1..20"),
        ({"candidate_indices": [1, 21]}, "first 21"),
        ({"candidate_indices": []}, "at least one item index"),
        ({"items": sf.Vocabulary.identity(7)}, "items holds 7 ids: it must be 8"),
    ],
)
def test_an_argument_out_of_range_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        sf.SASRec(**{"vocabulary_size": ITEMS + 1, **options})


@pytest.mark.parametrize(
    "options",
    [{"num_layers": 1.5}, {"hidden_dim": "50"}, {"dropout": "a"}, {"candidate_indices": [1.5]}],
)
def test_an_argument_of_another_type_is_refused(options):
    with pytest.raises(TypeError):
        sf.SASRec(**{"vocabulary_size": ITEMS + 1, **options})


@pytest.fixture
def bfloat16() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("bfloat16")
def test_bfloat16_computes_scores_and_losses_in_float32(rows):
    model = make_model(k=ITEMS)
    assert model.dtype_policy.name == "mixed_bfloat16"
    table = embeddings(model)
    table[1:] = table[1] * (1 + 1e-4 * np.arange(ITEMS)[:, None])  # bfloat16 sees no difference
    model.item_embedding.embeddings.assign(table)
    scores = model.score_items(rows)
    assert scores.dtype == np.float32
    expected = np.argsort(-scores[:, 1:], axis=1, kind="stable") + 1
    np.testing.assert_array_equal(model.predict(rows, verbose=0)["predictions"], expected)
    loss = compiled(model, 0.1).train_on_batch(*make_rows([6, 4, 1, 0]))
    assert np.isfinite(loss)


def test_half_precision_adds_up_the_gradients_of_a_table_in_float32():
    n = 4096
    rng = np.random.default_rng(0)
    x = {"item_ids": np.full((n, 1), 3, np.int32), "padding_mask": np.ones((n, 1), bool)}
    y = {
        "positive_sequence": rng.integers(1, 5, (n, 1), np.int32),
        "negative_sequence": rng.integers(5, 9, (n, 1), np.int32),
    }
    moved = {}
    for dtype in ("float32", "mixed_bfloat16", "mixed_float16"):
        model = make_model(num_layers=0, dropout=0.0, dtype=dtype)
        model.compile(keras.optimizers.SGD(1.0), loss="bce")
        model.build()
        tables = model.item_embedding.embeddings, model.position_embedding.position_embeddings
        before = np.concatenate([np.array(table) for table in tables])
        model.train_on_batch(x, y)
        moved[dtype] = np.concatenate([np.array(table) for table in tables]) - before
    for dtype in ("mixed_bfloat16", "mixed_float16"):
        far = np.linalg.norm(moved[dtype] - moved["float32"]) / np.linalg.norm(moved["float32"])
        assert far < 0.02, dtype


def test_summary_names_every_layer(model, capsys):
    model.build()
    model.summary(print_fn=print, line_length=100)
    text = capsys.readouterr().out
    for name in ("item_embedding", "position_embedding", "transformer_layer_1", "layer_norm"):
        assert name in text
