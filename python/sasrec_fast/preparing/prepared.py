"""Prepared data: splits, vocabularies and report, in memory or opened from a folder."""

import os
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.later import later
from sasrec_fast.saving import artifact, parts
from sasrec_fast.saving.content import Parts, fingerprint
from sasrec_fast.saving.writing import Origin, save
from sasrec_fast.store import (
    Histories,
    TimedSequences,
    given_histories,
    moments_of_rows,
    moments_of_users,
    timed,
    user_positions,
)


@dataclass(frozen=True, eq=False, repr=False)
class Prepared(Parts):
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

    def __repr__(self) -> str:
        splits = ", ".join(f"{name} {rows:,}" for name, rows in self.report.rows_by_split.items())
        return (
            f"Prepared({len(self.users):,} users, {len(self.items):,} items, "
            f"{self.sequences.num_interactions:,} interactions; rows: {splits})"
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

    @cached_property
    def item_counts(self) -> NDArray[np.int64]:
        """int64 [vocabulary_size]: kept interactions of each item, held-out ones included.

        Counted when first asked for; read-only.
        """
        counts = self.sequences.item_counts(self.vocabulary_size)
        counts.flags.writeable = False
        return counts

    def encode(
        self, histories: Iterable[Iterable[Any]], *, times: Any = None, at: Any = None
    ) -> dict[str, NDArray[Any]]:
        """Model inputs for users that were not prepared.

        Args:
            histories: For each of n users, external item ids in time order, the latest last.
            times: When these were, in the same form, of data prepared with times.
            at: When the next items are asked for, see `recommend`.

        Returns:
            {"item_ids": int32 [n, L], "padding_mask": bool [n, L]}: the most recent L known items,
            right-padded with 0. With times also "times" and "query_times", int32 [n, L].

        Raises:
            ValueError: The data was prepared without times, or they do not fit the histories.
            MemoryError: The arrays are larger than half of the free memory.

        Warns:
            UserWarning: Unknown ids were skipped; says how many, and the first.
        """
        rows, keys = given_histories(histories)
        moments = None
        if times is not None or at is not None:
            clock = timed(self.sequences, "the data").clock
            moments = moments_of_rows(times, at, rows, keys, clock)
        return Histories.of_ids(rows, self.items, moments).inputs(self.max_sequence_length)

    def inputs(
        self, users: Iterable[Any] | None = None, *, at: Any = None
    ) -> dict[str, NDArray[Any]]:
        """Model inputs of prepared users, from their whole kept history, held-out items included.

        Args:
            users: External user ids, n of them; all users in index order where None.
            at: When the next items are asked for, of data prepared with times, see `recommend`.

        Returns:
            {"item_ids": int32 [n, L], "padding_mask": bool [n, L]}, and of data prepared with times
            "times" and "query_times", int32 [n, L].

        Raises:
            KeyError: A user id is unknown.
            MemoryError: The arrays are larger than half of the free memory.
        """
        rows = user_positions(users, self.users)
        offsets, moments = self.sequences.offsets, None
        if at is not None or isinstance(self.sequences, TimedSequences):
            moments = moments_of_users(self.sequences, None, at, len(rows))
        histories = Histories(self.sequences.items, offsets[rows], offsets[rows + 1], moments)
        return histories.inputs(self.max_sequence_length)

    @cached_property
    def changed_users(self) -> NDArray[Any]:
        """Ids of the users whose sequence the `append` that made this data changed, or began.

        All users where none made it. `train.of_users(changed_users)` has their rows, to go on
        training with those alone.
        """
        return self.users.ids

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, equal on any machine for data with equal arrays in every epoch.

        Made of the compact store, the vocabularies, and the options and seed that fill the splits;
        not of the report. After `load` it is that of the data saved.
        """
        return fingerprint(self)

    def append(self, rows: Any, *, keep_items: bool = False) -> "Prepared":
        """The data with further rows, as if all had been prepared together.

        It is that of `prepare` of the rows there were and of these below them, with the options
        of this data: equal in every array, at the cost of the new rows and of copies. Rows may
        be of any time, revive users and items that had too few, and come several times.

        Args:
            rows: Anything that `prepare` takes, with the same columns. Ids and times must be of
                the kind that the data has; times may be of another unit.
            keep_items: Whether items keep their indices, and new ones get those that follow, in
                ascending order of their ids: then a model of this data goes on with the new.
                That is `prepare` of all rows with `items=data.items.extend(ids of the rows)`;
                rows of items that neither has are dropped and counted, and stay dropped where a
                later `append` knows them. The report says how many items were appended.

        Returns:
            New data; this one stays as it is.

        Raises:
            DataError: See `prepare`; or the data has no log of its rows.

        Example:
            >>> import sasrec_fast as sf
            >>> table = {"user_id": [1, 1, 1, 2, 2, 2], "item_id": [10, 30, 20, 20, 40, 30]}
            >>> data = sf.prepare(table, timestamp=None)
            >>> data.append({"user_id": [2], "item_id": [50]})
            Prepared(2 users, 5 items, 7 interactions; rows: train 1, validation 2, test 2)
        """
        return later("preparing.appending", "append")(self, rows, keep_items=keep_items)  # type: ignore[no-any-return]

    def save(self, folder: str | os.PathLike[str], *, compact: bool = False) -> None:
        """Write the data into a folder that `load` opens at once at any size.

        The content of a folder of saved data is replaced as a whole: if writing fails or the
        process dies, `load` finds what was there. The files replaced stay until the next `save`,
        for processes that are about to open them; that one also removes what a killed process
        left. Of several at once, one waits for the other.

        A folder that this data was loaded from and appended to, or saved to before that, gets what
        changed: files that stay are kept, and of the large ones, with a value for each row, new
        rows alone are written, which `load` puts among the others when they are first used.

        Args:
            folder: A new folder, an empty one, or one of saved data.
            compact: Whether to write everything, so that nothing is to be put together.

        Raises:
            FileExistsError: The folder holds something else.
            OSError: It cannot be written.
            TypeError: An option is of a kind that cannot be written.
        """
        checks.flag("compact", compact)
        origin = vars(self).get("_origin")
        vars(self)["_origin"] = save(self, folder, origin, compact=compact)


def load(folder: str | os.PathLike[str], *, verify: bool = False) -> Prepared:
    """Open a folder that `Prepared.save` wrote, or `prepare` with `output`.

    This takes milliseconds at any size: files are memory-mapped and read when used. Their presence,
    sizes, headers and lengths are checked, and the manifest in full. Each file is compared with the
    digest made by `Prepared.save` when it is first used, and damage is a `DataError` then. Many
    processes may open one folder, and share its memory; it may be replaced by `Prepared.save`
    meanwhile, but its files must not be changed in place. What Spark or Ray wrote is opened as
    quickly, and each column read into memory when it is first used; `Prepared.save` makes the
    memory-mapped folder of it.

    Args:
        folder: The folder; it may have been moved or be read-only, or be from somebody else. What
            Spark or Ray wrote may be elsewhere, named by a URL that fsspec reads.
        verify: Read and compare everything at once.

    Returns:
        Data equal to what was saved, in every array of every epoch. Its arrays are read-only.

    Raises:
        FileNotFoundError: There is no such folder.
        DataError: A ValueError that names the file: the folder was not written by `Prepared.save`,
            or by a newer format version, or a file is missing, truncated or damaged.

    Warns:
        UserWarning: The report has figures this version does not know.

    Example:
        >>> import tempfile
        >>> import sasrec_fast as sf
        >>> table = {"user_id": [1, 1, 1, 2, 2, 2], "item_id": [10, 30, 20, 20, 40, 30]}
        >>> data = sf.prepare(table, timestamp=None)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     data.save(f"{folder}/data")
        ...     print(sf.load(f"{folder}/data"))
        Prepared(2 users, 4 items, 6 interactions; rows: train 0, validation 2, test 2)
    """
    if parts.is_parted(folder):
        return Prepared(**vars(parts.load(folder, verify=verify)))
    found, content = artifact.load(folder, verify=verify)
    data = Prepared(**vars(found))
    vars(data)["fingerprint"] = content["fingerprint"]
    vars(data)["_origin"] = Origin(Path(folder), content, weakref.ref(data))
    return data
