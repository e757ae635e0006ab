"""Finds the first malformed line of a file that pyarrow refused, slowly and exactly.

Lines end in LF, CR LF or CR and count from 1, empty ones too. A fault is a sentence that names the
line, what it holds and what is expected.
"""

from __future__ import annotations

import csv
import datetime
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from sasrec_fast.reading.opening import open_text

if TYPE_CHECKING:
    from pathlib import Path

DAT_COLUMNS = ("user_id", "item_id", "rating", "timestamp")
LONGEST_LINE = 1 << 20

_DAT_LAYOUT = "::".join(DAT_COLUMNS)
_NUMBER = re.compile(r"[ \t]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t]*", re.ASCII)
_TIME = re.compile(
    r"[ \t]*(\d{4})-(\d\d)-(\d\d)"
    r"(?:[ T](\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.\d{1,9})?)?)?(Z|[+-]\d\d(?::?\d\d)?)?)?[ \t]*",
    re.ASCII,
)
_SOUND_DAT_LINE = re.compile(
    r"[\x20-9;-~]{1,99}::[\x20-9;-~]{1,99}::\d{1,18}(\.\d{1,18})?::\d{1,18}", re.ASCII
)
_EARLIEST = datetime.datetime(1677, 9, 22)
_LATEST = datetime.datetime(2262, 4, 11)
_INTEGER = re.compile(r"[ \t]*-?\d+[ \t]*", re.ASCII)

Check = Callable[[str], str | None]
"""Says what is wrong with the text of a field, or None."""


def number(text: str) -> str | None:
    """What keeps a field from being a finite number; an empty one is another matter."""
    if text and (not _NUMBER.fullmatch(text) or not math.isfinite(float(text))):
        return f"is {shorten(text)}, expected a finite number"
    return None


def time(text: str) -> str | None:
    """What keeps a field from being an ISO 8601 time."""
    if not text or _instant(text):
        return None
    return f"is {shorten(text)}, expected a time like 2001-12-31 23:59:59"


def like(first: str) -> Check:
    """Says what keeps a field from being a number, or a time, as the first of its column is."""
    if time(first):
        return number
    match = _TIME.fullmatch(first)
    zoned = match is not None and match[7] is not None

    def time_like_first(text: str) -> str | None:
        match = _TIME.fullmatch(text)
        if time(text) or not match or (match[7] is not None) == zoned:
            return time(text)
        zone = "with" if zoned else "without"
        return f"is {shorten(text)}, expected a time {zone} a zone like the first, {first}"

    return time_like_first


def near_time(text: str) -> str | None:
    """What keeps a field from being a time in 64-bit nanoseconds, as fractions of a second are."""
    instant = _instant(text)
    if instant is None or _EARLIEST < instant < _LATEST:
        return None
    return (
        f"is {shorten(text)}, expected a time after {_EARLIEST} and before {_LATEST}, as the "
        "column has fractions of a second"
    )


def filled(text: str) -> str | None:
    """What keeps a field from being present."""
    return None if text else "is empty, expected a value"


def first_of(checks: Sequence[Check]) -> Check:
    """Says the first thing that any of the checks says."""
    return lambda text: next(filter(None, (check(text) for check in checks)), None)


def whole(text: str) -> str | None:
    """What keeps a field from being an id in a column of numbers."""
    if not text or _INTEGER.fullmatch(text):
        return None
    return f"is {shorten(text)}, expected an integer, or ids that are not all numbers"


def _instant(text: str) -> datetime.datetime | None:
    """The time that a field names to the second, if it does."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        return datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None


def dat_fault(path: Path, checks: Mapping[str, Check]) -> str | None:
    """The first fault of a file of user_id::item_id::rating::timestamp lines.

    Args:
        path: A file that can be opened.
        checks: What to check of a field beyond its presence, by column name.
    """
    quick = _SOUND_DAT_LINE.fullmatch if checks.keys() <= {"rating", "timestamp"} else None
    for line, text in _lines(path):
        if quick and quick(text):
            continue
        fault = _line_fault(text)
        if fault is None and text:
            fault = _dat_line_fault(text, checks)
        if fault is not None:
            return f"line {line}: {fault}"
    return None


def delimited_fault(
    path: Path, delimiter: str, checks: Mapping[str, Check], *, header: bool = True
) -> str | None:
    """The first fault of a file with quoted fields.

    Args:
        path: A file that can be opened.
        delimiter: The character between fields.
        checks: What to check of a field, by column name.
        header: Whether the first line names the columns; else they are "0", "1" and so on.
    """
    with open_text(path, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        names: list[str] = []
        line = 1
        try:
            for fields in reader:
                fault = _line_fault(delimiter.join(fields))
                if fault is None and fields:
                    is_header = header and not names
                    names = names or (fields if header else [*map(str, range(len(fields)))])
                    model = "the header" if header else "the first line"
                    fault = _fields_fault(fields, names, {} if is_header else checks, model)
                if fault is not None:
                    return f"line {line}: {fault}"
                line = reader.line_num + 1
        except csv.Error as failure:
            what = "too long a field" if "limit" in str(failure) else "malformed quotes"
            return f"line {line}: {what} ({failure})"
    return None


def first_fields(path: Path, delimiter: str) -> list[str]:
    """The fields of the first line that is not empty; none where the quotes are malformed."""
    with open_text(path, newline="") as file:
        try:
            return next(filter(None, csv.reader(file, delimiter=delimiter, strict=True)), [])
        except csv.Error:
            return []


def shorten(text: str) -> str:
    """The text in quotes, cut where it is long."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with open_text(path, newline=None) as file:
        for line, text in enumerate(file, start=1):
            yield line, text.removesuffix("\n")


def _line_fault(text: str) -> str | None:
    if len(text) > LONGEST_LINE:
        return f"has {len(text):,} characters, expected at most {LONGEST_LINE:,}"
    try:
        text.encode()
    except UnicodeEncodeError as failure:
        byte = ord(text[failure.start]) - 0xDC00
        return (
            f"byte 0x{byte:02x} at character {failure.start + 1} is not UTF-8: {_printable(text)}"
        )
    return None


def _dat_line_fault(text: str, checks: Mapping[str, Check]) -> str | None:
    fields = text.split(":")
    if len(fields) != 2 * len(DAT_COLUMNS) - 1 or any(fields[1::2]):
        count = len(text.split("::"))
        reason = "a ':' inside a field" if count == len(DAT_COLUMNS) else f"{count} fields"
        if count == 1:
            reason = "no '::'"
        return f"expected {_DAT_LAYOUT}, got {shorten(text)} ({reason})"
    for column, field in zip(DAT_COLUMNS, fields[::2], strict=True):
        fault = checks[column](field) if column in checks else None
        if fault is None and not field:
            fault = "is empty"
        if fault is not None:
            return f"{column} {fault}: {shorten(text)}"
    return None


def _fields_fault(
    fields: list[str], names: list[str], checks: Mapping[str, Check], model: str
) -> str | None:
    if len(fields) != len(names):
        got = shorten(", ".join(fields))
        return f"expected {len(names)} fields like {model}, got {len(fields)}: {got}"
    for column, field in zip(names, fields, strict=True):
        fault = checks[column](field) if column in checks else None
        if fault is not None:
            return f"column {column!r} {fault}"
    return None


def _printable(text: str) -> str:
    return shorten(text.encode(errors="surrogateescape").decode("utf-8", "backslashreplace"))
