"""Shards -> the store in a folder, whose files grow shard by shard."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.columns import Clock
from sasrec_fast.preparing.accounting import COUNTED, Counts, count, report, sums_of
from sasrec_fast.preparing.grouping import starts_of, stream_keys
from sasrec_fast.preparing.outcome import nothing_left, require_rows
from sasrec_fast.preparing.shards import dated_rows, item_indices, next_round, rules, splits_of
from sasrec_fast.preparing.streaming.ahead import ahead
from sasrec_fast.preparing.streaming.passes import First
from sasrec_fast.preparing.streaming.progress import Progress
from sasrec_fast.preparing.streaming.rows import Rows
from sasrec_fast.preparing.streaming.spill import Kept, Spill
from sasrec_fast.preparing.timing import clock_of, seconds_since
from sasrec_fast.saving.content import Parts
from sasrec_fast.saving.growing import GrowingArray
from sasrec_fast.store import SPLITS, Sequences, Split, TimedSequences, Vocabulary
from sasrec_fast.store import Rows as SplitRows

_Clock = tuple[int, int]
"""Smallest time of a shard, and the unit of its times."""

_REMAPPED = 1 << 20
"""Items that get their indices at a time."""


@dataclass(frozen=True)
class _Part:
    """Where a shard lies in the store: the first of its users and so on, and the end of them."""

    users: slice
    items: slice
    rows: Mapping[str, slice]
    sums: Mapping[str, int]


class Store:
    """The files of the store.

    Args:
        folder: As `writable_folder` gives it.
        first: What the first pass has found.
        rows: How ids are decoded.
    """

    def __init__(self, folder: Path, first: First, rows: Rows) -> None:
        self._folder, self._first, self._rows = folder, first, rows
        self._options = rows.options
        self._rules = rules(self._options)
        starts = starts_of(first.times, self._options, rows.names)
        self._starts = first.ticks_of(starts)
        self._clock = clock_of(first.times, self._options, rows.names)
        self._arrays: dict[str, GrowingArray] = {}
        self._parts: list[_Part] = []
        self._texts: list[NDArray[np.int64]] = []  # codes of users whose ids are text
        self._kept = np.zeros(len(first.item_ids) + 1, np.bool_)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        for array in self._arrays.values():
            with suppress(OSError):
                array.abandon()

    def files(self) -> dict[str, Path]:
        """The files by their names as parts, complete on the disk."""
        for array in self._arrays.values():
            array.close()
        return {f"{name}.npy": array.path for name, array in self._arrays.items()}

    def fill(self, spill: Spill, progress: Progress) -> None:
        """Sort and filter the rows of all shards, and write what is left.

        Raises:
            DataError: Nothing is left.
            OSError: The disk is full.
        """
        self._file("offsets", np.int64).append(np.zeros(1, np.int64))
        if self._options.min_item_interactions == 1:
            rare, shards = None, self._sorted(spill, progress)
            self._finish(shards, rare)
            return
        with Kept(self._folder) as kept:
            clocks = list[_Clock]()
            for shard in ahead(self._sorted(spill, progress)):
                kept.add([shard.user_ids, shard.offsets, shard.items, shard.times, shard.kept])
                clocks.append((shard.time_min, shard.time_unit))
            rare = self._rare(kept, clocks, progress)
            self._finish(_again(kept, clocks, None), rare)

    def _sorted(self, spill: Spill, progress: Progress) -> Iterator[_core.Shard]:
        with progress.stage("sorting the rows", self._first.span.rows) as advance:
            for number in range(len(spill)):
                yield _sorted(spill.read(number), self._rules)
                advance(spill.rows(number))

    def _rare(self, kept: Kept, clocks: list[_Clock], progress: Progress) -> NDArray[np.int32]:
        """The round of the k-core in which each item was found rare, 0 for never."""
        rare, rounds = np.zeros(len(self._kept), np.int32), 0
        while True:
            rounds += 1
            counts = np.zeros(len(rare), np.int64)
            with progress.stage(f"k-core, round {rounds}", self._first.span.rows) as advance:
                for shard in ahead(_again(kept, clocks, _TIMES)):
                    counts += _core.core_round(shard, self._rules, rare)
                    advance(len(shard.items))
            following = next_round(rare, counts, self._options)
            if following is None:
                return rare
            rare = following

    def _finish(self, shards: Iterator[_core.Shard], rare: NDArray[np.int32] | None) -> None:
        keys = self._item_keys() if self._options.ties == "hash" else None
        for number, shard in enumerate(ahead(shards)):
            found = _core.finish(shard, self._rules, rare, None, self._starts)
            if keys is not None:
                items = found.items
                _core.order_ties(found.offsets, items, found.times, keys, self._options.seed)
            self._append(found, number)
            if self._clock is not None:
                self._file("times", np.uint32).append(self._seconds(found, shard, self._clock))
        sums = {name: sum(part.sums[name] for part in self._parts) for name in COUNTED}
        if not sums["rows_kept"]:
            raise nothing_left(self._rows.received, self._rows.unknown, sums, self._options)
        self._index()

    def _seconds(
        self, found: _core.Finished, shard: _core.Shard, clock: Clock
    ) -> NDArray[np.uint32]:
        """Times of a part of the store."""
        assert self._first.times is not None
        scale, dtype = (shard.time_min, shard.time_unit), self._first.times.values.dtype
        if self._first.ticks is not None:
            scale, dtype = self._first.scale_of(*scale), np.dtype(np.int64)
        return seconds_since(found.times, scale, dtype, clock)

    def _item_keys(self) -> NDArray[np.uint64]:
        """The key of each item code, from 1 on."""
        ids, items = self._first.item_ids, self._options.items
        if isinstance(items, Vocabulary):
            return stream_keys(items)[ids - 1]
        return ids.view(np.uint64) if items else stream_keys(self._decoded(ids))

    def _decoded(self, codes: NDArray[np.int64]) -> Vocabulary:
        return Vocabulary.trusted(self._rows.items.decode(codes))

    def _append(self, found: _core.Finished, number: int) -> None:
        codes = found.user_ids
        if self._first.are_relative:
            codes = codes + self._first.firsts[number]
        ids = self._rows.users.decode(codes)
        if self._rows.users.are_texts:
            self._texts.append(codes)
        else:
            self._file("user_ids", ids.dtype).append(ids)
        offsets, items = self._arrays["offsets"], self._file("items", np.int32)
        users, first = len(offsets) - 1, len(items)
        self._file("user_keys", np.uint64).append(stream_keys(Vocabulary.trusted(ids)))
        offsets.append(found.offsets[1:] + first)
        items.append(found.items)
        self._kept[found.items] = True
        before = None if self._starts is None else found.before.reshape(-1, 2)
        rows = {}
        for name, of in dated_rows(found.offsets, before).items():
            owners = self._file(f"{name}_users", np.int32)
            start = len(owners)
            owners.append(of.users + np.int32(users))
            self._file(f"{name}_ends", np.int32).append(of.ends)
            rows[name] = slice(start, len(owners))
        self._parts.append(
            _Part(slice(users, len(offsets) - 1), slice(first, len(items)), rows, sums_of(found))
        )

    def _file(self, name: str, dtype: Any) -> GrowingArray:
        """A growing file, made when it is first asked for."""
        if name not in self._arrays:
            self._arrays[name] = GrowingArray(self._folder, f"{name}.npy", dtype)
        return self._arrays[name]

    def _index(self) -> None:
        """Give items their indices in the place of their codes."""
        given, identity = self._options.items, self._options.items is not None
        indices, kept = item_indices(self._first.item_ids, self._kept, identity)
        if isinstance(given, Vocabulary):
            self._items = given
        elif identity:
            self._items = Vocabulary.identity(int(kept[-1]))
        else:
            self._items = self._decoded(kept)
        if np.array_equal(indices, np.arange(len(indices))):
            return
        items = self._arrays["items"].values()
        for first in range(0, len(items), _REMAPPED):
            part = items[first : first + _REMAPPED]
            part[:] = indices[part]

    def parts(self, recorded: Mapping[str, Any]) -> Parts:
        """The data, whose arrays lie in the files.

        Args:
            recorded: The options of `prepare`.

        Raises:
            DataError: There is a user for whom no negative exists, or none to train on.
        """
        names = ("offsets", "items", "user_keys")
        columns = {name: self._arrays[name].values() for name in names}
        store = Sequences(**columns)
        if self._clock is not None:
            times = self._arrays["times"].values()
            store = TimedSequences(**columns, times=times, clock=self._clock)
        users, rows = self._users(), self._split_rows()
        counts = reduce(Counts.merge, self._counted(store, rows))
        if counts.stuck is not None:
            where = counts.stuck[2]
            counts = counts.of_user(users.ids[where : where + 1].tolist()[0])
        names_of, options = self._rows.names, self._options
        require_rows(counts, len(self._items), self._first.times, options, names_of)
        received = self._rows.received, self._rows.unknown
        keys = len(users) if users.are_strings else 0
        found = report(counts, received, len(self._items), options, keys)
        splits = splits_of(store, (users, self._items), options, rows)
        return Parts.of_splits(splits, (users, self._items), found, recorded)

    def _users(self) -> Vocabulary:
        if self._rows.users.are_texts:
            return Vocabulary.trusted(self._rows.users.decode(np.concatenate(self._texts)))
        return Vocabulary.trusted(self._arrays["user_ids"].values())

    def _split_rows(self) -> dict[str, SplitRows]:
        if self._starts is None:
            return {}
        columns = {name: array.values() for name, array in self._arrays.items()}
        return {
            name: SplitRows(columns[f"{name}_users"], columns[f"{name}_ends"]) for name in SPLITS
        }

    def _counted(self, store: Sequences, rows: Mapping[str, SplitRows]) -> Iterator[Counts]:
        """The counts of each shard; a user is a position in the store."""
        timed = self._first.times is not None
        for number, part in enumerate(self._parts):
            splits = self._splits(store, rows, part)
            yield count(part.sums, splits, timed=timed, part=number)

    def _splits(self, store: Sequences, rows: Mapping[str, SplitRows], part: _Part) -> list[Split]:
        first, end = part.users.start, part.users.stop
        offsets = store.offsets[first : end + 1] - store.offsets[first]
        own = Sequences(offsets, store.items[part.items], store.user_keys[part.users])
        places = Vocabulary.trusted(np.arange(first, end))
        of_splits = {
            name: SplitRows(of.users[part.rows[name]] - np.int32(first), of.ends[part.rows[name]])
            for name, of in rows.items()
        }
        return splits_of(own, (places, self._items), self._options, of_splits)


_TIMES = 3
"""Number of the times among the arrays of a shard."""


def _sorted(columns: list[NDArray[Any]], rules: _core.Rules) -> _core.Shard:
    """The shard of users, items and, where there are any, times."""
    users, items, *times = columns
    return _core.sort_shard(users, items, times[0] if times else None, None, rules)


def _again(kept: Kept, clocks: list[_Clock], leave: int | None) -> Iterator[_core.Shard]:
    """The shards that were kept, without the array of number `leave`."""
    for number, clock in enumerate(clocks):
        user_ids, offsets, items, times, keep = kept.read(number, leave)
        yield _core.Shard(user_ids, offsets, items, times, *clock, keep)
