"""prepare(): raw interactions -> the compact store, vocabularies, splits and a report."""

from typing import Any, Literal

from sasrec_fast import _core
from sasrec_fast.errors import DataError, DataWarning, cut, note, shorten
from sasrec_fast.preparing.accounting import account
from sasrec_fast.preparing.grouping import Grouped, group
from sasrec_fast.preparing.options import DEFAULT_HOLDOUT, Options
from sasrec_fast.preparing.prepared import Prepared
from sasrec_fast.reading import ColumnNames, Interactions, read_interactions
from sasrec_fast.store import SPLITS, Report, Split, Vocabulary, WindowOptions, dated, make_splits

KERAS_EXAMPLE: dict[str, Any] = {
    "min_rating": 2,
    "holdout": 1,
    "truncation": "oldest",
    "negative_scope": "all",
    "items": "identity",
    "min_user_interactions": 1,
}
"""The options of `prepare` that reproduce the Keras example "Sequential retrieval using SASRec"."""


def prepare(
    interactions: Any,
    *,
    user: str | int = "user_id",
    item: str | int = "item_id",
    timestamp: str | int | None = "timestamp",
    rating: str | int | None = None,
    min_rating: float | None = None,
    min_user_interactions: int = 3,
    min_item_interactions: int = 1,
    duplicates: Literal["keep", "first", "last"] = "keep",
    ties: Literal["input", "hash"] = "input",
    holdout: int = DEFAULT_HOLDOUT,
    split_at: tuple[Any, Any] | None = None,
    max_sequence_length: int = 200,
    truncation: Literal["recent", "oldest"] = "recent",
    windows: Literal["last"] | tuple[str, int] = "last",
    num_negatives: int = 1,
    negatives: Literal["uniform", "popularity"] | tuple[str, float] = "uniform",
    negative_scope: Literal["past", "all"] = "past",
    items: Vocabulary | Literal["identity"] | None = None,
    seed: int = 0,
) -> Prepared:
    """Group interactions by user, sort them by time, and split them for training and evaluation.

    The last `holdout` interactions of each user are held out (Kang and McAuley 2018, section IV),
    or what comes after a moment, `split_at`. The first trains on interactions that are later than
    other users' targets, which flatters what follows trends; the second does not, but tests fewer
    users (Meng et al. 2020, "Exploring data splitting strategies for the evaluation of
    recommendation models"). Filters come first and see every row in both.
    Negatives are functions of (seed, epoch, split, user, window) alone: rows, users and threads
    do not influence one another.

    Args:
        interactions: A table: pandas or polars DataFrame, pyarrow Table, RecordBatch or
            RecordBatchReader, duckdb relation, any object with `__arrow_c_stream__`, mapping of 1-D
            arrays, or NumPy structured array. It is not modified; a stream is read to its end. Or a
            path, or a list of paths, of files (Parquet, Feather, ORC, JSON, CSV, TSV, other text,
            and `.dat`, which is "::"-separated as MovieLens is; also compressed or in a zip
            archive) or folders of one format, read in the order of their names and of the numbers
            in these; URLs that fsspec reads; open files. Or a list or an iterator of any of these,
            which are read one below the other. For text without a header, `user`, `item`,
            `timestamp` and `rating` are positions from 0; a `.dat` takes these or the names
            user_id, item_id, rating, timestamp. Columns may hold lists, one row a user: their
            elements are the rows then, in their order.
        user: Column of user ids, integers or strings.
        item: Column of item ids, integers or strings. Ids of text are integers where every one is
            written as its integer is, else all are strings as written: "007" stays "007".
        timestamp: Column of int, float or datetime timestamps. Equal timestamps of a user keep
            their input order, or see `ties`. None: rows are in time order already.
        rating: Column of ratings; "rating" where `min_rating` is given and this is None.
        min_rating: Keep rows with at least this rating; None keeps all.
        min_user_interactions: Drop users with fewer kept rows, after `min_rating` and `duplicates`.
        min_item_interactions: Drop items with fewer kept rows; users and items are dropped in turn
            until all that are left have enough (the k-core, which is unique).
        duplicates: Where a user has an item again, "keep" all rows, or the "first" or "last" in
            time.
        ties: Rows of a user with equal timestamps keep the order of the "input"; or "hash" puts
            them in that of a hash of (seed, item), so that neither the order of the input nor
            that of ids decides.
        holdout: 2 holds out the last two interactions, for validation and test; 1 the last, for
            validation; 0 none, to train for production.
        split_at: Instead of `holdout`, the starts of the validation and of the test period, as
            values of the timestamp column (datetimes also as text; without a zone they are times
            of the column's zone). A user trains on what is before the first; its validation and
            test targets are its first interaction of that period, and the inputs everything
            earlier.
        max_sequence_length: L, most input positions of a row.
        truncation: Of longer sequences, show the most "recent" L + 1 items, or the "oldest".
        windows: Training rows of sequences longer than L + 1: the "last" window alone (or the
            first, with "oldest"), or ("stride", s), 1 <= s <= L: further rows, each s positions
            from the one before, until every item is shown. With s = L each item but the first is
            a target once.
        num_negatives: K, negatives a position; 0 for losses that need none or draw their own.
        negatives: Proposed uniformly, or in proportion to training "popularity", or, with
            ("popularity", a), to its power a (0.75 in word2vec, Mikolov et al. 2013).
        negative_scope: Negatives avoid the items of the sequence their row is taken from ("past",
            which knows nothing of later targets), or "all" items of the user.
        items: None gives items indices 1..V by ascending id; "identity" keeps positive integer
            ids as indices; a `Vocabulary`, such as `data.items` of other data, keeps its indices:
            rows of items that it lacks are dropped and counted (`extend` it to keep them).
        seed: Seed of the negatives, 0..2**64 - 1.

    Returns:
        The splits, vocabularies, compact store and report.

    Raises:
        DataError: A ValueError that names the column, row or user: missing columns or values,
            float ids, unequal lengths, no rows, nothing left after filtering, item ids out of
            range with "identity", a user for whom no negative exists, a malformed file.
        FileNotFoundError: A path does not exist.
        TypeError: `interactions` is of a kind that is not read, an option of another type, or
            `split_at` of another kind than the timestamps.
        ValueError: An option is out of range.

    Warns:
        DataWarning: A split has no rows; equal timestamps decide more than 5 % of the held-out
            targets, or more than 5 % of them are items that no training row shows. The report has
            the figures.

    Example:
        >>> import sasrec_fast as sf
        >>> table = {"user_id": [1, 1, 1, 2, 2, 2], "item_id": [10, 30, 20, 20, 40, 30],
        ...          "timestamp": [1, 2, 3, 1, 2, 3]}
        >>> data = sf.prepare(table, holdout=1, max_sequence_length=3)
        >>> data.train.arrays().item_ids
        array([[1, 0, 0],
               [2, 0, 0]], dtype=int32)
        >>> data.items.lookup([1, 2])
        array([10, 20])
    """
    options = Options(
        min_rating=min_rating,
        min_user_interactions=min_user_interactions,
        min_item_interactions=min_item_interactions,
        duplicates=duplicates,
        ties=ties,
        holdout=holdout,
        split_at=split_at,
        max_sequence_length=max_sequence_length,
        truncation=truncation,
        windows=windows,
        num_negatives=num_negatives,
        negatives=negatives,
        negative_scope=negative_scope,
        items=items,
        seed=seed,
    )
    if min_rating is not None and rating is None:
        rating = "rating"
    names = ColumnNames(user, item, timestamp, rating if min_rating is not None else None)
    table = read_interactions(interactions, names)
    grouped = group(table, options, names)
    splits = _splits(grouped, options)
    _require_negatives(splits, grouped, names)
    if options.split_at is not None and not len(splits[0]):
        raise _nothing_before(table, options, names)
    report = account(len(table), grouped, options, splits)
    _warn_of_empty(report, options)
    report.warn(options.ties, stacklevel=3)
    train, validation, test = [*splits, None, None][: len(SPLITS)]
    assert train is not None
    recorded = {**vars(names), **vars(options)}
    store = grouped.sequences
    return Prepared(train, validation, test, grouped.users, grouped.items, store, report, recorded)


def _splits(grouped: Grouped, options: Options) -> list[Split]:
    windows = [
        WindowOptions(
            split=split,
            holdout=options.holdout if grouped.before is None else None,
            max_sequence_length=options.max_sequence_length,
            oldest=options.truncation == "oldest",
            stride=options.stride if split == 0 else 0,
            reject_all=options.negative_scope == "all",
            num_negatives=options.num_negatives,
            exponent=options.exponent,
            num_items=len(grouped.items),
            seed=options.seed,
        )
        for split in range(options.holdout + 1)
    ]
    rows = {}
    if grouped.before is not None:
        offsets = grouped.sequences.offsets
        rows = {name: dated(offsets, grouped.before, n) for n, name in enumerate(SPLITS)}
    return make_splits(grouped.sequences, (grouped.users, grouped.items), windows, rows)


def _require_negatives(splits: list[Split], grouped: Grouped, names: ColumnNames) -> None:
    """Refuse users who have every item that there is."""
    for split in splits if splits[0].num_negatives else []:
        store, rows = grouped.sequences, split.sequence_rows
        owner = _core.find_without_negative(store, split._options, rows)
        if owner is not None:
            shown = grouped.users.ids[owner : owner + 1].tolist()[0]
            raise DataError(
                f"user {shorten(shown)} (column '{cut(names.user)}') has interacted with all "
                f"{len(grouped.items):,} items, so no negative exists; num_negatives=0 draws none, "
                "for losses that need none or draw their own (softmax, sampled_softmax); or drop "
                "the user"
            )


def _warn_of_empty(report: Report, options: Options) -> None:
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


def _nothing_before(table: Interactions, options: Options, names: ColumnNames) -> DataError:
    assert table.timestamps is not None
    assert options.split_at is not None
    first, last = table.timestamps.span
    return DataError(
        f"no user has two interactions before {shorten(options.split_at[0])}, the start of "
        f"validation; column '{cut(names.timestamp)}' runs from {first} to {last} (are "
        "the units the same?)"
    )
