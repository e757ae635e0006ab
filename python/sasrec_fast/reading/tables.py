"""Named columns of anything table-like, by the Arrow PyCapsule protocol where it is not ours.

No table library but pandas and pyarrow is imported: others hand over their columns as an Arrow
stream (https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sasrec_fast.errors import DataError
from sasrec_fast.reading.column_names import require_columns

ALLOWED = (
    "a pandas or polars DataFrame, a pyarrow Table or RecordBatchReader, a duckdb relation, any "
    "object with __arrow_c_stream__, a mapping of arrays, a NumPy structured array, or one or "
    "several paths"
)


def find_columns(source: Any, names: Sequence[Any]) -> dict[Any, Any]:
    """The named columns of a table, without a copy where its library makes none.

    A table is any of `ALLOWED` but paths; a stream is read to its end.

    Raises:
        DataError: A column is missing or occurs twice; or a stream cannot be read.
        TypeError: `source` is no table.
    """
    available: Sequence[Any]
    if isinstance(source, pd.DataFrame | Mapping):
        available = list(source)
    elif isinstance(source, pa.Table | pa.RecordBatch):
        available = source.schema.names
    elif isinstance(source, np.ndarray) and source.dtype.names is not None:
        available = source.dtype.names
    elif isinstance(source, type):
        raise TypeError(f"interactions are the class {source.__qualname__}; allowed are {ALLOWED}")
    else:
        return _foreign_columns(source, names)
    require_columns(available, names)
    return {name: source[name] for name in names}


def _foreign_columns(source: Any, names: Sequence[Any]) -> dict[Any, Any]:
    """Columns of a table of a library that is not imported here."""
    kind = f"{type(source).__module__}.{type(source).__qualname__}"
    source = _projected(source, names, kind)
    if hasattr(source, "__arrow_c_stream__"):
        table = _read_stream(source, names, kind)
    elif hasattr(source, "__arrow_c_array__"):
        try:
            table = pa.record_batch(source)
        except Exception as failure:
            raise _broken(f"the Arrow array of a {kind} cannot be read", failure) from failure
        require_columns(table.schema.names, names)
    else:
        raise TypeError(f"interactions are a {kind}; allowed are {ALLOWED}")
    return {name: table.column(name) for name in names}


def _projected(source: Any, names: Sequence[Any], kind: str) -> Any:
    """Only the named columns, where the library can leave the others unread."""
    try:
        if callable(getattr(source, "collect_schema", None)):  # polars
            require_columns(source.collect_schema().names(), names)
            source = source.select(list(names))
            return source.collect() if hasattr(source, "collect") else source
        if callable(getattr(source, "project", None)) and hasattr(source, "columns"):  # duckdb
            require_columns(source.columns, names)
            quoted = ['"' + str(name).replace('"', '""') + '"' for name in names]
            return source.project(", ".join(dict.fromkeys(quoted)))
    except DataError:
        raise
    except Exception as failure:
        raise _broken(f"the columns of a {kind} cannot be read", failure) from failure
    return source


def _read_stream(source: Any, names: Sequence[Any], kind: str) -> pa.Table:
    rows, batches = 0, []
    try:
        own = isinstance(source, pa.RecordBatchReader)
        reader = source if own else pa.RecordBatchReader.from_stream(source)
    except Exception as failure:
        raise _broken(f"the Arrow stream of a {kind} cannot be opened", failure) from failure
    require_columns(reader.schema.names, names)
    kept = list(dict.fromkeys(names))
    try:
        for batch in reader:
            batches.append(batch.select(kept))
            rows += batch.num_rows
    except Exception as failure:
        reason = f"the Arrow stream of a {kind} failed after {rows:,} rows"
        raise _broken(reason, failure) from failure
    if not rows:
        raise DataError(f"the table has no rows: the Arrow stream of a {kind} is empty or used up")
    return pa.Table.from_batches(batches)


def _broken(what: str, failure: Exception) -> DataError | MemoryError:
    """The error to raise for one of another library; running out of memory stays what it is."""
    lines = str(failure).strip().splitlines()
    reason = f"{type(failure).__name__}: {lines[0][:200]}" if lines else type(failure).__name__
    kind = MemoryError if isinstance(failure, MemoryError) else DataError
    return kind(f"{what}: {reason}")
