"""Files of Parquet, Arrow and ORC, piece by piece: row groups, batches and stripes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from sasrec_fast.errors import DataError, shorten
from sasrec_fast.reading.column_names import Wanted, require_columns
from sasrec_fast.reading.columnar import is_stream
from sasrec_fast.reading.formats import ARROW, PARQUET

_BUFFERED = 1 << 20
"""Bytes of a column of Parquet that are read at a time."""


def require_names(path: Path, kind: str, wanted: Wanted) -> None:
    """Refuse positions of columns, which these files have names for."""
    if wanted.positional:
        raise DataError(
            f"{path}: columns are given by position ({', '.join(wanted.names)}), but a {kind} "
            "file has names; positions are for text without a header"
        )


@dataclass(frozen=True)
class ColumnarFile:
    """A file that is read in pieces, and must stay as it is.

    Attributes:
        path: The file.
        name: What messages call it.
        kind: Its format.
        names: The columns to read.
        keys: Values of further columns, the same in each row.
    """

    path: Path
    name: str
    kind: str
    names: tuple[str, ...]
    keys: Mapping[str, pa.Scalar]
    _state: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_state", self._found())

    @cached_property
    def schema(self) -> pa.Schema:
        """Of the columns."""
        with _readable(self.path, self.kind), self._opened() as file:
            schema = file.schema_arrow if self.kind == PARQUET else file.schema
        require_columns(schema.names, self.names, f" of {self.path}")
        fields = [schema.field(name).remove_metadata() for name in self.names]
        return pa.schema(fields + [pa.field(key, of.type) for key, of in self.keys.items()])

    @cached_property
    def rows(self) -> int | None:
        """Number of rows, where the file says it."""
        if self.kind != PARQUET:
            return None
        with _readable(self.path, self.kind), self._opened() as file:
            return int(file.metadata.num_rows)

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows, about so many at a time.

        Raises:
            DataError: The file is damaged, or is not what it was when it was opened first.
        """
        self._require_unchanged()
        with _readable(self.path, self.kind), self._opened() as file:
            for batch in self._pieces(file, rows):
                columns = [batch.column(name) for name in self.names]
                columns += [pa.repeat(value, len(batch)) for value in self.keys.values()]
                whole = pa.RecordBatch.from_arrays(columns, [*self.names, *self.keys])
                for first in range(0, len(whole), rows):
                    yield whole.slice(first, rows)
        self._require_unchanged()

    def _pieces(self, file: Any, rows: int) -> Iterator[pa.RecordBatch]:
        if self.kind == PARQUET:
            yield from file.iter_batches(rows, columns=list(self.names))
        elif self.kind == ARROW:
            numbers = getattr(file, "num_record_batches", None)
            batches = file if numbers is None else map(file.get_batch, range(numbers))
            for batch in batches:
                batch.validate(full=True)  # what is read of Arrow is not checked otherwise
                yield batch
        else:
            for stripe in range(file.nstripes):
                yield file.read_stripe(stripe, columns=list(self.names))

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        if self.kind == PARQUET:
            import pyarrow.parquet  # late, since few files are Parquet and it takes a while

            with pyarrow.parquet.ParquetFile(
                self.path, buffer_size=_BUFFERED, pre_buffer=False
            ) as file:
                yield file
            return
        with pa.OSFile(str(self.path)) as source:
            if self.kind == ARROW:
                import pyarrow.ipc

                opened = pyarrow.ipc.open_stream if is_stream(self.path) else pyarrow.ipc.open_file
                with opened(source) as reader:
                    yield reader
            else:
                import pyarrow.orc

                yield pyarrow.orc.ORCFile(source)

    def _found(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError as failure:
            raise DataError(f"{str(self.path)!r} cannot be read: {failure}") from None
        return found.st_size, found.st_mtime_ns

    def _require_unchanged(self) -> None:
        if self._found() != self._state:
            raise DataError(
                f"{self.name} was changed while it was read, which takes two passes; prepare it "
                "again when nothing writes to it"
            )


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as failure:
        raise DataError(f"{path} cannot be read as {kind}: {shorten(str(failure))}") from None
