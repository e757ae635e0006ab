"""What was grouped, with its splits and its report -> `Prepared`."""

from sasrec_fast.columns import TimeColumn
from sasrec_fast.preparing.accounting import count, report, sums_of
from sasrec_fast.preparing.grouping import Grouped
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.outcome import require_rows, warn_of_empty
from sasrec_fast.preparing.prepared import Prepared
from sasrec_fast.preparing.shards import dated_rows, splits_of
from sasrec_fast.reading import ColumnNames


def assembled(
    grouped: Grouped,
    times: TimeColumn | None,
    options: Options,
    names: ColumnNames,
    *,
    stacklevel: int,
) -> Prepared:
    """Prepared data.

    Args:
        grouped: The compact store and how it came about.
        times: The timestamps, or some between which all are.
        options: Those of `prepare`.
        names: Of the columns.
        stacklevel: Of warnings of the caller.

    Raises:
        DataError: A user for whom no negative exists, or nobody to train on.

    Warns:
        DataWarning: See `prepare`.
    """
    store, vocabularies = grouped.sequences, (grouped.users, grouped.items)
    rows = dated_rows(store.offsets, grouped.before)
    splits = splits_of(store, vocabularies, options, rows)
    timed = grouped.log.times is not None
    counts = count(sums_of(grouped.counts), splits, timed=timed)
    require_rows(counts, len(grouped.items), times, options, names)
    keys = len(grouped.users) if grouped.users.are_strings else 0
    found = report(counts, grouped.rows, len(grouped.items), options, keys)
    warn_of_empty(found, options)
    found.warn(options.ties, stacklevel=stacklevel + 1)
    recorded = {**vars(names), **vars(options)}
    return Prepared.of_splits(splits, vocabularies, found, recorded, grouped.log)
