"""SASRec: what it computes, what training minimises and reports, what a file keeps."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from sasrec_fast import backend as _backend  # noqa: F401  (before keras)
from sasrec_fast import losses

import keras  # isort: skip

ITEMS, LENGTH, WIDTH = 20, 6, 8
CANDIDATES = [1, 2, 3, 5, 8, 13, 20]
Arrays = dict[str, np.ndarray]


def make_model(**options: Any) -> Any:
    keras.utils.set_random_seed(7)
    settings = {"num_layers": 1, "hidden_dim": WIDTH, "max_sequence_length": LENGTH, "k": 4}
    return sf.SASRec(ITEMS + 1, **{**settings, **options})


def make_rows(lengths: list[int], columns: int = LENGTH, seed: int = 0) -> tuple[Arrays, Arrays]:
    """Inputs and targets of random rows with the given numbers of real items."""
    rng = np.random.default_rng(seed)
    mask = np.arange(columns) < np.array(lengths)[:, None]
    ids, positive, negative = (
        (rng.integers(1, ITEMS + 1, mask.shape) * mask).astype(np.int32) for _ in range(3)
    )
    return (
        {"item_ids": ids, "padding_mask": mask},
        {"positive_sequence": positive, "negative_sequence": negative},
    )


def weights_like(weight: np.ndarray) -> Arrays:
    return {"positive_sequence": weight, "negative_sequence": weight}


def hidden(model: Any, x: Arrays) -> np.ndarray:
    states: np.ndarray = model.predict(x, verbose=0)["item_sequence_embedding"]
    return states


def embeddings(model: Any) -> np.ndarray:
    model.build()
    return np.array(model.item_embedding.embeddings.value)


def compiled(model: Any, rate: float, optimizer: str = "SGD") -> Any:
    model.compile(getattr(keras.optimizers, optimizer)(rate))
    return model


@pytest.fixture(scope="module")
def model() -> Any:
    return make_model(candidates=CANDIDATES, num_layers=2, num_heads=2)


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


def test_encode_last_finds_the_last_item_of_left_padded_rows(model, rows):
    flipped = {name: np.ascontiguousarray(values[:, ::-1]) for name, values in rows.items()}
    expected = hidden(model, flipped)[np.arange(3), [5, 5, 5]]
    np.testing.assert_allclose(model.encode_last(flipped)[:3], expected, atol=1e-6)


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


def test_a_row_without_items_gives_finite_outputs_and_gradients(rows):
    model = compiled(make_model(), 0.1)
    x, y = make_rows([6, 4, 1, 0])
    out = model.predict(x, verbose=0)
    assert np.isfinite(out["item_sequence_embedding"]).all()
    assert (out["predictions"] > 0).all()
    weight = x["padding_mask"].astype(np.float32)
    loss = model.train_on_batch(x, y, weights_like(weight))
    assert np.isfinite(loss)
    assert all(np.isfinite(values).all() for values in model.get_weights())


def numpy_loss(positive: np.ndarray, negative: np.ndarray, weight: np.ndarray) -> float:
    sigmoid = lambda s: 1 / (1 + np.exp(-s))  # noqa: E731
    losses = -np.log(sigmoid(positive)) - np.log(1 - sigmoid(negative)).mean(axis=-1)
    return float((weight * losses).sum() / weight.sum())


@pytest.mark.parametrize("negatives", [1, 3])
def test_loss_is_the_binary_cross_entropy_per_real_target(negatives):
    model = make_model()
    model.build()
    x, y = make_rows([6, 4, 1])
    rng = np.random.default_rng(3)
    y["negative_sequence"] = rng.integers(1, ITEMS + 1, (3, LENGTH, negatives), np.int32)
    states = rng.normal(size=(3, LENGTH, WIDTH)).astype(np.float32)
    weight = x["padding_mask"].astype(np.float32)
    table = embeddings(model)
    positive = (table[y["positive_sequence"]] * states).sum(-1)
    negative = (table[y["negative_sequence"]] * states[:, :, None]).sum(-1)
    if negatives == 1:
        y["negative_sequence"] = y["negative_sequence"][..., 0]
    loss = model.compute_loss(x, y, {"item_sequence_embedding": states}, weights_like(weight))
    expected = numpy_loss(positive, negative, weight)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_loss_is_twice_that_of_the_keras_example():
    """The example divides by the weights of positives and negatives together."""
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(size=(2, 3, LENGTH)).astype(np.float32)
    weight = (rng.random((3, LENGTH)) < 0.6).astype(np.float32)
    loss, total = losses.binary_cross_entropy(positive, negative, weight, weight)
    entropy = keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)
    logits = np.concatenate([positive, negative], axis=1)[..., None]
    labels = np.concatenate([np.ones_like(positive), np.zeros_like(negative)], axis=1)[..., None]
    both = np.concatenate([weight, weight], axis=1)
    example = np.sum(keras.ops.convert_to_numpy(entropy(labels, logits)) * both) / both.sum()
    assert float(total) == weight.sum()
    assert float(loss) == pytest.approx(2 * example, rel=1e-5)


def test_loss_of_huge_logits_is_finite_and_of_no_targets_is_zero():
    one = np.ones((1, 1), np.float32)
    loss, _ = losses.binary_cross_entropy(-1e4 * one, 1e4 * one, one, one)
    assert float(loss) == pytest.approx(2e4)
    loss, total = losses.binary_cross_entropy(one, one, 0 * one, 0 * one)
    assert (float(loss), float(total)) == (0.0, 0.0)


def test_sample_weight_may_be_nested_one_array_per_row_or_left_out():
    model = make_model()
    model.build()
    x, y = make_rows([6, 4, 1])
    rng = np.random.default_rng(3)
    out = {"item_sequence_embedding": rng.normal(size=(3, LENGTH, WIDTH)).astype(np.float32)}
    real = x["padding_mask"].astype(np.float32)
    every = float(model.compute_loss(x, y, out, weights_like(real)))
    assert float(model.compute_loss(x, y, out, real)) == pytest.approx(every)
    assert float(model.compute_loss(x, y, out, None)) == pytest.approx(every)
    assert float(model.compute_loss(x, y, out, np.ones(3))) == pytest.approx(every)
    one = real * (np.arange(3) == 1)[:, None]
    second = float(model.compute_loss(x, y, out, one))
    assert second != pytest.approx(every)
    assert float(model.compute_loss(x, y, out, np.array([0, 1, 0]))) == pytest.approx(second)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ({"positive_sequence": np.ones((3, LENGTH))}, "'negative_sequence'.* is missing"),
        (np.ones((3, LENGTH + 1)), r"shape \(3, 7\)"),
    ],
)
def test_sample_weight_of_another_form_is_refused(weight, message):
    targets = np.ones((3, LENGTH), np.int32)
    with pytest.raises(ValueError, match=message):
        losses.target_weights(weight, targets)


@pytest.fixture(scope="module")
def still() -> Any:
    """A model that computes losses and learns nothing: rate 0, no dropout."""
    return compiled(make_model(dropout=0.0), 0.0)


def test_fit_and_evaluate_report_the_mean_over_targets_not_over_batches(still):
    x, y = make_rows([6, 6, 1, 1, 2, 0])
    weight = weights_like(x["padding_mask"].astype(np.float32))
    history = still.fit(
        x, y, weight, batch_size=2, validation_data=(x, y, weight), verbose=0, shuffle=False
    ).history
    expected = float(
        still.compute_loss(x, y, {"item_sequence_embedding": hidden(still, x)}, weight)
    )
    assert set(history) == {"loss", "val_loss"}
    assert history["loss"] == pytest.approx([expected], rel=1e-5)
    assert history["val_loss"] == pytest.approx([expected], rel=1e-5)
    assert still.evaluate(x, y, sample_weight=weight, batch_size=2, verbose=0) == pytest.approx(
        expected, rel=1e-5
    )
    by_rows = np.mean(
        [
            still.test_on_batch(
                {name: values[i : i + 2] for name, values in x.items()},
                {name: values[i : i + 2] for name, values in y.items()},
                {name: values[i : i + 2] for name, values in weight.items()},
            )
            for i in (0, 2, 4)
        ]
    )
    assert by_rows != pytest.approx(expected, rel=1e-3)  # what Keras would report


def test_a_target_of_weight_zero_teaches_nothing():
    model = compiled(make_model(dropout=0.0), 1.0)
    x, y = make_rows([2, 2])
    x["item_ids"][:, :2], y["negative_sequence"][:, :2] = 1, 2
    y["positive_sequence"][:, :2] = [[3, 4], [5, 6]]
    model.build()
    before = embeddings(model)
    weight = np.zeros((2, LENGTH), np.float32)
    weight[0, 1] = 1
    model.train_on_batch(x, y, weights_like(weight))
    moved = np.abs(embeddings(model) - before).max(axis=1) > 1e-7
    assert np.flatnonzero(moved).tolist() == [1, 2, 4]


def test_dropout_acts_in_training_alone():
    model = compiled(make_model(dropout=0.5), 0.0)
    x, y = make_rows([6, 6])
    training = {float(model.train_on_batch(x, y)) for _ in range(3)}
    testing = {float(model.test_on_batch(x, y)) for _ in range(3)}
    assert len(training) == 3
    assert len(testing) == 1


def test_one_batch_can_be_learned_by_heart():
    model = make_model(dropout=0.0, hidden_dim=16)
    model.compile(keras.optimizers.Adam(1e-2, beta_2=0.98))
    x, y = make_rows([6, 5, 4, 6], seed=1)
    y["negative_sequence"] = (y["positive_sequence"] % ITEMS + 1) * x["padding_mask"]
    weight = weights_like(x["padding_mask"].astype(np.float32))
    losses = model.fit(x, y, weight, epochs=150, batch_size=4, verbose=0).history["loss"]
    assert losses[0] == pytest.approx(2 * np.log(2), abs=0.2)
    assert losses[-1] < 0.1


@pytest.fixture(scope="module")
def prepared() -> sf.Prepared:
    rng = np.random.default_rng(5)
    users = np.repeat([f"u{i}" for i in range(12)], 9)
    items = np.concatenate([rng.permutation(ITEMS)[:9] for _ in range(12)])
    items[:ITEMS] = np.arange(ITEMS)  # every item occurs
    table = pd.DataFrame({"user_id": users, "item_id": [f"item {i:02}" for i in items]})
    return sf.prepare(table, timestamp=None, max_sequence_length=LENGTH)


def test_fit_takes_the_arrays_of_a_split(prepared):
    model = make_model()
    model.compile(keras.optimizers.Adam(1e-3, beta_2=0.98))
    history = model.fit(
        *prepared.train.arrays().xyw(),
        epochs=2,
        batch_size=6,
        validation_data=prepared.validation.arrays().xyw(),
        verbose=0,
    ).history
    assert np.isfinite([*history["loss"], *history["val_loss"]]).all()


class EpochLog(keras.callbacks.Callback):
    """Collects the negatives' epoch of a data set as each epoch begins."""

    def __init__(self, dataset: Any) -> None:
        super().__init__()
        self.dataset, self.epochs = dataset, []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epochs.append(self.dataset.epoch)


def test_fit_tells_batches_the_number_of_each_epoch(prepared):
    model = compiled(make_model(), 0.01)
    batches = prepared.train.batches(batch_size=6)
    log = EpochLog(batches)
    model.fit(batches, epochs=5, initial_epoch=3, callbacks=log, verbose=0)
    assert log.epochs == [3, 4]


def test_fit_refuses_to_shuffle_batches(prepared):
    model = compiled(make_model(), 0.01)
    with pytest.raises(ValueError, match="pass shuffle to split"):
        model.fit(prepared.train.batches(batch_size=6), shuffle=True)


def test_fit_refuses_a_batch_size_in_the_place_of_weights(still):
    x, y = make_rows([6, 4])
    with pytest.raises(TypeError, match="write batch_size=128"):
        still.fit(x, y, 128)


def test_item_indices_outside_the_vocabulary_are_refused(still):
    x, y = make_rows([6, 4])
    x["item_ids"][1, 2] = ITEMS + 1
    message = f"item_ids holds item indices from 0 to {ITEMS + 1}; the model's are 0 .* to {ITEMS}"
    for use in (still.predict, still.score_items, still.encode_last, lambda x: still.fit(x, y)):
        with pytest.raises(ValueError, match=message):
            use(x)


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
def test_inputs_of_another_form_are_refused(still, inputs, message):
    with pytest.raises(ValueError, match=message):
        still.score_items(inputs)


def test_batches_longer_than_the_model_are_refused_in_fit(still):
    x, y = make_rows([7, 3], columns=7)
    with pytest.raises(ValueError, match="max_sequence_length=6"):
        still.fit(x, y, verbose=0)


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
        ({"k": 21}, "k=21 items cannot be retrieved from 20 candidates: k must be from 1 to 20"),
        ({"k": 4, "candidates": [1, 2, 3]}, "k=4 items cannot be retrieved from 3 candidates"),
        ({"candidates": [0, 1]}, "1 indices outside 1..20"),
        ({"candidates": [1, 21]}, "first 21"),
        ({"candidates": []}, "at least one item index"),
        ({"items": sf.Vocabulary.identity(7)}, "items holds 7 ids: it must be 8"),
    ],
)
def test_an_argument_out_of_range_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        sf.SASRec(**{"vocabulary_size": ITEMS + 1, **options})


@pytest.mark.parametrize(
    "options", [{"num_layers": 1.5}, {"hidden_dim": "50"}, {"dropout": "a"}, {"candidates": [1.5]}]
)
def test_an_argument_of_another_type_is_refused(options):
    with pytest.raises(TypeError):
        sf.SASRec(**{"vocabulary_size": ITEMS + 1, **options})


VOCABULARIES = {
    "strings": sf.Vocabulary(np.array([f"é{i:02}" for i in range(ITEMS)], dtype=object)),
    "integers": sf.Vocabulary(np.arange(ITEMS) * 10 - 7),
    "identity": sf.Vocabulary.identity(ITEMS),
    "none": None,
}


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_one_file_keeps_weights_candidates_and_vocabulary(kind, rows, tmp_path):
    model = make_model(candidates=CANDIDATES, items=VOCABULARIES[kind], l2=0.1)
    scores = model.score_items(rows)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.score_items(rows), scores)
    np.testing.assert_array_equal(loaded.candidate_mask, model.candidate_mask)
    assert loaded.items == VOCABULARIES[kind]
    assert loaded.get_config() == model.get_config()
    if kind == "identity":
        assert loaded.items.is_identity


def test_a_loaded_model_predicts_the_same_and_from_its_own_embeddings(model, rows, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    before = loaded.predict(rows, verbose=0)["predictions"]
    np.testing.assert_array_equal(before, model.predict(rows, verbose=0)["predictions"])
    loaded.item_embedding.embeddings.assign(-1.0 * loaded.item_embedding.embeddings)
    after = loaded.predict(rows, verbose=0)["predictions"]
    np.testing.assert_array_equal(
        after,
        np.argsort(-np.where(loaded.candidate_mask, loaded.score_items(rows), -np.inf))[:, :4],
    )
    assert (before != after).any()


def test_the_file_holds_the_embeddings_once(tmp_path):
    import h5py

    model = make_model()
    model.build()
    model.save(tmp_path / "model.keras")
    shapes = []
    with zipfile.ZipFile(tmp_path / "model.keras").open("model.weights.h5") as stream:
        h5py.File(stream).visititems(lambda _, part: shapes.append(getattr(part, "shape", None)))
    assert shapes.count((ITEMS + 1, WIDTH)) == 1


def test_a_model_of_the_config_is_equal_but_for_the_weights():
    model = make_model(candidates=CANDIDATES, l2=0.1, dropout=0.3, dtype="mixed_bfloat16")
    other = sf.SASRec.from_config(model.get_config())
    assert other.get_config() == model.get_config()
    assert other.dtype_policy == model.dtype_policy
    np.testing.assert_array_equal(other.candidate_mask, model.candidate_mask)


def test_bfloat16_computes_scores_and_losses_in_float32(rows):
    model = make_model(dtype="mixed_bfloat16")
    scores = model.score_items(rows)
    assert scores.dtype == np.float32
    expected = np.argsort(-scores[:, 1:], axis=1, kind="stable")[:, :4] + 1
    np.testing.assert_array_equal(model.predict(rows, verbose=0)["predictions"], expected)
    loss = compiled(model, 0.1).train_on_batch(*make_rows([6, 4, 1, 0]))
    assert np.isfinite(loss)


def test_summary_names_every_layer(model, capsys):
    model.build()
    model.summary(print_fn=print, line_length=100)
    text = capsys.readouterr().out
    for name in ("item_embedding", "position_embedding", "transformer_layer_1", "layer_norm"):
        assert name in text
