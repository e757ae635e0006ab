"""What is between the fields of a file, found in its first lines where its name does not say.

The suffix decides where it can be right: what it stands for gives the columns that are wanted, by
name, or as many as positions ask for without another delimiter in them.
"""

import csv
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sasrec_fast.reading.column_names import Wanted, plain_names
from sasrec_fast.reading.opening import DOUBLE_COLON, first_lines, is_compressed

_OF_SUFFIX = {".csv": ",", ".tsv": "\t", ".dat": DOUBLE_COLON}
_DELIMITERS = (DOUBLE_COLON, "\t", ";", "|", ",", " ")
"""In this order: a field is most likely to hold one of the last."""

_SAMPLED_ROWS = 100


def find_delimiter(path: Path, wanted: Wanted) -> str:
    """The delimiter of a file that is not empty."""
    base = path.with_suffix("") if is_compressed(path) else path
    own = _OF_SUFFIX.get(base.suffix.lower())
    lines = first_lines(path)
    ways = [_Split(delimiter, lines) for delimiter in _DELIMITERS]
    ways.sort(key=lambda way: way.delimiter != own)  # the suffix's is the first
    if wanted.positional:
        right = _by_position(ways, own, [int(name) for name in wanted.names])
    else:
        right = [way for way in ways if way.names(wanted.names)]
    if right:
        return right[0].delimiter
    if own and (len(ways[0].header) > 1 or not wanted.names):
        return own
    most = max(ways, key=lambda way: len(way.header) * way.is_even)
    return most.delimiter if len(most.header) > 1 else own or ","


@dataclass
class _Split:
    """The first lines, if that is the delimiter."""

    delimiter: str
    lines: Sequence[str]

    def __post_init__(self) -> None:
        self.rows = _rows(self.lines, self.delimiter)
        self.header = self.rows[0] if self.rows else []

    @property
    def is_even(self) -> bool:
        """Whether all lines have as many fields, and several."""
        return {len(row) for row in self.rows} == {len(self.header)} and len(self.header) > 1

    def names(self, wanted: Sequence[str]) -> bool:
        """Whether the first line names all of the columns."""
        return bool(wanted) and {*wanted} <= {*self.header, *plain_names(self.header)}

    def is_clean(self, places: Sequence[int]) -> bool:
        """Whether the fields at some places hold no delimiter but blanks."""
        fields = [row[place] for row in self.rows for place in places if place < len(row)]
        others = [other for other in _DELIMITERS if other not in (self.delimiter, " ")]
        return not any(other in field for field in fields for other in others)


def _by_position(ways: Sequence[_Split], own: str | None, places: Sequence[int]) -> list[_Split]:
    """Ways that give the columns at the places, the best first."""
    able = [way for way in ways if len(way.header) > max(places)]
    likely = [way for way in able if way.is_even or way.delimiter == own]
    return [way for way in likely if way.is_clean(places)] or likely or able


def _rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Fields of some rows; quotes that are malformed are letters."""
    if delimiter != DOUBLE_COLON:
        with suppress(csv.Error):
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            return list(islice(filter(None, reader), _SAMPLED_ROWS))
    stripped = (line.rstrip("\r\n") for line in lines[:_SAMPLED_ROWS])
    return [line.split(delimiter) for line in stripped if line]
