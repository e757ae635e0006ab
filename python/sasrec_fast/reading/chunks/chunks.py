"""Any source of interactions -> its rows in chunks, which can be gone through more than once.

Files of Parquet, Arrow and ORC are read in pieces each time, and so is a table in memory. What
cannot be read twice, or is slow to read, is copied to the disk (copied.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sasrec_fast.columns import explode, is_string
from sasrec_fast.errors import DataError, cut
from sasrec_fast.reading.chunks.copied import Copies
from sasrec_fast.reading.chunks.opened import Opener, Run
from sasrec_fast.reading.files import unified
from sasrec_fast.reading.folders import Part
from sasrec_fast.reading.formats import TEXT
from sasrec_fast.reading.interactions import ColumnNames, wanted_names
from sasrec_fast.reading.scratch import Scratch


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
        opener = Opener(names, copies, scratch)
        opener.open(source)
        copies.close()
        self._runs = opener.runs
        self._types = _types(self._runs, names)

    @property
    def rows_known(self) -> int | None:
        """How many rows there are, where that is known before all are read."""
        counts = [run.rows for run in self._runs]
        return None if None in counts else sum(count or 0 for count in counts)

    def __iter__(self) -> Iterator[Chunk]:
        """The chunks, each with a row or more."""
        for run in self._runs:
            first = 0
            for batch in run.batches(self._rows):
                where = f"{run.name}, in the rows from {first:,} on: " if run.name else ""
                for part in _of_size(batch, self._rows):
                    chunk = Chunk(where, self._columns(part, where))
                    if len(chunk):
                        yield chunk
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


def _is_text(kind: pa.DataType) -> bool:
    return is_string(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _with(schema: pa.Schema, name: str, kind: pa.DataType) -> pa.Schema:
    return schema.set(schema.get_field_index(name), pa.field(name, kind))
