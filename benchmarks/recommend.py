"""Users a second, top 10 of a million items: this package against plain NumPy, in one run.

    python benchmarks/recommend.py [--items N] [--users N] [--width N] [--rounds N]

Both get the same vectors of users and items. NumPy computes all scores, `h @ E.T`, for as many
users as fit 256 MB, takes `argpartition` of each row and sorts the ten. What must be done is a
multiply-add for every user, item and dimension; writing the scores and reading them again is not,
nor is any order among the rest. So the search should approach the rate of a matrix product that
stays in the cache, printed beside it, where NumPy adds to its product 4 bytes written and 12 read
and permuted a score. Required: at least 4 times NumPy's users a second. The second part is the
whole of `recommend`: raw ids in, a table out, with seen items left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import sasrec_fast as sf
from sasrec_fast import _core

if TYPE_CHECKING:
    from collections.abc import Callable

K, REQUIRED = 10, 4.0
SCORES_AT_ONCE = 1 << 26
LENGTH = 50


@dataclass(frozen=True)
class Taken:
    """Seconds of one run."""

    wall: float
    cpu: float


def timed(run: Callable[[], Any]) -> tuple[Any, Taken]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    return result, Taken(time.perf_counter() - wall, time.process_time() - cpu)


def by_numpy(h: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Columns of the K best scores of each row of h, best first."""
    found = np.empty((len(h), K), np.int64)
    size = max(1, SCORES_AT_ONCE // len(table))
    for first in range(0, len(h), size):
        rows = slice(first, first + size)
        scores = h[rows] @ table.T
        best = np.argpartition(scores, -K, axis=1)[:, -K:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        found[rows] = np.take_along_axis(best, order, axis=1)
    return found


def natively(h: np.ndarray, table: np.ndarray) -> np.ndarray:
    none = np.zeros(len(h) + 1, np.int64), np.zeros(0, np.int32)
    return _core.top_k(h, table, none, K)[1]


def product_rate() -> float:
    """Multiply-adds a second of NumPy's matrix product at its best."""
    square = np.ones((1024, 1024), np.float32)
    _, taken = min((timed(lambda: square @ square) for _ in range(5)), key=lambda one: one[1].wall)
    return float(1024**3 / taken.wall)


def compare(
    title: str, users: dict[str, int], runs: dict[str, Callable[[], Any]], rounds: int
) -> float:
    """Print users a second of each of `runs`; the ratio of the second to the first."""
    best: dict[str, Taken] = {}
    for _ in range(rounds):
        for name, run in runs.items():
            _, taken = timed(run)
            if name not in best or taken.wall < best[name].wall:
                best[name] = taken
            print(f"  {name} {users[name] / taken.wall:,.0f} users/s", file=sys.stderr, flush=True)
    print(title)
    for name, taken in best.items():
        wall, cpu = (1000 * value / users[name] for value in (taken.wall, taken.cpu))
        print(f"  {name:12} {1000 / wall:8,.1f} users/s  {wall:7.2f} ms, {cpu:.2f} of CPU a user")
    first, second = (best[name].wall / users[name] for name in runs)
    return first / second


def search(arguments: argparse.Namespace) -> float:
    rng = np.random.default_rng(0)
    table = rng.standard_normal((arguments.items, arguments.width), np.float32)
    h = rng.standard_normal((arguments.users, arguments.width), np.float32)
    few = h[: max(1, SCORES_AT_ONCE // arguments.items)]
    same = float(np.mean(by_numpy(few, table) == natively(few, table)))
    print(f"the same items in {same:.2%} of places (others: scores that round differently)")
    ratio = compare(
        "search",
        {"NumPy": len(few), "sasrec_fast": len(h)},
        {"NumPy": lambda: by_numpy(few, table), "sasrec_fast": lambda: natively(h, table)},
        arguments.rounds,
    )
    _, taken = timed(lambda: natively(h, table))
    rate = len(h) * arguments.items * arguments.width / taken.wall
    limit = product_rate()
    print(f"  {rate / 1e9:.1f} G multiply-adds a second; NumPy's square product {limit / 1e9:.1f}")
    compare(
        "one user",
        {"NumPy": 1, "sasrec_fast": 1},
        {"NumPy": lambda: by_numpy(h[:1], table), "sasrec_fast": lambda: natively(h[:1], table)},
        arguments.rounds,
    )
    return ratio


def whole(arguments: argparse.Namespace) -> float:
    """The same comparison from raw ids to a table."""
    items = sf.Vocabulary(np.arange(arguments.items) * 7 + 5)
    model = sf.SASRec(
        len(items) + 1, hidden_dim=arguments.width, max_sequence_length=LENGTH, items=items
    )
    rng = np.random.default_rng(1)
    ids = rng.choice(items.ids, (arguments.users, LENGTH))
    histories = [row[: 1 + number % LENGTH].tolist() for number, row in enumerate(ids)]
    few = histories[: max(1, SCORES_AT_ONCE // arguments.items)]
    table = model.item_vectors()

    def plain() -> Any:
        encoded = items.index(np.concatenate(few))
        ends = np.cumsum([len(history) for history in few])
        x = np.zeros((len(few), LENGTH), np.int32)
        for row, part in zip(x, np.split(encoded, ends[:-1]), strict=True):
            row[: len(part)] = part
        scores = model.encode_last({"item_ids": x, "padding_mask": x > 0}) @ table.T
        np.put_along_axis(scores, x, -np.inf, axis=1)
        best = np.argpartition(scores, -K, axis=1)[:, -K:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        return items.lookup(np.take_along_axis(best, order, axis=1).ravel())

    same = np.mean(plain() == sf.recommend(model, histories=few, k=K)["item_id"].to_numpy())
    print(f"the same items in {same:.2%} of places")
    sf.recommend(model, histories=histories, k=K)  # compiles
    return compare(
        f"recommend, {LENGTH} items of history at most",
        {"NumPy": len(few), "sasrec_fast": len(histories)},
        {"NumPy": plain, "sasrec_fast": lambda: sf.recommend(model, histories=histories, k=K)},
        arguments.rounds,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("items", 1_000_000), ("users", 512), ("width", 64), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    if _core.DEBUG_BUILD:
        parser.error("this is a debug build: build in release mode")
    print(
        f"{arguments.items:,} items, width {arguments.width}, top {K}; NumPy {np.__version__}, "
        f"{platform.machine()}, {os.cpu_count()} CPUs"
    )
    ratio, of_whole = search(arguments), whole(arguments)
    print(f"search: {ratio:.1f} times NumPy (required: {REQUIRED:g}); recommend: {of_whole:.1f}")
    return int(ratio < REQUIRED)


if __name__ == "__main__":
    sys.exit(main())
