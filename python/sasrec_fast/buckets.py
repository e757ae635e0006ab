"""Length buckets: few shapes, little padding, an equal number of targets a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Bucket:
    """Rows that share a shape.

    Attributes:
        length: Columns of its batches.
        rows: int64, ascending row numbers.
        batch_rows: Rows of each of its batches.
        num_batches: Batches it takes to show every row once.
    """

    length: int
    rows: NDArray[np.int64]
    batch_rows: int
    num_batches: int

    def deal(self, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Deal the rows out evenly; batches one row short are filled up with -1."""
        dealt = []
        for part in np.array_split(rows, self.num_batches):
            batch = np.full(self.batch_rows, -1, np.int64)
            batch[: len(part)] = part
            dealt.append(batch)
        return dealt


def choose_boundaries(lengths: NDArray[np.int32], max_buckets: int) -> list[int]:
    """The at most `max_buckets` bucket lengths that hold the rows in the fewest positions.

    Exact, by dynamic programming over the distinct lengths.

    Args:
        lengths: Real positions of each row, n > 0.
        max_buckets: Most buckets.

    Returns:
        Ascending bucket lengths, the last the longest row.
    """
    distinct, counts = np.unique(lengths, return_counts=True)
    rows_below = np.concatenate([[0], np.cumsum(counts)])
    size = len(distinct)
    # best[j]: fewest positions for the rows of the first j distinct lengths.
    best = np.full(size + 1, np.inf)
    best[0] = 0
    choices = []
    for _ in range(min(max_buckets, size)):
        # cost[i, j]: the first i lengths as before, lengths i..j in a bucket as long as length j.
        cost = best[:, None] + (rows_below[1:][None, :] - rows_below[:, None]) * distinct[None, :]
        cost[np.arange(size + 1)[:, None] > np.arange(size)[None, :]] = np.inf
        choices.append(cost.argmin(axis=0))
        best = np.concatenate([[0], cost.min(axis=0)])
    boundaries: list[int] = []
    end = size
    for choice in reversed(choices):
        if end == 0:
            break
        boundaries.append(int(distinct[end - 1]))
        end = int(choice[end - 1])
    return boundaries[::-1]


def make_buckets(
    lengths: NDArray[np.int32],
    targets: NDArray[np.int32],
    boundaries: Sequence[int],
    batch_size: int,
) -> list[Bucket]:
    """Put rows into buckets.

    Args:
        lengths: Real positions of each row, n > 0.
        targets: Positions of each row that the loss counts.
        boundaries: Ascending bucket lengths.
        batch_size: Mean number of rows a batch.

    Returns:
        The buckets that have rows, each with batches of about `batch_size` times the mean number
        of targets. A bucket too small to fill half a batch joins the next longer one (the longest
        one takes in the one before it).

    Raises:
        ValueError: Boundaries are not ascending, or shorter than the longest row.
    """
    edges = np.asarray(boundaries, np.int64)
    longest = int(lengths.max())
    if not len(edges) or edges[0] < 1 or (np.diff(edges) <= 0).any() or edges[-1] < longest:
        raise ValueError(
            f"boundaries are {list(boundaries)}; they ascend from at least 1, "
            f"and the last is at least {longest}, the longest row"
        )
    wanted = batch_size * float(targets.mean())
    groups = _merge_small(lengths, targets, edges.tolist(), wanted / 2)
    buckets = []
    for length, rows in groups:
        batches = max(1, round(float(targets[rows].sum()) / wanted))
        buckets.append(Bucket(length, rows, -(-len(rows) // batches), batches))
    return buckets


def _merge_small(
    lengths: NDArray[np.int32], targets: NDArray[np.int32], edges: list[int], smallest: float
) -> list[tuple[int, NDArray[np.int64]]]:
    """(length, rows) of each bucket, none with fewer than `smallest` targets if there are two."""
    member = np.searchsorted(edges, lengths)
    groups: list[tuple[int, NDArray[np.int64]]] = []
    waiting = np.zeros(0, np.int64)
    for number, length in enumerate(edges):
        waiting = np.union1d(waiting, np.flatnonzero(member == number))
        if targets[waiting].sum() >= smallest:
            groups.append((length, waiting))
            waiting = np.zeros(0, np.int64)
    if len(waiting):
        before = groups.pop()[1] if groups else np.zeros(0, np.int64)
        groups.append((edges[-1], np.union1d(before, waiting)))
    return groups
