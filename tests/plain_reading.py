"""What a file of text says, read line by line in plain Python."""

from __future__ import annotations

import csv
import datetime
import io
import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction

import reference

INTEGER = re.compile(r"0|-?[1-9]\d*", re.ASCII)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d)(?::(\d\d)(?::(\d\d)(\.\d{1,9})?)?)?"
    r"( ?UTC| ?GMT| ?[Zz]| ?[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
ZONED = re.compile(r"(UTC|GMT|[Zz]|\d ?[+-]\d\d(:?\d\d)?)$", re.ASCII)
NEAR = (Fraction(-(2**63), 10**9), Fraction(2**63 - 1, 10**9))
LINE_END = re.compile(r"\r\n|\r|\n")
DELIMITERS = "\t;|, "
WANTED = ("user_id", "item_id", "timestamp")

Id = int | str
Columns = tuple[list[Id], list[Id], list[int]]
"""Users, items, and the rank of each time."""


class WrongError(ValueError):
    """The file has no right reading."""


def require(condition: object, what: str) -> None:
    if not condition:
        raise WrongError(what)


def decoded(data: bytes) -> str:
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError:
        raise WrongError("not UTF-8") from None


def dat(data: bytes) -> Columns:
    lines = [line for line in LINE_END.split(decoded(data)) if line]
    rows = [line.split("::") for line in lines]
    require(rows, "no rows")
    require(all(len(row) == 4 for row in rows), "other than four fields")
    require(all(field and ":" not in field for row in rows for field in row), "a field is no value")
    users, items, ratings, times = zip(*rows, strict=True)
    numbers(points(ratings))
    return ids(users), ids(items), ranks(numbers(points(times)))


def delimited(data: bytes, delimiter: str) -> Columns:
    text = decoded(data)
    header, *rows = rows_in_quotes(text, delimiter) or rows_of_letters(text, delimiter)
    require(len(set(header)) == len(header), "two columns of one name")
    require(set(WANTED) <= set(header), "a column is missing")
    require(rows, "no rows")
    require(all(len(row) == len(header) for row in rows), "ragged")
    columns = [[row[header.index(name)] for row in rows] for name in WANTED]
    require(all(map(all, columns)), "a value is missing")
    written = columns[2] if delimiter == "," else points(columns[2])
    return ids(columns[0]), ids(columns[1]), ranks(times(written))


def rows_in_quotes(text: str, delimiter: str) -> list[list[str]]:
    """The rows where quotes are as of RFC 4180 and no field takes rows in; else none."""
    rows: list[list[str]] = []
    kept: list[str] = []
    lines = (kept.append(line) or line for line in io.StringIO(text, newline=""))
    try:
        for row in csv.reader(lines, delimiter=delimiter, strict=True):
            rows += [row] if row else []
            swallowed = [line.split(delimiter) for line in kept]
            kept.clear()
            if len(swallowed) > 1 and "timestamp" in rows[0]:
                place = rows[0].index("timestamp")
                even = all(len(fields) == len(rows[0]) for fields in swallowed)
                if even and all(is_number_like(fields[place]) for fields in swallowed[1:]):
                    return []
    except csv.Error:
        return []
    return rows or [[]]


def is_number_like(field: str) -> bool:
    return re.match(r"[ \t]*[+-]?\d", field.strip('"')) is not None


def rows_of_letters(text: str, delimiter: str) -> list[list[str]]:
    """The rows where a quote is a letter like others, of which the wanted columns have none."""
    rows = [line.split(delimiter) for line in LINE_END.split(text) if line]
    places = [rows[0].index(name) for name in WANTED if name in rows[0]]
    require(all(len(row) == len(rows[0]) for row in rows), "malformed quotes")
    require(not any('"' in row[place] for row in rows for place in places), "malformed quotes")
    return rows


def ids(texts: Sequence[str]) -> list[Id]:
    """Integers where each is written as its integer is, else the texts."""
    if all(map(INTEGER.fullmatch, texts)):
        integers = [*map(int, texts)]
        if all(-(2**63) <= integer < 2**63 for integer in integers):
            return [*integers]
    return [*texts]


def points(texts: Sequence[str]) -> list[str]:
    """Decimal points for decimal commas, where these can be nothing else."""
    with_comma = [text.strip(" \t") for text in texts if "," in text]
    if not with_comma or any("." in text for text in texts):
        return [*texts]
    thousands = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
    require(not all(map(thousands.fullmatch, with_comma)), "a decimal comma or thousands")
    decimal = re.compile(r"[ \t]*[+-]?\d*,\d+[ \t]*", re.ASCII)
    return [text.replace(",", ".") if decimal.fullmatch(text) else text for text in texts]


def numbers(texts: Sequence[str]) -> list[Fraction]:
    stripped = [text.strip(" \t") for text in texts]
    require(all(map(NUMBER.fullmatch, stripped)), "no number")
    require(all(math.isfinite(float(text)) for text in stripped), "no finite number")
    return [Fraction(text) for text in stripped]


def times(texts: Sequence[str]) -> list[Fraction]:
    """Numbers, or seconds from 1970, in UTC where there is a zone."""
    first = texts[0].strip(" \t")
    if not DATE.match(first):
        return numbers(texts)
    written = [TIME.fullmatch(text.strip(" \t")) for text in texts]
    require(all(written), "no time")
    zoned = {ZONED.search(text.strip(" \t")[10:]) is not None for text in texts}
    require(len(zoned) == 1, "mixed zones")
    seconds = [moment(found) for found in written if found]
    if any(found[5] for found in written if found):
        require(all(NEAR[0] <= second <= NEAR[1] for second in seconds), "beyond nanoseconds")
    return seconds


def moment(found: re.Match[str]) -> Fraction:
    date, hours, minutes, seconds, fraction, zone = found.groups()
    try:
        day = datetime.date.fromisoformat(date)
        datetime.time(int(hours or 0), int(minutes or 0), int(seconds or 0))
    except ValueError:
        raise WrongError("no such time") from None
    days = day.toordinal() - datetime.date(1970, 1, 1).toordinal()
    whole = ((days * 24 + int(hours or 0)) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
    return whole + Fraction(f"0{fraction or ''}") - offset((zone or "").strip())


def offset(zone: str) -> int:
    """Seconds east of UTC."""
    if zone[:1] not in ("+", "-") or not zone:
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    require(int(digits[:2]) < 24 and int(digits[2:]) < 60, "no such zone")
    return (int(digits[:2]) * 60 + int(digits[2:])) * (60 if zone[0] == "+" else -60)


def ranks(values: Sequence[Fraction]) -> list[int]:
    """Refuses numbers that differ and would be equal as float64."""
    places = {value: place for place, value in enumerate(sorted({*values}))}
    if not all(value.denominator == 1 and abs(value) < 2**63 for value in values):
        require(len({*map(float, places)}) == len(places), "numbers of too many digits")
    return [places[value] for value in values]


def interactions(columns: Columns) -> list[reference.Interaction]:
    return [reference.Interaction(*row) for row in zip(*columns, strict=True)]


def of_suffix(own: str) -> Callable[[bytes], Columns]:
    """Reads what the suffix says, unless the first line names columns between others."""

    def read(data: bytes) -> Columns:
        text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
        first = next((line for line in LINE_END.split(text) if line), "")
        found = [d for d in (own, *DELIMITERS) if {*WANTED} <= {*fields_of(first, d)}]
        delimiter = found[0] if found else own
        return dat(data) if delimiter == "::" else delimited(data, delimiter)

    return read


def fields_of(line: str, delimiter: str) -> list[str]:
    if delimiter == "::":
        return []  # names of columns of such a file are not tried here
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


READERS = {
    suffix: of_suffix(own) for suffix, own in ((".dat", "::"), (".csv", ","), (".tsv", "\t"))
}
