"""Which columns a file of text has: those of its header, or positions; and what tells a header."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from sasrec_fast.errors import DataError, DataWarning, note, shorten
from sasrec_fast.reading.column_names import Wanted, columns_of, named, require_columns
from sasrec_fast.reading.faults import row_fault
from sasrec_fast.reading.opening import DOUBLE_COLON, TextFile
from sasrec_fast.reading.written import ids_as_written

DAT_COLUMNS = ("user_id", "item_id", "rating", "timestamp")
"""Of a file with "::" between fields, unless its first line names those that are wanted."""

_FEW = 2
"""Columns of which a first line "0,1" may be data; one of "0,1,2" is what pandas calls columns."""

_LIST = re.compile(r".*:(token|float)_seq")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_HEADER = re.compile(
    r"(?=..)[#%]? ?"
    r"(user|item|movie|product|session|customer|visitor|reviewer|parent|article|track|song|"
    r"book|business|artist|account|client|member)?s?[ _-]?(id|ids|uid|iid|asin|isbn|sku|code|key)?"
    r"(:token)?"
)
"""Names of columns of ids, in lower case."""


def with_columns(file: TextFile, wanted: Wanted) -> TextFile:
    """The file with the names of its columns, those wanted among them.

    Raises:
        DataError: The first line is malformed, a column is missing or holds lists.
    """
    line, first = next(file.rows(), (1, []))
    if not first:
        raise DataError(f"{file.path}, line 1: half a byte order mark, which is not UTF-8")
    columns = columns_of(first, wanted, header=file.header)
    named_there = bool(wanted.names) and {*wanted.names} <= {*columns}
    if file.delimiter == DOUBLE_COLON and file.header and not named_there:
        file, columns = replace(file, header=False), DAT_COLUMNS
    file = replace(file, columns=columns, renamed=file.header and columns != tuple(first))
    said = row_fault(file, first)
    if said is not None:
        raise DataError(f"{file.path}, line {line}: {said}")
    twice = next((name for i, name in enumerate(columns) if name in columns[:i]), None)
    if twice is not None:
        raise DataError(
            f"{file.path}, line {line}: the header has two columns named {named(twice)}"
        )
    if wanted.only:
        _require_columns(file, wanted)
    lists = [name for name, said in zip(columns, first, strict=True) if _LIST.fullmatch(said)]
    if file.header and not {*lists}.isdisjoint(wanted.names):
        raise DataError(
            f"{file.path}: column {named(lists[0])} holds lists, as its header says; split them "
            "(pandas: frame.assign(x=frame.x.str.split()).explode('x')) and give the table"
        )
    return file


def _require_columns(file: TextFile, wanted: Wanted) -> None:
    """Refuse a file that lacks a wanted column."""
    try:
        require_columns(file.columns, wanted.names, f" of {file.path}")
    except DataError as failure:
        hint = ""
        if len(file.columns) == 1:
            hint = "; between columns is a comma, a tab, ';', '|', a blank or '::'"
        elif file.header and any(map(_NUMBER.fullmatch, file.columns)):
            hint = (
                "; the first line looks like data: columns of a file without a header are given by "
                "position, such as user=0, item=1"
            )
        raise DataError(f"{failure}{hint}") from None


def warn_of_header(file: TextFile, ids: Sequence[pa.ChunkedArray]) -> None:
    """Warn of a first row that looks like a header, of a file that has none."""
    firsts = [column[0].as_py() or "" for column in ids if len(column)]
    numbered = len(file.columns) > _FEW and next(file.rows())[1] == [*file.columns]
    words = [first.lower() for first in firsts if first.strip("#%_- ")]
    if numbered or any(map(_HEADER.fullmatch, words)) or any(map(_is_apart, ids)):
        note(
            f"{file.path}: the first line looks like a header ({', '.join(map(shorten, firsts))}) "
            "and is read as a row, as columns are given by position; give their names instead",
            DataWarning,
        )


def _is_apart(ids: pa.ChunkedArray) -> bool:
    """Whether all ids but the first are integers."""
    if len(ids) < 2 or _is_integer(ids[:1]) or not _is_integer(ids[1:2]):
        return False
    return _is_integer(ids[1:])


def _is_integer(ids: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_integer(ids_as_written(ids).type))
