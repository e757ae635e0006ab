"""Names of columns, and positions where a file has no names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sasrec_fast.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Name = str | int
"""A column's name; in a file an integer is a position, from 0, and the file has no header."""


@dataclass(frozen=True)
class Wanted:
    """The columns to read of a file.

    Attributes:
        ids: Columns that hold ids: integers or strings, whatever else they look like.
        numbers: Columns that must hold numbers or times.
        times: Those of `numbers` that are compared with one another.
        only: Whether other columns stay unread.
    """

    ids: tuple[Name, ...] = ()
    numbers: tuple[Name, ...] = ()
    times: tuple[Name, ...] = ()
    only: bool = False

    @cached_property
    def positional(self) -> bool:
        """Whether columns are given by position; then the file has no header."""
        return are_positions((*self.ids, *self.numbers))

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the table that is read; a position becomes its decimal digits."""
        return tuple(dict.fromkeys(map(str, (*self.ids, *self.numbers))))


def require_columns(available: Sequence[Any], wanted: Collection[Any], where: str = "") -> None:
    """Refuse a table that lacks a column or has it twice.

    Args:
        available: Names of the table's columns.
        wanted: Names of the columns that are read.
        where: Behind the name of the column in the message, such as " of ratings.csv".

    Raises:
        DataError: Names the column and lists what there is.
    """
    for name in wanted:
        count = list(available).count(name)
        if count != 1:
            problem = "occurs more than once" if count else "is missing"
            listed = ", ".join(map(repr, available)) or "none"
            raise DataError(f"column '{name}'{where} {problem}; the columns are {listed}")


def are_positions(names: Collection[Name]) -> bool:
    """Whether columns of a file are given by position.

    Raises:
        DataError: Some are and some are not, or a position is negative.
        TypeError: A name is neither a string nor an integer.
    """
    for name in names:
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise TypeError(
                f"column {name!r} of a file is a {type(name).__name__}; allowed are names (str) "
                "and, where the file has no header, positions (int)"
            )
    positions = [name for name in names if isinstance(name, int)]
    if positions and len(positions) < len(names):
        named = next(name for name in names if isinstance(name, str))
        raise DataError(
            f"column {positions[0]} is a position and {named!r} a name: a file without a header "
            "takes positions for all columns (timestamp=None where it has no times), one with a "
            "header takes names"
        )
    if positions and min(positions) < 0:
        raise DataError(f"column {min(positions)} is negative; positions count from 0")
    return bool(positions)
