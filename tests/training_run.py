"""A small training run, as a script: python training_run.py '{"epochs": 4, ...}' prints JSON."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from typing import Any

import keras
import numpy as np

import sasrec_fast as sf
from compilations import Compilations

LENGTH = 12


def small_data(**options: Any) -> sf.Prepared:
    """60 users with histories of 3 to 24 of 50 items."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, 25, 60)
    users = np.repeat(np.arange(60), lengths)
    items = generator.integers(1, 51, len(users))
    items[:50] = np.arange(1, 51)
    table = {"user_id": users, "item_id": items}
    if options.get("times"):
        table["timestamp"] = np.cumsum(10 ** generator.integers(0, 6, len(users)))
    return sf.prepare(
        table,
        timestamp="timestamp" if "timestamp" in table else None,
        max_sequence_length=LENGTH,
        **options,
    )


class Kill(keras.callbacks.Callback):
    """Kills the process, without any chance to tidy up."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self.at, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def digest(values: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(v).tobytes() for v in values)).hexdigest()


def run(
    epochs: int,
    resume: str | None = None,
    kill: tuple[int, int] | None = None,
    cache: str | None = None,
    dropout: float = 0.5,
    distribute: bool = False,
    run_length: int | None = None,
    time: str | None = None,
    ema_momentum: float = 0.0,
    position_shift: int = 0,
    num_members: int = 1,
) -> dict[str, Any]:
    if cache:
        sf.keep_compilations(cache)
    if distribute:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    keras.utils.set_random_seed(3)
    data = small_data(times=time is not None)
    model = sf.SASRec(
        data.vocabulary_size,
        num_layers=1,
        hidden_dim=8,
        dropout=dropout,
        max_sequence_length=LENGTH,
        time=time,
        position_shift=position_shift,
        num_members=num_members,
    )
    average = {"use_ema": True, "ema_momentum": ema_momentum} if ema_momentum else {}
    model.compile(keras.optimizers.Adam(1e-2, beta_2=0.98, **average))
    seen = Compilations()
    history = model.fit(
        data.train.batches(16, max_buckets=2, run_length=run_length),
        epochs=epochs,
        validation_data=data.validation.batches(16, max_buckets=2, run_length=run_length),
        callbacks=[Kill(*kill)] if kill else [],
        resume=resume,
        verbose=0,
    ).history
    return {
        "weights": digest(model.get_weights()),
        "optimizer": digest([np.asarray(v) for v in model.optimizer.variables]),
        "loss": history.get("loss", []),
        "val_loss": history.get("val_loss", []),
        "embeddings": np.asarray(model.item_embedding.embeddings)[1].tolist(),
        "compiled": seen.count,
        "loaded": seen.loaded,
    }


if __name__ == "__main__":
    print(json.dumps(run(**json.loads(sys.argv[1]))))
