"""Seconds to rank all items for all users of MovieLens-1M, against an epoch of training.

    python benchmarks/evaluate.py
    python benchmarks/evaluate.py --rounds 5 --users 1000

The forward pass to the state of each row's last item is shown alone, too: over rows padded to 200
columns, and over the same rows in parts of similar length, as `evaluate` makes them. All are
measured in turn; the first round, which compiles, is left out. Required: what a validation adds to
an epoch, `RankingMetrics`, takes at most a tenth of it.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import sasrec_fast as sf
from requirements import Requirement, compared, header
from sasrec_fast.reading import read_sequences
from sasrec_fast.store import Histories
from training_data import SETTINGS, data_folder

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, WIDTH = 256, 64
EPOCH = "an epoch of training"
MOST = Requirement(0.1)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 after the table, 2 without data or release build."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--folder", help="of the data; default: SASREC_FAST_DATA or ../shared/data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--users", type=int, help="only so many of them, for a quick look")
    options = parser.parse_args(arguments)
    from sasrec_fast import _core

    if _core.DEBUG_BUILD:
        print("this is a debug build; build it with `maturin develop --release`", file=sys.stderr)
        return 2
    try:
        path = data_folder(options.folder) / SETTINGS["ml-1m"].file
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(measure(path, options.rounds, options.users)))
    return 0


def measure(path: Path, rounds: int, users: int | None) -> list[str]:
    """The lines of the table."""
    table = read_sequences(path)
    data = sf.prepare(table, max_sequence_length=SETTINGS["ml-1m"].length)
    split = data.test if users is None else data.test.sample(users)
    model = sf.SASRec(data.vocabulary_size, hidden_dim=WIDTH, max_sequence_length=200)
    model.compile("adam", loss="bce")
    taken = in_turn(contenders(model, data, split), rounds)
    import jax

    best = min(taken[EPOCH])
    lines = [
        f"{len(split):,} users, {data.vocabulary_size - 1:,} items, L = 200, d = {WIDTH}; "
        f"jax {jax.__version__}, numpy {np.__version__}, {platform.machine()}, "
        f"{os.cpu_count()} CPUs",
        header(""),
    ]
    return lines + [
        compared(name, seconds, best, MOST if name == "RankingMetrics" else None, 2)
        for name, seconds in taken.items()
    ]


def contenders(model: Any, data: sf.Prepared, split: sf.Split) -> dict[str, Callable[[], Any]]:
    """What is measured, by name."""
    histories = Histories(split.sequences.items, split.starts, split.ends - 1)
    size = (ROWS, data.vocabulary_size)

    def padded() -> None:
        for _, part in histories.chunks(*size):
            model.encode_last(part.inputs(200))

    def by_length() -> None:
        for _, part, length in histories.batches(*size, 200):
            model.encode_last(part.inputs(length))

    batches = data.train.batches(128)
    metrics = sf.RankingMetrics(split, k=10)
    metrics.set_model(model)
    return {
        EPOCH: lambda: model.fit(batches, epochs=1, verbose=0),
        "RankingMetrics": lambda: metrics.on_epoch_end(0),
        "forward pass, padded": padded,
        "forward pass, by length": by_length,
        "evaluate": lambda: sf.evaluate(model, split),
        "evaluate, 100 negatives": lambda: sf.evaluate(
            model, split, candidates=("uniform", 100, 0)
        ),
        "evaluate, popularity": lambda: sf.evaluate(sf.baselines.Popularity(data.train), split),
    }


def in_turn(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, a round of all of them after the other, without the first."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            print(f"round {number} of {rounds}: {name}", file=sys.stderr, flush=True)
            began = time.perf_counter()
            run()
            taken[name] += [time.perf_counter() - began] if number else []
    return taken


if __name__ == "__main__":
    raise SystemExit(main())
