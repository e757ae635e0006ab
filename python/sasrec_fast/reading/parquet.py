"""Reads Parquet files: only the columns that are asked for, ids of few texts as dictionaries."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from sasrec_fast.errors import DataError, shorten
from sasrec_fast.reading.column_names import Wanted, require_columns

_LENGTH_BYTES = 4
"""What plain text takes for the length of a value alone."""


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
    coded = _in_dictionaries(metadata, texts)
    with pyarrow.parquet.ParquetFile(path, metadata=metadata, read_dictionary=coded) as file:
        return file.read(columns=names).select(names)


def _in_dictionaries(metadata: Any, names: Iterable[str]) -> list[str]:
    """The columns of text to read as the dictionaries they are stored with.

    That is less to read and to encode, unless a dictionary grew too large: then what follows it is
    stored as plain text, of which Arrow would make a dictionary value by value.
    """
    bytes_left = dict.fromkeys(names, 0)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for column in map(group.column, range(group.num_columns)):
            name = column.path_in_schema
            if name in bytes_left:
                plain = not any("DICTIONARY" in kind for kind in column.encodings)
                allowed = 0 if plain else _LENGTH_BYTES * column.num_values
                bytes_left[name] += allowed - column.total_uncompressed_size
    return [name for name, left in bytes_left.items() if left >= 0]
