"""Any table-like input -> checked columns of equal length."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sasrec_fast.columns import (
    IdColumn,
    TimeColumn,
    explode,
    read_ids,
    read_ratings,
    read_timestamps,
)
from sasrec_fast.errors import DataError, DataWarning, cut, note, shorten
from sasrec_fast.reading.files import read_columns
from sasrec_fast.reading.order import in_order
from sasrec_fast.reading.pieces import Pieces, files_or_pieces, join_pieces
from sasrec_fast.reading.tables import find_columns


@dataclass(frozen=True)
class ColumnNames:
    """Where to find what; `timestamp` None means rows in time order, `rating` None no ratings.

    A file has names (str) or, without a header, positions from 0 (int); a DataFrame or a mapping
    may have labels of any kind.
    """

    user: Any
    item: Any
    timestamp: Any
    rating: Any

    def __post_init__(self) -> None:
        if self.user is None or self.item is None:
            raise TypeError(
                f"user is {shorten(self.user)} and item {shorten(self.item)}; both name a column"
            )
        for role, name in vars(self).items():
            if name is pd.NA or getattr(type(name), "__hash__", None) is None:
                kind = "<NA>" if name is pd.NA else f"a {type(name).__name__}"
                raise TypeError(f"{role} is {kind}; it is the name of a column")
            hash(name)

    @property
    def numbers(self) -> tuple[Any, ...]:
        """Columns of numbers or times."""
        return tuple(name for name in (self.timestamp, self.rating) if name is not None)


@dataclass(frozen=True)
class Interactions:
    """Checked columns, all of the same length.

    Attributes:
        users: User ids.
        items: Item ids.
        timestamps: None where rows are in time order.
        ratings: Numbers; None where no rating is used.
    """

    users: IdColumn
    items: IdColumn
    timestamps: TimeColumn | None
    ratings: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.users.codes)


def read_interactions(source: Any, names: ColumnNames) -> Interactions:
    """Read and check the named columns of a table, of files, or of several of these.

    A column may hold a list in every row, one row a user: its elements are the rows then, in their
    order. Pieces of a list or an iterator, tables or files, are read one below the other.

    Raises:
        DataError: A missing column or value, unequal lengths, no rows, or values of a wrong kind.
        FileNotFoundError: A path does not exist.
        TypeError: `source` is nothing of the kind.
    """
    several, where = files_or_pieces(source), ""
    if isinstance(several, Pieces):
        found = join_pieces(several, lambda piece: columns_of_piece(piece, names))
    elif several is not None:
        if isinstance(source, Iterator) and names.timestamp is None:
            warn_of_unsorted(several)
        found, where = _columns_of_files(several, names)
    else:
        found = _exploded(find_columns(source, wanted_names(names)), names)
    try:
        return _checked(found, names)
    except DataError as failure:
        raise DataError(f"{where}{failure}") from None


def warn_of_unsorted(files: list[Any]) -> None:
    """Warn where an iterator, as of a glob, gives paths in no order of their names."""
    if all(isinstance(file, str | os.PathLike) for file in files) and files != in_order(files):
        note(
            f"without timestamps the order of files is the order of time, and {files[0]} is not "
            "the first by its name; sort them, or give the folder or a pattern",
            DataWarning,
        )


def wanted_names(names: ColumnNames) -> tuple[Any, ...]:
    """All columns, by name."""
    return (names.user, names.item, *names.numbers)


def _columns_of_files(files: list[Any], names: ColumnNames) -> tuple[dict[Any, Any], str]:
    """The named columns of all files, and what an error about them begins with."""
    times = () if names.timestamp is None else (names.timestamp,)
    ids = (names.user, names.item)
    table = read_columns(files, ids, names.numbers, times, in_time_order=not times)
    found = {name: table.column(str(name)) for name in wanted_names(names)}
    others = f" and {len(files) - 1} more" if files[1:] else ""
    where = f"{files[0]}{others}: "
    try:
        return _exploded(found, names), where
    except DataError as failure:
        raise DataError(f"{where}{failure}") from None


def columns_of_piece(piece: Any, names: ColumnNames) -> dict[Any, Any]:
    """The named columns of a table or a file, all of one length."""
    files = files_or_pieces(piece)
    if isinstance(files, list):
        return _columns_of_files(files, names)[0]
    found = _exploded(find_columns(piece, wanted_names(names)), names)
    _require_one_length(found)
    return found


def _exploded(found: dict[Any, Any], names: ColumnNames) -> dict[Any, Any]:
    for name, values in found.items():
        _length(values, name)
    return explode(found, names.user, names.item)


def _require_one_length(found: dict[Any, Any]) -> None:
    lengths = {name: _length(values, name) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        described = ", ".join(f"'{cut(name)}' has {rows:,}" for name, rows in lengths.items())
        raise DataError(f"columns differ in length: {described} rows")


def _checked(found: dict[Any, Any], names: ColumnNames) -> Interactions:
    _require_one_length(found)
    if not _length(found[names.user], names.user):
        raise DataError("the table has no rows")
    users = read_ids(found[names.user], cut(names.user))
    items = read_ids(found[names.item], cut(names.item))
    timestamps, ratings = names.timestamp, names.rating
    return Interactions(
        users,
        items,
        None if timestamps is None else read_timestamps(found[timestamps], cut(timestamps)),
        None if ratings is None else read_ratings(found[ratings], cut(ratings)),
    )


def _length(values: Any, name: object) -> int:
    try:
        return np.shape(values)[0] if not hasattr(values, "__len__") else len(values)
    except (IndexError, TypeError, ValueError):
        raise DataError(
            f"column '{cut(name)}' is a {type(values).__name__}; a column is a 1-D array"
        ) from None
