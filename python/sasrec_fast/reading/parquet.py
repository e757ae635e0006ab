"""Reads Parquet files: only the columns that are asked for, ids of text as dictionaries."""

from pathlib import Path

import pyarrow as pa

from sasrec_fast.errors import DataError, shorten
from sasrec_fast.reading.column_names import Wanted, require_columns


def read_parquet(path: Path, wanted: Wanted) -> pa.Table:
    """Read a Parquet file.

    Raises:
        DataError: The file is damaged or of another format, or lacks a column.
    """
    try:
        return _read(path, wanted)
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as failure:
        raise DataError(f"{path} cannot be read as Parquet: {shorten(str(failure))}") from None


def _read(path: Path, wanted: Wanted) -> pa.Table:
    import pyarrow.parquet  # late, since few files are Parquet and it takes a while

    with pyarrow.parquet.ParquetFile(path) as file:
        schema, metadata = file.schema_arrow, file.metadata
        if not wanted.only:
            return file.read()
    names = list(wanted.names)
    require_columns(schema.names, names, f" of {path}")
    text = (pa.string(), pa.large_string())
    texts = [name for name in wanted.ids if schema.field(name).type in text]
    # Text comes as the dictionary it is stored with, which is less to read and to encode.
    with pyarrow.parquet.ParquetFile(path, metadata=metadata, read_dictionary=texts) as file:
        return file.read(columns=names).select(names)
