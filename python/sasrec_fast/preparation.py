"""prepare(): raw interactions -> the compact store, vocabularies, splits and a report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.columns import IdColumn
from sasrec_fast.errors import DataError
from sasrec_fast.histories import Histories, user_positions
from sasrec_fast.interactions import ColumnNames, Interactions, read_interactions
from sasrec_fast.report import Lengths, Report
from sasrec_fast.splits import SPLITS, Sequences, Split, WindowOptions
from sasrec_fast.vocabulary import Vocabulary

KERAS_EXAMPLE: dict[str, Any] = {
    "min_rating": 2,
    "holdout": 1,
    "truncation": "oldest",
    "negative_scope": "all",
    "items": "identity",
    "min_user_interactions": 1,
}
"""The options of `prepare` that reproduce the Keras example "Sequential retrieval using SASRec"."""

MAX_ITEMS = 2**31 - 2


@dataclass(frozen=True)
class Options:
    """The options of `prepare`, checked; see there."""

    min_rating: float | None
    min_user_interactions: int
    min_item_interactions: int
    duplicates: str
    holdout: int
    max_sequence_length: int
    truncation: str
    num_negatives: int
    negative_scope: str
    items: str | None
    seed: int

    def __post_init__(self) -> None:
        _require_integer("min_user_interactions", self.min_user_interactions, 1, 2**63 - 1)
        _require_integer("min_item_interactions", self.min_item_interactions, 1, 2**63 - 1)
        _require_integer("max_sequence_length", self.max_sequence_length, 1, 2**31 - 2)
        _require_integer("num_negatives", self.num_negatives, 1, 2**31 - 1)
        _require_integer("holdout", self.holdout, 0, 2)
        _require_integer("seed", self.seed, 0, 2**64 - 1)
        _require_choice("duplicates", self.duplicates, ("keep", "first", "last"))
        _require_choice("truncation", self.truncation, ("recent", "oldest"))
        _require_choice("negative_scope", self.negative_scope, ("past", "all"))
        _require_choice("items", self.items, (None, "identity"))
        if self.min_rating is not None and not _is_finite_number(self.min_rating):
            raise ValueError(f"min_rating is {self.min_rating!r}; allowed are numbers and None")

    @property
    def identity(self) -> bool:
        """Whether item ids are indices already."""
        return self.items == "identity"


@dataclass(frozen=True, eq=False, repr=False)
class Prepared:
    """Prepared interactions.

    Attributes:
        train: Training rows.
        validation: Validation rows; None for holdout 0.
        test: Test rows; None for holdout 0 and 1.
        users: User ids; row u of the store is index u + 1.
        items: Item ids.
        sequences: The compact store.
        report: What was kept, dropped, cut and ambiguous.
        options: The options of `prepare` this was made with.
    """

    train: Split
    validation: Split | None
    test: Split | None
    users: Vocabulary
    items: Vocabulary
    sequences: Sequences
    report: Report
    options: Mapping[str, Any]

    def __repr__(self) -> str:
        splits = ", ".join(f"{name} {rows:,}" for name, rows in self.report.rows_by_split.items())
        return (
            f"Prepared({len(self.users):,} users, {len(self.items):,} items, "
            f"{len(self.sequences.items):,} interactions; rows: {splits})"
        )

    @property
    def vocabulary_size(self) -> int:
        """Number of items + 1, for the padding index 0."""
        return len(self.items) + 1

    @property
    def max_sequence_length(self) -> int:
        """Columns of the dense arrays, L."""
        return int(self.options["max_sequence_length"])

    @property
    def seed(self) -> int:
        """Seed of the negatives."""
        return int(self.options["seed"])

    @property
    def item_counts(self) -> NDArray[np.int64]:
        """int64 [vocabulary_size]: kept interactions of each item, held-out ones included."""
        return np.bincount(self.sequences.items, minlength=self.vocabulary_size)

    def encode(self, histories: Iterable[Iterable[Any]]) -> dict[str, NDArray[Any]]:
        """Model inputs for users that were not prepared.

        Args:
            histories: For each of n users, external item ids in time order, the latest last.

        Returns:
            {"item_ids": int32 [n, L], "padding_mask": bool [n, L]}: the most recent L known items,
            right-padded with 0.

        Warns:
            UserWarning: Unknown ids were skipped; says how many, and the first.
        """
        return Histories.of_ids(histories, self.items).inputs(self.max_sequence_length)

    def inputs(self, users: Iterable[Any] | None = None) -> dict[str, NDArray[Any]]:
        """Model inputs of prepared users, from their whole kept history, held-out items included.

        Args:
            users: External user ids, n of them; all users in index order where None.

        Returns:
            {"item_ids": int32 [n, L], "padding_mask": bool [n, L]}

        Raises:
            KeyError: A user id is unknown.
        """
        rows = user_positions(users, self.users)
        offsets = self.sequences.offsets
        histories = Histories(self.sequences.items, offsets[rows], offsets[rows + 1])
        return histories.inputs(self.max_sequence_length)

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, equal on any machine for data with equal arrays in every epoch.

        Made of the compact store, the vocabularies, and the options and seed that fill the splits;
        not of the report. After `load` it is that of the data saved.
        """
        from sasrec_fast.artifact import fingerprint

        return fingerprint(self)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write the data into a folder that `load` opens at once at any size.

        A folder of saved data is replaced as a whole: if writing fails or the process dies, `load`
        finds the previous content, in a folder `.name.replaced-*` beside it if need be. What a
        killed process leaves beside the folder is removed by the next `save` to it.

        Args:
            folder: A new folder, an empty one, or one of saved data.

        Raises:
            FileExistsError: The folder holds something else.
            OSError: It cannot be written.
            TypeError: An option is of a kind that cannot be written.
        """
        from sasrec_fast.artifact import save

        save(self, folder)


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
    holdout: int = 2,
    max_sequence_length: int = 200,
    truncation: Literal["recent", "oldest"] = "recent",
    num_negatives: int = 1,
    negative_scope: Literal["past", "all"] = "past",
    items: Literal["identity"] | None = None,
    seed: int = 0,
) -> Prepared:
    """Group interactions by user, sort them by time, and split them for training and evaluation.

    The last `holdout` interactions of each user are held out (Kang and McAuley 2018, section IV).
    Negatives are functions of (seed, epoch, split, user) alone: rows, users and threads do not
    influence one another.

    Args:
        interactions: A table: pandas or polars DataFrame, pyarrow Table, RecordBatch or
            RecordBatchReader, duckdb relation, any object with `__arrow_c_stream__`, mapping of 1-D
            arrays, or NumPy structured array. It is not modified; a stream is read to its end. Or a
            path, or a list of paths, of files (`.parquet`, `.csv`, `.tsv`, `.dat`, which is
            "::"-separated as MovieLens is; text also as `.gz`) or folders of one format, read in
            the order of their names. For text without a header, `user`, `item`, `timestamp` and
            `rating` are positions from 0; a `.dat` takes these or the names user_id, item_id,
            rating, timestamp.
        user: Column of user ids, integers or strings.
        item: Column of item ids, integers or strings.
        timestamp: Column of int, float or datetime timestamps. Equal timestamps of a user keep
            their input order. None: rows are in time order already.
        rating: Column of ratings; "rating" where `min_rating` is given and this is None.
        min_rating: Keep rows with at least this rating; None keeps all.
        min_user_interactions: Drop users with fewer kept rows, after `min_rating` and `duplicates`.
        min_item_interactions: Drop items with fewer kept rows; users and items are dropped in turn
            until all that are left have enough (the k-core, which is unique).
        duplicates: Where a user has an item again, "keep" all rows, or the "first" or "last" in
            time.
        holdout: 2 holds out the last two interactions, for validation and test; 1 the last, for
            validation; 0 none, to train for production.
        max_sequence_length: L, most input positions of a row.
        truncation: Of longer sequences, show the most "recent" L + 1 items, or the "oldest".
        num_negatives: K, negatives a position.
        negative_scope: Negatives avoid the items of the sequence their row is taken from ("past",
            which knows nothing of later targets), or "all" items of the user.
        items: None gives items indices 1..V by ascending id; "identity" keeps positive integer
            ids as indices.
        seed: Seed of the negatives, 0..2**64 - 1.

    Returns:
        The splits, vocabularies, compact store and report.

    Raises:
        DataError: A ValueError that names the column, row or user: missing columns or values,
            float ids, unequal lengths, no rows, nothing left after filtering, item ids out of
            range with "identity", a user for whom no negative exists, a malformed file.
        FileNotFoundError: A path does not exist.
        TypeError: `interactions` is of a kind that is not read.
        ValueError: An option is out of range.

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
        min_rating,
        min_user_interactions,
        min_item_interactions,
        duplicates,
        holdout,
        max_sequence_length,
        truncation,
        num_negatives,
        negative_scope,
        items,
        seed,
    )
    if min_rating is not None and rating is None:
        rating = "rating"
    names = ColumnNames(user, item, timestamp, rating if min_rating is not None else None)
    table = read_interactions(interactions, names)
    if options.identity:
        _require_indices(table.items, item)
    grouped = _group(table, options)
    return _assemble(table, grouped, options, names)


@dataclass(frozen=True)
class _Rules:
    duplicates: str
    min_user_interactions: int
    min_item_interactions: int
    holdout: int
    identity: bool


def _group(table: Interactions, options: Options) -> _core.GroupedInteractions:
    keep = None if table.ratings is None else table.ratings >= options.min_rating
    rules = _Rules(
        options.duplicates,
        options.min_user_interactions,
        options.min_item_interactions,
        options.holdout,
        options.identity,
    )
    grouped = _core.group(table.users.codes, table.items.codes, table.timestamps, keep, rules)
    if not grouped.rows_kept:
        raise DataError(
            f"nothing is left of {len(table):,} rows: "
            f"{len(table) - grouped.rows_filtered:,} are under min_rating={options.min_rating}, "
            f"{grouped.rows_duplicate:,} repeat an item of their user, "
            f"{_rows_of_inactive_users(grouped):,} belong to {grouped.users_dropped:,} users under "
            f"min_user_interactions={options.min_user_interactions}, "
            f"{grouped.rows_of_rare_items:,} to items under "
            f"min_item_interactions={options.min_item_interactions}"
        )
    return grouped


def _rows_of_inactive_users(grouped: _core.GroupedInteractions) -> int:
    others = grouped.rows_duplicate + grouped.rows_of_rare_items + grouped.rows_kept
    return grouped.rows_filtered - others


def _assemble(
    table: Interactions,
    grouped: _core.GroupedInteractions,
    options: Options,
    names: ColumnNames,
) -> Prepared:
    users = Vocabulary(table.users.decode(grouped.user_ids))
    if grouped.user_without_negative is not None:
        owner = users.ids[grouped.user_without_negative : grouped.user_without_negative + 1]
        raise DataError(
            f"user {owner.tolist()[0]!r} (column '{names.user}') has interacted with all "
            f"{grouped.num_items:,} items, so no negative exists; add items or drop the user"
        )
    items = (
        Vocabulary.identity(grouped.num_items)
        if options.identity
        else Vocabulary(table.items.decode(grouped.item_ids))
    )
    sequences = Sequences(grouped.offsets, grouped.items, _user_keys(users))
    splits = [
        Split(sequences, users, _window_options(options, split, grouped.num_items))
        for split in range(options.holdout + 1)
    ]
    report = _report(table, grouped, options, splits)
    train, validation, test = [*splits, None, None][: len(SPLITS)]
    assert train is not None
    recorded = {
        "user": names.user,
        "item": names.item,
        "timestamp": names.timestamp,
        "rating": names.rating,
        **vars(options),
    }
    return Prepared(train, validation, test, users, items, sequences, report, recorded)


def _window_options(options: Options, split: int, num_items: int) -> WindowOptions:
    return WindowOptions(
        split,
        options.holdout,
        options.max_sequence_length,
        options.truncation == "oldest",
        options.negative_scope == "all",
        options.num_negatives,
        num_items,
        options.seed,
    )


def _user_keys(users: Vocabulary) -> NDArray[np.uint64]:
    """The key of each user's random stream: the id itself, or pandas' hash of a string."""
    if users.ids.dtype == object:
        hashes: NDArray[np.uint64] = pd.util.hash_array(users.ids, categorize=False)
        return hashes
    return users.ids.view(np.uint64)


def _report(
    table: Interactions,
    grouped: _core.GroupedInteractions,
    options: Options,
    splits: Sequence[Split],
) -> Report:
    train, held_out = splits[0], splits[1:]
    shown = options.max_sequence_length + 1
    cut = np.maximum(train.ends - train.starts - shown, 0)
    oldest = options.truncation == "oldest"
    positions = len(train) * options.max_sequence_length
    return Report(
        rows_in=len(table),
        rows_dropped_by_rating=len(table) - grouped.rows_filtered,
        rows_dropped_by_duplicates=grouped.rows_duplicate,
        rows_dropped_by_user_activity=_rows_of_inactive_users(grouped),
        rows_dropped_by_item_activity=grouped.rows_of_rare_items,
        users_dropped=grouped.users_dropped,
        rows_kept=grouped.rows_kept,
        users=len(grouped.user_ids),
        items=grouped.num_items,
        sequence_lengths=Lengths.of(np.diff(grouped.offsets)),
        rows_tied=grouped.rows_tied,
        users_tie_dependent=grouped.users_tie_dependent,
        users_truncated=int(np.count_nonzero(cut)),
        interactions_truncated=int(cut.sum()),
        targets_truncated={
            split.name: int(np.count_nonzero(split.ends - split.starts > shown)) if oldest else 0
            for split in held_out
        },
        rows_by_split={split.name: len(split) for split in splits},
        fill_rate=float(train.lengths.sum()) / positions if positions else 0.0,
    )


def _require_indices(ids: IdColumn, column: str | int) -> None:
    """Refuse ids that are no item index."""
    allowed = f"items='identity' allows integers 1..{MAX_ITEMS}"
    if not ids.are_integers:
        raise DataError(f"column '{column}' has string ids; {allowed}")
    codes = ids.codes
    if codes.min() >= 1 and codes.max() <= MAX_ITEMS:
        return
    row = int(((codes < 1) | (codes > MAX_ITEMS)).argmax())
    found = ids.decode(codes[row : row + 1].astype(np.int64))[0]
    raise DataError(f"column '{column}' has id {found} at row {row}; {allowed}")


def _is_finite_number(value: Any) -> bool:
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _require_integer(name: str, value: Any, smallest: int, largest: int) -> None:
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_integer or not smallest <= value <= largest:
        raise ValueError(f"{name} is {value!r}; allowed are integers {smallest}..{largest}")


def _require_choice(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    if not any(value is choice or value == choice for choice in allowed):
        listed = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"{name} is {value!r}; allowed are {listed}")
