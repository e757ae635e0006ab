"""Nine interactions, as a table and as files, and what is made of them and of others."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

import sasrec_fast as sf
from sasrec_fast.reading import ColumnNames, Interactions, read_interactions

if TYPE_CHECKING:
    from pathlib import Path

USERS = [3, 1, 3, 1, 3, 1, 2, 2, 2]
ITEMS = [10, 20, 30, 40, 20, 50, 10, 60, 50]
TIMES = [5, 3, 1, 2, 9, 7, 4, 4, 4]
RATINGS = [5, 4, 3, 5, 4, 1, 2, 2, 3]


def table(**changes: Any) -> dict[str, Any]:
    columns = {"user_id": USERS, "item_id": ITEMS, "timestamp": TIMES, "rating": RATINGS}
    return {name: values for name, values in {**columns, **changes}.items() if values is not None}


def prepared(source: Any, **options: Any) -> sf.Prepared:
    return sf.prepare(source, max_sequence_length=4, **options)


def assert_same(first: sf.Prepared, second: sf.Prepared) -> None:
    for name in ("train", "validation", "test"):
        one, two = getattr(first, name).arrays(), getattr(second, name).arrays()
        for field in vars(one):
            np.testing.assert_array_equal(getattr(one, field), getattr(two, field))


FRAME = pd.DataFrame(table())[["user_id", "item_id", "rating", "timestamp"]].assign(title="a,b")

DOCUMENTED = (sf.DataError, TypeError, FileNotFoundError)
NAMES = ColumnNames("user_id", "item_id", "timestamp", None)
FIRST_TWO = ColumnNames("user_id", "item_id", None, None)


def attempt(source: Any, names: ColumnNames = NAMES) -> Interactions | None:
    """What was read, or None where one of the documented errors says why not."""
    try:
        return read_interactions(source, names)
    except DOCUMENTED:
        return None


def write(frame: pd.DataFrame, path: Path, **options: Any) -> Path:
    """The frame in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        pa.parquet.write_table(pa.Table.from_pandas(frame), path, **options)
        return path
    if kind == "dat":
        rows = frame.drop(columns="title").itertuples(index=False)
        text = "".join("::".join(map(str, row)) + "\n" for row in rows)
    else:
        text = frame.to_csv(index=False, sep="," if kind == "csv" else "\t", **options)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.name.lower().endswith(".gz") else data)
    return path
