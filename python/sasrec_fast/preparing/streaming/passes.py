"""The two passes over the rows: what there is, and every row to the file of its shard."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.columns import TimeColumn
from sasrec_fast.errors import DataError
from sasrec_fast.preparing.streaming.ahead import ahead
from sasrec_fast.preparing.streaming.progress import Progress
from sasrec_fast.preparing.streaming.rows import Columns, Rows
from sasrec_fast.preparing.streaming.spill import Spill
from sasrec_fast.reading import Chunks

_MOST_TICKS = 2**31 - 2
_MIDDLE = 2**63
"""What the native code calls time 0, so that times before it are less."""


@dataclass
class First:
    """What the first pass has found.

    Attributes:
        span: What is known of all rows that pass the row filter.
        ticks: Smallest time and step where times are counted in int32, else None.
        times: A column of the smallest and the largest time; None where there are no times.
        firsts: int64 [P], the first user of each shard.
        item_ids: int64 [V], ascending, those that occur.
    """

    span: _core.Span
    ticks: tuple[int, int] | None = None
    times: TimeColumn | None = None
    firsts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    item_ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def divide(self, shards: int) -> int:
        """Settle where shards begin; returns how many there are."""
        assert self.span.users is not None
        least = np.array(self.span.users[:1])
        self.firsts = np.unique(np.concatenate([least, self.span.bounds(shards)]))
        return len(self.firsts)

    @property
    def are_relative(self) -> bool:
        """Whether users are counted from the first of their shard, in int32."""
        assert self.span.users is not None
        edges = [*self.firsts.tolist(), self.span.users[1]]
        return all(end - first < 2**31 for first, end in pairwise(edges))

    @property
    def row_bytes(self) -> int:
        """Bytes of a row in the file of its shard."""
        times = 0 if self.times is None else 4 if self.ticks else 8
        return 8 + times

    def ticks_of(self, starts: NDArray[Any] | None) -> NDArray[Any] | None:
        """The two times of `split_at` as times of the shards are."""
        if starts is None or self.ticks is None:
            return starts
        least, step = self.ticks
        counted = [-((least - _ceiling(start)) // step) for start in starts.tolist()]
        return np.array([min(max(ticks, 0), _MOST_TICKS + 1) for ticks in counted])

    def scale_of(self, time_min: int, time_unit: int) -> tuple[int, int]:
        """Smallest time and unit of a shard whose times are counted, of the times themselves."""
        assert self.ticks is not None
        least, step = self.ticks
        first = least + step * (time_min - _MIDDLE)
        return first + _MIDDLE, time_unit * step


def _ceiling(start: float) -> int:
    """The first integer that is not before a start."""
    return int(-(-start // 1))


def first_pass(chunks: Chunks, rows: Rows, progress: Progress) -> First:
    """Look at all rows.

    Raises:
        DataError: As of `prepare`.
    """
    merged = _Merged()
    received = 0
    with progress.stage("looking at the rows", chunks.rows_known) as advance:
        for chunk in ahead(chunks):
            columns = rows.columns(chunk)
            merged.add(_core.scan(columns, received))
            received += len(columns[0])
            advance(len(columns[0]))
    for ids in (rows.users, rows.items):
        ids.settle()
    span = merged.span()
    span = rows.items.settled(rows.users.settled(span, users=True), users=False)
    first = First(span, item_ids=span.item_ids)
    if span.times is not None and rows.times is not None:
        first.times, first.ticks = _clock(span.times, rows.times)
    return first


class _Merged:
    """Spans merged in pairs, so that the large ones are merged a few times only."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, _core.Span]] = []

    def add(self, span: _core.Span) -> None:
        level = 0
        while self._spans and self._spans[-1][0] == level:
            span, level = self._spans.pop()[1].merge(span), level + 1
        self._spans.append((level, span))

    def span(self) -> _core.Span:
        """Of all."""
        nothing = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        whole = _core.Span(0, None, nothing, np.zeros(0, np.int64), None)
        for _, span in reversed(self._spans):
            whole = span.merge(whole)
        return whole


def _clock(
    span: tuple[Any, Any, Any], kind: TimeColumn
) -> tuple[TimeColumn, tuple[int, int] | None]:
    """The smallest and the largest time, and how times are counted."""
    least, most, exact = span
    floats = isinstance(least, float)
    dtype = np.dtype(np.float64) if floats and kind.dtype.kind != "f" else kind.dtype
    edges = np.array([least, most], np.float64 if floats else np.int64)
    times = TimeColumn(edges, dtype, kind.zone)
    if floats and not exact:
        return times, None
    step = 1 if floats else exact
    fits = (int(most) - int(least)) // step <= _MOST_TICKS
    return times, (int(least), step) if fits else None


def second_pass(chunks: Chunks, rows: Rows, first: First, spill: Spill, progress: Progress) -> None:
    """Move all rows to the files of their shards.

    Raises:
        DataError: They are not those of the first pass.
        OSError: The disk is full.
    """
    before, rows.received, rows.unknown = (rows.received, rows.unknown), 0, 0
    moved = 0
    with progress.stage("moving the rows", before[0]) as advance:
        for received, columns, starts in ahead(_routed(chunks, rows, first)):
            spill.write(columns, starts)
            moved += len(columns[0])
            advance(received)
    if moved != first.span.rows or before != (rows.received, rows.unknown):
        raise _changed(f"{rows.received:,} rows, {before[0]:,} when they were first looked at")


def _routed(
    chunks: Chunks, rows: Rows, first: First
) -> Iterator[tuple[int, list[NDArray[Any]], NDArray[np.int64]]]:
    """Of each chunk how many rows it has, its kept rows by shard, and where each shard begins."""
    assert first.span.users is not None
    codes = _core.ItemCodes(first.item_ids)
    shards = first.firsts, first.span.users[1]
    for chunk in ahead(chunks):
        columns = _as_counted(rows.columns(chunk), first)
        try:
            users, items, times, starts = _core.route(columns, shards, codes, first.ticks)
        except ValueError as failure:
            raise _changed(f"{chunk.where}{failure}") from None
        yield len(columns[0]), [users, items] if times is None else [users, items, times], starts


def _as_counted(columns: Columns, first: First) -> Columns:
    """The columns, with floats for integers where other times are floats that are not whole."""
    users, items, times, keep = columns
    if times is not None and first.times is not None and first.ticks is None:
        times = times.astype(first.times.values.dtype, copy=False)
    return users, items, times, keep


def _changed(said: str) -> DataError:
    return DataError(
        f"{said}: the input was changed while it was read, which takes two passes; prepare it "
        "again when nothing writes to it"
    )
