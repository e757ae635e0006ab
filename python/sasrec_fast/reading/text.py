"""Reads files of text: what is between fields, how quotes are meant, then every column as written.

pyarrow reads the columns that are wanted as text, and written.py makes ids, numbers and times of
it. A file that pyarrow refuses, or that holds what cannot be right, is read again to say where
(faults.py).
"""

from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sasrec_fast.errors import DataError, DataWarning, note, shorten
from sasrec_fast.reading.column_names import Wanted, named
from sasrec_fast.reading.delimiters import find_delimiter
from sasrec_fast.reading.faults import empty_fault, line_of, refuse_first_row
from sasrec_fast.reading.headers import DAT_COLUMNS, warn_of_header, with_columns
from sasrec_fast.reading.opening import UNREADABLE, TextFile, open_bytes
from sasrec_fast.reading.quotes import settle_quotes
from sasrec_fast.reading.sequence_files import is_of_lists, read_lists
from sasrec_fast.reading.written import (
    UnreadError,
    are_fractions,
    ids_as_written,
    numbers_as_written,
)

_USER_AND_ITEMS = ("0", "1")
"""The columns of a file whose lines hold a user and its items in order, without times."""

_REFUSED = (pa.ArrowException, UnicodeError, *UNREADABLE)
_FRACTIONS = "they are text, as they are written, and not the integers that they may have been"
_TIMES = (pa.date32(), pa.timestamp("s"), pa.timestamp("ns"))
"""Of times with a zone pyarrow forgets which."""


def check_text(path: Path) -> None:
    """Refuse a file that cannot be opened or is empty."""
    try:
        with open_bytes(path) as file:
            empty = not any(line.removeprefix(BOM_UTF8).strip(b"\r\n") for line in file)
    except (*UNREADABLE, ValueError) as failure:
        raise DataError(f"{str(path)!r} cannot be read: {failure}") from None
    if empty:
        raise DataError(f"{path} is empty, expected a line for each row")


def read_text(path: Path, wanted: Wanted, delimiter: str | None = None) -> pa.Table:
    """Read a file of text; one with a header may have no rows.

    Columns are wanted by position where it has none; those of a `.dat` file are 0 to 3.

    Args:
        path: The file.
        wanted: The columns.
        delimiter: What is between fields; found in the first lines if None.

    Raises:
        DataError: The file is damaged, empty or malformed, or lacks a column.
    """
    check_text(path)
    try:
        file = _opened(path, wanted, delimiter)
        if file is None:
            return pa.table(dict(zip(wanted.names, read_lists(path), strict=True)))
        if _is_dat(file):
            return _read_dat(file, wanted)
        return _read(file, wanted)
    except UNREADABLE as failure:
        raise DataError(f"{str(path)!r} cannot be read: {failure}") from None


def read_blocks(path: Path, wanted: Wanted, size: int) -> Iterator[pa.Table]:
    """The wanted columns of a file as `read_text` has them, so many bytes of it at a time.

    Types are those of a block alone: ids are int64 where those of the block are.

    Raises:
        UnreadError, DataError: The file is not read in blocks; `read_text` reads it, or says what
            is wrong with it.
    """
    check_text(path)
    file = _opened(path, wanted, None)
    if file is None:
        raise DataError(f"{path} has lines of unequal length")
    dat = _is_dat(file)
    every = _every(file, wanted) if dat else wanted
    asked = [name for name in every.names if name in file.columns]
    fractions = dict.fromkeys(every.ids, True)
    for number, table in enumerate(file.blocks(dict.fromkeys(asked, pa.string()), size)):
        if wanted.positional and not number:
            warn_of_header(file, [table[name] for name in wanted.ids if name in asked])
        for name in asked:
            texts = table[name]
            table = _with_column(table, name, _of_block(texts, name, every, file, dates=not dat))
            if name in fractions:
                fractions[name] = fractions[name] and are_fractions(texts)
        yield table.select(wanted.names)
    for name in wanted.ids:
        if fractions[name]:
            note(f"{file.path}: column {named(name)} has fractions; {_FRACTIONS}", DataWarning)


def _of_block(
    texts: pa.ChunkedArray, name: str, wanted: Wanted, file: TextFile, *, dates: bool
) -> pa.ChunkedArray:
    if texts.null_count or name not in wanted.ids:
        return _as_wanted(texts, name, wanted, file, dates=dates)
    return ids_as_written(texts)


def _opened(path: Path, wanted: Wanted, delimiter: str | None) -> TextFile | None:
    """The file with the names of its columns; None for one of lists."""
    found = find_delimiter(path, wanted) if delimiter is None else delimiter
    if found == " " and wanted.names == _USER_AND_ITEMS and is_of_lists(path):
        return None
    file = TextFile(path, found, header=not wanted.positional)
    return with_columns(settle_quotes(file, wanted), wanted)


def _is_dat(file: TextFile) -> bool:
    return file.columns == DAT_COLUMNS and not file.header


def _every(file: TextFile, wanted: Wanted) -> Wanted:
    """All columns of a `.dat`, which must be right."""
    ids, numbers = file.columns[:2], file.columns[2:]
    return replace(wanted, ids=ids, numbers=numbers, times=numbers[1:], only=True)


def _read_dat(file: TextFile, wanted: Wanted) -> pa.Table:
    """Read user_id::item_id::rating::timestamp lines, all of whose columns must be right."""
    return _read(file, _every(file, wanted), dates=False).select(
        wanted.names if wanted.only else file.columns
    )


def _read(file: TextFile, wanted: Wanted, *, dates: bool = True) -> pa.Table:
    """Read a file, each wanted column of which must be of its kind."""
    asked = [name for name in wanted.names if name in file.columns]
    filled = asked if wanted.only else []
    try:
        table = file.read(dict.fromkeys((*wanted.ids, *wanted.texts), pa.string()), filled)
        doubtful = [
            name
            for name in asked
            if name in wanted.numbers
            and not _is_plain(table[name], name, wanted, file, dates=dates)
        ]
        if doubtful:
            texts = file.read(dict.fromkeys(doubtful, pa.string()), doubtful)
            for name in doubtful:
                table = _with_column(table, name, texts[name])
    except _REFUSED as failure:
        if file.header and next(islice(file.rows(), 1, None), None) is None:
            return pa.table({name: pa.nulls(0) for name in filled or file.columns})
        refuse_first_row(file, filled)
        raise DataError(f"{file.path}: {shorten(str(failure))}") from None
    if any(map(pa.types.is_binary, table.schema.types)):
        refuse_first_row(file, filled)
    if wanted.positional:
        warn_of_header(file, [table[name] for name in wanted.ids if name in asked])
    return _converted(file, table, asked, wanted, dates=dates)


def _is_plain(
    column: pa.ChunkedArray, name: str, wanted: Wanted, file: TextFile, *, dates: bool
) -> bool:
    """Whether the type that pyarrow found for numbers or times says what is written."""
    kind = column.type
    if pa.types.is_integer(kind):
        return not file.hexadecimal
    if pa.types.is_floating(kind):
        return name not in wanted.times and pc.all(pc.is_finite(column)).as_py() is not False
    return pa.types.is_null(kind) or (dates and kind in _TIMES)


def _converted(
    file: TextFile, table: pa.Table, asked: Sequence[str], wanted: Wanted, *, dates: bool
) -> pa.Table:
    """The table with ids, numbers and times for the texts of wanted columns.

    Raises:
        DataError: Names the first line that holds something else.
    """
    faults = []
    for name in asked:
        try:
            values = _as_wanted(table[name], name, wanted, file, dates=dates)
        except UnreadError as fault:
            faults.append(fault)
        else:
            table = _with_column(table, name, values)
    if faults:
        raise _first(file, faults)
    return table


def _with_column(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def _as_wanted(
    column: pa.ChunkedArray, name: str, wanted: Wanted, file: TextFile, *, dates: bool
) -> pa.ChunkedArray:
    """A column of ids, numbers or times.

    Raises:
        UnreadError: Names the column and what is wrong with it.
    """
    if wanted.only and column.null_count:
        raise UnreadError(pc.index(pc.is_null(column), True).as_py(), empty_fault(name))
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column))])
    if name in wanted.texts or not pa.types.is_string(column.type):
        return column
    if name in wanted.ids:
        return _ids(column, name, file)
    try:
        return numbers_as_written(
            column, dates=dates, exact=name in wanted.times, decimal_comma=file.delimiter != ","
        )
    except UnreadError as fault:
        raise UnreadError(fault.row, f"column {named(name)} {fault}") from None


def _ids(texts: pa.ChunkedArray, name: str, file: TextFile) -> pa.ChunkedArray:
    ids = ids_as_written(texts)
    if ids is texts and are_fractions(texts):
        example = texts.filter(pc.match_substring_regex(texts, "[.eE]"))[0].as_py()
        note(
            f"{file.path}: column {named(name)} has ids such as {shorten(example)}; {_FRACTIONS}",
            DataWarning,
        )
    return ids


def _first(file: TextFile, faults: Sequence[UnreadError]) -> DataError:
    rows = [fault for fault in faults if fault.row is not None]
    if not rows:
        return DataError(f"{file.path}: {faults[0]}")
    first = min(rows, key=lambda fault: fault.row or 0)
    assert first.row is not None
    line = line_of(file, first.row)
    hint = ""
    if first.row == 0 and not file.header:
        hint = "; if that line is a header, give the names of columns"
    return DataError(f"{file.path}, line {line}: {first}{hint}")
