"""Any table-like input -> checked columns of equal length."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import columns
from sasrec_fast.errors import DataError
from sasrec_fast.files import read_table


@dataclass(frozen=True)
class ColumnNames:
    """Where to find what; `timestamp` None means rows in time order, `rating` None no ratings."""

    user: str
    item: str
    timestamp: str | None
    rating: str | None


@dataclass(frozen=True)
class Interactions:
    """Checked columns, all of the same length.

    Attributes:
        users: User ids.
        items: Item ids.
        timestamps: int64 or float64; None where rows are in time order.
        ratings: Numbers; None where no rating is used.
    """

    users: columns.IdColumn
    items: columns.IdColumn
    timestamps: NDArray[Any] | None
    ratings: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.users.codes)


def read_interactions(source: Any, names: ColumnNames) -> Interactions:
    """Read and check the named columns of a table.

    Args:
        source: pandas DataFrame, pyarrow Table, mapping of 1-D arrays, or a path to a .dat or
            .csv file.
        names: Column names.

    Raises:
        DataError: A missing column or value, unequal lengths, no rows, or values of a wrong kind.
        FileNotFoundError: The path does not exist.
        TypeError: `source` is nothing of the above.
    """
    table = _read_file(Path(source), names) if isinstance(source, str | os.PathLike) else source
    found = _named_columns(table, names, source)
    lengths = {name: _length(values, name) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        described = ", ".join(f"'{name}' has {rows:,}" for name, rows in lengths.items())
        raise DataError(f"columns differ in length: {described} rows")
    if not lengths[names.user]:
        raise DataError("the table has no rows")
    return Interactions(
        columns.read_ids(found[names.user], names.user),
        columns.read_ids(found[names.item], names.item),
        None
        if names.timestamp is None
        else columns.read_timestamps(found[names.timestamp], names.timestamp),
        None if names.rating is None else columns.read_ratings(found[names.rating], names.rating),
    )


def _read_file(path: Path, names: ColumnNames) -> pa.Table:
    numbers = [name for name in (names.timestamp, names.rating) if name is not None]
    return read_table(path, ids=(names.user, names.item), numbers=numbers)


def _named_columns(table: Any, names: ColumnNames, source: Any) -> dict[str, Any]:
    if isinstance(table, pd.DataFrame):
        available = list(table.columns)
    elif isinstance(table, pa.Table | pa.RecordBatch):
        available = table.schema.names
    elif isinstance(table, Mapping):
        available = list(table)
    else:
        raise TypeError(
            f"interactions are a {type(table).__module__}.{type(table).__qualname__}; allowed are "
            "a pandas DataFrame, a pyarrow Table, a mapping of arrays, or a path to a .dat or "
            ".csv file"
        )
    wanted = [names.user, names.item, names.timestamp, names.rating]
    found = {}
    for name in wanted:
        if name is None:
            continue
        if available.count(name) != 1:
            where = f" of {Path(source)}" if isinstance(source, str | os.PathLike) else ""
            problem = "is missing" if name not in available else "occurs more than once"
            listed = ", ".join(repr(column) for column in available) or "none"
            raise DataError(f"column '{name}'{where} {problem}; the columns are {listed}")
        found[name] = table.column(name) if isinstance(table, pa.Table) else table[name]
    return found


def _length(values: Any, name: str) -> int:
    try:
        return np.shape(values)[0] if not hasattr(values, "__len__") else len(values)
    except (IndexError, TypeError, ValueError):
        raise DataError(
            f"column '{name}' is a {type(values).__name__}; a column is a 1-D array"
        ) from None
