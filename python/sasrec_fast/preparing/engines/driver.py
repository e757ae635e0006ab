"""prepare() of a table that an engine holds in partitions on many machines.

The engine moves rows; what is done with them are the functions of `partitions` and `finishing`.
The process that asks for it holds no rows and nothing that grows with users, but some vectors over
items.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast.errors import DataError
from sasrec_fast.preparing.accounting import COUNTED, Counts, report
from sasrec_fast.preparing.engines.finishing import Finish
from sasrec_fast.preparing.engines.partitions import Batches, Reader, Seen, added, count, value_of
from sasrec_fast.preparing.grouping import require_times, starts_of, stream_keys
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.outcome import nothing_left, require_rows, warn_of_empty
from sasrec_fast.preparing.prepared import Prepared
from sasrec_fast.preparing.shards import item_indices, next_round, splits_of
from sasrec_fast.reading import ColumnNames
from sasrec_fast.saving.content import Parts
from sasrec_fast.saving.part_files import PartFiles
from sasrec_fast.saving.parts import commit, writable_parts
from sasrec_fast.saving.places import Place
from sasrec_fast.store import Report, Vocabulary

Function = Callable[[Batches], Iterator[Any]]
"""Of the record batches of a partition to others."""


class EngineTable(Protocol):
    """Rows that an engine holds."""

    @property
    def text_users(self) -> bool:
        """Whether user ids are strings."""

    def gather(self, function: Function, merge: Callable[[Any, Any], Any]) -> Any:
        """The binary values that a function makes of each partition, merged, in any order."""

    def sorted(self, function: Function, rows: int) -> "EngineTable":
        """The binary values that a function makes of each range of users.

        All rows of a user are in one partition, and partitions in the order of users. The values
        are kept until `release`.
        """

    def write(self, function: Function, url: str) -> None:
        """Write the rows that a function makes of each partition to a Parquet file of a folder."""

    def release(self) -> None:
        """Let go of what is kept."""


def prepare_on(
    table: EngineTable, names: ColumnNames, options: Options, output: str | os.PathLike[str] | None
) -> Prepared:
    """Prepare what an engine holds, into a folder that `load` opens; see `prepare`."""
    if output is None:
        raise ValueError(
            "a table of an engine is prepared into a folder: give output=, a folder that all of "
            "its machines reach, or a URL"
        )
    require_times(names.timestamp is not None, options)
    if names.timestamp is None:
        raise ValueError("timestamp is None, but an engine keeps no order of rows: name a column")
    if options.times:
        raise ValueError(
            f"times is {options.times!r}, but what an engine writes has no times yet: times=False, "
            "or prepare files with output="
        )
    place, reader = Place.of(output), Reader(names, options)
    seen = table.gather(reader.scan, Seen.merge)
    if seen is not None and seen.failure is not None:
        raise seen.failure
    if seen is None or not seen.rows:
        raise DataError("the table has no rows")
    with writable_parts(place) as folder:
        shards = table.sorted(partial(reader.sort, item_ids=seen.item_ids), seen.rows)
        try:
            return _Driver(shards, reader, seen).prepared(folder)
        finally:
            shards.release()


@dataclass
class _Driver:
    """What is done once rows are sorted."""

    shards: EngineTable
    reader: Reader
    seen: Seen

    def prepared(self, folder: Place) -> Prepared:
        """Write the parts to a folder, commit and open them."""
        names, options, seen = self.reader.names, self.reader.options, self.seen
        rare, counts = self._rounds()
        items, indices = self._vocabulary(counts)
        finish = Finish(
            options,
            self.shards.text_users,
            rare,
            indices,
            starts_of(seen.times, options, names),
            max(len(items), 1),
            stream_keys(items) if options.ties == "hash" else None,
        )
        self.shards.write(finish, folder.url)
        files, found = _written(folder)
        received = seen.rows, seen.rows_unknown
        sums = dict.fromkeys(COUNTED, 0) if found is None else found.sums
        if sums["rows_kept"] != counts.sum():
            raise DataError(
                f"{folder.url} has {sums['rows_kept']:,} of {counts.sum():,} rows that were "
                "written: not all machines reach it; give a folder that they share, or a URL"
            )
        if found is None or not sums["rows_kept"]:
            raise nothing_left(*received, sums, options)
        self._refuse_ties(found)
        require_rows(found, len(items), seen.times, options, names)
        keys = files.users if self.shards.text_users else 0
        said = report(found, received, len(items), options, keys)
        warn_of_empty(said, options)
        said.warn(options.ties, stacklevel=6)
        recorded = {**vars(names), **vars(options)}
        parts = _opened(files, items, said, recorded, options)
        commit(parts, files)
        return Prepared(**vars(parts))

    def _rounds(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The round in which each code was found rare, and how often each is left."""
        options, ids = self.reader.options, self.seen.item_ids
        codes = len(options.items) if isinstance(options.items, Vocabulary) else len(ids)
        rare = np.zeros(codes + 1, np.int32)
        while True:
            function = partial(count, options=options, rare=rare)
            counts = self.shards.gather(function, added)
            if isinstance(counts, Exception):
                raise counts
            if counts is None:  # no row passes the row filter
                counts = np.zeros(codes + 1, np.int64)
            following = next_round(rare, counts, options)
            if following is None:
                return rare, counts
            rare = following

    def _vocabulary(self, counts: NDArray[np.int64]) -> tuple[Vocabulary, NDArray[np.int32] | None]:
        """The items that are left, and the index of each code."""
        options, ids = self.reader.options, self.seen.item_ids
        if isinstance(options.items, Vocabulary):
            return options.items, None
        if options.identity:
            indices, left = item_indices(ids, counts, True)
            return Vocabulary.identity(int(left.max(initial=0))), indices
        indices, left = item_indices(np.arange(len(ids)), counts, False)
        kept = ids[left] if isinstance(ids, np.ndarray) else ids.take(pa.array(left))
        return Vocabulary.trusted(kept), indices

    def _refuse_ties(self, found: Counts) -> None:
        tied, options = found.sums["rows_tied"], self.reader.options
        if options.ties == "input" and tied:
            raise DataError(
                f"{tied:,} rows share their time with another row of their user, and an engine "
                "keeps no order of rows: ties='hash' orders them by a hash of seed and item, "
                "ties=('column', name) by a column, such as the number of an event"
            )


def _written(folder: Place) -> tuple[PartFiles, Counts | None]:
    """The files that were written, in the order of users, and the counts of all."""
    found, stuck = [], []
    total: Counts | None = None
    for name, size, value in PartFiles.counted(folder):
        first, counts = value_of(value)
        sums = {"users": 0, "rows_kept": 0} if counts is None else counts.sums
        entry = {"bytes": size, "users": sums["users"], "interactions": sums["rows_kept"]}
        found.append((first is None, _in_order(first), name, entry))
        if counts is not None:
            total = counts if total is None else total.merge(counts)
            if counts.stuck is not None:
                stuck.append((counts.stuck[0], _in_order(first), counts.stuck))
    found.sort(key=lambda part: part[:3])
    if stuck and total is not None:  # files come in any order: of the first split, the first user
        total = replace(total, stuck=min(stuck, key=lambda of: of[:2])[2])
    return PartFiles(folder, {name: entry for *_, name, entry in found}), total


def _in_order(user: Any) -> Any:
    """What sorts as users do: strings by their bytes; anything for none."""
    return user.encode() if isinstance(user, str) else user or 0


def _opened(
    files: PartFiles, items: Vocabulary, said: Report, recorded: dict[str, Any], options: Options
) -> Parts:
    """The data that the files are, of which nothing is read."""
    users, sequences = files.vocabulary(), files.sequences(len(items))
    rows = {} if options.split_at is None else files.dated(sequences)
    splits = splits_of(sequences, (users, items), options, rows)
    return Parts.of_splits(splits, (users, items), said, recorded)
