"""Reads text: `.csv`, `.tsv` and `.dat` files, with errors that name the line.

pyarrow reads at full speed; a file it refuses, or that holds what cannot be right, is read again
line by line to say where (faults.py).
"""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from sasrec_fast.errors import DataError
from sasrec_fast.reading import faults
from sasrec_fast.reading.column_names import Wanted, require_columns
from sasrec_fast.reading.opening import UNREADABLE, is_compressed, open_bytes
from sasrec_fast.reading.text_types import Reader, Roles

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

DELIMITERS = {".csv": ",", ".tsv": "\t"}

_DAT_FIELDS = ("user_id", "_1", "item_id", "_2", "rating", "_3", "timestamp")
_REFUSED = (pa.ArrowException, UnicodeError, OSError)
_NO_ROWS = "Empty CSV file"
"""What pyarrow says to a header without a line end, as to a file of nothing."""


def check_text(path: Path) -> None:
    """Refuse a file that cannot be opened or is empty."""
    try:
        with open_bytes(path) as file:
            empty = not any(line.removeprefix(BOM_UTF8).strip(b"\r\n") for line in file)
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
    ids, numbers = faults.DAT_COLUMNS[:2], faults.DAT_COLUMNS[2:]
    roles = Roles(ids, numbers, numbers[1:], [fields[name] for name in texts])
    checks: dict[str, faults.Check] = dict.fromkeys(numbers, faults.number)
    try:
        table = Reader(path, read, parse).inferred(roles)
    except _REFUSED as failure:
        fault = _fault(lambda: faults.dat_fault(path, checks))
        raise _error(path, fault, failure) from None
    separators = [table[name].type for name in _DAT_FIELDS[1::2]]
    table = table.select(list(faults.DAT_COLUMNS))
    fractional = [name for name in ids if _is_float(table[name])]
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
    header = not wanted.positional

    def fault(checks: dict[str, faults.Check]) -> str | None:
        return _fault(lambda: faults.delimited_fault(path, delimiter, checks, header=header))

    try:
        names = _names(path, delimiter, wanted)
        if not names:
            raise _error(path, fault({}), "the first line is malformed")
        read = pyarrow.csv.ReadOptions(column_names=None if header else names)
        parse = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        include = list(wanted.names) if wanted.only else []
        reader = Reader(path, read, parse, include)
        table = reader.inferred(_roles(wanted, texts))
        # pyarrow takes what follows a quote that is never closed for one field.
        open_quote = fault({}) if reader.marks.quotes % 2 else None
    except (*_REFUSED, *UNREADABLE) as failure:
        if header and _NO_ROWS in str(failure):
            return pa.table({name: pa.nulls(0) for name in names})
        raise _error(path, fault({}), failure) from None
    if open_quote is not None:
        raise _error(path, open_quote, "")
    checks = _doubts(table, wanted)
    if checks or any(pa.types.is_binary(column.type) for column in table.columns):
        found = fault(checks) or fault(dict.fromkeys(checks, faults.near_time))
        raise _error(path, found, f"columns {[*checks]} hold neither numbers nor times")
    return table


def _names(path: Path, delimiter: str, wanted: Wanted) -> list[str]:
    """Names of all columns; none where the first line is malformed."""
    fields = faults.first_fields(path, delimiter)
    "".join(fields).encode()
    if wanted.positional:
        fields = [str(position) for position in range(len(fields))]
    twice = next((name for i, name in enumerate(fields) if name in fields[:i]), None)
    if twice is not None:
        raise DataError(f"{path}, line 1: the header has two columns named {twice!r}")
    if wanted.only and fields:
        require_columns(fields, wanted.names, f" of {path}")
    return fields


def _roles(wanted: Wanted, texts: Collection[str]) -> Roles:
    ids, numbers, times = (
        tuple(map(str, names)) for names in (wanted.ids, wanted.numbers, wanted.times)
    )
    return Roles(ids, numbers, times, texts)


def _doubts(table: pa.Table, wanted: Wanted) -> dict[str, faults.Check]:
    """What to look for, by column, where a column is not of the kind that was asked for."""
    found: dict[str, list[faults.Check]] = {}
    for name in wanted.names:
        if name in table.column_names:
            found[name] = [faults.filled] if wanted.only and table[name].null_count else []
    ids, numbers = (found.keys() & set(map(str, n)) for n in (wanted.ids, wanted.numbers))
    for name in ids:
        if _is_float(table[name]):
            found[name].append(faults.whole)
    for name in numbers:
        kind = table[name].type
        if pa.types.is_string(kind):
            found[name].append(faults.like(table[name].drop_null()[0].as_py()))
        elif not (_is_finite(table[name]) or _is_time(kind) or pa.types.is_null(kind)):
            found[name].append(faults.number)
    return {name: faults.first_of(checks) for name, checks in found.items() if checks}


def _is_float(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_floating(column.type))


def _is_finite(column: pa.ChunkedArray) -> bool:
    numeric = _is_float(column) or pa.types.is_integer(column.type)
    return bool(numeric and pc.all(pc.is_finite(column)).as_py())


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _fault(find: Callable[[], str | None]) -> str | None:
    """The fault that is found, unless the file cannot be read to its end."""
    try:
        return find()
    except UNREADABLE:
        return None


def _error(path: Path, fault: str | None, otherwise: object) -> DataError:
    return DataError(f"{path}, {fault}" if fault else f"{path}: {faults.shorten(str(otherwise))}")
