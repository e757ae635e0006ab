"""Any source of interactions -> runs of rows that can be read again in pieces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from sasrec_fast.columns import as_arrow
from sasrec_fast.errors import DataError, cut
from sasrec_fast.reading.chunks.columnar import ColumnarFile, require_names
from sasrec_fast.reading.chunks.copied import Copies
from sasrec_fast.reading.column_names import Wanted
from sasrec_fast.reading.files import read_file
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
from sasrec_fast.reading.json_lines import read_json_blocks
from sasrec_fast.reading.pieces import Pieces, each_table, files_or_pieces
from sasrec_fast.reading.scratch import Scratch
from sasrec_fast.reading.tables import open_stream
from sasrec_fast.reading.text import read_blocks
from sasrec_fast.reading.written import UnreadError


class Run(Protocol):
    """Rows whose columns have one type each."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def kind(self) -> str:
        """The format of its file, or ""."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """Of its columns."""
        ...

    @property
    def rows(self) -> int | None:
        """Number of its rows, where that is known."""
        ...

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Its rows, about so many at a time."""
        ...


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
class Opener:
    """Finds the runs of a source, one below the other.

    Attributes:
        names: Of the columns.
        copies: Where rows are copied that cannot be read twice.
        scratch: Where files are unpacked.
        runs: What was found.
    """

    names: ColumnNames
    copies: Copies
    scratch: Scratch
    runs: list[Run] = field(default_factory=list)

    def open(self, source: Any) -> None:
        """Add the runs of a source.

        Raises:
            DataError, FileNotFoundError, TypeError: As `read_interactions`.
        """
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
                for table in self._blocks(path, kind, wanted):
                    self._copy(with_keys(table), f"{prefix}{name}", kind)
            except (DataError, UnreadError, pa.ArrowInvalid, UnicodeError):
                # As a whole, which reads it after all or says what is wrong and in which line.
                self.copies.rewind(mark)
                del self.runs[known:]
                table = read_file(path, kind, wanted).select(wanted.names)
                self._copy(with_keys(table), f"{prefix}{name}", kind)
        except DataError as failure:  # of a copy, whose path nobody knows
            raise DataError(str(failure).replace(str(path), name)) from None

    def _blocks(self, path: Path, kind: str, wanted: Wanted) -> Iterator[pa.Table]:
        size = self.copies.block
        if kind == TEXT:
            return read_blocks(path, wanted, size)
        return read_json_blocks(path, wanted, size, self.scratch.folder())

    def _copy(self, table: pa.Table, name: str, kind: str) -> None:
        last = self.runs[-1] if self.runs else None
        run = self.copies.add(table, name, kind, last)
        if run is not last:
            self.runs.append(run)


def _with_keys(table: pa.Table, keys: dict[str, pa.Scalar]) -> pa.Table:
    for key, value in keys.items():
        table = table.append_column(key, pa.repeat(value, len(table)))
    return table
