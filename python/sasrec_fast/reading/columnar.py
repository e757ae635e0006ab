"""Reads files that have names and types of their own: Parquet, Arrow, Feather and ORC."""

from pathlib import Path

import pyarrow as pa

from sasrec_fast.errors import DataError, shorten
from sasrec_fast.reading.column_names import Wanted, require_columns
from sasrec_fast.reading.formats import ARROW, ORC, PARQUET
from sasrec_fast.reading.parquet import read_parquet

_STREAM = b"\xff\xff\xff\xff"


def read_columnar(path: Path, kind: str, wanted: Wanted) -> pa.Table:
    """Read only the columns that are asked for; ids of text may be dictionaries.

    Args:
        path: The file.
        kind: Its format, as `format_of` says.
        wanted: Its columns, by name.

    Raises:
        DataError: The file is damaged or of another format, or lacks a column.
    """
    if kind == PARQUET:
        return read_parquet(path, wanted)
    reads = {ARROW: _read_arrow, ORC: _read_orc}
    try:
        return reads[kind](path, wanted)
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as failure:
        raise DataError(f"{path} cannot be read as {kind}: {shorten(str(failure))}") from None


def _read_arrow(path: Path, wanted: Wanted) -> pa.Table:
    """Read an Arrow file, which Feather is since its second version, or a stream."""
    import pyarrow.ipc

    with pa.OSFile(str(path)) as file:
        opened = pyarrow.ipc.open_stream if is_stream(path) else pyarrow.ipc.open_file
        with opened(file) as reader:
            names = _required(reader.schema.names, wanted, path)
            table = reader.read_all()
    table.validate(full=True)  # what is read of Arrow is not checked otherwise
    return table.select(names) if wanted.only else table


def is_stream(path: Path) -> bool:
    """Whether a file of Arrow is a stream, which has no list of its batches."""
    with path.open("rb") as file:
        return file.read(len(_STREAM)) == _STREAM


def _read_orc(path: Path, wanted: Wanted) -> pa.Table:
    import pyarrow.orc

    with pa.OSFile(str(path)) as file:
        reader = pyarrow.orc.ORCFile(file)
        names = _required(reader.schema.names, wanted, path)
        table = reader.read(columns=names) if wanted.only else reader.read()
    return table.select(names) if wanted.only else table


def _required(available: list[str], wanted: Wanted, path: Path) -> list[str]:
    if wanted.only:
        require_columns(available, wanted.names, f" of {path}")
    return list(wanted.names)
