"""Names of columns, and positions where a file has no names."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sasrec_fast.errors import DataError, cut, shorten

Name = str | int
"""A column's name; in a file an integer is a position, from 0, and the file has no header."""


_MOST_LISTED = 30
_TYPED = re.compile(r"(.+):(?:token|float)(?:_seq)?")


@dataclass(frozen=True)
class Wanted:
    """The columns to read of a file, by name; a position is its decimal digits.

    Attributes:
        ids: Columns that hold ids: integers or strings, whatever else they look like.
        numbers: Columns that must hold numbers or times.
        times: Those of `numbers` that are compared with one another.
        texts: Columns to read as strings, whatever they look like.
        only: Whether other columns stay unread, and these have a value in every row.
        positional: Whether columns are given by position; then the file has no header.
    """

    ids: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    only: bool = False
    positional: bool = False

    @classmethod
    def of(
        cls,
        ids: Collection[Name],
        numbers: Collection[Name] = (),
        times: Collection[Name] = (),
        *,
        texts: Collection[Name] = (),
        only: bool = False,
    ) -> Wanted:
        """From names or positions.

        Raises:
            DataError: Some are positions and some are names, or a position is negative.
            TypeError: One is neither a string nor an integer.
        """
        positional = _are_positions((*ids, *numbers))
        given = {"ids": ids, "numbers": numbers, "times": times}
        roles = {role: tuple(map(str, names)) for role, names in given.items()}
        return cls(**roles, texts=tuple(map(str, texts)), only=only, positional=positional)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, each once."""
        return tuple(dict.fromkeys((*self.ids, *self.numbers)))

    def without(self, given: Collection[str]) -> Wanted:
        """What is left to read where the columns `given` come from elsewhere."""
        ids, numbers, times, texts = (
            tuple(name for name in names if name not in given)
            for names in (self.ids, self.numbers, self.times, self.texts)
        )
        return replace(self, ids=ids, numbers=numbers, times=times, texts=texts)


def columns_of(first: Sequence[str], wanted: Wanted, *, header: bool) -> tuple[str, ...]:
    """Names of a file's columns by its first row: positions, if that is not the header."""
    if not header:
        return tuple(map(str, range(len(first))))
    plain = plain_names(first)
    return tuple(first if {*wanted.names} <= {*first} else plain)


def plain_names(header: Sequence[str]) -> list[str]:
    """Names of columns without the types that RecBole writes behind them, as "item_id:token"."""
    typed = [_TYPED.fullmatch(name) for name in header]
    return [found[1] for found in typed if found] if all(typed) else list(header)


def require_columns(available: Sequence[Any], wanted: Collection[Any], where: str = "") -> None:
    """Refuse a table that lacks a wanted column or has it twice.

    The message has `where`, such as " of ratings.csv", behind the name of the column.
    """
    for name in wanted:
        count = list(available).count(name)
        if count != 1:
            problem = "occurs more than once" if count else "is missing"
            listed = ", ".join(map(shorten, list(available)[:_MOST_LISTED])) or "none"
            more = f" and {len(available) - _MOST_LISTED} more" * (len(available) > _MOST_LISTED)
            raise DataError(
                f"column {named(name)}{where} {problem}; the columns are {listed}{more}"
            )


def named(column: object) -> str:
    """A column's name in quotes, cut where it is long."""
    return repr(cut(column))


def _are_positions(names: Collection[Name]) -> bool:
    for name in names:
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise TypeError(
                f"column {shorten(name)} of a file is a {type(name).__name__}; allowed are names "
                "(str) and, where the file has no header, positions (int)"
            )
    positions = [name for name in names if isinstance(name, int)]
    if positions and len(positions) < len(names):
        first = next(name for name in names if isinstance(name, str))
        raise DataError(
            f"column {positions[0]} is a position and {shorten(first)} a name: a file without a "
            "header takes positions for all columns (timestamp=None where it has no times), one "
            "with a header takes names"
        )
    if positions and min(positions) < 0:
        raise DataError(f"column {min(positions)} is negative; positions count from 0")
    return bool(positions)
