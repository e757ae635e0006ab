"""Reads text: `.csv`, `.tsv` and `.dat` files, with errors that name the line.

pyarrow reads at full speed and infers the types; a column that may have lost something of what is
written is read a second time as text and compared. A file that pyarrow refuses, or that holds what
cannot be right, is read again to say where (faults.py).
"""

import math
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sasrec_fast.errors import DataError
from sasrec_fast.reading.column_names import Wanted, require_columns
from sasrec_fast.reading.faults import refuse_first_fault, row_fault
from sasrec_fast.reading.opening import UNREADABLE, TextFile, is_compressed, open_bytes, shorten

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
_INTEGER = r"^[ \t]*-?[0-9]+[ \t]*$"
_HEXADECIMAL = r"^[ \t]*-?0[xX]"
_EXACT_DIGITS = 15
"""Decimal numbers of no more digits are different float64 where they are different."""


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

    Columns are wanted by position where it has none; those of a `.dat` file are 0 to 3.

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
    """Read a file, each column of which must be of a kind that was asked for."""
    kinds = dict.fromkeys(wanted.ids, _IDS) | dict.fromkeys(wanted.numbers, numbers)
    kinds = {name: kind for name, kind in kinds.items() if name in file.columns}
    blank = () if file.quoted else file.columns[1::2]
    try:
        table = _read_inferred(file, wanted, (*kinds, *blank) if wanted.only else ())
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


def _read_inferred(file: TextFile, wanted: Wanted, include: Collection[str]) -> pa.Table:
    """Read; ids are int64, strings, null, or float64 with fractions, which are no ids.

    Hexadecimal numbers, which pyarrow takes for integers, stay text.
    """
    table = file.read(dict.fromkeys(wanted.texts, pa.string()), include)
    doubtful = _doubtful(file, table, wanted)
    if not doubtful:
        return table
    texts = file.read(dict.fromkeys(doubtful, pa.string()), doubtful)
    for name in doubtful:
        if not _is_kept(table[name], texts[name], is_id=name in wanted.ids):
            table = table.set_column(table.column_names.index(name), name, texts[name])
        elif name in wanted.times and table[name].type == pa.float64():
            _require_exact(file, name, table[name], texts[name])
    return table


def _doubtful(file: TextFile, table: pa.Table, wanted: Wanted) -> list[str]:
    """Names of columns of a type that may not keep what is written."""
    plain = (pa.int64(), pa.string(), pa.binary(), pa.null())
    kinds = {f.name: f.type for f in table.schema if f.name in wanted.names}
    names = [name for name in wanted.ids if kinds.get(name, pa.null()) not in plain]
    names += [name for name in wanted.times if kinds.get(name) == pa.float64()]
    if pa.int64() in kinds.values() and file.marks[0]:
        names += [name for name, kind in kinds.items() if kind == pa.int64()]
    return list(dict.fromkeys(names))


def _is_kept(column: pa.ChunkedArray, texts: pa.ChunkedArray, *, is_id: bool) -> bool:
    """Whether the type that was inferred is right, so that the column is not text."""
    if column.type == pa.int64():
        return not pc.any(pc.match_substring_regex(texts, _HEXADECIMAL)).as_py()
    if pa.types.is_floating(column.type):
        return not (is_id and pc.all(pc.match_substring_regex(texts, _INTEGER)).as_py())
    return not is_id


def _require_exact(
    file: TextFile, name: str, numbers: pa.ChunkedArray, texts: pa.ChunkedArray
) -> None:
    """Refuse different texts that became the same number."""
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    exponents = pc.any(pc.match_substring(texts, "e", ignore_case=True)).as_py()
    if longest <= _EXACT_DIGITS + 1 and not exponents:
        return
    if len(numbers.unique()) == len(texts.unique()):
        return
    ways = pa.table({"number": numbers, "text": texts}).group_by("number")
    ways = ways.aggregate([("text", "distinct")])
    ways = ways.filter(pc.greater(pc.list_value_length(ways["text_distinct"]), 1))
    for number, written in zip(*(column.to_pylist() for column in ways.columns), strict=True):
        values = {Decimal(text.strip()): text for text in written} if math.isfinite(number) else {}
        if len(values) > 1:
            first, other = map(shorten, [*values.values()][:2])
            raise DataError(
                f"{file.path}: column {name!r} has {first} and {other}, which no float64 tells "
                f"apart; expected numbers of at most {_EXACT_DIGITS} digits, 64-bit integers, or "
                "times like 2001-12-31 23:59:59"
            )
