"""Training cut short: the model keeps the weights of the last finished step."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import training_run
from sasrec_fast.backend import Uninterrupted
from sasrec_fast.batching import Runs
from small_models import compiled, keras, make_model, make_rows


def test_signals_at_any_moment_leave_a_model_that_answers_trains_and_is_saved():
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "interrupted_run.py", "30"]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    left = json.loads(done.stdout)
    assert set(left["ends"]) == {"KeyboardInterrupt", "AlarmError"}
    assert (np.diff(left["steps"]) >= 0).all()
    assert left["goes on"]
    assert left["handlers"]


@pytest.fixture(scope="module")
def data():
    return training_run.small_data()


def small_model() -> Any:
    return compiled(make_model(vocabulary_size=51, max_sequence_length=12), 1e-2, "Adam")


def weights_after(data: Any, steps: int) -> list[np.ndarray]:
    model = small_model()
    batches = data.train.batches(16, max_buckets=2)
    if steps:
        model.fit(batches, steps_per_epoch=steps, verbose=0)
    else:
        model.build()
    return model.get_weights()


class Raise(keras.callbacks.Callback):
    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == self.batch:
            raise OSError("disk full")


def test_an_error_of_a_callback_leaves_the_weights_of_that_step(data):
    model, steps = small_model(), 3
    with pytest.raises(OSError, match="disk full"):
        model.fit(data.train.batches(16, max_buckets=2), callbacks=[Raise(steps - 1)], verbose=0)
    for found, expected in zip(model.get_weights(), weights_after(data, steps), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("fault", [0, 2])
def test_an_error_of_the_data_leaves_the_weights_before_it(data, fault, monkeypatch):
    model = small_model()
    batches = data.train.batches(16, max_buckets=2, workers=0)
    make = Runs._make

    def broken(self: Any, place: Any) -> Any:
        if place[1] == fault:
            raise OSError("no more")
        return make(self, place)

    monkeypatch.setattr(Runs, "_make", broken)
    with pytest.raises(OSError, match="no more"):
        model.fit(batches, verbose=0)
    monkeypatch.undo()
    for found, expected in zip(model.get_weights(), weights_after(data, fault), strict=True):
        np.testing.assert_array_equal(found, expected)
    model.fit(batches, verbose=0)


def test_a_step_that_does_not_compile_leaves_the_model_as_it_was(data, monkeypatch):
    model = small_model()
    rows = make_rows([6, 3])[0]
    model.fit(data.train.batches(16, max_buckets=1), verbose=0)
    expected, before = model.predict(rows, verbose=0), model.get_weights()
    model.compile("adam")
    model.predict_function = None

    def broken(*_: Any, **__: Any) -> Any:
        raise NotImplementedError("no such product")

    monkeypatch.setattr(model.layer_norm, "call", broken)
    uses = [
        lambda: model.fit(data.train.batches(16), verbose=0),
        lambda: model.evaluate(data.validation, verbose=0),
        lambda: model.predict(rows, verbose=0),
        lambda: model.predict_on_batch(rows),
        lambda: model.train_on_batch(*data.train.batches(16)[0]),
        lambda: model.test_on_batch(*data.train.batches(16)[0]),
    ]
    for use in uses:
        with pytest.raises(NotImplementedError, match="no such product"):
            use()
    monkeypatch.undo()
    for found, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, kept)
    found = model.predict(rows, verbose=0)
    np.testing.assert_array_equal(found["predictions"], expected["predictions"])
    model.fit(data.train.batches(16), verbose=0)


def test_a_model_may_be_asked_in_the_middle_of_an_epoch(data):
    model = small_model()
    rows = make_rows([6, 3])[0]

    class Ask(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                model.score_items(rows)
                model.item_vectors()
                model.predict(rows, verbose=0)
                model.evaluate(data.validation, verbose=0)

    model.fit(data.train.batches(16, max_buckets=2), callbacks=[Ask()], verbose=0)
    reference = small_model()
    reference.fit(data.train.batches(16, max_buckets=2), verbose=0)
    for found, expected in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("interruptible")
def test_a_handler_runs_after_the_block_that_it_may_not_interrupt():
    before = signal.getsignal(signal.SIGINT)
    finished = False

    def work() -> None:
        nonlocal finished
        with Uninterrupted(), Uninterrupted():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            finished = True

    with pytest.raises(KeyboardInterrupt):
        work()
    assert finished
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_have_no_signals_to_hold_back():
    def work() -> None:
        with Uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    seen: list[Any] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
