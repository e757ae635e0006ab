"""The rows of one split, and the dense arrays made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sasrec_fast import _core

if TYPE_CHECKING:
    from sasrec_fast.batches import Batches
    from sasrec_fast.vocabulary import Vocabulary

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Sequences:
    """The compact store: each user's item indices in time order, user after user (CSR).

    Attributes:
        offsets: int64 [U + 1]; user u (0-based) owns `items[offsets[u]:offsets[u + 1]]`.
        items: int32 [N], item indices 1..V.
        user_keys: uint64 [U], the key of each user's random stream.
    """

    offsets: NDArray[np.int64]
    items: NDArray[np.int32]
    user_keys: NDArray[np.uint64]


@dataclass(frozen=True)
class Arrays:
    """Dense arrays of n rows, L columns and K negatives a position; right-padded with 0.

    Attributes:
        item_ids: int32 [n, L], inputs.
        padding_mask: bool [n, L], True on real items.
        positive_sequence: int32 [n, L], the target at each position: the next item.
        negative_sequence: int32 [n, L], or [n, L, K] for K > 1; 0 on padding.
        sample_weight: float32 [n, L], 1 where the loss counts.
    """

    item_ids: NDArray[np.int32]
    padding_mask: NDArray[np.bool_]
    positive_sequence: NDArray[np.int32]
    negative_sequence: NDArray[np.int32]
    sample_weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.item_ids)

    def xyw(
        self,
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Inputs, targets and weights, nested as `SASRec.fit` and `evaluate` take them."""
        x = {"item_ids": self.item_ids, "padding_mask": self.padding_mask}
        y = {
            "positive_sequence": self.positive_sequence,
            "negative_sequence": self.negative_sequence,
        }
        return x, y, dict.fromkeys(y, self.sample_weight)


@dataclass(frozen=True)
class WindowOptions:
    """What the native code needs to know about the rows of a split."""

    split: int
    holdout: int
    max_sequence_length: int
    oldest: bool
    reject_all: bool
    num_negatives: int
    num_items: int
    seed: int


class Split:
    """Rows of training, validation or test: one a user with at least two items there.

    Attributes:
        name: "train", "validation" or "test".
        users: int64 [n], 0-based position of each row's user in the store.
        starts: int64 [n]; row i is taken from `sequences.items[starts[i]:ends[i]]`, which
            includes its targets.
        ends: int64 [n].
        lengths: int32 [n], real positions of each row: at most L.
    """

    def __init__(
        self, sequences: Sequences, user_vocabulary: Vocabulary, options: WindowOptions
    ) -> None:
        self.name = SPLITS[options.split]
        self.sequences = sequences
        self._user_vocabulary = user_vocabulary
        self._options = options
        ends = sequences.offsets[1:] - max(options.holdout - options.split, 0)
        self.users: NDArray[np.int64] = np.flatnonzero(ends - sequences.offsets[:-1] >= 2)
        self.starts: NDArray[np.int64] = sequences.offsets[self.users]
        self.ends: NDArray[np.int64] = ends[self.users]
        longest = options.max_sequence_length
        self.lengths = np.minimum(self.ends - self.starts - 1, longest).astype(np.int32)

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return f"Split({self.name}: {len(self):,} rows, {int(self.lengths.sum()):,} positions)"

    @property
    def user_ids(self) -> NDArray[Any]:
        """External user id of each row, [n]."""
        ids: NDArray[Any] = self._user_vocabulary.ids[self.users]
        return ids

    @property
    def max_sequence_length(self) -> int:
        """Columns of the dense arrays, L."""
        return self._options.max_sequence_length

    @property
    def num_negatives(self) -> int:
        """Negatives a position, K."""
        return self._options.num_negatives

    @property
    def seed(self) -> int:
        """Seed of the negatives."""
        return self._options.seed

    @property
    def vocabulary_size(self) -> int:
        """Number of items + 1."""
        return self._options.num_items + 1

    @property
    def item_counts(self) -> NDArray[np.int64]:
        """int64 [vocabulary_size]: how often each item occurs in the sequences of this split.

        In train these are counts without any held-out interaction: the popularity to compare
        a model with.
        """
        edges = np.zeros(len(self.sequences.items) + 1, np.int8)
        edges[self.starts] += 1
        edges[self.ends] -= 1
        inside = np.cumsum(edges[:-1], dtype=np.int8).view(np.bool_)
        return np.bincount(self.sequences.items[inside], minlength=self.vocabulary_size)

    def arrays(self, epoch: int = 0) -> Arrays:
        """All rows as dense arrays.

        Args:
            epoch: Non-negative; each epoch has other negatives.
        """
        return self._fill(self.users, self.max_sequence_length, epoch)

    def fill(self, rows: ArrayLike, *, epoch: int = 0, length: int | None = None) -> Arrays:
        """Some rows as dense arrays, trimmed to `length` columns.

        Args:
            rows: Row numbers 0..len(self) - 1 in any order; -1 gives an all-zero row.
            epoch: Non-negative; each epoch has other negatives.
            length: Columns, at least the largest of the rows' `lengths`; all L where None.

        Raises:
            ValueError: A row number, the epoch or the length is out of range.
        """
        wanted = np.ascontiguousarray(rows, np.int64)
        if wanted.ndim != 1:
            raise ValueError(f"rows has shape {wanted.shape}; it has one axis")
        outside = (wanted < -1) | (wanted >= len(self))
        if outside.any():
            raise ValueError(
                f"row {int(wanted[outside][0])} does not exist; "
                f"{self.name} has rows 0..{len(self) - 1}, -1 is an empty row"
            )
        columns = self.max_sequence_length if length is None else length
        real = wanted[wanted >= 0]
        needed = int(self.lengths[real].max(initial=1))
        if not needed <= columns <= self.max_sequence_length:
            raise ValueError(
                f"length is {columns}; the rows need {needed} columns, "
                f"and at most {self.max_sequence_length} are allowed"
            )
        users = np.full(len(wanted), -1, np.int64)
        users[wanted >= 0] = self.users[real]
        return self._fill(users, columns, epoch)

    def negatives(self, epoch: int = 0, out: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
        """The negatives of all rows in one epoch, without building the other arrays again.

        Args:
            epoch: Non-negative; each epoch has other negatives.
            out: int32, C-contiguous, of the shape of `Arrays.negative_sequence`, to write into.

        Returns:
            `out`, or a new array: `arrays(epoch).negative_sequence`.

        Raises:
            ValueError: The epoch is negative, or `out` has another shape or layout.
            TypeError: `out` has another dtype.
        """
        _require_epoch(epoch)
        if out is None:
            shape = (len(self), self.max_sequence_length, self.num_negatives)
            out = np.empty(shape[:2] if self.num_negatives == 1 else shape, np.int32)
        _core.fill_negatives(self.sequences, self._options, self.users, epoch, out)
        return out

    def _fill(self, users: NDArray[np.int64], columns: int, epoch: int) -> Arrays:
        _require_epoch(epoch)
        return Arrays(*_core.fill(self.sequences, self._options, users, columns, epoch))

    def batches(self, batch_size: int = 128, **options: Any) -> Batches:
        """Batches for `fit`, filled while training runs, with fresh negatives each epoch.

        Args:
            batch_size: Mean number of rows a batch.
            **options: See `Batches`.
        """
        from sasrec_fast.batches import Batches

        return Batches(self, batch_size=batch_size, **options)


def _require_epoch(epoch: int) -> None:
    if not 0 <= epoch < 1 << 64:
        raise ValueError(f"epoch is {epoch}; allowed are 0..2**64 - 1")
