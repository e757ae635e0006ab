"""String ids against integer ids: `prepare()` of pandas tables that hold the same rows.

`python string_ids.py measure KIND FOLDER LENGTH REPEATS` prints one line of JSON. Names are in the
order of the integers they stand for, so that all kinds give equal arrays; that is checked.
"""

from __future__ import annotations

import json
import sys
import tempfile
import uuid
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import synthetic_columns
from measurement import Size, in_turn, timed, worker
from requirements import Requirement, compared, header

if TYPE_CHECKING:
    import pandas as pd

INTEGERS, NAMES, UUIDS = "int64", "user_0001234", "UUID"
REQUIRED = Requirement(4.0)


def measured(size: Size) -> dict[str, Any]:
    """Seconds of each kind of ids.

    Raises:
        ValueError: The kinds do not give equal arrays.
    """
    with tempfile.TemporaryDirectory() as folder:
        worker("synthetic_columns.py", folder, size.rows, size.users, size.items, size.seed)
        run = partial(worker, "string_ids.py", "measure")
        kinds = (INTEGERS, NAMES, UUIDS)
        runs = {kind: partial(run, kind, folder, size.length, size.repeats) for kind in kinds}
        result = in_turn(size, runs)
    checksums = {kind: figures["checksum"] for kind, figures in result.items()}
    if len(set(checksums.values())) > 1:
        raise ValueError(f"kinds of ids give different arrays: checksums {checksums}")
    return result


def table(size: Size, result: dict[str, Any]) -> str:
    """Each kind against integers."""
    lines = [f"prepare() of a pandas table, {size}", ""]
    lines.append(header("ids"))
    integers = min(result[INTEGERS]["seconds"])
    for kind, figures in result.items():
        required = REQUIRED if size.standard and kind != INTEGERS else None
        name = f"{kind} ({figures['dtype']})" if kind != INTEGERS else kind
        lines.append(compared(name, figures["seconds"], integers, required, 1))
    return "\n".join(lines)


def frame(columns: synthetic_columns.Columns, kind: str) -> pd.DataFrame:
    """The columns with ids of this kind, text held by Arrow as pandas 3 does."""
    import pandas as pd
    import pyarrow as pa

    made = pd.DataFrame(columns)
    for name in ("user_id", "item_id"):
        if kind != INTEGERS:
            names = pa.array(_names(kind, name, int(columns[name].max()) + 1), pa.large_string())
            rows = pa.chunked_array([names.take(pa.array(columns[name]))])
            made[name] = pd.array(rows, dtype=pd.StringDtype("pyarrow", na_value=np.nan))
    return made


def _names(kind: str, column: str, ids: int) -> list[str]:
    """Ascending names of ids 0, 1, .."""
    if kind == NAMES:
        return [f"{column.removesuffix('_id')}_{number:07d}" for number in range(ids)]
    rng = np.random.default_rng(ids)
    return sorted(str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(ids))


def _measure(kind: str, folder: Path, length: int, repeats: int) -> dict[str, Any]:
    import sasrec_fast as sf

    prepare = partial(sf.prepare, max_sequence_length=length)
    prepare(frame(synthetic_columns.columns(400, 20, 50), kind))
    rows = frame(synthetic_columns.load(folder), kind)
    taken = timed(partial(prepare, rows), repeats)
    arrays = prepare(rows).train.arrays()
    checksum = zlib.crc32(arrays.positive_sequence, zlib.crc32(arrays.item_ids))
    return {"seconds": taken, "dtype": str(rows["user_id"].dtype), "checksum": checksum}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["measure", kind, folder, length, repeats]:
            print(json.dumps(_measure(kind, Path(folder), int(length), int(repeats))))
        case received:
            raise SystemExit(f"expected measure KIND FOLDER LENGTH REPEATS, got {received}")
