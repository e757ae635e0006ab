"""Seconds of a training step: the full softmax of this package against the plain formula.

    python benchmarks/softmax.py [FOLDER]

FOLDER holds ml-1m-sequences/ml-1m.txt.gz; default: $SASREC_FAST_DATA. Both losses train the same
model on the same batches, in turns: rows padded to 200 columns, as `Split.arrays` gives them,
and the longest bucket of `Batches`.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import sasrec_fast as sf
from sasrec_fast import losses
from sasrec_fast.reading import read_sequences
from training_data import SETTINGS

sf.SASRec  # noqa: B018  (chooses the backend before keras is imported)
import jax  # noqa: E402
import keras  # noqa: E402
from keras import ops  # noqa: E402

ROUNDS, STEPS = 3, 2


class PlainSoftmax(losses.NextItemLoss):
    """All scores at once, differentiated automatically."""

    def __call__(self, positions: losses.Positions) -> Any:
        scores = ops.matmul(positions.hidden, ops.transpose(positions.table))
        normalizer = ops.logsumexp(scores[:, 1:], axis=-1)
        return ops.sum(positions.weight * (normalizer - positions.target_logits()))


def model_with(loss: Any, data: sf.Prepared) -> Any:
    keras.utils.set_random_seed(0)
    model = sf.SASRec(data.vocabulary_size, hidden_dim=64, dropout=0.1, max_sequence_length=200)
    model.compile(keras.optimizers.Adam(1e-3), loss=loss)
    return model


def seconds(model: Any, batch: Any) -> tuple[float, float]:
    """Wall and CPU seconds of a step."""
    x, y, weight = batch
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(STEPS):
        model.train_on_batch(x, y, weight)
    return (time.perf_counter() - wall) / STEPS, (time.process_time() - cpu) / STEPS


def compare(name: str, batch: Any, models: dict[str, Any]) -> None:
    for model in models.values():
        seconds(model, batch)
    taken: dict[str, list[tuple[float, float]]] = {key: [] for key in models}
    for _ in range(ROUNDS):
        for key, model in models.items():
            taken[key].append(seconds(model, batch))
    rows, columns = batch[0]["item_ids"].shape
    print(f"{name}: {rows} x {columns}, {int(batch[2]['positive_sequence'].sum())} targets")
    for kind, index in (("wall", 0), ("CPU", 1)):
        best = {key: min(values[index] for values in taken[key]) for key in models}
        figures = ", ".join(f"{key} {1000 * value:.0f} ms" for key, value in best.items())
        ratio = best["plain"] / best["softmax"]
        print(f"  {kind}: {figures}; this package is faster by {ratio:.2f}x", flush=True)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["SASREC_FAST_DATA"])
    data = sf.prepare(read_sequences(folder / SETTINGS["ml-1m"].file), max_sequence_length=200)
    print(f"jax {jax.__version__}, {platform.machine()}, {os.cpu_count()} CPUs, d 64")
    print(f"{data.vocabulary_size - 1} items")
    models = {
        "bce": model_with("bce", data),
        "plain": model_with(PlainSoftmax(), data),
        "softmax": model_with("softmax", data),
    }
    rows = np.random.default_rng(0).permutation(len(data.train))[:128]
    compare("padded rows", data.train.fill(rows).xyw(), models)
    batches = data.train.batches(128)
    longest = max(range(len(batches)), key=lambda i: batches[i][0]["item_ids"].shape[1])
    compare("a bucketed batch", batches[longest], models)


if __name__ == "__main__":
    main()
