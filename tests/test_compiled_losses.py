"""Losses in training: chosen in compile, saved with the model, fitted on arrays and batches."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import jax
import numpy as np
import pytest

import sasrec_fast as sf
from sasrec_fast import losses
from small_models import (
    ITEMS,
    LENGTH,
    embeddings,
    keras,
    make_model,
    make_rows,
    step_state,
    weights_like,
)

COUNTS = np.arange(ITEMS + 1)
LOSSES = {
    "bce": losses.BinaryCrossEntropy(),
    "gbce": losses.GeneralizedBinaryCrossEntropy(0.5),
    "softmax": losses.Softmax(label_smoothing=0.1, max_bytes=1000),
    "sampled_softmax": losses.SampledSoftmax(6, item_counts=COUNTS),
}


def with_loss(loss: Any, rate: float = 0.1, **options: Any) -> Any:
    model = make_model(**options)
    model.compile(keras.optimizers.SGD(rate), loss=loss)
    return model


def same(first: losses.NextItemLoss, second: losses.NextItemLoss) -> bool:
    return type(first) is type(second) and first.get_config() == second.get_config()


def test_a_name_means_the_loss_with_its_defaults_and_none_means_bce():
    assert same(with_loss("softmax").loss, losses.Softmax())
    assert same(with_loss("gbce").loss, losses.GeneralizedBinaryCrossEntropy(0.75))
    assert same(with_loss("sampled_softmax").loss, losses.SampledSoftmax(256))
    assert same(with_loss(None).loss, losses.BinaryCrossEntropy())
    assert same(make_model().loss, losses.BinaryCrossEntropy())


@pytest.mark.parametrize("name", LOSSES)
def test_a_saved_model_is_compiled_with_its_loss(name, tmp_path):
    model = with_loss(LOSSES[name])
    model.build()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert same(loaded.loss, LOSSES[name])
    assert loaded.optimizer.built
    batch = make_rows([6, 4])
    state = np.zeros((2, LENGTH, model.hidden_dim), np.float32) + 0.5
    before, after = (
        float(each.compute_loss(*batch, {"item_sequence_embedding": state}, training=False))
        for each in (model, loaded)
    )
    assert before == after
    assert loaded.loss.get_config() == model.loss.get_config()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_learns_one_batch_by_heart(name):
    model = make_model(dropout=0.0)
    model.compile(keras.optimizers.Adam(0.03), loss=LOSSES[name])
    x, y = make_rows([6, 3, 4])
    y["negative_sequence"] = np.random.default_rng(0).integers(1, ITEMS + 1, (3, LENGTH, 8))
    weight = weights_like(x["padding_mask"].astype(np.float32))
    before = embeddings(model)
    values = [float(model.train_on_batch(x, y, weight)) for _ in range(60)]
    assert np.mean(values[-5:]) < 0.6 * values[0]
    assert np.isfinite(embeddings(model)).all()
    if name == "softmax":
        assert (embeddings(model)[1:] != before[1:]).any(axis=1).all()


def test_only_the_losses_that_use_negatives_need_them():
    x, y = make_rows([6, 3])
    del y["negative_sequence"]
    weight = {"positive_sequence": x["padding_mask"].astype(np.float32)}
    state = {"item_sequence_embedding": np.ones((2, LENGTH, 8), np.float32)}
    for loss in ("softmax", "sampled_softmax"):
        model = with_loss(loss)
        model.build()
        assert np.isfinite(float(model.compute_loss(x, y, state, weight)))
    for loss in ("bce", "gbce", losses.SampledSoftmax(None)):
        model = with_loss(loss)
        model.build()
        with pytest.raises(ValueError, match=r"needs y\['negative_sequence'\], received y with"):
            model.compute_loss(x, y, state, weight)


def test_without_negatives_the_loss_says_where_they_come_from():
    items = np.concatenate([np.random.default_rng(i).permutation(ITEMS)[:6] for i in range(9)])
    table = {"user_id": np.repeat(np.arange(9), 6), "item_id": items}
    data = sf.prepare(table, timestamp=None, max_sequence_length=LENGTH)
    x, y, _ = data.train.arrays().xyw()
    message = r"^BinaryCrossEntropy needs y\['negative_sequence'\].*prepare\(num_negatives=1\)"
    model = with_loss("bce", vocabulary_size=data.vocabulary_size)
    for empty in ({}, {"negative_sequence": np.zeros((len(data.train), LENGTH, 0), np.int32)}):
        targets = {"positive_sequence": y["positive_sequence"], **empty}
        for use in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
            with pytest.raises(ValueError, match=message):
                use(x, targets)
    model = with_loss("softmax", vocabulary_size=data.vocabulary_size)
    model.fit(x, {"positive_sequence": y["positive_sequence"]}, verbose=0)


def test_the_tables_of_a_sampled_loss_are_arguments_of_the_step():
    texts = []
    for exponent in (0.5, 1.0):
        counts = np.floor(1e6 / np.arange(1, 30_002) ** exponent).astype(np.int64)
        model = with_loss(losses.SampledSoftmax(4, item_counts=counts), vocabulary_size=30_001)
        model.build_whole()
        x, y = make_rows([6, 3])
        weight = weights_like(x["padding_mask"].astype(np.float32))
        texts.append(jax.jit(model.train_step).lower(step_state(model), (x, y, weight)).as_text())
    assert len(texts[0]) < 400_000
    assert texts[0] == texts[1]


def test_a_sampled_loss_leaves_the_weights_and_their_file_as_they_were(tmp_path):
    plain, sampled = with_loss("bce"), with_loss(LOSSES["sampled_softmax"])
    for model in (plain, sampled):
        model.fit(*make_rows([6, 4, 2]), verbose=0)
    plain.set_weights(sampled.get_weights())
    plain.save_weights(tmp_path / "a.weights.h5")
    sampled.load_weights(tmp_path / "a.weights.h5")
    before = [np.asarray(variable) for variable in sampled.loss.variables]
    sampled.fit(*make_rows([6, 4, 2]), verbose=0)
    assert len(before) == 2
    for table, variable in zip(before, sampled.loss.variables, strict=True):
        np.testing.assert_array_equal(table, variable)


def test_counts_of_another_vocabulary_are_refused():
    with pytest.raises(ValueError, match=r"item_counts has 3 entries; .* vocabulary_size is 21"):
        with_loss(losses.SampledSoftmax(item_counts=[0, 1, 2]))


@pytest.mark.parametrize("name", ["softmax", "sampled_softmax"])
def test_a_loss_that_needs_jax_is_refused_elsewhere_with_what_works_there(name, monkeypatch):
    model = make_model()
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    message = r"needs JAX and Keras runs on torch, where .*'bce' or 'gbce'.* KERAS_BACKEND=jax"
    with pytest.raises(ValueError, match=message):
        model.compile("adam", loss=name)


ELSEWHERE = """
import sasrec_fast as sf
import keras, numpy as np

items = np.concatenate([np.random.default_rng(i).permutation(20)[:7] for i in range(30)])
data = sf.prepare({"user_id": np.repeat(np.arange(30), 7), "item_id": items}, timestamp=None,
                  max_sequence_length=6)
assert keras.backend.backend() == "tensorflow"
model = sf.SASRec(data.vocabulary_size, num_layers=1, hidden_dim=8, max_sequence_length=6,
                  dropout=0.1, items=data.items)
for loss in ("gbce", "bce"):
    model.compile(keras.optimizers.Adam(0.05), loss=loss)
    losses = model.fit(*data.train.arrays().xyw(), epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0], losses
assert 0 <= sf.evaluate(model, data.test)["mrr"] <= 1
assert len(sf.recommend(model, data, k=3)) == 90
"""


def test_on_tensorflow_bce_trains_and_the_model_answers():
    pytest.importorskip("tensorflow")
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", ELSEWHERE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_fit_reports_the_same_mean_over_targets_from_batches_and_arrays():
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 9, 30)
    table = {
        "user_id": np.repeat(np.arange(30), lengths),
        "item_id": np.concatenate([rng.permutation(ITEMS)[:n] for n in lengths]),
        "timestamp": np.arange(lengths.sum()),
    }
    data = sf.prepare(table, max_sequence_length=LENGTH)
    model = make_model(vocabulary_size=data.vocabulary_size, dropout=0.0)
    model.compile(keras.optimizers.SGD(0.0), loss="softmax")
    x, y, weight = data.train.arrays().xyw()
    from_batches = model.fit(data.train.batches(8), verbose=0).history["loss"][0]
    from_arrays = model.fit(x, y, weight, verbose=0).history["loss"][0]
    assert from_batches == pytest.approx(from_arrays, rel=1e-5)
    scores = model.predict(x, verbose=0)["item_sequence_embedding"] @ embeddings(model)[1:].T
    own = np.take_along_axis(scores, np.maximum(y["positive_sequence"], 1)[..., None] - 1, -1)
    entropy = np.log(np.exp(scores).sum(-1)) - own[..., 0]
    assert from_arrays == pytest.approx(entropy[x["padding_mask"]].mean(), rel=1e-5)
