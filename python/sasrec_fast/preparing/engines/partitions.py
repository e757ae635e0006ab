"""What an engine runs on its partitions: Arrow batches in, Arrow batches out, arrays between.

An engine is what holds a table in partitions on many machines, such as Spark. Results that are no
rows travel as binary values: of a partition that is scanned or counted there is one, and a sorted
one is cut into pieces of whole users, each of which is a shard of its own.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.columns import IdColumn, TimeColumn, read_timestamps
from sasrec_fast.errors import DataError, cut
from sasrec_fast.preparing.grouping import item_codes, kept_rows
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.shards import rules
from sasrec_fast.reading import ColumnNames, Interactions, read_interactions
from sasrec_fast.store import Vocabulary

Batches = Iterable[Any]
"""Arrow record batches."""

VALUE = "value"
"""The column of binary values."""

_ROWS_AT_ONCE = 1 << 20
_ROWS_A_PIECE = 1 << 19


@dataclass(frozen=True)
class Seen:
    """What the rows of some partitions hold; `merge` is associative and commutative.

    Attributes:
        rows: Rows.
        rows_unknown: Rows of items outside a reused vocabulary.
        item_ids: Distinct ids of rows that pass the filter, ascending, an int64 array or an Arrow
            array of large strings; None where a vocabulary is reused, or there are no rows.
        times: Smallest and largest timestamp.
        failure: Why the rows cannot be used.
    """

    rows: int = 0
    rows_unknown: int = 0
    item_ids: Any = None
    times: TimeColumn | None = None
    failure: Exception | None = None

    def merge(self, other: "Seen") -> "Seen":
        """What the rows of both hold."""
        failure = self.failure or other.failure
        items = [seen.item_ids for seen in (self, other) if seen.item_ids is not None]
        times = [seen.times for seen in (self, other) if seen.times is not None]
        if len({isinstance(ids, np.ndarray) for ids in items}) > 1:
            failure = failure or DataError("the item ids of some partitions are text, not of all")
        if len({time.dtype.kind for time in times}) > 1:
            failure = failure or DataError("the timestamps of partitions are of different kinds")
        if failure is not None:
            return Seen(failure=failure)
        return Seen(
            self.rows + other.rows,
            self.rows_unknown + other.rows_unknown,
            distinct(items) if items else None,
            _span(times) if times else None,
        )


@dataclass(frozen=True)
class Piece:
    """Some users of a sorted partition.

    Attributes:
        shard: Their rows; `user_ids` are numbers from 0 where ids are strings.
        users: Their ids, an int64 array or an Arrow array of large strings.
    """

    shard: _core.Shard
    users: Any


@dataclass(frozen=True)
class Reader:
    """Reads rows as `prepare` is told to.

    Attributes:
        names: Where to find what.
        options: The options.
    """

    names: ColumnNames
    options: Options

    def scan(self, batches: Batches) -> Iterator[Any]:
        """One binary value: what the rows of a partition hold, `Seen`."""
        seen = Seen()
        try:
            for table in _tables(batches, _ROWS_AT_ONCE):
                seen = seen.merge(self._seen(table))
        except (ValueError, TypeError) as failure:
            seen = Seen(failure=failure)
        yield from values([seen])

    def _seen(self, table: Any) -> Seen:
        rows = self._checked(table)
        codes, keep, unknown = self._filtered(rows)
        ids = None
        if not isinstance(self.options.items, Vocabulary):
            ids = _ids(rows.items, pd.unique(codes if keep is None else codes[keep]))
        times = None if rows.timestamps is None else _span([rows.timestamps])
        return Seen(len(rows), unknown, ids, times)

    def sort(self, batches: Batches, item_ids: Any) -> Iterator[Any]:
        """Binary values: the pieces of a partition that has all rows of its users, or a failure.

        `item_ids` are those of `Seen`, whose places from 1 become the codes of items; or None
        where a vocabulary is reused.
        """
        for table in _tables(batches, None):
            rows = self._checked(table)
            codes, keep, _ = self._filtered(rows)
            if item_ids is not None:
                codes = _places(rows.items, codes, item_ids)
            times = None if rows.timestamps is None else rows.timestamps.values
            codes = np.maximum(codes, 1)  # what has no code does not pass the row filter
            columns = rows.users.codes, codes, times, keep
            try:
                if self.options.order is not None:
                    columns = self._ordered(columns, table)
            except DataError as failure:
                yield from values([failure])
                return
            shard = _core.sort_shard(*columns, rules(self.options))
            yield from values(_pieces(shard, rows.users))

    def _ordered(self, columns: tuple[Any, ...], table: Any) -> tuple[Any, ...]:
        """The columns with rows of equal times in the order of a further one."""
        name = self.options.order
        users, codes, times, keep = columns
        order = read_timestamps(table[name], cut(name)).values
        rows = np.lexsort((order, times, users))
        rows = rows if keep is None else rows[keep[rows]]
        again = np.ones(max(len(rows) - 1, 0), np.bool_)
        for values in (order, times, users):
            again &= values[rows[1:]] == values[rows[:-1]]
        if again.any():
            raise DataError(
                f"{np.count_nonzero(again):,} rows have the user, the time and the "
                f"'{cut(name)}' of another: nothing says which of them comes first"
            )
        return users[rows], codes[rows], times[rows], None

    def _filtered(self, rows: Interactions) -> tuple[NDArray[Any], NDArray[np.bool_] | None, int]:
        """Item codes, which rows pass the row filter, and how many have an unknown item."""
        codes, known = item_codes(rows.items, self.options, self.names.item)
        unknown = 0 if known is None else int(np.count_nonzero(~known))
        return codes, kept_rows(rows.ratings, known, self.options), unknown

    def _checked(self, table: Any) -> Interactions:
        rows = read_interactions(table, self.names)
        for name, ids in ((self.names.user, rows.users), (self.names.item, rows.items)):
            if ids.are_integers and ids.decode(np.zeros(1, np.int64)).dtype != np.int64:
                raise DataError(f"column '{cut(name)}' has ids that no int64 holds")
        return rows


def count(batches: Batches, options: Options, rare: NDArray[np.int32]) -> Iterator[Any]:
    """One binary value: the interactions of each item code in a partition, see `core_round`.

    Or the failure that is in the place of a piece.
    """
    counts: NDArray[np.int64] | Exception = np.zeros(len(rare), np.int64)
    for piece in unpacked(batches):
        failed = isinstance(piece, Exception)
        counts = added(
            counts, piece if failed else _core.core_round(piece.shard, rules(options), rare)
        )
    yield from values([counts])


def added(
    counts: NDArray[np.int64] | Exception, others: NDArray[np.int64] | Exception
) -> NDArray[np.int64] | Exception:
    """The sums of two counts; a failure where one of them is one."""
    if isinstance(counts, Exception):
        return counts
    return others if isinstance(others, Exception) else counts + others


def packed(thing: Any) -> bytes:
    """An object as a binary value; mostly zeros, as counts of many items are, take little room."""
    whole = pickle.dumps(thing, protocol=5)
    return bytes(len(whole).to_bytes(8, "little") + pa.compress(whole, "lz4", asbytes=True))


def values(objects: Iterable[Any]) -> Iterator[Any]:
    """A batch of one binary value for each object."""
    for thing in objects:
        yield pa.record_batch({VALUE: pa.array([packed(thing)], pa.binary())})


def unpacked(batches: Batches) -> Iterator[Any]:
    """The objects of binary values; what is missing is none."""
    for batch in batches:
        for value in batch.column(VALUE).drop_null():
            yield value_of(value.as_buffer())


def value_of(value: Any) -> Any:
    """The object of a binary value."""
    size = int.from_bytes(value[:8], "little")
    return pickle.loads(pa.decompress(value[8:], size, "lz4"))


def merged(batches: Batches, merge: Callable[[Any, Any], Any]) -> Iterator[Any]:
    """One binary value made of those of a partition; none of none."""
    found = [*_folded(unpacked(batches), merge)]
    yield from values(found)


def _folded(objects: Iterator[Any], merge: Callable[[Any, Any], Any]) -> Iterator[Any]:
    for first in objects:
        yield reduce(merge, objects, first)


def _tables(batches: Batches, rows: int | None) -> Iterator[Any]:
    """Tables of at least so many rows; None for one of all. Those without rows are left out."""
    held: list[Any] = []
    for batch in batches:
        if batch.num_rows:
            held.append(batch)
        if rows is not None and sum(part.num_rows for part in held) >= rows:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def distinct(parts: list[Any]) -> Any:
    """The ids of all parts, each once, ascending."""
    if isinstance(parts[0], np.ndarray):
        return np.unique(np.concatenate(parts))
    found = pc.unique(pa.concat_arrays(parts))
    return found.take(pc.sort_indices(found))


def _span(times: list[TimeColumn]) -> TimeColumn:
    values = np.concatenate([time.values for time in times])
    return TimeColumn(np.array([values.min(), values.max()]), times[0].dtype, times[0].zone)


def _ids(column: IdColumn, codes: NDArray[Any]) -> Any:
    """The ids of codes, ascending; of strings an Arrow array, in the order of their bytes."""
    return column.decode(np.sort(codes).astype(np.int64))


def _places(column: IdColumn, codes: NDArray[Any], ids: Any) -> NDArray[np.int32]:
    """The place from 1 of each row's id among all, 0 for one that is not there."""
    if not len(ids):
        return np.zeros(len(codes), np.int32)
    if column.are_integers:
        places = np.minimum(np.searchsorted(ids, codes), len(ids) - 1)
        return np.where(ids[places] == codes, places + 1, 0).astype(np.int32)
    names = _ids(column, np.arange(int(codes.max()) + 1))
    found = pc.fill_null(pc.index_in(names, value_set=ids), -1).to_numpy()
    return np.asarray((found + 1)[codes], np.int32)


def _pieces(shard: _core.Shard, users: IdColumn) -> Iterator[Piece]:
    """Parts of a shard of whole users, of about as many rows each."""
    offsets = shard.offsets
    first = 0
    while first < len(shard.user_ids):
        last = int(np.searchsorted(offsets, offsets[first] + _ROWS_A_PIECE))
        end = min(max(last, first + 1), len(shard.user_ids))
        rows = slice(int(offsets[first]), int(offsets[end]))
        codes = shard.user_ids[first:end]
        part = _core.Shard(
            codes,
            offsets[first : end + 1] - offsets[first],
            shard.items[rows],
            shard.times[rows],
            shard.time_min,
            shard.time_unit,
            shard.kept[rows],
        )
        yield Piece(part, _ids(users, codes))
        first = end
