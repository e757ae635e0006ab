"""Rows of item indices as slices of one flat array: model inputs and seen items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.errors import note
from sasrec_fast.store.external import shown
from sasrec_fast.store.given import (
    given_histories,
    given_ids,
    indices_in_rows,
    indices_of,
    kind_note,
)
from sasrec_fast.store.memory import require_memory
from sasrec_fast.store.moments import Moments
from sasrec_fast.store.vocabulary import Vocabulary

SCORES_PER_CHUNK = 1 << 24
"""Most scores (rows times items) held at once: 64 MB as float32."""

_CELLS_AT_ONCE = 1 << 20
"""Cells (rows times columns) of inputs made at once: some 20 MB besides the inputs themselves."""

LENGTHS = 5
"""Most lengths that `Histories.batches` pads to."""


@dataclass(frozen=True)
class Histories:
    """Histories, oldest item first; row i is items[starts[i]:ends[i]].

    Attributes:
        items: int32, item indices of all rows.
        starts: int64 [n].
        ends: int64 [n].
        moments: When each item was, and when the next one is asked for; None where nobody asks.
    """

    items: NDArray[np.int32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    moments: Moments | None = None

    @classmethod
    def known(
        cls,
        indices: NDArray[np.int32],
        counts: NDArray[np.int64],
        moments: Moments | None = None,
    ) -> Histories:
        """Rows of so many item indices each, end to end, without the 0 of unknown ones."""
        known = indices > 0
        if not known.all():
            numbers = np.repeat(np.arange(len(counts)), counts)
            counts = np.bincount(numbers[known], minlength=len(counts))
            indices = indices[known]
            if moments is not None:
                moments = replace(moments, times=moments.times[known])
        ends = np.cumsum(counts)
        return cls(indices, ends - counts, ends, moments)

    @classmethod
    def of_ids(
        cls,
        histories: Iterable[Iterable[Any]],
        items: Vocabulary,
        moments: Moments | None = None,
    ) -> Histories:
        """Histories of external item ids, see `given_histories`; warns of unknown ones, skipped.

        Moments, where they are given, are those of all ids, end to end.
        """
        rows, _ = given_histories(histories)
        indices = indices_in_rows(rows, "history {}".format, items)
        counts = np.array([len(row) for row in rows], np.int64)
        known = indices > 0
        if not known.all():
            first = int(np.argmin(known))
            row = int(np.searchsorted(np.cumsum(counts), first, side="right"))
            unknown = next(islice(chain.from_iterable(rows), first, None))
            count = f"{np.count_nonzero(~known)} of {len(indices)}"
            note(
                f"{count} item ids are unknown and were skipped, first {shown(unknown)} in history "
                f"{row}{kind_note(unknown, items, 'item')}"
            )
        return cls.known(indices, counts, moments)

    @property
    def asked_early(self) -> int:
        """Rows whose next item is asked for before their last one was."""
        if self.moments is None or self.moments.asked is None:
            return 0
        rows = np.flatnonzero(self.ends > self.starts)
        last = self.moments.times[self.ends[rows] - 1]
        return int(np.count_nonzero(self.moments.asked[rows] < last))

    def __len__(self) -> int:
        return len(self.starts)

    def inputs(self, length: int) -> dict[str, NDArray[Any]]:
        """Model inputs: each row's most recent items, right-padded with 0 to `length` columns T.

        Returns:
            {"item_ids": int32 [n, T], "padding_mask": bool [n, T], True = real item}, and with
            `moments` "times" and "query_times", as of `TimedArrays`.

        Raises:
            MemoryError: They are larger than half of the free memory.
        """
        rows = len(self)
        what = f"the model inputs of {rows:,} histories, {length:,} positions each,"
        bytes_each = 5 if self.moments is None else 13
        require_memory(what, bytes_each * rows * length, "take fewer histories at a time")
        item_ids = np.zeros((rows, length), np.int32)
        mask = np.zeros((rows, length), np.bool_)
        times = np.zeros((0 if self.moments is None else rows, length), np.int64)
        step = max(1, _CELLS_AT_ONCE // length)
        for first in range(0, rows, step):
            part = slice(first, first + step)
            ends = self.ends[part, None]
            positions = np.maximum(self.starts[part, None], ends - length) + np.arange(length)
            np.less(positions, ends, out=mask[part])
            shown = positions[mask[part]]
            item_ids[part][mask[part]] = self.items[shown]
            if self.moments is not None:
                times[part][mask[part]] = self.moments.times[shown]
        inputs = {"item_ids": item_ids, "padding_mask": mask}
        return inputs if self.moments is None else {**inputs, **self.moments.inputs(times, mask)}

    def take(self, rows: NDArray[np.int64] | slice) -> Histories:
        """Some of the rows, in the order given."""
        moments = None if self.moments is None else self.moments.take(rows)
        return Histories(self.items, self.starts[rows], self.ends[rows], moments)

    def padded(self, count: int) -> Histories:
        """These rows and empty ones after them, `count` together."""
        fill = (0, count - len(self))
        moments = None if self.moments is None else self.moments.padded(fill)
        return Histories(self.items, np.pad(self.starts, fill), np.pad(self.ends, fill), moments)

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Row number and item index of every item of every row, whole rows."""
        rows, positions = slices(self.starts, self.ends)
        return rows, self.items[positions]

    def chunks(self, batch_size: int, vocabulary_size: int) -> Iterator[tuple[slice, Histories]]:
        """Consecutive parts of one equal size, so that a model compiles once.

        They have at most `batch_size` rows, and fewer where their scores, `vocabulary_size` a row,
        would pass `SCORES_PER_CHUNK`.

        Yields:
            The slice of real rows, and the part; the last is filled up with empty rows.
        """
        count = len(self)
        size = max(1, min(batch_size, SCORES_PER_CHUNK // vocabulary_size))
        if count:
            size = -(-count // -(-count // size))  # the same number of parts, evenly filled
        for first in range(0, count, size):
            rows = slice(first, min(first + size, count))
            yield rows, self.take(rows).padded(size)

    def batches(
        self, batch_size: int, vocabulary_size: int, longest: int
    ) -> Iterator[tuple[NDArray[np.int64], Histories, int]]:
        """Parts of rows of similar length, so that short histories need not be padded to the end.

        All are of one size, as in `chunks`, and padded to one of at most `LENGTHS` lengths, so that
        a model compiles no more often than that. What is beyond `longest` columns is cut.

        Yields:
            The numbers of a part's rows, the part, filled up with empty rows at its end, and the
            columns that show its longest row.
        """
        lengths = np.minimum(self.ends - self.starts, longest)
        order = np.argsort(lengths, kind="stable")
        step = -(-longest // LENGTHS)
        for rows, part in self.take(order).chunks(batch_size, vocabulary_size):
            columns = -(-max(int(lengths[order[rows.stop - 1]]), 1) // step) * step
            yield order[rows], part, min(columns, longest)


def slices(
    starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number and every position of slices starts[i]:ends[i], slice after slice."""
    counts = ends - starts
    numbers = np.repeat(np.arange(len(starts)), counts)
    firsts = np.cumsum(counts) - counts
    return numbers, np.arange(len(numbers)) - np.repeat(firsts - starts, counts)


def user_positions(users: Iterable[Any] | None, known: Vocabulary) -> NDArray[np.int64]:
    """Positions in the compact store, from 0, of external user ids; of all where None.

    Raises:
        KeyError: Ids that are not known.
        TypeError: Not a list of ids.
    """
    if users is None:
        return np.arange(len(known))
    users = given_ids("users", users, "user")
    positions = indices_of("users", users, known).astype(np.int64) - 1
    unknown = [users[i] for i in np.flatnonzero(positions < 0)]
    if unknown:
        some = ", ".join(shown(user) for user in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        kind = kind_note(unknown[0], known, "user")
        raise KeyError(f"users not in the data: {some}{more}{kind}")
    return positions
