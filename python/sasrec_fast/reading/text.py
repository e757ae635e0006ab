"""Reads text: `.csv`, `.tsv` and `.dat` files, with errors that name the line.

pyarrow reads at full speed; a file it refuses, or that holds what cannot be right, is read again
to say where (faults.py).
"""

from codecs import BOM_UTF8
from collections import deque
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sasrec_fast.errors import DataError
from sasrec_fast.reading.column_names import Wanted, require_columns
from sasrec_fast.reading.faults import refuse_first_fault, row_fault
from sasrec_fast.reading.opening import UNREADABLE, TextFile, is_compressed, open_bytes, shorten
from sasrec_fast.reading.text_types import read_inferred

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_DAT_COLUMNS = ("user_id", "item_id", "rating", "timestamp")
_IDS = (pa.string(), pa.int64())
_NUMBERS = (pa.float64(),)
_NUMBERS_OR_TIMES = (
    *_NUMBERS,
    *(pa.timestamp(unit, zone) for unit in ("s", "ns") for zone in (None, "UTC")),
)
_INFERRED_FOR = {pa.int64(): pa.float64(), pa.date32(): pa.timestamp("s")}
"""What pyarrow infers, and which type holds the same and more."""

_REFUSED = (pa.ArrowException, UnicodeError, *UNREADABLE)
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


def read_text(path: Path, wanted: Wanted) -> pa.Table:
    """Read a file of text; one with a header may have no rows.

    Args:
        path: A file that can be opened.
        wanted: What to read; by position where the file has no header. Positions of a `.dat` file,
            which has none, are 0 to 3.

    Raises:
        DataError: The file is damaged, empty or malformed, or lacks a column.
    """
    check_text(path)
    base = path.with_suffix("") if is_compressed(path) else path
    delimiter = _DELIMITERS.get(base.suffix.lower())
    return _read_delimited(path, delimiter, wanted) if delimiter else _read_dat(path, wanted)


def _read_dat(path: Path, wanted: Wanted) -> pa.Table:
    """Read user_id::item_id::rating::timestamp lines, all of whose columns must be right.

    pyarrow parses ":"-separated fields in parallel, every other of which is empty here.
    """
    columns = tuple("0123") if wanted.positional else _DAT_COLUMNS
    if wanted.only:
        require_columns(columns, wanted.names, f" of {path}")
    user, item, rating, time = columns
    names = (user, "_1", item, "_2", rating, "_3", time)
    file = TextFile(path, ":", names, header=False, quoted=False)
    every = replace(wanted, ids=columns[:2], numbers=columns[2:], times=(time,), only=True)
    table = _read(file, every, _NUMBERS)
    return table.select(wanted.names if wanted.only else columns)


def _read_delimited(path: Path, delimiter: str, wanted: Wanted) -> pa.Table:
    """Read a file with quoted fields."""
    file = TextFile(path, delimiter, header=not wanted.positional)
    line, first = next(file.rows())
    columns = tuple(first) if file.header else tuple(map(str, range(len(first))))
    file = replace(file, columns=columns)
    said = row_fault(file, first)
    if said is not None:
        raise DataError(f"{path}, line {line}: {said}")
    twice = next((name for i, name in enumerate(columns) if name in columns[:i]), None)
    if twice is not None:
        raise DataError(f"{path}, line 1: the header has two columns named {twice!r}")
    if wanted.only:
        require_columns(columns, wanted.names, f" of {path}")
    return _read(file, wanted, _NUMBERS_OR_TIMES)


def _read(file: TextFile, wanted: Wanted, numbers: tuple[pa.DataType, ...]) -> pa.Table:
    """Read a file, each column of which must be of a kind that was asked for.

    Args:
        file: The file.
        wanted: What its columns are for.
        numbers: Types that `wanted.numbers` may have.
    """
    kinds = dict.fromkeys(wanted.ids, _IDS) | dict.fromkeys(wanted.numbers, numbers)
    kinds = {name: kind for name, kind in kinds.items() if name in file.columns}
    blank = () if file.quoted else file.columns[1::2]
    try:
        table = read_inferred(file, wanted, (*kinds, *blank) if wanted.only else ())
    except _REFUSED as failure:
        if file.header and _NO_ROWS in str(failure):
            return pa.table({name: pa.nulls(0) for name in file.columns})
        refuse_first_fault(file, kinds, wanted.only)
        raise DataError(f"{file.path}: {shorten(str(failure))}") from None
    # pyarrow takes what follows a quote that is never closed for one field.
    if file.quoted and file.marks[1] % 2:
        deque(file.rows(), maxlen=0)
    for name in wanted.ids:
        if name in kinds and pa.types.is_floating(table[name].type):
            kinds[name] = (pa.int64(),)
    allowed = kinds | dict.fromkeys(blank, (pa.null(),))
    filled = kinds if wanted.only else ()
    for name in table.column_names:
        if not _fits(table[name], allowed.get(name, ()), filled=name in filled):
            refuse_first_fault(file, kinds, wanted.only)
            raise DataError(f"{file.path}: column {name!r} is {table[name].type}, not as expected")
    return table


def _fits(column: pa.ChunkedArray, kinds: tuple[pa.DataType, ...], *, filled: bool) -> bool:
    """Whether a column that was read is of one of the kinds, of any where there are none."""
    kind = column.type
    if not kinds:
        return not pa.types.is_binary(kind)
    if filled and column.null_count:
        return False
    if pa.types.is_floating(kind) and not pc.all(pc.is_finite(column)).as_py():
        return False
    return pa.types.is_null(kind) or kind in kinds or _INFERRED_FOR.get(kind) in kinds
