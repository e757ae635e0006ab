"""How fast data preparation is, side by side with what it is required to beat, in one run.

    python benchmarks/prepare.py                 # every part, 1 million rows; scaling to 10 million
    python benchmarks/prepare.py --large --huge  # 25 million rows too, and scaling to 100 million
    python benchmarks/prepare.py --part strings file

Parts: `numpy`, the training arrays against NumPy and plain Python; `strings`, string ids against
integers; `tables`, datetimes, sparse ids, text, filters and the like against dense integers;
`epoch`, fresh negatives, and each stage against moving its bytes; `file`, a `.dat` file against
pandas' C engine; `scaling`, time a row and peak memory of ever larger tables.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import against_numpy
import dat_file
import epoch
import real_tables
import scaling
import string_ids
from measurement import Size, progress, threads

STANDARD = (1_000_000, 6_040, 3_416)
LARGE = (against_numpy.LARGE_ROWS, 162_000, 59_000)
LARGER_TABLES = (8_000_000, 50_000, 20_000)
PARTS = ("numpy", "strings", "tables", "epoch", "file", "scaling")

Run: TypeAlias = tuple[Size, Callable[[Size], dict[str, Any]], Callable[[Size, Any], str]]


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 after the tables, 1 where results disagree, 2 for a debug build."""
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
    environment = {
        "sasrec_fast": f"{sasrec_fast.__version__} (release build)",
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": threads(),
    }
    shown = sys.stderr if options.json == "-" else sys.stdout
    print(", ".join(f"{name} {value}" for name, value in environment.items()), file=shown)
    results: list[dict[str, Any]] = []
    try:
        for part, (size, measured, table) in _runs(options):
            progress(f"{part}: {size}")
            figures = measured(size)
            results.append({"part": part, "size": asdict(size), **figures})
            print("", table(size, figures), sep="\n", file=shown, flush=True)
    except (subprocess.CalledProcessError, ValueError) as error:
        print(error, getattr(error, "stderr", ""), sep="\n", file=sys.stderr)
        return 1
    written = json.dumps({"environment": environment, "parts": results}, indent=1)
    if options.json == "-":
        print(written)
    elif options.json:
        Path(options.json).write_text(written + "\n", encoding="utf-8")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="all by default")
    parser.add_argument(
        "--large",
        action="store_true",
        help="numpy: also 25 M rows, 162,000 users, 59,000 items; tables: also 8 M rows",
    )
    parser.add_argument(
        "--huge",
        action="store_true",
        help="scaling: also 100 M rows; needs 8 GB of memory and 3 GB of temporary files",
    )
    parser.add_argument("--rows", type=int)
    parser.add_argument("--users", type=int, help="not in scaling")
    parser.add_argument("--items", type=int, help="not in scaling")
    parser.add_argument("--length", type=int, default=200, help="max_sequence_length")
    parser.add_argument("--rounds", type=int, help="processes for each figure")
    parser.add_argument("--repeats", type=int, help="runs in each process")
    parser.add_argument("--no-plain", action="store_true", help="leave plain Python out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE", help="write all figures there; - for stdout")
    return parser.parse_args(arguments)


def _size(options: argparse.Namespace) -> Size:
    """The size of all parts but the large one."""
    chosen = (options.rows, options.users, options.items)
    counts = [a if a is not None else b for a, b in zip(chosen, STANDARD, strict=True)]
    return Size(
        *counts,
        length=options.length,
        seed=options.seed,
        rounds=options.rounds or 5,
        repeats=options.repeats or 5,
        standard=(*counts, options.length) == (*STANDARD, 200),
    )


def _large(options: argparse.Namespace, size: Size, sizes: tuple[int, int, int]) -> Size:
    rows, users, items = sizes
    rounds, repeats = options.rounds or 3, options.repeats or 2
    counts = {"rows": rows, "users": users, "items": items}
    return replace(size, **counts, rounds=rounds, repeats=repeats, standard=size.length == 200)


def _runs(options: argparse.Namespace) -> list[tuple[str, Run]]:
    """What is measured at which size, in order."""
    size = _size(options)
    compare = partial(against_numpy.measured, plain=not options.no_plain)
    runs: list[tuple[str, Run]] = [("numpy", (size, compare, against_numpy.table))]
    if options.large:
        large = _large(options, size, LARGE)
        runs.append(("numpy", (large, against_numpy.measured, against_numpy.table)))
    grow = partial(scaling.measured, huge=options.huge)
    runs += [
        ("strings", (size, string_ids.measured, string_ids.table)),
        ("tables", (size, real_tables.measured, real_tables.table)),
        ("epoch", (size, epoch.measured, epoch.table)),
        ("file", (size, dat_file.measured, dat_file.table)),
        ("scaling", (size, grow, scaling.table)),
    ]
    if options.large:
        larger = _large(options, size, LARGER_TABLES)
        runs.append(("tables", (larger, real_tables.measured, real_tables.table)))
    return [(part, run) for part, run in runs if part in options.part]


if __name__ == "__main__":
    raise SystemExit(main())
