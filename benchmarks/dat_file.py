"""A `.dat` file read and prepared, against reading it with pandas' C engine alone.

`python dat_file.py measure NAME FILE LENGTH REPEATS` prints one line of JSON. The C engine has no
"::"; it reads fields separated by ":" and leaves out every other one, which is empty.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import synthetic_columns
from measurement import Size, in_turn, timed, worker
from requirements import Requirement, seconds, verdict

PANDAS, PACKAGE = "pandas.read_csv", "sasrec_fast.prepare"
REQUIRED = Requirement(3.0)
FIELDS = ("user_id", "item_id", "rating", "timestamp")


def measured(size: Size) -> dict[str, Any]:
    """Seconds of both.

    Raises:
        ValueError: They do not read as many rows as were written.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ratings.dat"
        write(file, synthetic_columns.columns(size.rows, size.users, size.items, size.seed))
        run = partial(worker, "dat_file.py", "measure")
        names = (PANDAS, PACKAGE)
        runs = {name: partial(run, name, file, size.length, size.repeats) for name in names}
        result = in_turn(size, runs)
    for name, figures in result.items():
        if figures["rows"] != size.rows:
            raise ValueError(f"{name} read {figures['rows']} rows of {size.rows}")
    return result


def table(size: Size, result: dict[str, Any]) -> str:
    """Reading and preparing against reading."""
    lines = [f"a .dat file of {size}: {result[PANDAS]['bytes'] / 1e6:.0f} MB", ""]
    lines.append(f"{'':26}{'best s':>9}{'median s':>10}{'ratio':>9}  required")
    reading = min(result[PANDAS]["seconds"])
    for name, figures in result.items():
        ratio = min(figures["seconds"]) / reading
        required = REQUIRED if size.standard and name == PACKAGE else None
        row = f"{name:26}{seconds(figures['seconds'])}{ratio:8.2f}x  {verdict(required, ratio)}"
        lines.append(row.rstrip())
    return "\n".join(lines)


def write(file: Path, columns: synthetic_columns.Columns) -> None:
    """Lines user_id::item_id::rating::timestamp."""
    rating = np.random.default_rng(0).integers(1, 6, len(columns["user_id"]))
    fields = [dict(columns, rating=rating)[name].tolist() for name in FIELDS]
    with file.open("w", encoding="ascii") as lines:
        lines.writelines("::".join(map(str, row)) + "\n" for row in zip(*fields, strict=True))


def _measure(name: str, file: Path, length: int, repeats: int) -> dict[str, Any]:
    import pandas as pd

    import sasrec_fast as sf

    read = partial(
        pd.read_csv, sep=":", header=None, usecols=[0, 2, 4, 6], names=FIELDS, engine="c"
    )
    prepare = partial(sf.prepare, max_sequence_length=length)
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.dat"
        write(small, synthetic_columns.columns(400, 20, 50))
        read(small)
        prepare(small)
    run = read if name == PANDAS else prepare
    taken = timed(partial(run, file), repeats)
    rows = len(read(file)) if name == PANDAS else prepare(file).report.rows_in
    return {"seconds": taken, "rows": rows, "bytes": file.stat().st_size}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["measure", name, file, length, repeats]:
            print(json.dumps(_measure(name, Path(file), int(length), int(repeats))))
        case received:
            raise SystemExit(f"expected measure NAME FILE LENGTH REPEATS, got {received}")
