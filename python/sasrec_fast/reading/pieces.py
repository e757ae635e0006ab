"""Several tables, of a list or as an iterator makes them -> one, whose rows are in their order."""

import datetime
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from sasrec_fast.columns import join
from sasrec_fast.errors import DataError
from sasrec_fast.reading.elsewhere import is_open_file, is_remote
from sasrec_fast.reading.tables import broken, is_table, refused

_ROWS = (tuple, list)
_SINGLE = (str, bytes, int, float, datetime.date, np.generic, pd.Timestamp)
_NOTHING = object()


@dataclass
class Pieces:
    """Tables or files, one after the other.

    Attributes:
        kind: What held them.
        made: Them; used up when read.
        passing: Whether one may be written over once the next is made.
    """

    kind: str
    made: Iterator[Any]
    passing: bool


def files_or_pieces(source: Any) -> list[Any] | Pieces | None:
    """The files of a source, or else its pieces; None where it is one table, or nothing of these.

    Files are a path, a URL, an open file, or a list or an iterator of nothing else.
    """
    if is_table(source):
        return None
    if _is_file(source):
        return [source]
    if not isinstance(source, list | tuple | deque | Iterator):
        return None
    kind = f"a {type(source).__module__}.{type(source).__qualname__}"
    if not isinstance(source, Iterator) and not source:
        raise refused(kind, ": it is empty")
    pieces = Pieces(kind, _each(source), isinstance(source, Iterator))
    first = next(pieces.made, _NOTHING)
    if first is not _NOTHING:
        pieces.made = chain([first], pieces.made)
    if _is_file(first):
        held = [*pieces.made]
        if all(map(_is_file, held)):
            return held
        pieces.made = iter(held)
    return pieces


def join_pieces(pieces: Pieces, columns_of: Callable[[Any], dict[Any, Any]]) -> dict[Any, Any]:
    """The columns of all pieces one below the other.

    Args:
        pieces: The pieces, which are used up.
        columns_of: The named columns of a piece, all of one length.

    Raises:
        DataError: There are no rows, a piece cannot be read, or pieces differ in kind; names it.
        TypeError: A piece is no table.
    """
    found: list[tuple[int, dict[Any, Any]]] = []
    number = 0
    for number, piece in each_table(pieces):
        try:
            columns = columns_of(piece)
        except DataError as failure:
            raise DataError(f"piece {number}: {failure}") from None
        if any(len(values) for values in columns.values()):
            if pieces.passing:
                columns = {name: _owned(values) for name, values in columns.items()}
            found.append((number, columns))
    if not found:
        said = f"all {number} pieces are empty" if number else f"{pieces.kind} is empty or used up"
        raise DataError(f"the table has no rows: {said}")
    return {
        name: join([(number, columns[name]) for number, columns in found], name)
        for name in found[0][1]
    }


def each_table(pieces: Pieces) -> Iterator[tuple[int, Any]]:
    """Number, from 1, and piece; a TypeError where one is no table and no file."""
    for number, piece in enumerate(pieces.made, start=1):
        if _is_row(piece) or not (is_table(piece) or _is_file(piece)):
            raise refused(pieces.kind, f": {_strange(piece, number)}")
        yield number, piece


def _owned(values: Any) -> Any:
    """The values in memory of their own; what Arrow holds is never written over."""
    if isinstance(values, np.ndarray | list | pd.Series | pd.Index):
        return values.copy()
    return values


def _each(pieces: Any) -> Iterator[Any]:
    """The pieces; what an iterator raises on the way becomes an error that says where."""
    made = iter(pieces)
    number = 1
    while True:
        try:
            piece = next(made)
        except StopIteration:
            return
        except Exception as failure:
            raise broken(f"piece {number} of the interactions cannot be read", failure) from failure
        yield piece
        number += 1


def _is_file(source: Any) -> bool:
    if isinstance(source, str | os.PathLike):
        return True
    return not is_table(source) and (is_open_file(source) or is_remote(source))


def _strange(piece: Any, number: int) -> str:
    """Says of a piece what it is, and what to do with rows."""
    kind = type(piece)
    named = kind.__qualname__
    if kind.__module__ != "builtins":
        named = f"{kind.__module__}.{named}"
    way = "; make a table of rows with pandas.DataFrame(rows, columns=[...])"
    row = isinstance(piece, _ROWS) or _is_row(piece)
    return f"piece {number} is a {named}{' of one row' * row}{way * row}"


def _is_row(piece: Any) -> bool:
    """Whether a mapping holds single values, not columns."""
    if not isinstance(piece, Mapping) or not piece:
        return False
    return all(isinstance(v, _SINGLE) or v is None for v in piece.values())
