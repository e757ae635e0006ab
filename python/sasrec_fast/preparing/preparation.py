"""prepare(): raw interactions -> the compact store, vocabularies, splits and a report."""

import os
from typing import Any, Literal

from sasrec_fast.preparing.assembling import assembled
from sasrec_fast.preparing.engines import prepare_ray, prepare_spark
from sasrec_fast.preparing.grouping import group
from sasrec_fast.preparing.options import DEFAULT_HOLDOUT, Options
from sasrec_fast.preparing.prepared import Prepared
from sasrec_fast.preparing.streaming import Target, stream
from sasrec_fast.reading import ColumnNames, is_of_ray, is_of_spark, read_interactions
from sasrec_fast.store import Vocabulary

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
    ties: Literal["input", "hash"] | tuple[str, Any] = "input",
    holdout: int = DEFAULT_HOLDOUT,
    split_at: tuple[Any, Any] | None = None,
    max_sequence_length: int = 200,
    truncation: Literal["recent", "oldest"] = "recent",
    windows: Literal["last", "prefixes"] | tuple[str, int] = "last",
    num_negatives: int = 1,
    negatives: Literal["uniform", "popularity"] | tuple[str, float] = "uniform",
    negative_scope: Literal["past", "all"] = "past",
    times: bool | Literal["s", "ms", "us", "ns"] = False,
    items: Vocabulary | Literal["identity"] | None = None,
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    max_bytes: float | None = None,
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
            elements are the rows then, in their order. Or a Spark DataFrame or a Ray Dataset, which
            its machines prepare into `output`; see docs/scale.md.
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
            that of ids decides. ("column", name), for tables of an engine, which keeps no order
            of rows: a column of numbers or times orders them.
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
            a target once. With "prefixes" the sequence up to each target is a row of its own,
            its last L + 1 items, in which that target alone counts: n - 1 rows of n items, an
            epoch of which costs what all their positions do. Not with "oldest".
        num_negatives: K, negatives a position; 0 for losses that need none or draw their own.
        negatives: Proposed uniformly, or in proportion to training "popularity", or, with
            ("popularity", a), to its power a (0.75 in word2vec, Mikolov et al. 2013).
        negative_scope: Negatives avoid the items of the sequence their row is taken from ("past",
            which knows nothing of later targets; in training all that is not held out, whatever a
            window or prefix shows of it), or "all" items of the user.
        times: Whether to keep when each interaction was, in whole seconds, for a model that looks
            at them, `SASRec(time=...)`: 4 bytes an interaction. Datetimes know their unit; numbers
            are taken for seconds, or for what is said: "s", "ms", "us" or "ns".
        items: None gives items indices 1..V by ascending id; "identity" keeps positive integer
            ids as indices; a `Vocabulary`, such as `data.items` of other data, keeps its indices:
            rows of items that it lacks are dropped and counted (`extend` it to keep them).
        seed: Seed of the negatives, 0..2**64 - 1.
        output: A folder, as of `Prepared.save`: the rows are read in pieces, sorted by way of
            files in that folder, and the data is written there and opened from there, equal to
            what is prepared in memory. For what is larger than memory. Parquet, Arrow and ORC are
            read twice in pieces; text, lines of JSON, and streams are read once in pieces and
            copied to that disk for the second time. What cannot be read in pieces is read file by
            file: an array of JSON, lines of a user and its items.
        max_bytes: Most bytes of rows that are in memory at a time with `output`, at least 64 MB;
            a quarter of the free memory where None. Beside them are the package itself, about 30
            bytes an item, and users and items that are text.

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
        times=times,
    )
    if min_rating is not None and rating is None:
        rating = "rating"
    names = ColumnNames(user, item, timestamp, rating if min_rating is not None else None)
    if is_of_spark(interactions) or is_of_ray(interactions):
        if max_bytes is not None:
            raise ValueError("max_bytes is given, but the machines of an engine hold the rows")
        prepare_there = prepare_spark if is_of_spark(interactions) else prepare_ray
        return prepare_there(interactions, names, options, output)
    if options.order is not None:
        raise ValueError(
            f"ties is {options.ties!r}, which is for tables of an engine; sort the rows by that "
            "column, and ties='input' keeps their order"
        )
    if output is not None:
        return stream(interactions, Target(output, max_bytes), options, names)
    if max_bytes is not None:
        raise ValueError("max_bytes is given without output: what stays in memory has no bound")
    table = read_interactions(interactions, names)
    grouped = group(table, options, names)
    return assembled(grouped, table.timestamps, options, names, stacklevel=3)
