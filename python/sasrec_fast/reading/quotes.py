"""How a file's double quotes are meant, so that no row is lost in a field that is never closed.

Quotes are as of RFC 4180, if all of them can be: a field that begins with one ends with the next
one, and "" is one of the text. Otherwise they are letters, if then every line is a row as long as
the first and no column that is wanted has one. Otherwise the file is refused.
"""

import re
from codecs import BOM_UTF8
from dataclasses import replace

import numpy as np

from sasrec_fast.errors import DataError, DataWarning, note, shorten
from sasrec_fast.reading.column_names import Wanted, columns_of
from sasrec_fast.reading.opening import DOUBLE_COLON, TextFile, chunks

_QUOTE, _LF, _CR = b'"\n\r'
_NUMBER = re.compile(r"[ \t]*[+-]?\d")


def settle_quotes(file: TextFile, wanted: Wanted) -> TextFile:
    """The file with `quoted` and `multiline` as its quotes are.

    Raises:
        DataError: Quotes are malformed; or a field in quotes takes whole rows in.
    """
    quoted, hexadecimal = _marks(file)
    file = replace(file, hexadecimal=hexadecimal)
    if file.delimiter == DOUBLE_COLON or not quoted:
        return replace(file, quoted=False, multiline=False)
    if _are_in_one_line(file):
        return replace(file, multiline=False)
    try:
        multiline = _check_lines(file, wanted)
    except DataError:
        letters = replace(file, quoted=False, multiline=False)
        if not _are_letters(letters, wanted):
            raise
        return letters
    return replace(file, multiline=multiline)


def _marks(file: TextFile) -> tuple[bool, bool]:
    """Whether a quote is anywhere, and whether "0x" or "0X" is."""
    quoted, hexadecimal, last = False, False, b""
    for chunk in chunks(file.path):
        quoted = quoted or b'"' in chunk
        if not hexadecimal and (b"x" in chunk or b"X" in chunk):  # most files have neither
            hexadecimal = b"0x" in (letters := last + chunk) or b"0X" in letters
        last = chunk[-1:]
    return quoted, hexadecimal


def _are_in_one_line(file: TextFile) -> bool:
    """Whether quotes stand where RFC 4180 has them and no field in them holds a line end.

    Every other quote opens a field, or is the second of two that stand for one; the others close.
    """
    is_edge = np.zeros(256, bool)
    is_edge[[*file.delimiter.encode(), _QUOTE, _LF, _CR]] = True
    inside, last = 0, b"\n"
    content = chunks(file.path)
    chunk = next(content, b"").removeprefix(BOM_UTF8)
    while chunk:
        following = next(content, b"")
        letters = np.frombuffer(last + chunk + (following[:1] or b"\n"), np.uint8)
        places = np.flatnonzero(letters[1:-1] == _QUOTE)
        opening, closing = places[inside::2], places[1 - inside :: 2]
        # One further on in `letters` than in the chunk: what is before is at the place itself.
        if not (is_edge[letters[opening]].all() and is_edge[letters[closing + 2]].all()):
            return False
        is_end = letters[1:-1] == _LF
        ends = np.flatnonzero(is_end | (letters[1:-1] == _CR) if b"\r" in chunk else is_end)
        if (np.searchsorted(places, ends) + inside & 1).any():
            return False
        inside = inside + len(places) & 1
        last, chunk = chunk[-1:], following
    return not inside


def _check_lines(file: TextFile, wanted: Wanted) -> bool:
    """Whether a field holds a line end; warns of those whose lines look like rows.

    Raises:
        DataError: Quotes are malformed; or such lines have numbers where these are wanted too.
    """
    columns: tuple[str, ...] = ()
    multiline, alike = False, []
    for line, fields, lines in file.records():
        columns = columns or columns_of(fields, wanted, header=file.header)
        if len(lines) == 1:
            continue
        multiline = True
        rows = [text.split(file.delimiter) for text in lines]
        if any(len(row) != len(columns) for row in rows):
            continue
        alike.append(line)
        numbers = [columns.index(name) for name in wanted.numbers if name in columns]
        if numbers and all(_NUMBER.match(row[n].strip('"')) for row in rows[1:] for n in numbers):
            raise DataError(
                f"{file.path}, line {line}: malformed quotes, or a field that takes in the "
                f"{len(rows) - 1} rows after it: {shorten(''.join(lines))}"
            )
    if alike:
        note(
            f"{file.path} has {len(alike):,} fields in quotes whose lines look like rows, first in "
            f"line {alike[0]}: they are read as text; if they are rows, their quotes are not meant",
            DataWarning,
        )
    return multiline


def _are_letters(file: TextFile, wanted: Wanted) -> bool:
    """Whether all rows are as long as the first one and no wanted column has a quote."""
    columns: tuple[str, ...] = ()
    for _, fields in file.rows():
        columns = columns or columns_of(fields, wanted, header=file.header)
        asked = [columns.index(name) for name in wanted.names if name in columns]
        places = asked if wanted.only else range(len(columns))
        if len(fields) != len(columns) or any('"' in fields[place] for place in places):
            return False
    return True
