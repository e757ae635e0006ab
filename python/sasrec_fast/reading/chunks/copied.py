"""Rows that cannot be read twice, or are slow to read, copied to one file without a name.

The file is gone when it is closed, however the process ends. It holds Arrow streams, one after the
other: one for each run of tables of the same types.
"""

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from sasrec_fast.columns import is_string

PREFIX = ".rows.unfinished-"
"""Of names that files have for a moment on some systems; who saves data removes what is left."""

_SIGN = 1 << 63


@dataclass(eq=False)
class CopiedRun:
    """Tables of the same types, which lie in a file one after the other.

    Attributes:
        name: What messages call it.
        kind: The format of the file it is from, or "".
        schema: Of its columns.
        rows: How many it has.
    """

    name: str
    kind: str
    schema: pa.Schema
    rows: int
    _file: io.FileIO
    _start: int

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Its rows, at most so many at a time."""
        with os.fdopen(os.dup(self._file.fileno()), "rb") as file:
            file.seek(self._start)
            for batch in pa.ipc.open_stream(pa.PythonFile(file, mode="r")):
                for first in range(0, len(batch), rows):
                    yield batch.slice(first, rows)


class Copies:
    """A file of copied rows.

    Args:
        folder: Where the file is made when it is needed.
        block: Bytes of text that are read at a time.
        told: Told of the rows that were copied.
    """

    def __init__(
        self, folder: Path, block: int, told: Callable[[int], None] = lambda rows: None
    ) -> None:
        self._folder, self.block, self._told = folder, block, told
        self._file: Any = None
        self._writer: Any = None
        self._sink: Any = None
        self._open: CopiedRun | None = None

    def __enter__(self) -> "Copies":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._file is not None:
            self._file.close()

    def add(self, table: pa.Table, name: str, kind: str, last: Any) -> CopiedRun:
        """Copy a table behind the run `last`, or into it where it is of the same types.

        Raises:
            OSError: The disk is full.
        """
        table = pa.table([_plain(column) for column in table.columns], table.column_names)
        if self._file is None:
            self._file = tempfile.TemporaryFile(  # noqa: SIM115
                prefix=PREFIX, dir=self._folder, buffering=0
            )
        run = self._open
        if run is None or run is not last or run.schema != table.schema or run.name != name:
            self.close()
            run = CopiedRun(name, kind, table.schema, 0, self._file, self._file.tell())
            self._sink = os.fdopen(os.dup(self._file.fileno()), "wb")
            sink = pa.PythonFile(self._sink, mode="w")
            self._open, self._writer = run, pa.ipc.new_stream(sink, table.schema)
        self._writer.write_table(table)
        run.rows += len(table)
        self._told(len(table))
        return run

    def mark(self) -> int:
        """End the run that is being written, and where the next one begins."""
        self.close()
        return 0 if self._file is None else int(self._file.tell())

    def rewind(self, mark: int) -> None:
        """Forget the runs that were written since `mark`."""
        self.close()
        if self._file is not None:
            self._file.truncate(mark)
            self._file.seek(mark)

    def close(self) -> None:
        """End the run that is being written."""
        if self._open is not None:
            self._writer.close()
            self._sink.close()
            self._file.seek(0, os.SEEK_END)
        self._open = None


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as such, and integers as int64 where that holds them."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if is_string(column.type):
        return column.cast(pa.large_string())
    if column.type == pa.uint64() and (column.null_count or len(column) == 0 or _fits(column)):
        return column.cast(pa.int64(), safe=False)
    return column


def _fits(column: pa.ChunkedArray) -> bool:
    return all(chunk.to_numpy().max(initial=0) < _SIGN for chunk in column.chunks)
