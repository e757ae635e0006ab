"""Averaged weights are what is validated, shown to callbacks and kept; training goes on without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sasrec_fast as sf
from small_models import keras, make_model
from training_run import small_data

RATE, MOMENTUM, EPOCHS = 0.5, 0.75, 3
DATA = small_data()


class Seen(keras.callbacks.Callback):
    """The weights at the end of each epoch, and where training stops."""

    def __init__(self, stop: int = EPOCHS, fail: bool = False) -> None:
        super().__init__()
        self.weights: list[list[np.ndarray]] = []
        self.stop, self.fail = stop, fail

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self.fail and epoch == self.stop:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.weights.append(self.model.get_weights())
        self.model.stop_training = not self.fail and epoch + 1 == self.stop


def trained(average: bool, *callbacks: Any, folder: Any = None, epochs: int = EPOCHS) -> Any:
    """One batch an epoch; the model and the history of its fit."""
    model = make_model(vocabulary_size=51, max_sequence_length=12, num_layers=0, dropout=0.2)
    options = {"use_ema": True, "ema_momentum": MOMENTUM} if average else {}
    model.compile(keras.optimizers.SGD(RATE, **options), loss="bce")
    batches = DATA.train.batches(60, max_buckets=1)
    done = model.fit(
        batches,
        epochs=epochs,
        callbacks=list(callbacks),
        validation_data=DATA.validation.batches(60, max_buckets=1),
        verbose=0,
        resume=folder,
    )
    return model, done


@pytest.fixture(scope="module")
def plain() -> list[list[np.ndarray]]:
    """The weights of each step, without an average."""
    seen = Seen()
    trained(False, seen)
    return seen.weights


@pytest.fixture(scope="module")
def averaged() -> tuple[Any, Any, list[list[np.ndarray]]]:
    seen = Seen()
    return *trained(True, seen), seen.weights


def equal(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_the_end_of_an_epoch_shows_the_average_of_the_weights_that_training_goes_on_with(
    plain, averaged
):
    model, done, seen = averaged
    table = [weights[0] for weights in plain]
    expected = table[0]
    for step, shown in enumerate(seen):
        expected = expected if not step else MOMENTUM * expected + (1 - MOMENTUM) * table[step]
        np.testing.assert_allclose(shown[0], expected, rtol=1e-5, atol=1e-7)
    assert not np.allclose(seen[-1][0], table[-1])
    assert equal(model.get_weights(), seen[-1])
    loss = model.evaluate(DATA.validation.batches(60, max_buckets=1), verbose=0)
    assert done.history["val_loss"][-1] == pytest.approx(loss)


def test_ranking_metrics_and_saved_files_are_of_the_average(tmp_path):
    path = tmp_path / "last.keras"
    metrics = sf.RankingMetrics(DATA.validation)
    saving = keras.callbacks.ModelCheckpoint(str(path))
    model, done = trained(True, saving, metrics)
    found = sf.evaluate(model, DATA.validation, k=10)["mrr"]
    assert done.history["val_mrr"][-1] == found
    loaded = keras.saving.load_model(path)
    assert equal(loaded.get_weights()[:1], model.get_weights()[:1])
    assert loaded.optimizer.use_ema


def test_whatever_follows_a_fit_finds_every_value_in_place(averaged):
    model = averaged[0]
    model.evaluate(DATA.test.batches(60, max_buckets=1), verbose=0)
    model.train_on_batch(DATA.train.arrays())
    model.fit(DATA.train.batches(60, max_buckets=1), verbose=0)
    assert all(np.isfinite(np.asarray(value)).all() for value in model.optimizer.variables)


def test_a_run_that_was_cut_short_resumes_to_the_weights_of_an_uninterrupted_one(tmp_path):
    whole, _ = trained(True)
    with pytest.raises(KeyboardInterrupt):
        trained(True, Seen(2, fail=True), folder=tmp_path)
    resumed, done = trained(True, folder=tmp_path)
    assert len(done.epoch) == 1
    assert equal(resumed.get_weights(), whole.get_weights())


def test_a_stopped_run_that_is_found_again_keeps_the_weights_of_its_best_epoch(tmp_path):
    class Best(Seen):
        def on_train_end(self, logs: Any = None) -> None:
            self.model.set_weights(self.weights[0])

    first, _ = trained(True, Best(2), folder=tmp_path)
    again, done = trained(True, folder=tmp_path)
    assert not done.epoch
    assert equal(again.get_weights(), first.get_weights())


def test_a_fit_that_fails_before_its_first_step_leaves_the_weights_as_they_were():
    with pytest.raises(KeyboardInterrupt):
        trained(True, failing := Seen(0, fail=True))
    untrained = make_model(vocabulary_size=51, max_sequence_length=12, num_layers=0, dropout=0.2)
    untrained.build()
    assert equal(failing.model.get_weights()[:1], untrained.get_weights()[:1])


def test_keras_own_way_to_swap_weights_at_the_end_of_an_epoch_is_refused():
    with pytest.raises(ValueError, match=r"SwapEMAWeights\(swap_on_epoch=True\) is for Keras' own"):
        trained(True, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
