"""Chunks of raw columns -> chunks of codes and times, which the native code takes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.columns import TimeColumn, read_ids, read_ratings, read_timestamps
from sasrec_fast.errors import DataError, cut
from sasrec_fast.preparing.grouping import item_codes, kept_rows
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.streaming.ids import Ids
from sasrec_fast.reading import Chunk, ColumnNames

Columns = tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None, NDArray[np.bool_] | None]
"""Users, items, times and which rows pass the row filter."""


@dataclass
class Rows:
    """How columns become codes.

    Attributes:
        names: Of the columns.
        options: Of `prepare`.
        users: The user ids.
        items: The item ids; unused where those of the caller are kept.
        times: A column with the kind of the timestamps; None before there was one.
        received: Rows there were.
        unknown: Rows of items outside a vocabulary that is reused.
    """

    names: ColumnNames
    options: Options
    users: Ids = field(init=False)
    items: Ids = field(init=False)
    times: TimeColumn | None = None
    received: int = 0
    unknown: int = 0

    def __post_init__(self) -> None:
        self.users, self.items = Ids(self.names.user), Ids(self.names.item)

    def columns(self, chunk: Chunk) -> Columns:
        """The columns of a chunk as the native code takes them.

        Raises:
            DataError: As of `prepare`; names the place of the chunk.
        """
        try:
            return self._columns(chunk.columns)
        except DataError as failure:
            raise DataError(f"{chunk.where}{failure}") from None

    def _columns(self, found: dict[Any, Any]) -> Columns:
        names, known = self.names, None
        users = self.users.codes(found[names.user])
        if self.options.items is None:
            items = self.items.codes(found[names.item])
        else:
            ids = read_ids(found[names.item], cut(names.item))
            items, known = item_codes(ids, self.options, names.item)
        times = None
        if names.timestamp is not None:
            column = read_timestamps(found[names.timestamp], cut(names.timestamp))
            times, self.times = column.values, self.times or column
        ratings = None if names.rating is None else found[names.rating]
        ratings = None if ratings is None else read_ratings(ratings, cut(names.rating))
        self.received += len(users)
        self.unknown += 0 if known is None else int(np.count_nonzero(~known))
        return users, items, times, kept_rows(ratings, known, self.options)
