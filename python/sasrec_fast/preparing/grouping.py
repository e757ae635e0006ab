"""Checked columns -> the compact store, its vocabularies and counts, by one native call."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.columns import IdColumn, TimeColumn, boundaries, text_buffers
from sasrec_fast.errors import DataError, cut, shorten
from sasrec_fast.preparing.accounting import sums_of
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.outcome import nothing_left
from sasrec_fast.preparing.shards import rules
from sasrec_fast.preparing.timing import clock_of, require_timestamps, seconds_since
from sasrec_fast.reading import ColumnNames, Interactions
from sasrec_fast.store import MAX_ITEMS, Log, Sequences, TimedSequences, Vocabulary

_SPARE_CODES = 1 << 16
"""Codes of a range no wider than twice the rows, and so many more, are looked up once each."""


@dataclass(frozen=True)
class Grouped:
    """The compact store and how it came about.

    Attributes:
        sequences: The store.
        users: User ids.
        items: Item ids.
        before: uint32 [U, 2], each user's interactions before the start of validation and of
            test; None where times do not decide.
        rows: Rows received, and those of items outside a reused vocabulary.
        log: All rows that passed the row filter, sorted.
        counts: What is left of them, and what the native code counted.
    """

    sequences: Sequences
    users: Vocabulary
    items: Vocabulary
    before: NDArray[np.uint32] | None
    rows: tuple[int, int]
    log: Log
    counts: _core.Finished


def group(table: Interactions, options: Options, names: ColumnNames) -> Grouped:
    """Filter, group by user, sort by time and index the items.

    Raises:
        DataError: Item ids that are no indices (identity), or of another kind than a reused
            vocabulary's; nothing is left.
        TypeError, ValueError: `split_at` or `ties` does not suit the timestamps.
    """
    codes, known = item_codes(table.items, options, names.item)
    rows_unknown = 0 if known is None else int(np.count_nonzero(~known))
    keep = kept_rows(table.ratings, known, options)
    times = table.timestamps
    require_times(times is not None, options)
    require_timestamps(names, options)
    starts = starts_of(times, options, names)
    found = _core.group(
        table.users.codes,
        codes,
        None if times is None else (times.values, starts),
        keep,
        rules(options),
    )
    rows = len(table), rows_unknown
    return grouped(found, (table.users, table.items), times, rows, options, names)


def grouped(
    found: _core.GroupedInteractions,
    ids: tuple[IdColumn, IdColumn],
    times: TimeColumn | None,
    rows: tuple[int, int],
    options: Options,
    names: ColumnNames,
) -> Grouped:
    """What the native code found, with external ids and keys.

    Args:
        found: The shard and what is left of it.
        ids: What the codes of users and items stand for.
        times: Timestamps, of which the kind is kept in the log.
        rows: Rows received, and those of items outside a reused vocabulary.
        options: Those of `prepare`.
        names: Of the columns.

    Raises:
        DataError: Nothing is left, or times are too far apart to be kept.
        ValueError: `times` does not suit the timestamps.
    """
    kept = found.kept
    if not kept.rows_kept:
        raise nothing_left(*rows, sums_of(kept), options)
    users = Vocabulary.trusted(ids[0].decode(kept.user_ids))
    items = _item_vocabulary(ids[1], found, options)
    if options.ties == "hash":
        keys = stream_keys(items)
        _core.order_ties(kept.offsets, kept.items, kept.times, keys, options.seed)
    log = Log(found.shard, *_ids_of_log(found, ids, (users, items), options), kind_of(times))
    sequences = _store(log, kept, users, options, names)
    before = None if options.split_at is None else kept.before.reshape(-1, 2)
    return Grouped(sequences, users, items, before, rows, log, kept)


def _store(
    log: Log, kept: _core.Finished, users: Vocabulary, options: Options, names: ColumnNames
) -> Sequences:
    """The store, with times where they are to be kept."""
    columns = kept.offsets, kept.items, stream_keys(users)
    clock = clock_of(log.time_span, options, names)
    if clock is None or log.times is None:
        return Sequences(*columns)
    scale = log.shard.time_min, log.shard.time_unit
    times = seconds_since(kept.times, scale, log.times.values.dtype, clock)
    return TimedSequences(*columns, times, clock)


def _ids_of_log(
    found: _core.GroupedInteractions,
    ids: tuple[IdColumn, IdColumn],
    known: tuple[Vocabulary, Vocabulary],
    options: Options,
) -> tuple[Vocabulary, Vocabulary | None]:
    """Ids of all users and items of the shard; those that are kept where these are all."""
    users: Vocabulary = known[0]
    items: Vocabulary | None = known[1]
    if found.kept.user_ids is not found.shard.user_ids:
        users = Vocabulary.trusted(ids[0].decode(found.shard.user_ids))
    if options.items is not None:
        indices = found.code_ids if options.min_item_interactions > 1 else None
        items = None if indices is None else Vocabulary.trusted(indices)
    elif found.item_ids is not found.code_ids:
        items = Vocabulary.trusted(ids[1].decode(found.code_ids))
    return users, items


def kind_of(times: TimeColumn | None) -> TimeColumn | None:
    """The kind of a column of times, without any."""
    return None if times is None else replace(times, values=times.values[:0].copy())


def stream_keys(ids: Vocabulary) -> NDArray[np.uint64]:
    """The key of each id's random stream: the id itself, or pandas' hash of a string."""
    if ids.are_strings:
        return _core.string_keys(text_buffers(ids.strings))
    return ids.ids.view(np.uint64)


def starts_of(
    times: TimeColumn | None, options: Options, names: ColumnNames
) -> NDArray[Any] | None:
    """The two times of `split_at`, as values of the column of times."""
    if options.split_at is None:
        return None
    if times is None:
        raise ValueError("split_at is given, but timestamp is None: there are no times to compare")
    return boundaries(options.split_at, times, names.timestamp)


def require_times(timed: bool, options: Options) -> None:
    """Refuse a hash of ties where there are no times."""
    if not timed and options.ties == "hash":
        raise ValueError(
            "ties='hash' is given, but timestamp is None: the order of the rows is all there is"
        )


def kept_rows(
    ratings: NDArray[Any] | None, known: NDArray[np.bool_] | None, options: Options
) -> NDArray[np.bool_] | None:
    """The rows that pass the row filter; None where all do."""
    with np.errstate(over="ignore"):  # a min_rating beyond the ratings' float type is infinite
        keep = None if ratings is None else ratings >= options.min_rating
    if known is not None:
        keep = known if keep is None else keep & known
    return keep


def item_codes(
    ids: IdColumn, options: Options, column: object
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Codes for the native code, and which rows have a known item; None where all have."""
    if isinstance(options.items, Vocabulary):
        codes = _reused_codes(ids, options.items, column)
        return codes, codes > 0
    if options.identity:
        _require_indices(ids, column)
    return ids.codes, None


def _reused_codes(ids: IdColumn, items: Vocabulary, column: object) -> NDArray[np.int32]:
    if not len(items):
        raise DataError("items is a vocabulary without ids, so every row would be unknown")
    kinds = {True: "integer", False: "string"}
    reused = not items.are_strings
    if reused != ids.are_integers:
        raise DataError(
            f"column '{cut(column)}' has {kinds[ids.are_integers]} ids, the vocabulary to reuse "
            f"{kinds[reused]} ids, such as {shorten(items.lookup([1]).tolist()[0])}"
        )
    codes = ids.codes
    smallest, width = int(codes.min()), int(codes.max()) - int(codes.min()) + 1
    if width > 2 * len(codes) + _SPARE_CODES:
        return items.index(ids.decode(codes))
    indices = items.index(ids.decode(np.arange(width) + smallest))
    found: NDArray[np.int32] = indices[np.subtract(codes, smallest, dtype=np.int64)]
    return found


def _item_vocabulary(
    ids: IdColumn, found: _core.GroupedInteractions, options: Options
) -> Vocabulary:
    if isinstance(options.items, Vocabulary):
        return options.items
    if options.identity:
        return Vocabulary.identity(found.num_items)
    return Vocabulary.trusted(ids.decode(found.item_ids))


def _require_indices(ids: IdColumn, column: object) -> None:
    """Refuse ids that are no item index."""
    allowed = f"items='identity' allows integers 1..{MAX_ITEMS}"
    if not ids.are_integers:
        raise DataError(f"column '{cut(column)}' has string ids; {allowed}")
    codes = ids.codes
    if codes.min() >= 1 and codes.max() <= MAX_ITEMS:
        return
    row = int(((codes < 1) | (codes > MAX_ITEMS)).argmax())
    found = ids.decode(codes[row : row + 1].astype(np.int64))[0]
    raise DataError(f"column '{cut(column)}' has id {found} at row {row}; {allowed}")
