"""Reads text: `.csv`, `.tsv` and `.dat` files, with errors that name the line.

pyarrow reads at full speed; a file it refuses, or that holds what cannot be right, is read again
line by line to say where (faults.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from sasrec_fast import faults
from sasrec_fast.column_names import Wanted, require_columns
from sasrec_fast.errors import DataError
from sasrec_fast.opening import UNREADABLE, is_compressed, open_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

DELIMITERS = {".csv": ",", ".tsv": "\t"}

_DAT_FIELDS = ("user_id", "_1", "item_id", "_2", "rating", "_3", "timestamp")
_REFUSED = (pa.ArrowException, UnicodeDecodeError, OSError)


def check_text(path: Path) -> None:
    """Refuse a file that cannot be opened or is empty."""
    try:
        with open_bytes(path) as file:
            empty = not any(line.strip(b"\r\n") for line in file)
    except (*UNREADABLE, ValueError) as failure:
        raise DataError(f"{str(path)!r} cannot be read: {failure}") from None
    if empty:
        raise DataError(f"{path} is empty, expected a line for each row")


def read_dat(path: Path, wanted: Wanted, texts: Collection[str] = ()) -> pa.Table:
    """Read user_id::item_id::rating::timestamp lines.

    pyarrow parses ":"-separated fields in parallel, every other of which is empty here.

    Args:
        path: A file that `check_text` accepts.
        wanted: What to read; positions are 0 to 3.
        texts: Ids to read as strings though all are integers.
    """
    positions = tuple(map(str, range(len(faults.DAT_COLUMNS))))
    available = positions if wanted.positional else faults.DAT_COLUMNS
    if wanted.only:
        require_columns(available, wanted.names, f" of {path}")
    fields = dict(zip(available, faults.DAT_COLUMNS, strict=True))
    read = pyarrow.csv.ReadOptions(column_names=list(_DAT_FIELDS))
    parse = pyarrow.csv.ParseOptions(delimiter=":", quote_char=False, double_quote=False)
    texts = [fields[name] for name in texts]
    checks: dict[str, faults.Check] = {"rating": faults.number, "timestamp": faults.number}
    try:
        table = _Reader(path, read, parse).inferred(("user_id", "item_id"), texts)
    except _REFUSED as failure:
        fault = _fault(lambda: faults.dat_fault(path, checks))
        raise _error(path, fault, failure) from None
    separators = [table[name].type for name in _DAT_FIELDS[1::2]]
    table = table.select(list(faults.DAT_COLUMNS))
    fractional = [name for name in ("user_id", "item_id") if _is_float(table[name])]
    sound = set(separators) == {pa.null()}
    sound = sound and all(column.null_count == 0 for column in table.columns)
    sound = sound and all(c.type in (pa.int64(), pa.string()) for c in table.columns[:2])
    if not sound or not all(_is_finite(column) for column in table.columns[2:]):
        checks |= dict.fromkeys(fractional, faults.whole)
        fault = _fault(lambda: faults.dat_fault(path, checks))
        raise _error(path, fault, "a value does not fit its column")
    table = table.rename_columns(list(available))
    return table.select(list(wanted.names)) if wanted.only else table


def read_delimited(path: Path, wanted: Wanted, texts: Collection[str] = ()) -> pa.Table:
    """Read a `.csv` or `.tsv` file; there may be a header and no rows.

    Args:
        path: A file that `check_text` accepts.
        wanted: What to read; by position where the file has no header.
        texts: Ids to read as strings though all are integers.
    """
    base = path.with_suffix("") if is_compressed(path) else path
    delimiter = DELIMITERS[base.suffix.lower()]
    reader = _Reader(
        path,
        pyarrow.csv.ReadOptions(),
        pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
    )
    ids = tuple(map(str, wanted.ids))

    def fault(checks: dict[str, faults.Check]) -> str | None:
        header = not wanted.positional
        return _fault(lambda: faults.delimited_fault(path, delimiter, checks, header=header))

    try:
        names = _names(path, delimiter, wanted)
        if wanted.positional:
            reader.read.column_names = names
        if wanted.only and names:
            require_columns(names, wanted.names, f" of {path}")
            reader.include = list(wanted.names)
        table = reader.inferred(ids, texts)
    except (*_REFUSED, *UNREADABLE) as failure:
        raise _error(path, fault({}), failure) from None
    checks = _doubtful(table, ids, tuple(map(str, wanted.numbers)))
    if checks or any(pa.types.is_binary(column.type) for column in table.columns):
        raise _error(path, fault(checks), f"columns {[*checks]} hold neither numbers nor times")
    return table


def _names(path: Path, delimiter: str, wanted: Wanted) -> list[str]:
    """Names of all columns; empty where the first line is malformed."""
    fields = faults.first_fields(path, delimiter)
    if wanted.positional:
        return [str(position) for position in range(len(fields))]
    twice = next((name for i, name in enumerate(fields) if name in fields[:i]), None)
    if twice is not None:
        raise DataError(f"{path}, line 1: the header has two columns named {twice!r}")
    return fields


def _doubtful(
    table: pa.Table, ids: tuple[str, ...], numbers: tuple[str, ...]
) -> dict[str, faults.Check]:
    """What to look for, by column, where a column is not of the kind that was asked for."""
    names = table.column_names
    checks: dict[str, faults.Check] = {
        name: faults.whole for name in ids if name in names and _is_float(table[name])
    }
    for name in numbers:
        if name in names and pa.types.is_string(table[name].type):
            first = table[name].drop_null()[0].as_py()
            checks[name] = faults.number if faults.time(first) else faults.time
    return checks


class _Reader:
    """One file that pyarrow reads, once or twice."""

    def __init__(
        self, path: Path, read: pyarrow.csv.ReadOptions, parse: pyarrow.csv.ParseOptions
    ) -> None:
        self.path = path
        self.read = read
        self.parse = parse
        self.include: list[str] = []

    def typed(self, types: dict[str, pa.DataType]) -> pa.Table:
        """Read; the types of other columns are inferred."""
        convert = pyarrow.csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            include_columns=self.include,
        )
        compression = "gzip" if is_compressed(self.path) else None
        with pa.input_stream(str(self.path), compression=compression) as stream:
            return pyarrow.csv.read_csv(stream, self.read, self.parse, convert)

    def inferred(self, ids: Collection[str], texts: Collection[str]) -> pa.Table:
        """Read; ids are int64, strings, null, or float64 with fractions."""
        inferred = self.typed(dict.fromkeys(texts, pa.string()))
        plain = (pa.int64(), pa.string(), pa.binary(), pa.null())
        others = [f.name for f in inferred.schema if f.name in ids and f.type not in plain]
        if not others:
            return inferred
        table = self.typed(dict.fromkeys([*texts, *others], pa.string()))
        for name in others:
            integers = pc.match_substring_regex(table[name], r"^[ \t]*-?[0-9]+[ \t]*$")
            if _is_float(inferred[name]) and not pc.all(integers).as_py():
                table = table.set_column(table.column_names.index(name), name, inferred[name])
        return table


def _is_float(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_floating(column.type))


def _is_finite(column: pa.ChunkedArray) -> bool:
    numeric = _is_float(column) or pa.types.is_integer(column.type)
    return bool(numeric and pc.all(pc.is_finite(column)).as_py())


def _fault(find: Callable[[], str | None]) -> str | None:
    """The fault that is found, unless the file cannot be read to its end."""
    try:
        return find()
    except UNREADABLE:
        return None


def _error(path: Path, fault: str | None, otherwise: object) -> DataError:
    return DataError(f"{path}, {fault}" if fault else f"{path}: {faults.shorten(str(otherwise))}")
