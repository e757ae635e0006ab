"""Time a row and peak memory of `prepare()` as shuffled tables grow, 100 rows a user and an item.

`python scaling.py generate FOLDER ROWS USERS ITEMS SEED` and `python scaling.py measure FOLDER
LENGTH REPEATS` print one line of JSON. The peak is that of the resident memory of a fresh process,
above what it had before it loaded the three int64 columns into memory: they are part of it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import large_columns
import synthetic_columns
from bandwidth import copy_seconds
from measurement import Size, in_turn, peak_bytes, progress, resident_bytes, timed, worker
from requirements import Requirement, verdict

ROWS_A_USER = 100
FEWEST_ITEMS = 10_000  # so that nobody has them all
ROW_TIME, MEMORY = Requirement(2.0), Requirement(2.5)


def sizes(size: Size, huge: bool) -> list[Size]:
    """As many rows, ten times as many, and where `huge`, a hundred times."""
    grown = []
    for factor in (1, 10, 100) if huge else (1, 10):
        rows = size.rows * factor
        users, items = max(1, rows // ROWS_A_USER), max(FEWEST_ITEMS, rows // ROWS_A_USER)
        repeats = max(1, size.repeats // factor)
        grown.append(replace(size, rows=rows, users=users, items=items, repeats=repeats))
    return grown


def measured(size: Size, huge: bool = False) -> dict[str, Any]:
    """Seconds and peak memory of each number of rows."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {}
        for grown in sizes(size, huge):
            progress(f"generating {grown.rows:,} shuffled interactions")
            home = Path(folder) / str(grown.rows)
            home.mkdir()
            counts = (grown.rows, grown.users, grown.items)
            worker("scaling.py", "generate", home, *counts, size.seed)
            run = partial(worker, "scaling.py", "measure", home, size.length, grown.repeats)
            runs[f"{grown.rows:,} rows"] = run
        rounds = 1 if huge else min(size.rounds, 2)
        return in_turn(replace(size, rounds=rounds), runs)


def table(size: Size, result: dict[str, Any]) -> str:
    """Each number of rows against the smallest, its input, and a copy of the bytes moved."""
    lines = [
        f"scaling: shuffled int64 columns, {ROWS_A_USER} rows a user and an item, "
        f"L = {size.length}",
        "ratio: time a row to that of the fewest rows; peak: memory to the columns' own",
        "copy: time to that of a copy of the bytes that must move",
        "",
        f"{'':20}{'best s':>9}{'ns a row':>10}{'copy':>8}{'ratio':>8}  {'required':14}"
        f"{'peak':>7}  required",
    ]
    nanoseconds = {
        name: min(figures["seconds"]) / figures["rows"] * 1e9 for name, figures in result.items()
    }
    first = next(iter(nanoseconds.values()))
    for name, figures in result.items():
        best, ratio = min(figures["seconds"]), nanoseconds[name] / first
        peak = figures["peak_bytes"] / figures["input_bytes"]
        judged = size.standard and nanoseconds[name] is not first
        in_time = verdict(ROW_TIME if judged else None, ratio)
        in_memory = verdict(MEMORY if judged else None, peak)
        lines.append(
            f"{name:20}{best:9.4f}{nanoseconds[name]:10.1f}{best / min(figures['copy']):7.1f}x"
            f"{ratio:7.2f}x  {in_time:14}{peak:6.2f}x  {in_memory}".rstrip()
        )
    return "\n".join(lines)


def _measure(folder: Path, length: int, repeats: int) -> dict[str, Any]:
    import sasrec_fast as sf

    prepare = partial(sf.prepare, max_sequence_length=length)
    prepare(synthetic_columns.columns(400, 20, 50))
    before = resident_bytes()
    columns = synthetic_columns.load(folder)
    taken = timed(partial(prepare, columns), repeats)
    peak = peak_bytes() - before
    rows, input_bytes = len(columns["user_id"]), sum(c.nbytes for c in columns.values())
    moved = input_bytes + 4 * rows + 16 * int(columns["user_id"].max())
    return {
        "rows": rows,
        "seconds": taken,
        "peak_bytes": peak,
        "input_bytes": input_bytes,
        "moved_bytes": moved,
        "copy": [copy_seconds(moved)],
    }


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["generate", folder, *counts]:
            large_columns.write(Path(folder), *map(int, counts))
            print("{}")
        case ["measure", folder, length, repeats]:
            print(json.dumps(_measure(Path(folder), int(length), int(repeats))))
        case received:
            raise SystemExit(f"expected generate or measure with arguments, got {received}")
