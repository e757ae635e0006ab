"""How long appending rows takes against preparing all anew, and saving them against saving all.

    python benchmarks/append.py                      # 5 million rows, 1 % of them appended
    python benchmarks/append.py --rows 25000000 --users 162000 --items 59000

The rows appended are the latest: of users at random, or of one user in ten, as of a day; all
contenders in turn in one process, the best of some rounds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from measurement import threads

if TYPE_CHECKING:
    from collections.abc import Callable

    Table = dict[str, np.ndarray[Any, Any]]


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 after the tables, 1 where results differ, 2 for a debug build."""
    options = _options(arguments)
    import sasrec_fast as sf
    from sasrec_fast import _core

    if _core.DEBUG_BUILD:
        print("this is a debug build; build it with `maturin develop --release`", file=sys.stderr)
        return 2
    warnings.simplefilter("ignore", sf.DataWarning)
    print(
        f"{options.rows:,} rows, {options.users:,} users, {options.items:,} items, "
        f"{options.share:.1%} of the rows appended, {threads()} threads"
    )
    for name, active in (("of all users", 1.0), ("of one user in ten", 0.1)):
        old, new = _tables(options, active)
        whole = {column: np.concatenate([old[column], new[column]]) for column in old}
        data = sf.prepare(old)
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            best = _measured(data, new, whole, Path(folder), options.rounds)
        if data.append(new).fingerprint != sf.prepare(whole).fingerprint:
            print("appended data is not that of all rows", file=sys.stderr)
            return 1
        print(f"\n{name}:")
        for what, (seconds, anew) in best.items():
            print(f"  {what:<28} {seconds:8.3f} s, all anew {anew:8.3f} s: {anew / seconds:5.1f} x")
    return 0


def _measured(
    data: Any, new: Table, whole: Table, folder: Path, rounds: int
) -> dict[str, tuple[float, float]]:
    """Seconds of each step of an append, and of the same step with all rows anew."""
    import sasrec_fast as sf

    best: dict[str, tuple[float, float]] = {}

    def keep(what: str, seconds: float, anew: float) -> None:
        known = best.get(what, (np.inf, np.inf))
        best[what] = min(known[0], seconds), min(known[1], anew)

    for _ in range(rounds):
        data.save(folder / "base", compact=True)
        (appended, seconds), (anew, of_all) = _timed(data.append, new), _timed(sf.prepare, whole)
        keep("append", seconds, of_all)
        seconds, saved = (
            _timed(appended.save, folder / "base")[1],
            _timed(anew.save, folder / "new")[1],
        )
        keep("save", seconds, saved)
        keep("load", _timed(sf.load, folder / "base")[1], _timed(sf.load, folder / "new")[1])
        began = time.perf_counter()
        sf.load(folder / "base").append(new).save(folder / "base")
        keep("load, append and save", time.perf_counter() - began, of_all + saved)
    return best


def _timed(run: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    result = run(*arguments)
    return result, time.perf_counter() - began


def _tables(options: argparse.Namespace, active: float) -> tuple[Table, Table]:
    """Rows there are, and later ones, of a share of the users."""
    generator = np.random.default_rng(0)
    count = int(options.rows * options.share)
    chosen = generator.permutation(options.users)[: max(1, int(options.users * active))]
    users = (
        generator.integers(0, options.users, options.rows - count),
        generator.choice(chosen, count),
    )
    tables = []
    for start, ids in ((0, users[0]), (10**8, users[1])):
        times = generator.integers(start, 10**8 + start // 100, len(ids))
        items = generator.integers(1, options.items + 1, len(ids))
        tables.append({"user_id": ids, "item_id": items, "timestamp": times})
    return tables[0], tables[1]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--users", type=int, default=32_400)
    parser.add_argument("--items", type=int, default=11_800)
    parser.add_argument("--share", type=float, default=0.01, help="of the rows that is appended")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="to save to; the folder of temporary files by default")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
