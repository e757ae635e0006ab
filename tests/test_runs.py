"""Runs of batches: the same batches, in one piece and one dispatch, and what callbacks hear."""

import functools

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sasrec_fast as sf
import training_run
from sasrec_fast.batching import Runs, devices, run_batch
from sasrec_fast.batching.devices import choose_run_length
from sasrec_fast.model import steps
from sasrec_fast.store import Split
from small_models import compiled, keras, make_model

unpacked = jax.jit(run_batch)


@functools.cache
def data(**options):
    return training_run.small_data(**options)


def batches_of(split, run_length, **options):
    return split.batches(8, max_buckets=2, workers=0, run_length=run_length, **options)


def small_model(loss="bce", **options):
    options = {"num_layers": 0, **options}
    model = make_model(vocabulary_size=51, max_sequence_length=12, **options)
    model.build()
    model.compile(keras.optimizers.Adam(1e-2), loss=loss)
    return model


@pytest.mark.parametrize("name", ["train", "validation", "test"])
@pytest.mark.parametrize(
    "options", [{}, {"num_negatives": 3, "truncation": "oldest"}, {"windows": "prefixes"}]
)
def test_a_run_holds_what_its_batches_hold(name, options):
    batches = batches_of(getattr(data(**options), name), 3)
    batches.epoch = 1
    runs = Runs(batches, negatives=True)
    assert len(batches) == 3 * len(runs) > 3
    for number in range(len(runs)):
        (run,) = runs[number]
        for index in range(3):
            made, expected = unpacked(run, index), batches[runs.first(number) + index]
            assert jax.tree.structure(made) == jax.tree.structure(expected)
            for array, known in zip(jax.tree.leaves(made), jax.tree.leaves(expected), strict=True):
                assert array.dtype == known.dtype
                np.testing.assert_array_equal(array, known)


def test_of_prefixes_that_are_asked_the_last_target_alone_is_made():
    batches = batches_of(data(windows="prefixes", num_negatives=2).train, 3)
    runs = Runs(batches, negatives=True, asked=True)
    (run,) = runs[len(runs) - 1]
    for index in range(3):
        x, y, weight = unpacked(run, index)
        number = runs.first(len(runs) - 1) + index
        real, (inputs, targets, counted) = batches.rows(number) >= 0, batches[number]
        for name, values in inputs.items():
            np.testing.assert_array_equal(x[name], values)
        last = counted["positive_sequence"].argmax(axis=1)
        rows = np.arange(len(last))
        np.testing.assert_array_equal(weight["negative_sequence"][:, 0], real)
        for name, values in targets.items():
            assert y[name].shape == (len(rows), 1, *values.shape[2:])
            np.testing.assert_array_equal(y[name][real, 0], values[rows, last][real])


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("bce", {"num_layers": 1, "num_heads": 2}),
        ("softmax", {"num_layers": 1, "block": "ligr", "positions": "rotary", "num_members": 2}),
    ],
)
def test_prefixes_teach_by_their_last_states_what_they_do_by_all(loss, options, monkeypatch):
    split = data(windows="prefixes").train
    model, single = (small_model(loss, dropout=0.0, **options) for _ in range(2))
    shapes, kind = [], type(model.loss)
    of_loss = kind.__call__
    monkeypatch.setattr(
        kind, "__call__", lambda own, p: shapes.append(p.weight.shape) or of_loss(own, p)
    )
    batches = batches_of(split, 4).in_steps(8)
    model.fit(batches, verbose=0)
    assert {shape for (shape,) in shapes} <= {b.batch_rows for b in batches.buckets}
    for x, y, weight in batches_of(split, 4).in_steps(8):
        single.train_on_batch(x, y, weight)
    for a, b in zip(model.get_weights(), single.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_negatives_are_neither_drawn_nor_sent_where_the_loss_has_no_use_for_them(monkeypatch):
    drawn, fill = [], Split.fill

    def noted(split, *arguments, **options):
        drawn.append(split.num_negatives)
        return fill(split, *arguments, **options)

    monkeypatch.setattr(Split, "fill", noted)
    (run,) = Runs(batches_of(data().train, 2), negatives=False)[0]
    assert set(run) == {"sequences"}
    assert set(unpacked(run, 0)[1]) == {"positive_sequence"}
    small_model("softmax").fit(batches_of(data().train, 2), verbose=0)
    assert set(drawn) == {0}


@given(st.integers(1, 5), st.integers(1, 12), st.sampled_from([None, 4, 6]), st.integers(0, 2))
def test_an_epoch_is_whole_runs_of_one_shape(run_length, size, length, epoch):
    split = data().train
    batches = split.batches(size, max_buckets=3, workers=0, run_length=run_length)
    assert sum(b.num_batches for b in batches.buckets) % batches.run_length == 0
    batches.epoch = epoch
    rows = [batches.rows(index) for index in range(len(batches))]
    assert sorted(np.concatenate(rows)[np.concatenate(rows) >= 0]) == list(range(len(split)))
    batches = batches if length is None else batches.in_steps(length)
    assert len(batches) % batches.run_length == 0
    assert run_length % batches.run_length == 0
    runs = Runs(batches, negatives=False)
    shapes = [batches[i][0]["item_ids"].shape for i in range(len(batches))]
    for number in range(len(runs)):
        sequences = runs[number][0]["sequences"]
        assert sequences.shape[1] == batches.run_length
        expected = (sequences.shape[0], sequences.shape[2] - 1)
        assert set(shapes[runs.first(number) : runs.last(number) + 1]) == {expected}


@pytest.mark.parametrize("loss", ["bce", "softmax"])
def test_weights_are_those_of_single_steps(loss):
    model, single = small_model(loss), small_model(loss)
    model.fit(batches_of(data().train, 4), epochs=3, verbose=0)
    batches = batches_of(data().train, 4)
    for _ in range(3):
        for x, y, weight in batches:
            logs = single.train_on_batch(x, y, weight)
    assert model.optimizer.iterations == single.optimizer.iterations == 3 * len(batches)
    for a, b in zip(model.get_weights(), single.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert np.isfinite(logs)


class Heard(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.heard = []

    def on_train_batch_begin(self, batch, logs=None):
        self.heard.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.heard.append(("end", batch))
        assert logs["loss"] > 0

    def on_test_batch_end(self, batch, logs=None):
        self.heard.append(("test", batch))


@pytest.mark.parametrize("contained", [False, True])
def test_callbacks_hear_the_numbers_of_batches(contained, capsys):
    heard, model = Heard(), small_model()
    given = keras.callbacks.CallbackList([heard], add_history=True, model=model)
    train, validation = batches_of(data().train, 4), batches_of(data().validation, 2)
    history = model.fit(
        train,
        validation_data=validation,
        epochs=2,
        callbacks=given if contained else [heard],
        verbose=2,
    )
    assert len(train) == len(validation) == 8
    shown = [("begin", 0), ("end", 3), ("begin", 4), ("end", 7)]
    assert heard.heard == 2 * [*shown, ("test", 1), ("test", 3), ("test", 5), ("test", 7)]
    assert len(history.history["val_loss"]) == 2
    assert model.evaluate(validation, verbose=0) == pytest.approx(history.history["val_loss"][-1])
    first = model.test_on_batch(*validation[0])
    assert model.evaluate(validation, steps=1, verbose=0) == pytest.approx(float(first))
    if not contained:
        assert "8/8 - " in capsys.readouterr().out


def test_steps_of_python_are_those_of_the_loop_on_the_device():
    def step(state, batch):
        x, y, weight = batch
        seen = (x["item_ids"] * weight["positive_sequence"]).sum() + y["positive_sequence"].sum()
        return {"loss": seen}, state * 2 + seen

    (run,) = Runs(batches_of(data().train, 4), negatives=False)[0]
    looped = steps._looped(step, np.float32(1), run)
    scanned = steps._scanned(step, jax.numpy.float32(1), run)
    assert looped == scanned
    assert looped[1] > looped[0]["loss"] > 0


def test_batches_of_one_s_own_are_shown_as_they_are():
    class Swapped(sf.Batches):
        def __getitem__(self, index):
            asked.append(index)
            return super().__getitem__(index)

    asked = []
    small_model().fit(Swapped(data().train, 8, run_length=4, workers=0), verbose=0)
    assert asked == list(range(8))


def test_class_weights_are_refused():
    with pytest.raises(ValueError, match="class_weight"):
        compiled(small_model(), 0.1).fit(batches_of(data().train, 2), class_weight={0: 1.0})


def test_the_length_of_a_run_suits_the_device(monkeypatch):
    split = data().train
    assert choose_run_length(split, 8) == choose_run_length(split, 4) == 1
    assert choose_run_length(split, 2) == 2  # 26 batches, of which runs of three make 27
    assert choose_run_length(split, 1) == 4
    monkeypatch.setattr(devices, "_off_the_cpu", lambda: True)
    assert len(split) == 52
    assert choose_run_length(split, 8) == 6  # 52 / 8 is about 6 batches
    assert choose_run_length(split, 1) == 4  # whole runs of five or more are too few or too many
    assert choose_run_length(split, 60) == 1
    monkeypatch.setattr(devices, "_RUN_BYTES", 3 * 12 * 8)
    assert choose_run_length(split, 1) == 3  # 51 or 54 of 52 batches


@pytest.mark.parametrize("wrong", [0, 1.5, "2"])
def test_other_lengths_of_runs_are_refused(wrong):
    with pytest.raises((TypeError, ValueError), match="run_length"):
        data().train.batches(8, run_length=wrong)
