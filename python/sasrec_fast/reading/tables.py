"""Named columns of anything table-like, by the Arrow PyCapsule protocol where it is not ours.

No table library but pandas and pyarrow is imported: others hand over their columns as an Arrow
stream (https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sasrec_fast.errors import DataError
from sasrec_fast.reading.column_names import require_columns
from sasrec_fast.reading.order import in_order

ALLOWED = (
    "a pandas or polars DataFrame, a pyarrow Table, RecordBatchReader or Dataset, a duckdb "
    "relation, any object with __arrow_c_stream__, a mapping of arrays, a NumPy structured array, "
    "one or several paths or open files, or a list or an iterator of any of these"
)
_HISTORIES = (
    "; if it maps users to lists of their items, give pandas.Series(mapping, name='item_id')"
    ".rename_axis('user_id') and timestamp=None"
)
_CONVERSIONS = ("to_arrow", "toArrow", "to_pandas", "toPandas", "compute")


def find_columns(source: Any, names: Sequence[Any]) -> dict[Any, Any]:
    """The named columns of a table, without a copy where its library makes none.

    A table is any of `ALLOWED` but paths, files and iterators; a stream is read to its end. Levels
    of the index of a pandas DataFrame count as columns where no column has their name.

    Raises:
        DataError: A column is missing or occurs twice; or a stream cannot be read.
        TypeError: `source` is no table.
    """
    available: Sequence[Any]
    if isinstance(source, pd.Series):
        source = source.to_frame()
    if isinstance(source, pd.DataFrame):
        return _pandas_columns(source, names)
    if isinstance(source, Mapping):
        available = list(source)
    elif isinstance(source, pa.Table | pa.RecordBatch):
        available = source.schema.names
    elif isinstance(source, np.ndarray) and source.dtype.names is not None:
        available = source.dtype.names
    elif isinstance(source, type):
        raise refused(f"the class {source.__qualname__}")
    else:
        return _foreign_columns(source, names)
    try:
        require_columns(available, names)
    except DataError as failure:
        hint = _HISTORIES if isinstance(source, Mapping) and _are_histories(source) else ""
        raise DataError(f"{failure}{hint}") from None
    return {name: source[name] for name in names}


def _are_histories(source: Mapping[Any, Any]) -> bool:
    """Whether a mapping may be one of users to their items."""
    values = [*source.values()]
    some = any(isinstance(name, str) for name in source)
    return bool(values) and not some and all(isinstance(v, list | np.ndarray) for v in values)


def refused(kind: str, why: str = "") -> TypeError:
    """The error for interactions that are nothing of the kind."""
    return TypeError(f"interactions are {kind}; allowed are {ALLOWED}{why}")


def is_of_spark(source: Any) -> bool:
    """Whether the source is a DataFrame of Spark, which stays on its machines."""
    return _is_of(source, "pyspark.sql.", "DataFrame")


def is_of_ray(source: Any) -> bool:
    """Whether the source is a Dataset of Ray, which stays on its machines."""
    return _is_of(source, "ray.data.", "Dataset")


def _is_of(source: Any, package: str, name: str) -> bool:
    kinds = type(source).__mro__
    return any(kind.__name__ == name and kind.__module__.startswith(package) for kind in kinds)


def is_table(source: Any) -> bool:
    """Whether `find_columns` takes an object of this kind, which may yet lack a column."""
    if isinstance(source, pd.DataFrame | pd.Series | Mapping | pa.Table | pa.RecordBatch):
        return True
    if isinstance(source, np.ndarray):
        return source.dtype.names is not None
    methods = ("__arrow_c_stream__", "__arrow_c_array__", "collect_schema", "project", "to_reader")
    return any(hasattr(source, method) for method in (*methods, "scanner", "iter_batches"))


def _pandas_columns(frame: pd.DataFrame, names: Sequence[Any]) -> dict[Any, Any]:
    """Columns, or levels of the index of such a name."""
    levels = list(frame.index.names)
    if isinstance(frame.index, pd.RangeIndex) and levels == [None]:
        levels = []
    columns = list(frame)
    indexed = [name for name in names if name not in columns and levels.count(name) == 1]
    try:
        require_columns(columns, [name for name in names if name not in indexed])
    except DataError as failure:
        hint = f", the levels of the index {', '.join(map(repr, levels))}" if levels else ""
        raise DataError(f"{failure}{hint}") from None
    return {
        name: frame.index.get_level_values(name) if name in indexed else frame[name]
        for name in names
    }


def _foreign_columns(source: Any, names: Sequence[Any]) -> dict[Any, Any]:
    """Columns of a table of a library that is not imported here."""
    kind = f"{type(source).__module__}.{type(source).__qualname__}"
    source = _projected(source, names, kind)
    if callable(getattr(source, "get_column", None)):  # polars, whose errors name the column so
        return {name: source.get_column(name) for name in names}
    if hasattr(source, "__arrow_c_stream__"):
        table = _read_stream(source, names, kind)
    elif hasattr(source, "__arrow_c_array__"):
        try:
            table = pa.record_batch(source)
        except Exception as failure:
            raise broken(f"the Arrow array of a {kind} cannot be read", failure) from failure
        require_columns(table.schema.names, names)
    else:
        raise refused(f"a {kind}", _advice(source))
    return {name: table.column(name) for name in names}


def _advice(source: Any) -> str:
    """What to give instead of an object that is no table but makes one."""
    if isinstance(source, pd.api.typing.DataFrameGroupBy | pd.api.typing.SeriesGroupBy):
        return ": give the DataFrame that was grouped"
    if callable(source):
        return ": give what it returns"
    if hasattr(source, "tocoo"):
        return ': give {"user_id": m.row, "item_id": m.col} of its m = tocoo()'
    method = next((m for m in _CONVERSIONS if callable(getattr(source, m, None))), None)
    return f": give what its {method}() returns" if method else ""


def _projected(source: Any, names: Sequence[Any], kind: str) -> Any:
    """Only the named columns, where the library can leave the others unread."""
    try:
        if callable(getattr(source, "collect_schema", None)):  # polars
            require_columns(source.collect_schema().names(), names)
            source = source.select(list(dict.fromkeys(names)))
            return source.collect() if hasattr(source, "collect") else source
        if callable(getattr(source, "project", None)) and hasattr(source, "columns"):  # duckdb
            require_columns(source.columns, names)
            quoted = ['"' + str(name).replace('"', '""') + '"' for name in names]
            return source.project(", ".join(dict.fromkeys(quoted)))
        if callable(getattr(source, "scanner", None)):  # a dataset of pyarrow
            require_columns(source.schema.names, names)
            return _by_number(source).scanner(columns=list(dict.fromkeys(names))).to_reader()
        if callable(getattr(source, "to_reader", None)):  # a scanner of pyarrow, a Table of none
            return source.to_reader()
        if callable(getattr(source, "iter_batches", None)):  # an open Parquet file
            schema = source.schema_arrow
            require_columns(schema.names, names)
            columns = list(dict.fromkeys(names))
            batches = source.iter_batches(columns=columns)
            fields = pa.schema([schema.field(name) for name in schema.names if name in columns])
            return pa.RecordBatchReader.from_batches(fields, batches)
    except DataError:
        raise
    except Exception as failure:
        raise broken(f"the columns of a {kind} cannot be read", failure) from failure
    return source


def _by_number(dataset: Any) -> Any:
    """The dataset with its files in order of the numbers in their names, if by name they are."""
    files = list(getattr(dataset, "files", ()))
    if files != sorted(files) or files == in_order(files):
        return dataset
    fragments = {fragment.path: fragment for fragment in dataset.get_fragments()}
    return type(dataset)(
        [fragments[file] for file in in_order(files)],
        dataset.schema,
        dataset.format,
        dataset.filesystem,
    )


def open_stream(source: Any, names: Sequence[Any]) -> Iterator[pa.RecordBatch] | None:
    """The named columns of a stream, batch by batch; None of what lies in memory already."""
    if isinstance(source, pd.DataFrame | pd.Series | Mapping | np.ndarray | pa.Table | type):
        return None
    kind = f"{type(source).__module__}.{type(source).__qualname__}"
    source = _projected(source, names, kind)
    if callable(getattr(source, "get_column", None)):
        return None
    return _batches(source, names, kind) if hasattr(source, "__arrow_c_stream__") else None


def _read_stream(source: Any, names: Sequence[Any], kind: str) -> pa.Table:
    batches = [*_batches(source, names, kind)]
    if not any(batch.num_rows for batch in batches):
        raise DataError(f"the table has no rows: the Arrow stream of a {kind} is empty or used up")
    return pa.Table.from_batches(batches)


def _batches(source: Any, names: Sequence[Any], kind: str) -> Iterator[pa.RecordBatch]:
    rows = 0
    try:
        own = isinstance(source, pa.RecordBatchReader)
        reader = source if own else pa.RecordBatchReader.from_stream(source)
    except Exception as failure:
        raise broken(f"the Arrow stream of a {kind} cannot be opened", failure) from failure
    require_columns(reader.schema.names, names)
    kept = list(dict.fromkeys(names))
    while True:
        try:
            batch = reader.read_next_batch().select(kept)
        except StopIteration:
            return
        except Exception as failure:
            reason = f"the Arrow stream of a {kind} failed after {rows:,} rows"
            raise broken(reason, failure) from failure
        rows += batch.num_rows
        yield batch


def broken(what: str, failure: Exception) -> DataError | MemoryError:
    """The error to raise for one of another library; running out of memory stays what it is."""
    lines = str(failure).strip().splitlines()
    reason = f"{type(failure).__name__}: {lines[0][:200]}" if lines else type(failure).__name__
    kind = MemoryError if isinstance(failure, MemoryError) else DataError
    return kind(f"{what}: {reason}")
