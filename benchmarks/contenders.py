"""The contenders, and the process in which one of them is measured.

`python contenders.py measure NAME FOLDER LENGTH REPEATS` prints one line of JSON; so does
`python contenders.py verify FOLDER LENGTH NAME...`. A contender has a process of its own, so that
its peak memory is its own; it is counted after the columns are loaded and a small table prepared.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import agreement
import plain_python
import synthetic_columns
import vectorised_numpy
import whole_arrays
from measurement import peak_bytes, threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

PACKAGE = "sasrec_fast"
WHOLE = "NumPy, whole arrays"
BLOCKED = "NumPy, blocked"
THREADED = "NumPy, blocked, threaded"
PLAIN = "plain Python"


def package_arrays(
    table: synthetic_columns.Columns, length: int, stages: dict[str, float] | None = None
) -> dict[str, NDArray[Any]]:
    """`prepare(table).train.arrays()`; seconds of both go into `stages`."""
    import sasrec_fast as sf

    began = time.perf_counter()
    data = sf.prepare(table, max_sequence_length=length)
    prepared = time.perf_counter()
    arrays = data.train.arrays()
    if stages is not None:
        stages.update({"prepare()": prepared - began, "arrays()": time.perf_counter() - prepared})
    return {field: getattr(arrays, field) for field in agreement.FIELDS}


def contender(name: str) -> Callable[..., Mapping[str, NDArray[Any]]]:
    """A function of the columns and the window length."""
    known: dict[str, Callable[..., Mapping[str, NDArray[Any]]]] = {
        PACKAGE: package_arrays,
        WHOLE: whole_arrays.training_arrays,
        BLOCKED: vectorised_numpy.training_arrays,
        THREADED: partial(vectorised_numpy.training_arrays, threads=threads()),
        PLAIN: plain_python.training_arrays,
    }
    return known[name]


def measure(name: str, folder: Path, length: int, repeats: int) -> dict[str, Any]:
    """Wall and CPU seconds of each repeat, and how many bytes the peak is above the input."""
    run = contender(name)
    table = synthetic_columns.load(folder)
    run(synthetic_columns.columns(400, 20, 50), length)
    before = peak_bytes()
    seconds, cpu_seconds, stages = [], [], []
    for _ in range(repeats):
        stage: dict[str, float] = {}
        wall, cpu = time.perf_counter(), time.process_time()
        arrays = run(table, length, stage) if name == PACKAGE else run(table, length)
        seconds.append(time.perf_counter() - wall)
        cpu_seconds.append(time.process_time() - cpu)
        stages.append(stage)
        del arrays
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "stages": stages,
        "peak_bytes": peak_bytes() - before,
    }


def verify(folder: Path, length: int, names: list[str]) -> dict[str, Any]:
    """The contenders agree on these columns.

    Raises:
        ValueError: If they do not.
    """
    table = synthetic_columns.load(folder)
    expected = package_arrays(table, length)
    agreement.check_negatives(PACKAGE, expected, table)
    for name in names:
        if name != PACKAGE:
            arrays = contender(name)(table, length)
            agreement.check_equal(name, arrays, expected)
            agreement.check_negatives(name, arrays, table)
            del arrays
    rows, targets = expected["padding_mask"].shape[0], int(expected["padding_mask"].sum())
    return {"training_rows": rows, "targets": targets}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["generate", folder, rows, users, items, seed]:
            made = synthetic_columns.columns(int(rows), int(users), int(items), int(seed))
            synthetic_columns.save(Path(folder), made)
            print("{}")
        case ["verify", folder, length, *names]:
            print(json.dumps(verify(Path(folder), int(length), names)))
        case ["measure", name, folder, length, repeats]:
            print(json.dumps(measure(name, Path(folder), int(length), int(repeats))))
        case received:
            raise SystemExit(f"expected generate, verify or measure with arguments, got {received}")
