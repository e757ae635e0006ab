"""What an epoch costs: `prepare()`, `arrays()` and fresh `negatives()`, against moving the bytes.

`python epoch.py measure FOLDER LENGTH REPEATS` prints one line of JSON. Bytes are those that must
move: inputs read once, results written once. A plain copy of as many is timed beside it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

import synthetic_columns
from bandwidth import copy_seconds
from measurement import Size, in_turn, timed, worker
from requirements import Requirement, seconds, verdict

PREPARE, ARRAYS, NEGATIVES = "prepare()", "arrays()", "negatives(epoch, out=)"
REQUIRED = {NEGATIVES: Requirement(0.015, " s")}


def measured(size: Size) -> dict[str, Any]:
    """Seconds of each stage, and of copies of the bytes it must move."""
    with tempfile.TemporaryDirectory() as folder:
        worker("synthetic_columns.py", folder, size.rows, size.users, size.items, size.seed)
        run = partial(worker, "epoch.py", "measure", folder, size.length, size.repeats)
        result: dict[str, Any] = in_turn(size, {"prepare, arrays, negatives": run})
    return dict(*result.values())


def table(size: Size, result: dict[str, Any]) -> str:
    """Each stage against a copy of the bytes it must move."""
    lines = [
        f"one epoch, {size}: {result['rows']:,} training rows with {result['targets']:,} targets",
        "MB must move; the ratios are to a copy of as many, to memory in use and to new memory",
        "",
        f"{'':26}{'best s':>9}{'median s':>10}{'MB':>7}{'copy s':>9}{'ratio':>8}{'new s':>9}"
        f"{'ratio':>8}  required",
    ]
    for stage, taken in result["seconds"].items():
        best = min(taken)
        copies = [min(result[kind][stage]) for kind in ("copy", "new_copy")]
        ratios = "".join(f"{copy:9.4f}{best / copy:7.1f}x" for copy in copies)
        required = verdict(REQUIRED.get(stage) if size.standard else None, best)
        moved = result["moved_bytes"][stage] / 1e6
        lines.append(f"{stage:26}{seconds(taken)}{moved:7.0f}{ratios}  {required}".rstrip())
    return "\n".join(lines)


def _measure(folder: Path, length: int, repeats: int) -> dict[str, Any]:
    import sasrec_fast as sf

    columns = synthetic_columns.load(folder)
    prepare = partial(sf.prepare, max_sequence_length=length)
    prepare(synthetic_columns.columns(400, 20, 50)).train.arrays()
    taken = {PREPARE: timed(partial(prepare, columns), repeats)}
    train = prepare(columns).train
    taken[ARRAYS] = timed(train.arrays, repeats)
    arrays = train.arrays()
    epochs, out = count(1), arrays.negative_sequence.copy()
    taken[NEGATIVES] = timed(lambda: train.negatives(next(epochs), out=out), repeats)
    last = next(epochs) - 1
    if not np.array_equal(out, train.arrays(last).negative_sequence):
        raise ValueError(f"negatives({last}) differ from those of arrays({last})")
    moved = _moved_bytes(columns, train, arrays)
    return {
        "rows": len(train),
        "targets": int(arrays.padding_mask.sum()),
        "seconds": taken,
        "moved_bytes": moved,
        "copy": {stage: [copy_seconds(size)] for stage, size in moved.items()},
        "new_copy": {stage: [copy_seconds(size, new=True)] for stage, size in moved.items()},
    }


def _moved_bytes(columns: synthetic_columns.Columns, train: Any, arrays: Any) -> dict[str, int]:
    store = 4 * len(columns["item_id"]) + 16 * len(train)  # items; offsets and keys of users
    dense = [getattr(arrays, name).nbytes for name in type(arrays).__dataclass_fields__]
    return {
        PREPARE: sum(column.nbytes for column in columns.values()) + store,
        ARRAYS: store + sum(dense),
        NEGATIVES: store + arrays.negative_sequence.nbytes,
    }


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["measure", folder, length, repeats]:
            print(json.dumps(_measure(Path(folder), int(length), int(repeats))))
        case received:
            raise SystemExit(f"expected measure FOLDER LENGTH REPEATS, got {received}")
