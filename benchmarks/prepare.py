"""From in-memory int64 columns to all five training arrays: this package against others.

    python benchmarks/prepare.py            # the size of MovieLens-1M
    python benchmarks/prepare.py --large    # 25 million rows; without plain Python
    python benchmarks/prepare.py --rows 100000 --users 1000 --items 2000 --json result.json

The others are NumPy in whole arrays, as it is usually written; NumPy in blocks that stay in cache,
the fastest found, with one thread and with as many as this package; and plain Python, which runs
once. Every contender is verified on the same columns first, then they run in turn, several rounds,
each in a fresh process. Times are wall time; the ratio is that of the best ones. CPU time adds up
threads: where wall time is far above it, other programs had the cores.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contenders import BLOCKED, PACKAGE, PLAIN, THREADED, WHOLE, threads

WORKER = Path(__file__).with_name("contenders.py")
IMPORT_SECONDS = 0.3
TIME_IMPORT = (
    "import time; began = time.perf_counter(); import sasrec_fast; "
    "print(time.perf_counter() - began)"
)


@dataclass(frozen=True)
class Size:
    """What is prepared, how often, and which speed-ups are required of it."""

    rows: int
    users: int
    items: int
    length: int
    seed: int
    rounds: int
    repeats: int
    plain: bool
    required: dict[str, float]


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 after the table, 1 where contenders disagree, 2 for a debug build."""
    options = _options(arguments)
    try:
        import sasrec_fast
        from sasrec_fast import _core
    except ImportError as error:
        print(f"sasrec_fast is not installed: {error}", file=sys.stderr)
        return 2
    if _core.DEBUG_BUILD:
        print("this is a debug build; build it with `maturin develop --release`", file=sys.stderr)
        return 2
    size = _size(options)
    try:
        result = _measured(size)
    except subprocess.CalledProcessError as error:
        print(f"{error}\n{error.stderr}", file=sys.stderr)
        return 1
    result["environment"] = {
        "sasrec_fast": f"{sasrec_fast.__version__} (release build)",
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": threads(),
    }
    print(_table(size, result), file=sys.stderr if options.json == "-" else sys.stdout)
    if options.json == "-":
        print(json.dumps(result, indent=1))
    elif options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--large", action="store_true", help="25 M rows, 162,000 users, 59,000 items"
    )
    parser.add_argument("--rows", type=int)
    parser.add_argument("--users", type=int)
    parser.add_argument("--items", type=int)
    parser.add_argument("--length", type=int, default=200, help="max_sequence_length")
    parser.add_argument("--rounds", type=int, help="processes for each contender")
    parser.add_argument("--repeats", type=int, help="runs in each process")
    parser.add_argument("--no-plain", action="store_true", help="leave plain Python out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE", help="write all figures there; - for stdout")
    return parser.parse_args(arguments)


def _size(options: argparse.Namespace) -> Size:
    standard = (25_000_000, 162_000, 59_000) if options.large else (1_000_000, 6_040, 3_416)
    chosen = (options.rows, options.users, options.items)
    rows, users, items = (a if a is not None else b for a, b in zip(chosen, standard, strict=True))
    required: dict[str, float] = {}
    if (rows, users, items, options.length) == (*standard, 200):
        required = dict.fromkeys((WHOLE, BLOCKED), 12.0 if options.large else 6.0)
        required[PLAIN] = 300.0
    return Size(
        rows=rows,
        users=users,
        items=items,
        length=options.length,
        seed=options.seed,
        rounds=options.rounds or (3 if options.large else 5),
        repeats=options.repeats or (2 if options.large else 5),
        plain=not (options.large or options.no_plain),
        required=required,
    )


def _measured(size: Size) -> dict[str, Any]:
    names = [PACKAGE, WHOLE, BLOCKED, *([THREADED] if threads() > 1 else [])]
    plain = [PLAIN] if size.plain else []
    with tempfile.TemporaryDirectory() as folder:
        _progress(f"generating {size.rows:,} interactions")
        _worker("generate", folder, size.rows, size.users, size.items, size.seed)
        _progress(f"verifying that {', '.join(names + plain)} agree")
        data = _worker("verify", folder, size.length, *names, *plain)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names + plain}
        for number in range(size.rounds):
            for name in names + (plain if number == 0 else []):
                _progress(f"round {number + 1} of {size.rounds}: {name}")
                repeats = 1 if name == PLAIN else size.repeats
                runs[name].append(_worker("measure", name, folder, size.length, repeats))
    return {
        "size": asdict(size),
        "data": data,
        "contenders": {name: _summary(of_name) for name, of_name in runs.items()},
        "import_seconds": [_import_seconds() for _ in range(5)],
    }


def _worker(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, str(WORKER), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _import_seconds() -> float:
    command = [sys.executable, "-c", TIME_IMPORT]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    stages: dict[str, list[float]] = {}
    for stage in (stage for run in runs for stage in run["stages"]):
        for name, seconds in stage.items():
            stages.setdefault(name, []).append(seconds)
    return {
        "seconds": [s for run in runs for s in run["seconds"]],
        "cpu_seconds": [s for run in runs for s in run["cpu_seconds"]],
        "stages": stages,
        "peak_bytes": max(run["peak_bytes"] for run in runs),
    }


def _table(size: Size, result: dict[str, Any]) -> str:
    environment, data = result["environment"], result["data"]
    lines = [
        f"{size.rows:,} rows, {size.users:,} users, {size.items:,} items, L = {size.length}: "
        f"{data['training_rows']:,} training rows with {data['targets']:,} targets",
        ", ".join(f"{name} {value}" for name, value in environment.items()),
        "",
        f"{'':26}{'best s':>9}{'median s':>10}{'CPU s':>9}{'peak MB':>9}{'ratio':>9}  required",
    ]
    contenders = result["contenders"]
    package = min(contenders[PACKAGE]["seconds"])
    for name, figures in contenders.items():
        seconds = figures["seconds"]
        ratio = min(seconds) / package
        lines.append(
            f"{name:26}{min(seconds):9.4f}{statistics.median(seconds):10.4f}"
            f"{min(figures['cpu_seconds']):9.4f}{figures['peak_bytes'] / 1e6:9.0f}"
            f"{ratio:8.1f}x  {_verdict(ratio, size.required.get(name))}".rstrip()
        )
        for stage, of_stage in figures["stages"].items():
            lines.append(f"  {stage:24}{min(of_stage):9.4f}{statistics.median(of_stage):10.4f}")
    if PLAIN not in contenders:
        lines.append(f"{PLAIN:26}  skipped")
    best = min(result["import_seconds"])
    met = "met" if best < IMPORT_SECONDS else "MISSED"
    return "\n".join(
        [
            *lines,
            "",
            f"import sasrec_fast: {best:.3f} s (required: under {IMPORT_SECONDS} s, {met})",
        ]
    )


def _verdict(ratio: float, required: float | None) -> str:
    if required is None:
        return ""
    return f">= {required:g}x {'met' if ratio >= required else 'MISSED'}"


def _progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
