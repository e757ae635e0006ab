"""Training cut short again and again, as a script; prints what was left each time."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import threading
from typing import Any

import keras
import numpy as np

import sasrec_fast as sf
import small_models  # noqa: F401  (quick compilation)
from training_run import LENGTH, small_data


class AlarmError(Exception):
    """What a handler of signals raises."""


def alarm(*_: Any) -> None:
    raise AlarmError


def interrupted(call: Any, number: int, seconds: float) -> str:
    """How a call ends that gets a signal after some time: the name of the exception, or "done"."""
    over = threading.Event()

    def interrupt() -> None:
        over.wait(seconds)
        while not over.is_set():  # Python drops an exception that is raised in a destructor
            os.kill(os.getpid(), number)
            over.wait(1)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        call()
    except (KeyboardInterrupt, AlarmError) as error:
        return type(error).__name__
    finally:
        over.set()
        thread.join()
    return "done"


def main(times: int) -> dict[str, Any]:
    signal.signal(signal.SIGALRM, alarm)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
    data = small_data()
    options = {"num_layers": 1, "hidden_dim": 8, "max_sequence_length": LENGTH}
    model = sf.SASRec.for_data(data, **options)
    model.compile(keras.optimizers.Adam(1e-3))
    batches = data.train.batches(8, max_buckets=2)
    calls = [
        lambda: model.fit(batches, epochs=10**6, verbose=0),
        lambda: model.fit(
            batches, validation_data=data.validation.batches(8), epochs=10**6, verbose=0
        ),
        lambda: [model.predict(data.test, verbose=0) for _ in range(10**6)],
        lambda: [model.train_on_batch(*batches[0]) for _ in range(10**6)],
    ]
    random.seed(0)
    ends, steps = [], [0]
    for turn in range(times):
        number = random.choice([signal.SIGINT, signal.SIGALRM])
        ends.append(interrupted(calls[turn % 4 if turn else 0], number, random.uniform(0.01, 0.3)))
        assert all(np.isfinite(values).all() for values in model.get_weights())
        steps.append(int(model.optimizer.iterations))
        assert len(model.recommend(data, users=[1], k=2)) == 2
        with tempfile.TemporaryDirectory() as folder:
            model.save_weights(f"{folder}/model.weights.h5")
    before = model.get_weights()
    model.fit(batches, verbose=0)
    changed = any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    handlers = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return {"ends": ends, "steps": steps, "goes on": changed, "handlers": handlers}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
