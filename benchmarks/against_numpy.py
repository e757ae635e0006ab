"""From in-memory int64 columns to all five training arrays: this package against others.

The others are NumPy in whole arrays, as it is usually written; NumPy in blocks that stay in cache,
the fastest found, with one thread and with as many as this package; and plain Python, which runs
once. Every contender is verified on the same columns first, then they run in turn, several rounds,
each in a fresh process. Times are wall time; the ratio is that of the best ones. CPU time adds up
threads: where wall time is far above it, other programs had the cores.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from functools import partial
from typing import Any

from contenders import BLOCKED, PACKAGE, PLAIN, THREADED, WHOLE
from measurement import Size, in_turn, progress, threads, worker
from requirements import Requirement, verdict

IMPORT = Requirement(0.3, " s")
TIME_IMPORT = (
    "import time; began = time.perf_counter(); import sasrec_fast; "
    "print(time.perf_counter() - began)"
)
LARGE_ROWS = 25_000_000


def measured(size: Size, plain: bool = False) -> dict[str, Any]:
    """Figures of each contender, plain Python among them if asked for."""
    names = [PACKAGE, WHOLE, BLOCKED, *([THREADED] if threads() > 1 else [])]
    with tempfile.TemporaryDirectory() as folder:
        progress(f"generating {size.rows:,} interactions")
        ask = partial(worker, "contenders.py")
        ask("generate", folder, size.rows, size.users, size.items, size.seed)
        others = [PLAIN] if plain else []
        progress(f"verifying that {', '.join(names + others)} agree")
        data = ask("verify", folder, size.length, *names, *others)
        runs = {
            name: partial(ask, "measure", name, folder, size.length, size.repeats) for name in names
        }
        contenders = in_turn(size, runs)
        for name in others:
            progress(name)
            contenders[name] = ask("measure", name, folder, size.length, 1)
    return {
        "data": data,
        "contenders": contenders,
        "import_seconds": [_import_seconds() for _ in range(5)],
    }


def required(size: Size) -> dict[str, Requirement]:
    """How much faster than each contender the package must be at this size."""
    if not size.standard:
        return {}
    over_numpy = Requirement(15.0 if size.rows == LARGE_ROWS else 6.0, at_least=True)
    over_python = Requirement(300.0, at_least=True)
    return {WHOLE: over_numpy, BLOCKED: over_numpy, PLAIN: over_python}


def table(size: Size, result: dict[str, Any]) -> str:
    """Each contender against the package."""
    data, contenders = result["data"], result["contenders"]
    lines = [
        f"arrays in one go, {size}: "
        f"{data['training_rows']:,} training rows with {data['targets']:,} targets",
        "",
        f"{'':26}{'best s':>9}{'median s':>10}{'CPU s':>9}{'peak MB':>9}{'ratio':>9}  required",
    ]
    package = min(contenders[PACKAGE]["seconds"])
    for name, figures in contenders.items():
        seconds = figures["seconds"]
        ratio = min(seconds) / package
        lines.append(
            f"{name:26}{min(seconds):9.4f}{statistics.median(seconds):10.4f}"
            f"{min(figures['cpu_seconds']):9.4f}{figures['peak_bytes'] / 1e6:9.0f}"
            f"{ratio:8.1f}x  {verdict(required(size).get(name), ratio)}".rstrip()
        )
        for stage, of_stage in _stages(figures["stages"]).items():
            lines.append(f"  {stage:24}{min(of_stage):9.4f}{statistics.median(of_stage):10.4f}")
    if PLAIN not in contenders:
        lines.append(f"{PLAIN:26}  skipped")
    best = min(result["import_seconds"])
    return "\n".join(
        [*lines, "", f"import sasrec_fast: {best:.3f} s (required: {IMPORT.verdict(best)})"]
    )


def _stages(runs: list[dict[str, float]]) -> dict[str, list[float]]:
    stages: dict[str, list[float]] = {}
    for name, seconds in (pair for run in runs for pair in run.items()):
        stages.setdefault(name, []).append(seconds)
    return stages


def _import_seconds() -> float:
    command = [sys.executable, "-c", TIME_IMPORT]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
