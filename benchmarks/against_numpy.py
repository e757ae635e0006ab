"""From in-memory int64 columns to all five training arrays: this package against others.

The others are NumPy in blocks that stay in cache, and plain Python, which runs once. Every
contender is verified on the same columns first, then they run in turn, several rounds, each in a
fresh process, so that its peak memory is its own; it is counted after the columns are loaded and a
small table prepared. Times are wall time; the ratio is that of the best ones. CPU time adds up
threads: where wall time is far above it, other programs had the cores.

`python against_numpy.py measure NAME FOLDER LENGTH REPEATS` prints one line of JSON; so does
`python against_numpy.py verify FOLDER LENGTH NAME...`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import agreement
import blocked_numpy
import plain_python
import synthetic_columns
from measurement import Size, in_turn, peak_bytes, progress, worker
from requirements import Requirement, seconds, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

PACKAGE, BLOCKED, PLAIN = "sasrec_fast", "NumPy, blocked", "plain Python"
IMPORT = Requirement(0.3, " s")
TIME_IMPORT = (
    "import time; began = time.perf_counter(); import sasrec_fast; "
    "print(time.perf_counter() - began)"
)
LARGE_ROWS = 25_000_000


def measured(size: Size, plain: bool = False) -> dict[str, Any]:
    """Figures of each contender, plain Python among them if asked for."""
    ask, others = partial(worker, "against_numpy.py"), [PLAIN] if plain else []
    with tempfile.TemporaryDirectory() as folder:
        progress(f"generating {size.rows:,} interactions")
        worker("synthetic_columns.py", folder, size.rows, size.users, size.items, size.seed)
        progress(f"verifying that {', '.join([PACKAGE, BLOCKED, *others])} agree")
        data = ask("verify", folder, size.length, BLOCKED, *others)
        runs = {
            name: partial(ask, "measure", name, folder, size.length, size.repeats)
            for name in (PACKAGE, BLOCKED)
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
    return {BLOCKED: over_numpy, PLAIN: Requirement(300.0, at_least=True)}


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
        ratio = min(figures["seconds"]) / package
        lines.append(
            f"{name:26}{seconds(figures['seconds'])}"
            f"{min(figures['cpu_seconds']):9.4f}{figures['peak_bytes'] / 1e6:9.0f}"
            f"{ratio:8.1f}x  {verdict(required(size).get(name), ratio)}".rstrip()
        )
        lines += [f"  {stage:24}{seconds(taken)}" for stage, taken in figures["stages"].items()]
    if PLAIN not in contenders:
        lines.append(f"{PLAIN:26}  skipped")
    best = min(result["import_seconds"])
    return "\n".join(
        [*lines, "", f"import sasrec_fast: {best:.3f} s (required: {IMPORT.verdict(best)})"]
    )


def _import_seconds() -> float:
    command = [sys.executable, "-c", TIME_IMPORT]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def package_arrays(
    table: synthetic_columns.Columns, length: int, stages: dict[str, list[float]] | None = None
) -> dict[str, NDArray[Any]]:
    """`prepare(table).train.arrays()`; seconds of both go into `stages`."""
    import sasrec_fast as sf

    began = time.perf_counter()
    data = sf.prepare(table, max_sequence_length=length)
    prepared = time.perf_counter()
    arrays = data.train.arrays()
    if stages is not None:
        stages.setdefault("prepare()", []).append(prepared - began)
        stages.setdefault("arrays()", []).append(time.perf_counter() - prepared)
    return {field: getattr(arrays, field) for field in agreement.FIELDS}


def _measure(name: str, folder: Path, length: int, repeats: int) -> dict[str, Any]:
    """Wall and CPU seconds of each repeat, and how many bytes the peak is above the input."""
    stages: dict[str, list[float]] = {}
    runs: dict[str, Callable[..., Mapping[str, NDArray[Any]]]] = {
        PACKAGE: partial(package_arrays, stages=stages),
        BLOCKED: blocked_numpy.training_arrays,
        PLAIN: plain_python.training_arrays,
    }
    columns = synthetic_columns.load(folder)
    runs[name](synthetic_columns.columns(400, 20, 50), length)
    stages.clear()
    before, taken, cpu_seconds = peak_bytes(), [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        arrays = runs[name](columns, length)
        taken.append(time.perf_counter() - wall)
        cpu_seconds.append(time.process_time() - cpu)
        del arrays
    peak = peak_bytes() - before
    return {"seconds": taken, "cpu_seconds": cpu_seconds, "stages": stages, "peak_bytes": peak}


def _verify(folder: Path, length: int, names: list[str]) -> dict[str, Any]:
    """The contenders agree with the package on these columns.

    Raises:
        ValueError: If they do not.
    """
    columns = synthetic_columns.load(folder)
    expected = package_arrays(columns, length)
    agreement.check_negatives(PACKAGE, expected, columns)
    modules = {BLOCKED: blocked_numpy, PLAIN: plain_python}
    for name in names:
        arrays = modules[name].training_arrays(columns, length)
        agreement.check_equal(name, arrays, expected)
        agreement.check_negatives(name, arrays, columns)
        del arrays
    rows, targets = expected["padding_mask"].shape[0], int(expected["padding_mask"].sum())
    return {"training_rows": rows, "targets": targets}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["verify", folder, length, *names]:
            print(json.dumps(_verify(Path(folder), int(length), names)))
        case ["measure", name, folder, length, repeats]:
            print(json.dumps(_measure(name, Path(folder), int(length), int(repeats))))
        case received:
            raise SystemExit(f"expected verify or measure with arguments, got {received}")
