"""Length buckets: few shapes, little padding, an equal number of targets a batch.

Which rows a batch holds is a pure function of (seed, turn, index).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sasrec_fast.store import streams


@dataclass(frozen=True)
class Bucket:
    """Rows that share a shape.

    Attributes:
        length: Columns of its batches.
        rows: int64, row numbers.
        targets: int32, positions of each of them that the loss counts.
        batch_rows: Rows of each of its batches.
        num_batches: Batches it takes to show every row once, a multiple of `run_length`.
        run_length: Batches that come one after another in an epoch.
    """

    length: int
    rows: NDArray[np.int64]
    targets: NDArray[np.int32]
    batch_rows: int
    num_batches: int
    run_length: int = 1

    def deal(self, generator: np.random.Generator | None = None) -> NDArray[np.int64]:
        """Deal the rows out so that the batches have equally many targets.

        Sorted by targets, each `num_batches` neighbours go to different batches, so two batches
        differ by at most the spread of the bucket's rows: max(targets) - min(targets). The
        generator decides which batch gets which neighbour; without one they are dealt in turn.

        Returns:
            int64 [num_batches, batch_rows], each batch ascending, -1 for an empty row.
        """
        order = np.arange(len(self.rows))
        if generator is not None:
            order = generator.permutation(order)
        order = order[np.argsort(self.targets[order], kind="stable")]
        dealt = np.full(self.batch_rows * self.num_batches, -1, np.int64)
        dealt[len(dealt) - len(order) :] = self.rows[order]
        neighbours = dealt.reshape(self.batch_rows, self.num_batches)
        if generator is not None:
            neighbours = generator.permuted(neighbours, axis=1)
        return np.sort(neighbours.T, axis=1)


class Ranking:
    """Rows by ascending length, and where whole runs of batches of equally many targets end.

    Args:
        lengths: int32 [n], real positions of each row, n > 0.
        targets: int32 [n], positions of each row that the loss counts.
        batch_size: Mean number of rows a batch.
        run_length: Batches a run.

    Attributes:
        num_batches: Batches an epoch: about n / batch_size, a multiple of `run_length`.
        run_length: Batches a run.
    """

    def __init__(
        self,
        lengths: NDArray[np.int32],
        targets: NDArray[np.int32],
        batch_size: int,
        run_length: int = 1,
    ) -> None:
        self.run_length = run_length
        self.num_batches = run_length * max(1, round(len(lengths) / batch_size / run_length))
        self.rows: NDArray[np.int64] = np.lexsort((targets, lengths))
        self._lengths = lengths[self.rows]
        self._targets = np.cumsum(targets[self.rows], dtype=np.int64)

    @cached_property
    def distinct(self) -> NDArray[np.int32]:
        """The lengths that occur, ascending."""
        return np.unique(self._lengths)

    @cached_property
    def _shares(self) -> NDArray[np.int64]:
        shares: NDArray[np.int64] = self._targets * self.num_batches
        return shares

    def batches_within(self, lengths: ArrayLike) -> NDArray[np.int64]:
        """How many batches, in whole runs, the rows up to each of these lengths fill."""
        reached = np.searchsorted(self._lengths, lengths, side="right")
        runs = self._shares // (self._targets[-1] * self.run_length)
        batches: NDArray[np.int64] = np.append(0, runs * self.run_length)
        return batches[reached]

    def rows_in(self, batches: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many of the shortest rows so many batches, from the first on, hold."""
        rows = np.searchsorted(self._shares, batches * self._targets[-1], side="right")
        return np.asarray(rows, np.int64)


def choose_boundaries(
    ranking: Ranking, max_buckets: int, multiple: int = 1, longest: int | None = None
) -> list[int]:
    """The at most `max_buckets` bucket lengths that hold the rows in the fewest positions.

    Exact, by dynamic programming over the distinct lengths. Rows that fill no whole run are
    counted in the next longer bucket, where `make_buckets` puts them.

    Args:
        ranking: The rows.
        max_buckets: Most lengths.
        multiple: What the lengths are multiples of, as far as `longest` allows.
        longest: Most columns a batch may have, at least the longest row; None: no limit.

    Returns:
        Ascending lengths, up to that of the longest row or the next multiple.
    """
    rounded = -(-ranking.distinct.astype(np.int64) // multiple) * multiple
    lengths = np.unique(rounded if longest is None else np.minimum(rounded, longest))
    rows = [0, *ranking.rows_in(ranking.batches_within(lengths)).tolist()]
    # best[j]: fewest positions for the rows of the first j lengths; at first they have no bucket.
    best: list[int] = [0]
    choices = []
    for _ in range(min(max_buckets, len(lengths))):
        best, choice = _with_another_bucket(best, rows, lengths.tolist())
        choices.append(choice)
    boundaries: list[int] = []
    end = len(lengths)
    while end:
        boundaries.append(int(lengths[end - 1]))
        end = choices.pop()[end - 1]
    return boundaries[::-1]


def _with_another_bucket(
    best: list[int], rows: list[int], lengths: list[int]
) -> tuple[list[int], list[int]]:
    """The least cost of the first j lengths with one bucket more, and how many are in the others.

    With the first i lengths in the others, the bucket of lengths i..j costs
    (rows[j + 1] - rows[i]) * lengths[j] positions: for each i a line over the length, and the more
    rows it has, the more it falls. The lower envelope of the lines is kept, so that a length looks
    at few of them.
    """
    costs, choice = [0], []
    lines: list[int] = []
    at = 0
    for j, length in enumerate(lengths):
        if j < len(best):
            at = min(_add_line(lines, j, best, rows), at)
        while at + 1 < len(lines) and (
            best[lines[at + 1]] - best[lines[at]] < (rows[lines[at + 1]] - rows[lines[at]]) * length
        ):
            at += 1
        costs.append(best[lines[at]] + (rows[j + 1] - rows[lines[at]]) * length)
        choice.append(lines[at])
    return costs, choice


def _add_line(lines: list[int], new: int, best: list[int], rows: list[int]) -> int:
    """Put a line, best[i] - rows[i] * length, behind those it does not hide.

    Returns:
        Where the last of the lines stands.
    """
    while lines:
        last = lines[-1]
        if rows[last] == rows[new]:
            if best[last] <= best[new]:
                return len(lines) - 1
        elif len(lines) < 2 or (best[new] - best[last]) * (rows[last] - rows[lines[-2]]) > (
            best[last] - best[lines[-2]]
        ) * (rows[new] - rows[last]):
            break
        lines.pop()
    lines.append(new)
    return len(lines) - 1


def make_buckets(
    ranking: Ranking, targets: NDArray[np.int32], boundaries: Sequence[int], multiple: int = 1
) -> list[Bucket]:
    """Put rows into buckets of whole runs, all batches with about the same number of targets.

    Args:
        ranking: The rows.
        targets: Positions of each row that the loss counts.
        boundaries: Bucket lengths. The longest rows of a bucket that fill no whole run go to the
            next longer one; buckets without a batch are left out.
        multiple: The rows of a batch are a multiple of it.

    Raises:
        ValueError: Boundaries are not ascending, or shorter than the longest row.
    """
    edges = np.asarray(boundaries, np.int64)
    longest = int(ranking.distinct[-1])
    if not len(edges) or edges[0] < 1 or (np.diff(edges) <= 0).any() or edges[-1] < longest:
        raise ValueError(
            f"boundaries are {list(boundaries)}; they ascend from at least 1, "
            f"and the last is at least {longest}, the longest row"
        )
    buckets = []
    batches = rows = 0
    for edge in edges.tolist():
        batches_before, rows_before = batches, rows
        within = ranking.batches_within(edge)
        batches, rows = int(within), int(ranking.rows_in(within))
        members = np.sort(ranking.rows[rows_before:rows])
        # A row with more targets than a batch should have still makes but one batch.
        number = min(batches - batches_before, len(members))
        if number:
            batch_rows = -(-len(members) // (number * multiple)) * multiple
            run = math.gcd(number, ranking.run_length)
            buckets.append(Bucket(edge, members, targets[members], batch_rows, number, run))
    return buckets


def deal_all(
    buckets: Sequence[Bucket], seed: int, turn: int | None
) -> list[tuple[NDArray[np.int64], int]]:
    """The batches of a turn, which shows every row once: row numbers, and the columns of each.

    Each turn deals the rows anew and has the runs in another order; None deals them in turn,
    bucket by bucket. Row -1 is an empty one.
    """
    if turn is None:
        return [(rows, bucket.length) for bucket in buckets for rows in bucket.deal()]
    # Of uint64: a list of large integers passes through float64.
    counter = np.array([0, 0, streams.BATCHES, 0], np.uint64)
    philox = np.random.Philox(counter=counter, key=np.array([seed, turn], np.uint64))
    generator = np.random.Generator(philox)
    runs = [
        (batches, bucket.length)
        for bucket in buckets
        for batches in np.split(bucket.deal(generator), bucket.num_batches // bucket.run_length)
    ]
    order = generator.permutation(len(runs)).tolist()
    return [(rows, length) for batches, length in map(runs.__getitem__, order) for rows in batches]
