"""`fit` on Batches: the number of the epoch decides what is shown, with any callbacks of Keras."""

import csv

import numpy as np
import pytest

import sasrec_fast as sf
import training_run
from small_models import compiled, keras, make_model


class Recorded(sf.Batches):
    """Notes the epoch and the first negatives of every batch that is asked for."""

    def __getitem__(self, index):
        batch = super().__getitem__(index)
        self.shown.append((self.epoch, index, batch[1]["negative_sequence"].tobytes()))
        return batch


def recorded(split):
    batches = Recorded(split, 16, max_buckets=2)
    batches.shown = []
    return batches


@pytest.fixture(scope="module")
def data():
    return training_run.small_data()


@pytest.fixture(scope="module")
def expected(data):
    """What each epoch shows."""
    batches, made = data.train.batches(16, max_buckets=2, workers=0), []
    for epoch in range(4):
        batches.epoch = epoch
        made += [
            (epoch, i, batches[i][1]["negative_sequence"].tobytes()) for i in range(len(batches))
        ]
    return made


def small_model():
    model = make_model(vocabulary_size=51, max_sequence_length=12)
    model.build()  # draws the seeds of dropout; of an unbuilt one Keras looks at a batch first
    return compiled(model, 1e-2, "Adam")


def test_a_later_start_shows_the_batches_of_the_later_epochs(data, expected):
    batches = recorded(data.train)
    small_model().fit(batches, epochs=4, initial_epoch=2, verbose=0)
    assert batches.shown == [batch for batch in expected if batch[0] >= 2]


def test_epochs_follow_a_run_that_keras_restores(data, expected, tmp_path):
    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("power cut")

    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(RuntimeError, match="power cut"):
        small_model().fit(data.train.batches(16), epochs=4, callbacks=[backup, Break()], verbose=0)
    batches = recorded(data.train)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    small_model().fit(batches, epochs=4, callbacks=[backup], verbose=0)
    assert batches.shown == [batch for batch in expected if batch[0] >= 2]


def test_steps_per_epoch_go_on_through_the_batches(data, expected):
    batches = recorded(data.train)
    whole = len(batches)
    history = small_model().fit(batches, epochs=3, steps_per_epoch=2, verbose=0)
    assert len(history.history["loss"]) == 3
    assert [(epoch, index) for epoch, index, _ in batches.shown] == [
        (epoch, index) for epoch in range(3) for index in range(2)
    ]
    assert [negatives for *_, negatives in batches.shown] == [
        negatives for *_, negatives in expected[:6]
    ]
    assert whole > 2


def test_callbacks_of_keras_work_as_with_any_data_set(data, tmp_path):
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 if epoch < 1 else 0.0),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras", monitor="val_loss"),
        keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True),
    ]
    model = small_model()
    history = model.fit(
        data.train.batches(16, max_buckets=2),
        validation_data=data.validation.batches(16, max_buckets=2),
        epochs=9,
        callbacks=callbacks,
        verbose=0,
    ).history
    # Without a learning rate nothing changes after the first epoch, which patience notices.
    assert 1 < len(history["val_loss"]) < 9
    assert history["val_loss"][1:] == history["val_loss"][1:2] * (len(history["val_loss"]) - 1)
    with open(tmp_path / "log.csv", encoding="utf-8") as file:  # noqa: PTH123
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([float(row["val_loss"]) for row in rows], history["val_loss"])
    kept = keras.models.load_model(tmp_path / "1.keras")
    assert kept.get_config() == model.get_config()


def test_a_loop_of_one_s_own_is_what_fit_does(data):
    fitted, looped = small_model(), small_model()
    fitted.fit(data.train.batches(16, max_buckets=2), epochs=2, verbose=0)
    batches = data.train.batches(16, max_buckets=2)
    for epoch in range(2):
        batches.epoch = epoch
        for index in range(len(batches)):
            looped.train_on_batch(*batches[index])
    for a, b in zip(fitted.get_weights(), looped.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
