"""The rows of a split: which of a user's interactions each is taken from, and which it shows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sasrec_fast import checks
from sasrec_fast.errors import DataError
from sasrec_fast.store.numbers import integers


@dataclass(frozen=True)
class Rows:
    """Rows as columns.

    Attributes:
        users: int32 [n], 0-based position of each row's user in the store, ascending.
        ends: int32 [n]; the row is taken from the user's first so many interactions.
        windows: int32 [n], the number of the window shown; without entries, 0 in every row.
    """

    users: NDArray[np.int32]
    ends: NDArray[np.int32]
    windows: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    def __len__(self) -> int:
        return len(self.users)

    @property
    def nbytes(self) -> int:
        """Bytes of the columns."""
        return self.users.nbytes + self.ends.nbytes + self.windows.nbytes

    def take(self, numbers: NDArray[np.int64]) -> Rows:
        """The rows of these numbers; -1 is an empty one."""
        if not len(self):
            empty = np.full(len(numbers), -1, np.int32)
            return Rows(empty, np.zeros_like(empty))
        users = np.where(numbers < 0, np.int32(-1), self.users[numbers])
        windows = self.windows[numbers] if len(self.windows) else self.windows
        return Rows(users, self.ends[numbers], windows)

    def lengths(self, longest: int, stride: int) -> NDArray[np.int32]:
        """int32 [n], real positions of each row."""
        targets = self.ends - np.int32(1)
        if len(self.windows):
            targets -= self.windows * np.int32(stride)
        lengths: NDArray[np.int32] = np.minimum(targets, np.int32(longest))
        return lengths


def held_out(offsets: NDArray[np.int64], held_back: int) -> Rows:
    """A row for each user with two interactions before the last `held_back`.

    Raises:
        DataError: The offsets do not ascend.
    """
    counts = np.diff(offsets)
    if (counts < 0).any():
        raise DataError(
            "the offsets of the sequences are damaged: they do not ascend "
            "(`load` with verify=True names damaged files)"
        )
    return _of_two(counts - held_back)


def dated(offsets: NDArray[np.int64], before: NDArray[np.uint32], split: int) -> Rows:
    """The rows of one of three periods.

    Train takes what is before the first boundary. Validation and test take everything up to the
    first interaction of their period, where the user has one there and one before. `before` is
    uint32 [U, 2], each user's interactions before the start of validation, and of test.
    """
    edges = before.astype(np.int64)
    if split == 0:
        return _of_two(edges[:, 0])
    first = edges[:, split - 1]
    after = edges[:, 1] if split == 1 else np.diff(offsets)
    return _of_two(np.where(first < after, first + 1, 0))


def _of_two(ends: NDArray[np.int64]) -> Rows:
    users = np.flatnonzero(ends >= 2)
    return Rows(users.astype(np.int32), ends[users].astype(np.int32))


def with_windows(rows: Rows, targets: int, stride: int) -> Rows:
    """Windows of each sequence, `stride` positions apart, until every target counts in one.

    Of a window the last so many `targets` count. With one, and a stride of 1, they are prefixes.
    """
    uncovered = np.maximum(rows.ends - np.int64(1) - targets, 0)
    counts = 1 - (-uncovered // stride)
    users, ends = (np.repeat(column, counts) for column in (rows.users, rows.ends))
    steps = np.ones(len(users), np.int32)
    firsts = np.cumsum(counts[:-1])
    steps[firsts] = 1 - counts[:-1]
    steps[:1] = 0
    return Rows(users, ends, np.cumsum(steps, out=steps))


def row_numbers(rows: ArrayLike, count: int, name: str) -> NDArray[np.int64]:
    """Numbers of the `count` rows of a split, contiguous; -1 is an empty row.

    Raises:
        TypeError: They are no integers; a mask is none either.
        ValueError: A row that does not exist, or more than one axis.
    """
    wanted = integers("rows", rows)
    if wanted.ndim != 1:
        raise ValueError(f"rows has shape {wanted.shape}; it has one axis")
    outside = (wanted < -1) | (wanted >= count)
    if outside.any():
        raise ValueError(
            f"row {checks.received(wanted[outside].tolist()[0])} does not exist; {name} has "
            f"rows 0..{count - 1}, -1 is an empty row"
        )
    return np.ascontiguousarray(wanted, np.int64)


def smallest(values: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
    """Places of the smallest values, ascending; of equal ones the first."""
    if count >= len(values):
        return np.arange(len(values))
    last = np.partition(values, count - 1)[count - 1]
    below = np.flatnonzero(values < last)
    level = np.flatnonzero(values == last)[: count - len(below)]
    return np.sort(np.concatenate([below, level]))
