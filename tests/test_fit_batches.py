"""`fit` on Batches: the number of the epoch decides what is shown, with any callbacks of Keras."""

import copy
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
        np.testing.assert_allclose(a, b, atol=1e-4)  # masks made on the device round otherwise


@pytest.fixture
def tiny():
    """A model without blocks, quick to compile, that draws dropout and shuffles."""

    def make():
        model = make_model(vocabulary_size=51, max_sequence_length=12, num_layers=0)
        model.build()
        return compiled(model, 1e-2, "Adam")

    return make


def equal_weights(first, second):
    return all(
        np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True)
    )


@pytest.mark.parametrize("ways", ["one object", "new batches", "the split"])
def test_a_loop_of_fits_is_one_fit(data, expected, tiny, ways):
    whole, looped = tiny(), tiny()
    whole.fit(data.train.batches(16, max_buckets=2), epochs=3, verbose=0)
    batches, shown = recorded(data.train), []
    for epoch in range(3):
        if ways == "the split":
            looped.fit(data.train, batch_size=16, verbose=0)
            continue
        batches = batches if ways == "one object" else recorded(data.train)
        looped.fit(batches, validation_data=data.validation.batches(16), epochs=1, verbose=0)
        assert batches.epoch == epoch + 1
        shown += batches.shown if ways == "new batches" else []
        looped.evaluate(batches, verbose=0)
        looped.predict(data.test, verbose=0)
    if ways == "the split":  # in its own buckets
        whole = tiny()
        whole.fit(data.train, batch_size=16, epochs=3, verbose=0)
    assert equal_weights(whole, looped)
    if ways == "new batches":
        assert shown == [batch for batch in expected if batch[0] < 3]


def test_another_model_begins_at_the_first_epoch_of_the_same_batches(data, tiny):
    batches, models = data.train.batches(16, max_buckets=2), [tiny(), tiny()]
    for model in models:
        model.fit(batches, epochs=2, verbose=0)
    assert equal_weights(*models)


def test_epochs_of_other_lengths_go_on_where_all_rows_were_shown(data, expected, tiny):
    model, batches = tiny(), recorded(data.train)
    model.fit(batches, epochs=1, verbose=0)
    parts = recorded(data.train)
    model.fit(parts, epochs=1, steps_per_epoch=2, verbose=0)
    model.fit(parts, epochs=1, steps_per_epoch=2, verbose=0)
    whole = len(batches)
    first = -(-whole // 2) * 2  # the first epoch of two steps that begins after them
    assert [negatives for *_, negatives in parts.shown] == [
        negatives for *_, negatives in expected[first : first + 4]
    ]


def test_an_explicit_start_counts(data, expected, tiny):
    model = tiny()
    model.fit(data.train.batches(16, max_buckets=2), epochs=2, verbose=0)
    batches = recorded(data.train)
    model.fit(batches, initial_epoch=0, epochs=1, verbose=0)
    assert batches.shown == [batch for batch in expected if batch[0] == 0]


def test_an_epoch_that_was_cut_short_is_shown_again(data, expected, tiny):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1 and batches.epoch == 1:
                raise RuntimeError("power cut")

    model, batches = tiny(), recorded(data.train)
    with pytest.raises(RuntimeError, match="power cut"):
        model.fit(batches, epochs=3, callbacks=[Stop()], verbose=0)
    batches.shown = []
    model.fit(batches, epochs=1, verbose=0)
    assert batches.shown == [batch for batch in expected if batch[0] == 1]


def test_a_loaded_model_counts_on(data, expected, tiny, tmp_path):
    model = tiny()
    model.fit(data.train.batches(16, max_buckets=2), epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded, batches = sf.load_model(tmp_path / "model.keras"), recorded(data.train)
    for _ in range(2):
        loaded.fit(batches, epochs=1, verbose=0)
    assert batches.shown == [batch for batch in expected if 1 <= batch[0] < 3]


def test_a_loop_over_batches_is_an_epoch(data, expected):
    batches = data.train.batches(16, max_buckets=2)
    shown = [
        (epoch, i, y["negative_sequence"].tobytes())
        for epoch in range(3)
        for i, (_, y, _) in enumerate(batches)
    ]
    assert shown == [batch for batch in expected if batch[0] < 3]
    next(iter(batches))
    assert batches.epoch == 3


def test_a_copy_of_used_batches_makes_the_same(data):
    batches = data.train.batches(16, max_buckets=2)
    batches[0]
    other = copy.deepcopy(batches)
    assert other[1][1]["negative_sequence"].tobytes() == (
        batches[1][1]["negative_sequence"].tobytes()
    )
