"""Says where a file of text is wrong: pyarrow on one thread tells the row, plain Python its line.

Slow, for files that are refused. Lines count from 1, empty ones too.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc

from sasrec_fast.errors import DataError
from sasrec_fast.reading.opening import UNREADABLE, TextFile, shorten

_DAT_LAYOUT = "user_id::item_id::rating::timestamp"
_LONGEST_ROW = 1 << 20
_ROW = re.compile(r"Row #(\d+): CSV conversion error")
_TIME = "a time like 2001-12-31 23:59:59"
_NEAR = " and, as there are fractions of a second, after 1677-09-21 and before 2262-04-11"
_EXPECTED = {
    pa.string(): "UTF-8",
    pa.int64(): "an integer, or ids that are not all numbers",
    pa.float64(): "a finite number",
    pa.timestamp("s"): f"{_TIME}, without a zone",
    pa.timestamp("s", "UTC"): f"{_TIME}Z, with a zone",
    pa.timestamp("ns"): f"{_TIME}, without a zone{_NEAR}",
    pa.timestamp("ns", "UTC"): f"{_TIME}Z, with a zone{_NEAR}",
}


def refuse_first_fault(
    file: TextFile, kinds: Mapping[str, Sequence[pa.DataType]], filled: bool
) -> None:
    """Raise the error of the first row that is wrong, if there is one.

    A row of another number of fields hides fields of a wrong kind above it.

    Args:
        file: The file.
        kinds: Types that a column may have, by name: where none fits all of its fields, the one
            that fits the most of the first counts.
        filled: Whether these columns have a value in every row.
    """
    with suppress(*UNREADABLE):
        found = [_field_fault(file, name, kinds[name]) for name in kinds]
        wrong, name, kind = min((fault for fault in found if fault[0]), default=(0, "", None))
        places = {name: file.columns.index(name) for name in kinds}
        required = [*places.values()] if filled else []
        for row, (line, fields) in enumerate(file.rows(), start=1):
            said = row_fault(file, fields)
            empty = [] if said else [place for place in required if not fields[place]]
            if empty:
                said = f"column {file.columns[empty[0]]!r} is empty, expected a value"
            elif said is None and row == wrong:
                value = shorten(fields[places[name]])
                said = f"column {name!r} is {value}, expected {_EXPECTED[kind]}"
            if said:
                raise DataError(f"{file.path}, line {line}: {said}")


def _field_fault(
    file: TextFile, name: str, kinds: Sequence[pa.DataType]
) -> tuple[int, str, pa.DataType]:
    """The row of the first field that is wrong, or 0, its column and what that should be."""
    refused = []
    for kind in kinds:
        try:
            column = file.read({name: kind}, [name], use_threads=False)[name]
        except (pa.ArrowException, UnicodeError) as failure:
            row = _ROW.search(str(failure))
            refused.append((int(row[1]) if row else 0, name, kind))
        else:
            place = -1
            if pa.types.is_floating(kind):
                place = pc.index(pc.is_finite(column), False).as_py()
            return (place + (2 if file.header else 1) if place >= 0 else 0), name, kind
    return max(refused, key=lambda fault: fault[0])


def row_fault(file: TextFile, fields: list[str]) -> str | None:
    """What is wrong with a row, whatever its columns are for."""
    text = file.delimiter.join(fields)
    if len(text) > _LONGEST_ROW:
        return f"has {len(text):,} characters, expected at most {_LONGEST_ROW:,}"
    try:
        text.encode()
    except UnicodeEncodeError as failure:
        byte = ord(text[failure.start]) - 0xDC00
        text = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
        return f"byte 0x{byte:02x} at character {failure.start + 1} is not UTF-8: {shorten(text)}"
    if not file.quoted and (len(fields) != len(file.columns) or any(fields[1::2])):
        return f"expected {_DAT_LAYOUT} without another ':', got {shorten(text)}"
    if len(fields) != len(file.columns):
        model = "the header" if file.header else "the first line"
        expected = f"expected {len(file.columns)} fields like {model}"
        return f"{expected}, got {len(fields)}: {shorten(text)}"
    return None
