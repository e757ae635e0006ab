"""What a preparation that leaves too little is refused or warned with."""

from collections.abc import Mapping
from typing import Any

from sasrec_fast.columns import TimeColumn
from sasrec_fast.errors import DataError, DataWarning, cut, note, shorten
from sasrec_fast.preparing.accounting import Counts, rows_of_inactive_users
from sasrec_fast.preparing.options import Options
from sasrec_fast.reading import ColumnNames
from sasrec_fast.store import SPLITS, Report


def nothing_left(rows: int, unknown: int, sums: Mapping[str, int], options: Options) -> DataError:
    """The error where no row is left."""
    reused = f"{unknown:,} are of items outside the vocabulary to reuse, " if unknown else ""
    return DataError(
        f"nothing is left of {rows:,} rows: {reused}"
        f"{rows - unknown - sums['rows_filtered']:,} are under min_rating={options.min_rating}, "
        f"{sums['rows_duplicate']:,} repeat an item of their user, "
        f"{rows_of_inactive_users(sums):,} belong to {sums['users_dropped']:,} users under "
        f"min_user_interactions={options.min_user_interactions}, "
        f"{sums['rows_of_rare_items']:,} to items under "
        f"min_item_interactions={options.min_item_interactions}"
    )


def require_rows(
    counts: Counts, items: int, times: TimeColumn | None, options: Options, names: ColumnNames
) -> None:
    """Refuse a user who has every item that there is, and data that nobody can be trained on."""
    if counts.stuck is not None:
        raise without_negative(counts.stuck[2], names.user, items)
    if options.split_at is not None and not counts.by_split["rows"][SPLITS[0]]:
        assert times is not None
        raise nothing_before(times, options, names.timestamp)


def without_negative(user: Any, column: object, items: int) -> DataError:
    """The error for a user who has every item that there is."""
    return DataError(
        f"user {shorten(user)} (column '{cut(column)}') has interacted with all "
        f"{items:,} items, so no negative exists; num_negatives=0 draws none, "
        "for losses that need none or draw their own (softmax, sampled_softmax); or drop "
        "the user"
    )


def nothing_before(times: TimeColumn, options: Options, column: object) -> DataError:
    """The error where nobody has a training row."""
    assert options.split_at is not None
    first, last = times.span
    return DataError(
        f"no user has two interactions before {shorten(options.split_at[0])}, the start of "
        f"validation; column '{cut(column)}' runs from {first} to {last} (are "
        "the units the same?)"
    )


def warn_of_empty(report: Report, options: Options) -> None:
    """Warn of splits without rows, on which nothing can be trained or measured."""
    empty = [name for name, rows in report.rows_by_split.items() if not rows]
    starts = options.split_at
    for name in empty if starts is not None else []:
        assert starts is not None
        before = f" to before {starts[1]}" if name == "validation" else " on"
        first = starts[0] if name == "validation" else starts[1]
        note(
            f"{name} has no rows: no user has an interaction from {first}{before} and one "
            "earlier; choose other times for split_at",
            DataWarning,
        )
    if empty and starts is None:
        held = f" besides the last {options.holdout} held out" if options.holdout else ""
        advice = "lower holdout, or " if options.holdout else ""
        note(
            f"{' and '.join(empty)} ha{'s' if len(empty) == 1 else 've'} no rows: a training row "
            f"takes 2 interactions{held}, and no user has more than "
            f"{report.sequence_lengths.max}; {advice}bring users with longer histories "
            f"(min_user_interactions={options.holdout + 2} keeps those who have enough)",
            DataWarning,
        )
