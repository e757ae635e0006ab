"""Rows that came later, put among those that data was prepared of."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core, checks
from sasrec_fast.columns import IdColumn
from sasrec_fast.errors import DataError
from sasrec_fast.preparing.assembling import assembled
from sasrec_fast.preparing.grouping import Grouped, grouped, item_codes, kept_rows, starts_of
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.prepared import Prepared
from sasrec_fast.preparing.shards import rules
from sasrec_fast.preparing.time_kinds import in_one_kind
from sasrec_fast.reading import ColumnNames, Interactions, read_interactions
from sasrec_fast.store import KEEP_ALL, Log, Vocabulary, require_one_kind, union


def append(data: Prepared, rows: Any, *, keep_items: bool = False) -> Prepared:
    """See `Prepared.append`."""
    checks.flag("keep_items", keep_items)
    if data.log is None:
        raise DataError(
            "the data has no log of its rows to append to: it was prepared by an earlier version, "
            "or piece by piece (output=); prepare all rows together"
        )
    recorded = dict(data.options)
    names = ColumnNames(*(recorded.pop(role) for role in ("user", "item", "timestamp", "rating")))
    options = Options(**recorded)
    table = read_interactions(rows, names)
    log, report = data.log.opened, data.report
    before = report.rows_in, report.rows_dropped_by_unknown_item
    if keep_items and not options.identity:
        items = _extended(data.items, table.items, names.item)
        log, unknown = _of_items(log, items, options)
        before = before[0], before[1] + unknown
        options = replace(options, items=items)
    found, touched = appended(log, table, before, options, names)
    made = assembled(found, found.log.time_span, options, names, stacklevel=4)
    if keep_items:
        added = len(made.items) - len(data.items)
        made = replace(made, report=replace(made.report, items_appended=added))
    changed = _changed(data, made)
    if options.duplicates != "keep":  # as many rows may be other ones
        changed |= np.isin(found.counts.user_ids, touched)
    if "_origin" in vars(data):
        vars(made)["_origin"] = vars(data)["_origin"]
    vars(made)["changed_users"] = made.users.lookup(np.flatnonzero(changed) + 1)
    return made


def _changed(data: Prepared, made: Prepared) -> NDArray[np.bool_]:
    """Whether each user of the appended data had fewer interactions before, or other ones."""
    both = union(made.users, data.users, "")
    before = np.zeros(len(both.ids), np.int64)
    before[both.new] = np.diff(data.sequences.offsets)
    changed: NDArray[np.bool_] = np.diff(made.sequences.offsets) != before[both.old]
    return changed


def _extended(items: Vocabulary, column: IdColumn, name: object) -> Vocabulary:
    """The vocabulary with the ids of a column that it lacks."""
    ids = Vocabulary.trusted(column.decode(np.unique(column.codes).astype(np.int64)))
    require_one_kind(items, ids, name)
    return items.extend(ids.strings if ids.are_strings else ids.ids)


def _of_items(log: Log, items: Vocabulary, options: Options) -> tuple[Log, int]:
    """The log with the indices of a vocabulary as codes, and how many rows it lost by that."""
    if options.items is not None:  # of the shorter vocabulary, whose indices are as before
        return log, 0
    assert log.items is not None
    ids = log.items
    indices = items.index(ids.strings if ids.are_strings else ids.ids)
    codes, known = indices, None
    if options.min_item_interactions > 1:  # codes are ranks of the indices that occur
        known = np.unique(indices[indices > 0]).astype(np.int64)
        codes = np.where(indices > 0, np.searchsorted(known, indices) + 1, 0).astype(np.int32)
    restricted = log.restricted(codes)
    return replace(restricted, items=known if known is None else Vocabulary.trusted(known)), (
        len(log) - len(restricted)
    )


def appended(
    log: Log, table: Interactions, before: tuple[int, int], options: Options, names: ColumnNames
) -> tuple[Grouped, NDArray[np.int64]]:
    """Group the rows of a log and those of a table below them.

    Args:
        log: All rows that passed the row filter.
        table: Rows that came later.
        before: Rows received until now, and those of items outside a reused vocabulary.
        options: Those of `prepare`.
        names: Of the columns.

    Returns:
        Also the users of the table, as codes of `Grouped.counts`.

    Raises:
        DataError: Ids or times of another kind than those of the log, or see `group`.
    """
    codes, known = item_codes(table.items, options, names.item)
    unknown = 0 if known is None else int(np.count_nonzero(~known))
    keep = kept_rows(table.ratings, known, options)
    log, times = in_one_kind(log, table.timestamps, names.timestamp)
    timed = None if times is None else (times.values, None)
    later = _core.group(table.users.codes, codes, timed, keep, KEEP_ALL)
    later_users = Vocabulary.trusted(table.users.decode(later.shard.user_ids))
    users = union(log.users, later_users, names.user)
    items = _items(log, later, table.items, options, names.item)
    shards = _of_users(log.shard, users.old), _of_users(later.shard, users.new)
    starts = starts_of(times, options, names)
    found = _core.append(shards, items.codes, items.ids, rules(options), starts)
    rows = before[0] + len(table), before[1] + unknown
    return grouped(found, (users.column, items.column), times, rows, options, names), users.new


@dataclass(frozen=True)
class _Items:
    """Item codes of old and of later rows -> codes of both.

    Attributes:
        codes: By old and by later code, the new one; None where it is the same.
        ids: What the native code calls the items from 1 on; None where codes are indices.
        column: What its ids stand for.
    """

    codes: tuple[NDArray[np.int32] | None, NDArray[np.int32] | None]
    ids: NDArray[np.int64] | None
    column: IdColumn


def _items(
    log: Log,
    later: _core.GroupedInteractions,
    column: IdColumn,
    options: Options,
    name: object,
) -> _Items:
    if log.items is None:  # codes are indices
        indices = np.concatenate([[0], later.code_ids]).astype(np.int32)
        return _Items((None, indices), None, column)
    if options.items is not None:
        both = union(log.items, Vocabulary.trusted(later.code_ids), name)
        return _Items(both.codes, both.ids.ids, column)
    both = union(log.items, Vocabulary.trusted(column.decode(later.code_ids)), name)
    return _Items(both.codes, np.arange(len(both.ids)), both.column)


def _of_users(shard: _core.Shard, places: NDArray[np.int64]) -> _core.Shard:
    scale = shard.time_min, shard.time_unit
    return _core.Shard(places, shard.offsets, shard.items, shard.times, *scale, shard.kept)
