"""Any table-like input -> checked columns of equal length."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sasrec_fast.columns import IdColumn, TimeColumn, read_ids, read_ratings, read_timestamps
from sasrec_fast.errors import DataError, cut, shorten
from sasrec_fast.reading.files import read_columns
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
    """Read and check the named columns of a table, of a path or of a sequence of paths.

    Raises:
        DataError: A missing column or value, unequal lengths, no rows, or values of a wrong kind.
        FileNotFoundError: A path does not exist.
        TypeError: `source` is nothing of the kind.
    """
    if isinstance(source, str | os.PathLike):
        source = [source]
    if not _are_paths(source):
        return _checked(find_columns(source, (names.user, names.item, *names.numbers)), names)
    times = () if names.timestamp is None else (names.timestamp,)
    table = read_columns(source, (names.user, names.item), names.numbers, times)
    found = {name: table.column(str(name)) for name in (names.user, names.item, *names.numbers)}
    try:
        return _checked(found, names)
    except DataError as failure:
        others = f" and {len(source) - 1} more" if source[1:] else ""
        raise DataError(f"{source[0]}{others}: {failure}") from None


def _checked(found: dict[Any, Any], names: ColumnNames) -> Interactions:
    lengths = {name: _length(values, name) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        described = ", ".join(f"'{cut(name)}' has {rows:,}" for name, rows in lengths.items())
        raise DataError(f"columns differ in length: {described} rows")
    if not lengths[names.user]:
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


def _are_paths(source: Any) -> bool:
    is_sequence = isinstance(source, Sequence) and not isinstance(source, bytes | bytearray)
    return is_sequence and bool(source) and all(isinstance(p, str | os.PathLike) for p in source)


def _length(values: Any, name: object) -> int:
    try:
        return np.shape(values)[0] if not hasattr(values, "__len__") else len(values)
    except (IndexError, TypeError, ValueError):
        raise DataError(
            f"column '{cut(name)}' is a {type(values).__name__}; a column is a 1-D array"
        ) from None
