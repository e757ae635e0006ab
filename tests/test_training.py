"""Training of SASRec: the loss, its weights, what fit takes and reports."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf
from sasrec_fast import losses
from small_models import (
    ITEMS,
    LENGTH,
    WIDTH,
    compiled,
    embeddings,
    hidden,
    keras,
    make_model,
    make_rows,
    weights_like,
)


def test_a_row_without_items_gives_finite_outputs_and_gradients():
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
    weights = {"target": weight, "negatives": weight}
    of_logits = losses.BinaryCrossEntropy.of_logits
    loss = float(of_logits(positive, negative[..., None], weights)) / weight.sum()
    entropy = keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)
    logits = np.concatenate([positive, negative], axis=1)[..., None]
    labels = np.concatenate([np.ones_like(positive), np.zeros_like(negative)], axis=1)[..., None]
    both = np.concatenate([weight, weight], axis=1)
    example = np.sum(keras.ops.convert_to_numpy(entropy(labels, logits)) * both) / both.sum()
    assert loss == pytest.approx(2 * example, rel=1e-5)


def test_loss_of_no_targets_is_zero():
    model = compiled(make_model(), 0.1)
    x, y = make_rows([6, 4])
    nothing = weights_like(np.zeros((2, LENGTH), np.float32))
    before = embeddings(model)
    assert float(model.train_on_batch(x, y, nothing)) == 0.0
    np.testing.assert_array_equal(embeddings(model), before)


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
    y = dict.fromkeys(("positive_sequence", "negative_sequence"), np.ones((3, LENGTH), np.int32))
    with pytest.raises(ValueError, match=message):
        losses.target_weights(weight, y)


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
    assert still.evaluate(x, y, weight, batch_size=2, verbose=0) == pytest.approx(
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
    assert losses[0] == pytest.approx(2 * np.log(2), abs=0.5)
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


def test_fit_and_evaluate_refuse_a_batch_size_in_the_place_of_weights(still):
    x, y = make_rows([6, 4])
    for use in (still.fit, still.evaluate):
        with pytest.raises(TypeError, match="write batch_size=128"):
            use(x, y, 128)


def test_item_indices_outside_the_vocabulary_are_refused(still):
    x, y = make_rows([6, 4])
    x["item_ids"][1, 2] = ITEMS + 1
    message = f"item_ids holds item indices from 0 to {ITEMS + 1}; the model's are 0 .* to {ITEMS}"
    for use in (still.predict, still.score_items, still.encode_last, lambda x: still.fit(x, y)):
        with pytest.raises(ValueError, match=message):
            use(x)


def test_batches_longer_than_the_model_are_refused_in_fit(still):
    x, y = make_rows([7, 3], columns=7)
    with pytest.raises(ValueError, match="max_sequence_length=6"):
        still.fit(x, y, verbose=0)


def test_fit_refuses_batches_of_another_vocabulary(prepared):
    model = compiled(sf.SASRec(ITEMS + 2, hidden_dim=8, max_sequence_length=LENGTH), 0.01)
    with pytest.raises(ValueError, match=r"vocabulary_size=21, the model vocabulary_size=22"):
        model.fit(prepared.train.batches(batch_size=6))
