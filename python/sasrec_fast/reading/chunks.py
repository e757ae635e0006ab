"""Any source of interactions -> its rows in chunks, which can be gone through more than once.

Files of Parquet, Arrow and ORC are read in pieces each time, and so is a table in memory. What
cannot be read twice, or is slow to read, is copied to the disk (chunks_copied.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from sasrec_fast.columns import as_arrow, explode, is_string
from sasrec_fast.errors import DataError, cut
from sasrec_fast.reading.chunks_copied import Copies
from sasrec_fast.reading.chunks_of_files import ColumnarFile, require_names
from sasrec_fast.reading.column_names import Wanted
from sasrec_fast.reading.files import read_file, unified
from sasrec_fast.reading.folders import (
    Part,
    find_parts,
    key_types,
    warn_of_files_given_twice,
    warn_of_order,
)
from sasrec_fast.reading.formats import ARROW, ORC, PARQUET, TEXT, format_of
from sasrec_fast.reading.interactions import (
    ColumnNames,
    columns_of_piece,
    wanted_names,
    warn_of_unsorted,
)
from sasrec_fast.reading.pieces import Pieces, each_table, files_or_pieces
from sasrec_fast.reading.scratch import Scratch
from sasrec_fast.reading.tables import open_stream
from sasrec_fast.reading.text import read_blocks
from sasrec_fast.reading.written import UnreadError


class Run(Protocol):
    """Rows whose columns have one type each.

    Attributes:
        name: What messages call it.
        kind: The format of its file, or "".
        schema: Of its columns.
    """

    name: str
    kind: str
    schema: pa.Schema

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Its rows, about so many at a time."""
        ...


@dataclass(frozen=True)
class Chunk:
    """Some rows, in their order.

    Attributes:
        where: What a message about them begins with.
        columns: The wanted columns, by name.
    """

    where: str
    columns: dict[Any, Any]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


class Chunks:
    """The rows of a source.

    Args:
        source: As of `read_interactions`.
        names: Of its columns.
        copies: Where rows are copied that cannot be read twice.
        scratch: Where files are unpacked.
        rows: Most rows of a chunk, more or less.

    Raises:
        DataError, FileNotFoundError, TypeError: As `read_interactions`.
    """

    def __init__(
        self, source: Any, names: ColumnNames, copies: Copies, scratch: Scratch, rows: int
    ) -> None:
        self._names, self._rows = names, rows
        opener = _Opener(names, copies, scratch, rows)
        opener.open(source)
        copies.close()
        self._runs = opener.runs
        self._types = _types(self._runs, names)

    @property
    def rows_known(self) -> int | None:
        """How many rows there are, where that is known before all are read."""
        counts = [getattr(run, "rows", None) for run in self._runs]
        return None if None in counts else sum(count or 0 for count in counts)

    def __iter__(self) -> Iterator[Chunk]:
        for run in self._runs:
            first = 0
            for batch in run.batches(self._rows):
                where = f"{run.name}, in the rows from {first:,} on: " if run.name else ""
                for part in _of_size(batch, self._rows):
                    yield Chunk(where, self._columns(part, where))
                first += len(batch)

    def _columns(self, batch: pa.RecordBatch, where: str) -> dict[Any, Any]:
        found = {}
        for name in wanted_names(self._names):
            column, kind = batch.column(str(name)), self._types[str(name)]
            try:
                found[name] = column if column.type == kind else pc.cast(column, kind)
            except pa.ArrowInvalid as failure:
                reason = cut(str(failure).splitlines()[0], 200)
                raise DataError(
                    f"{where}column '{cut(name)}' is {column.type} there and {kind} elsewhere: "
                    f"{reason}"
                ) from None
        try:
            return explode(found, self._names.user, self._names.item)
        except DataError as failure:
            raise DataError(f"{where}{failure}") from None


@dataclass(frozen=True)
class Held:
    """A table in memory."""

    table: pa.Table
    name: str = ""
    kind: str = ""

    @property
    def schema(self) -> pa.Schema:
        """Of its columns."""
        return self.table.schema

    @property
    def rows(self) -> int:
        """Number of its rows."""
        return len(self.table)

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Its rows, about so many at a time."""
        return iter(self.table.to_batches(max_chunksize=rows))


@dataclass
class _Opener:
    """Finds the runs of a source, one below the other."""

    names: ColumnNames
    copies: Copies
    scratch: Scratch
    rows: int
    runs: list[Run] = field(default_factory=list)

    def open(self, source: Any) -> None:
        several = files_or_pieces(source)
        if isinstance(several, Pieces):
            self._open_pieces(several)
        elif several is None:
            self._open_table(source, "", passing=False)
        else:
            if isinstance(source, Iterator) and self.names.timestamp is None:
                warn_of_unsorted(several)
            self._open_files(several, "")

    def _open_pieces(self, pieces: Pieces) -> None:
        for number, piece in each_table(pieces):
            name = f"piece {number}"
            try:
                files = files_or_pieces(piece)
                if isinstance(files, list):
                    self._open_files(files, f"{name}, ")
                else:
                    self._open_table(piece, name, passing=pieces.passing)
            except DataError as failure:
                raise DataError(f"{name}: {failure}") from None
        if not self.runs:
            raise DataError(f"the table has no rows: {pieces.kind} is empty or used up")

    def _open_table(self, source: Any, name: str, *, passing: bool) -> None:
        wanted = wanted_names(self.names)
        stream = open_stream(source, wanted)
        if stream is not None:
            for batch in stream:
                self._copy(pa.table(batch), name, "")
            return
        found = columns_of_piece(source, self.names)
        columns = [as_arrow(values, cut(column)) for column, values in found.items()]
        table = pa.table(columns, [str(column) for column in found])
        if passing:
            self._copy(table, name, "")
        else:
            self.runs.append(Held(table, name))

    def _open_files(self, sources: Sequence[Any], prefix: str) -> None:
        parts = [part for source in sources for part in find_parts(source, self.scratch)]
        warn_of_files_given_twice(parts)
        names = self.names
        times = () if names.timestamp is None else (names.timestamp,)
        if not times:
            warn_of_order(parts)
        wanted = Wanted.of((names.user, names.item), names.numbers, times, only=True)
        types = key_types(parts, wanted.numbers)
        for part in parts:
            keys = {
                key: pa.scalar(value, pa.string()).cast(types[key])
                for key, value in part.keys.items()
                if key in wanted.names
            }
            self._open_file(part, wanted.without(part.keys), keys, prefix)

    def _open_file(
        self, part: Part, wanted: Wanted, keys: dict[str, pa.Scalar], prefix: str
    ) -> None:
        path, name = part.unpacked(self.scratch)
        try:
            kind = format_of(path)
            if kind in (PARQUET, ARROW, ORC):
                require_names(path, kind, wanted)
                self.runs.append(ColumnarFile(path, f"{prefix}{name}", kind, wanted.names, keys))
                return
            with_keys = partial(_with_keys, keys=keys)
            mark, known = self.copies.mark(), len(self.runs)
            try:
                if kind != TEXT:
                    raise DataError(f"{path} is {kind}")
                for table in read_blocks(path, wanted, self.copies.block):
                    self._copy(with_keys(table), f"{prefix}{name}", kind)
            except (DataError, UnreadError, pa.ArrowInvalid, UnicodeError):
                # As a whole, which reads it after all or says what is wrong and in which line.
                self.copies.rewind(mark)
                del self.runs[known:]
                table = read_file(path, kind, wanted).select(wanted.names)
                self._copy(with_keys(table), f"{prefix}{name}", kind)
        except DataError as failure:  # of a copy, whose path nobody knows
            raise DataError(str(failure).replace(str(path), name)) from None

    def _copy(self, table: pa.Table, name: str, kind: str) -> None:
        last = self.runs[-1] if self.runs else None
        run = self.copies.add(table, name, kind, last)
        if run is not last:
            self.runs.append(run)


def _of_size(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """Parts of a batch with at most so many rows, or elements where columns hold lists."""
    lists = [column for column in batch.columns if pa.types.is_nested(column.type)]
    longest = max((pc.sum(pc.list_value_length(c)).as_py() or 0 for c in lists), default=0)
    step = max(1, rows * len(batch) // max(longest, len(batch), 1))
    for first in range(0, len(batch), step):
        yield batch.slice(first, step)


def _types(runs: Sequence[Run], names: ColumnNames) -> dict[str, pa.DataType]:
    """The one type of each column.

    Raises:
        DataError: Runs disagree on one.
    """
    schemas = [run.schema for run in runs]
    parts = [Part(Path(run.name or "the table")) for run in runs]
    ids = (str(names.user), str(names.item))
    for name in ids:
        kinds = {schema.field(name).type for schema in schemas}
        texts = {kind for kind in kinds if _is_text(kind)}
        # What looks like an integer in one place is text beside the text of another.
        if texts and texts != kinds and all(run.kind == TEXT for run in runs):
            schemas = [_with(schema, name, pa.large_string()) for schema in schemas]
    for name in map(str, names.numbers):
        kinds = {schema.field(name).type for schema in schemas}
        if len(kinds) > 1 and any(map(pa.types.is_timestamp, kinds)):
            dates = [pa.types.is_date(schema.field(name).type) for schema in schemas]
            schemas = [
                _with(schema, name, pa.timestamp("s")) if date else schema
                for schema, date in zip(schemas, dates, strict=True)
            ]
    joined = unified(parts, [schema.empty_table() for schema in schemas]).schema
    found = {field.name: field.type for field in joined}
    for name, kind in found.items():
        own = {schema.field(name).type for schema in schemas}
        if pa.types.is_integer(kind) and pa.uint64() in own:
            found[name] = pa.uint64()
        elif name in ids and kind == pa.string():
            found[name] = pa.large_string()
    return found


def _with_keys(table: pa.Table, keys: dict[str, pa.Scalar]) -> pa.Table:
    for key, value in keys.items():
        table = table.append_column(key, pa.repeat(value, len(table)))
    return table


def _is_text(kind: pa.DataType) -> bool:
    return is_string(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _with(schema: pa.Schema, name: str, kind: pa.DataType) -> pa.Schema:
    return schema.set(schema.get_field_index(name), pa.field(name, kind))
