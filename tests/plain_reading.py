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

INTEGER = re.compile(r"[ \t]*-?\d+[ \t]*", re.ASCII)
NUMBER = re.compile(r"[ \t]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t]*", re.ASCII)
NO_NUMBER = re.compile(r"[ \t]*[+-]?(nan|inf|infinity)[ \t]*", re.IGNORECASE)
TIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d)?)?Z?)?", re.ASCII)

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
    lines = [line for line in re.split(r"\r\n|\r|\n", decoded(data)) if line]
    rows = [line.split("::") for line in lines]
    require(rows, "no rows")
    require(all(len(row) == 4 for row in rows), "other than four fields")
    require(all(field and ":" not in field for row in rows for field in row), "a field is no value")
    users, items, ratings, times = zip(*rows, strict=True)
    numbers([*ratings])
    return ids(users), ids(items), ranks(numbers(times))


def delimited(data: bytes, delimiter: str) -> Columns:
    text = decoded(data)
    require(text.count('"') % 2 == 0 or closed(text, delimiter), "a quote is never closed")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header, *rows = [row for row in reader if row] or [[]]
    require(len(set(header)) == len(header), "two columns of one name")
    wanted = ("user_id", "item_id", "timestamp")
    require(set(wanted) <= set(header), "a column is missing")
    require(rows, "no rows")
    require(all(len(row) == len(header) for row in rows), "ragged")
    columns = [[row[header.index(name)] for row in rows] for name in wanted]
    require(all(map(all, columns)), "a value is missing")
    return ids(columns[0]), ids(columns[1]), ranks(times(columns[2]))


def closed(text: str, delimiter: str) -> bool:
    try:
        list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as failure:
        return "end of data" not in str(failure)
    return True


def ids(texts: Sequence[str]) -> list[Id]:
    if all(map(INTEGER.fullmatch, texts)):
        integers = [*map(int, texts)]
        fit = all(-(2**63) <= integer < 2**63 for integer in integers)
        return [*integers] if fit else [*texts]
    numeric = [NUMBER.fullmatch(text) or NO_NUMBER.fullmatch(text) for text in texts]
    require(not all(numeric), "ids with fractions")
    return [*texts]


def numbers(texts: Sequence[str]) -> list[Fraction]:
    require(all(map(NUMBER.fullmatch, texts)), "no number")
    require(all(math.isfinite(float(text)) for text in texts), "no finite number")
    return [Fraction(text.strip()) for text in texts]


def times(texts: Sequence[str]) -> list[Fraction] | list[datetime.datetime]:
    if not TIME.fullmatch(texts[0].strip(" \t")):
        return numbers(texts)
    require(all(TIME.fullmatch(text.strip(" \t")) for text in texts), "no time")
    require(len({text.strip(" \t").endswith("Z") for text in texts}) == 1, "mixed zones")
    try:
        return [datetime.datetime.fromisoformat(text.strip(" \t")) for text in texts]
    except ValueError:
        raise WrongError("no such day") from None


def ranks(values: Sequence[Fraction] | Sequence[datetime.datetime]) -> list[int]:
    """Refuses numbers that differ and would be equal as float64."""
    places = {value: place for place, value in enumerate(sorted({*values}))}
    if isinstance(values[0], Fraction) and not are_integers(values):
        require(len({*map(float, places)}) == len(places), "numbers of too many digits")
    return [places[value] for value in values]


def are_integers(values: Sequence[Fraction] | Sequence[datetime.datetime]) -> bool:
    return all(isinstance(v, Fraction) and v.denominator == 1 and abs(v) < 2**63 for v in values)


def interactions(columns: Columns) -> list[reference.Interaction]:
    return [reference.Interaction(*row) for row in zip(*columns, strict=True)]


READERS: dict[str, Callable[[bytes], Columns]] = {
    ".dat": dat,
    ".csv": lambda data: delimited(data, ","),
    ".tsv": lambda data: delimited(data, "\t"),
}
