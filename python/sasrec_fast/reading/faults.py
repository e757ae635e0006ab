"""Says where a file of text is wrong, line by line in plain Python.

Slow, for files that are refused. Lines count from 1, empty ones too.
"""

from collections.abc import Collection
from contextlib import suppress
from itertools import islice

from sasrec_fast.errors import DataError, shorten
from sasrec_fast.reading.column_names import named
from sasrec_fast.reading.opening import DOUBLE_COLON, UNREADABLE, TextFile

_DAT_LAYOUT = "user_id::item_id::rating::timestamp"
_DAT_FIELDS = 4
_LONGEST_ROW = 1 << 20


def refuse_first_row(file: TextFile, filled: Collection[str] = ()) -> None:
    """Raise the error of the first row that is wrong whatever is wanted of it, if there is one.

    Args:
        file: The file.
        filled: Columns that have a value in every row.
    """
    places = {name: file.columns.index(name) for name in filled}
    with suppress(*UNREADABLE):
        for line, fields in file.rows():
            said = row_fault(file, fields)
            empty = [] if said else [name for name in places if not fields[places[name]]]
            if empty:
                said = empty_fault(empty[0])
            if said:
                raise DataError(f"{file.path}, line {line}: {said}")


def empty_fault(column: str) -> str:
    """What is said of a field that is empty."""
    return f"column {named(column)} is empty, expected a value"


def line_of(file: TextFile, row: int) -> int:
    """The line of a row of the table, which counts from 0 without the header."""
    found = next(islice(file.rows(), row + file.header, None))
    return found[0]


def row_fault(file: TextFile, fields: list[str]) -> str | None:
    """What is wrong with a row, whatever its columns are for."""
    text = file.delimiter.join(fields)
    if len(text) > _LONGEST_ROW:
        return f"has {len(text):,} characters, expected at most {_LONGEST_ROW:,}"
    try:
        text.encode()
    except UnicodeEncodeError as failure:
        byte = ord(text[failure.start]) - 0xDC00
        utf16 = " (UTF-16? save it as UTF-8)" if byte >= 0xFE and not failure.start else ""
        text = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
        place = f"byte 0x{byte:02x} at character {failure.start + 1}"
        return f"{place} is not UTF-8{utf16}: {shorten(text)}"
    wrong = len(fields) != len(file.columns)
    if file.delimiter == DOUBLE_COLON and (wrong or any(":" in field for field in fields)):
        layout = _DAT_LAYOUT
        if len(file.columns) != _DAT_FIELDS:
            layout = f"{len(file.columns)} fields with '::' between them,"
        return f"expected {layout} without another ':', got {shorten(text)}"
    if wrong:
        model = "the header" if file.header else "the first line"
        expected = f"expected {len(file.columns)} fields like {model}"
        return f"{expected}, got {len(fields)}: {shorten(text)}"
    return None
