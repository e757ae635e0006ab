"""The rows of one split, and the dense arrays made of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sasrec_fast import _core, checks
from sasrec_fast.later import later
from sasrec_fast.store import streams
from sasrec_fast.store.digests import digest
from sasrec_fast.store.histories import user_positions
from sasrec_fast.store.memory import require_memory
from sasrec_fast.store.popularity import PopularityDistribution
from sasrec_fast.store.row_times import row_times
from sasrec_fast.store.rows import Rows, held_out, row_numbers, smallest, with_windows
from sasrec_fast.store.sequences import (
    SPLITS,
    Arrays,
    Sequences,
    TimedArrays,
    TimedSequences,
    WindowOptions,
    require_room,
)
from sasrec_fast.store.vocabulary import Vocabulary

_LARGEST = 2**64 - 1
"""Largest epoch, and largest seed."""


class Split:
    """Rows of training, validation or test.

    One a user with at least two items there; in training several where `windows` says so.

    Attributes:
        name: "train", "validation" or "test".
        sequences: The compact store.
        sequence_rows: One row for each sequence: the latest window, or the earliest with
            truncation="oldest".
        items: The vocabulary of item ids, where it is known.
    """

    def __init__(
        self,
        sequences: Sequences,
        user_vocabulary: Vocabulary,
        options: WindowOptions,
        sequence_rows: Rows | None = None,
    ) -> None:
        self.name = SPLITS[options.split]
        self.sequences = sequences
        self._user_vocabulary = user_vocabulary
        self._options = options
        if sequence_rows is not None:
            self.sequence_rows = sequence_rows
        self.items: Vocabulary | None = None
        self._popularity: PopularityDistribution | None = None
        self._first_held_out: Split | None = None

    @cached_property
    def sequence_rows(self) -> Rows:  # noqa: D102  (in the class docstring)
        held_back = max((self._options.holdout or 0) - self._options.split, 0)
        return held_out(self.sequences.offsets, held_back)

    @cached_property
    def _rows(self) -> Rows:
        if not self._options.stride:
            return self.sequence_rows
        targets = 1 if self.prefixes else self.max_sequence_length
        return with_windows(self.sequence_rows, targets, self._options.stride)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that decides the arrays: the store, the rows, options and seed."""
        return digest(self.sequences, self.sequence_rows, self._options)

    @property
    def users(self) -> NDArray[np.int32]:
        """int32 [n], 0-based position of each row's user in the store, ascending."""
        return self._rows.users

    @property
    def windows(self) -> NDArray[np.int32]:
        """int32 [n], number of each row's window: 0 for the latest (earliest with "oldest")."""
        return self._rows.windows if self._options.stride else np.zeros(len(self), np.int32)

    @property
    def starts(self) -> NDArray[np.int64]:
        """int64 [n]; row i is taken from `sequences.items[starts[i]:ends[i]]`, targets included."""
        return self.sequences.offsets[self.users]

    @property
    def ends(self) -> NDArray[np.int64]:
        """int64 [n], see `starts`."""
        return self.starts + self._rows.ends

    @property
    def training_ends(self) -> NDArray[np.int64]:
        """int64 [n]; the sequence of row i before any held-out target ends here, see `starts`.

        Of `sequence_rows`. In train, where nothing is held out, it ends before the last target.
        """
        rows = self.sequence_rows
        ends = rows.ends.astype(np.int64) - 1
        if self._first_held_out is not None:
            first = self._first_held_out.sequence_rows
            before = np.full(len(self.sequences.user_keys), np.iinfo(np.int64).max)
            before[first.users] = first.ends - 1
            ends = np.minimum(ends, before[rows.users])
        return self.sequences.offsets[rows.users] + ends

    @property
    def lengths(self) -> NDArray[np.int32]:
        """int32 [n], real positions of each row: at most L."""
        return self._rows.lengths(self.max_sequence_length, self._options.stride)

    @property
    def prefixes(self) -> bool:
        """Whether rows are all prefixes of the sequences."""
        return self._options.prefixes

    @property
    def counts_last(self) -> bool:
        """Whether the loss counts the last target of each row alone, not all of them."""
        return self.name != SPLITS[0] or self.prefixes

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return f"Split({self.name}: {len(self):,} rows, {int(self.lengths.sum()):,} positions)"

    @property
    def user_ids(self) -> NDArray[Any]:
        """External user id of each row, [n]."""
        return self._user_vocabulary.ids[self.users]

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
        return self.sequences.item_counts_of_rows(self.sequence_rows, self.vocabulary_size)

    @property
    def negative_probabilities(self) -> NDArray[np.float64]:
        """float64 [vocabulary_size]: how probable each item is as a proposal; 0 for padding."""
        if self._popularity is not None:
            return self._popularity.probabilities
        items = self.vocabulary_size - 1
        return np.concatenate([[0.0], np.full(items, 1 / items)])

    @property
    def nbytes(self) -> int:
        """Bytes of the dense arrays of all rows."""
        return len(self) * self.max_sequence_length * self._position_bytes

    @property
    def _position_bytes(self) -> int:
        times = 8 if isinstance(self.sequences, TimedSequences) else 0
        return 4 + 1 + 4 + 4 * self.num_negatives + 4 + times

    def _require_memory(self, needed: int, rows: int, max_bytes: Any = None) -> None:
        most = None if max_bytes is None else checks.fraction("max_bytes", max_bytes)
        what = (
            f"the dense arrays of {self.name} ({rows:,} rows, {self.max_sequence_length:,} "
            f"positions, {self.num_negatives:,} negatives a position)"
        )
        advice = "train on batches(), which fills them as needed, or raise max_bytes"
        require_memory(what, needed, advice, most)

    def arrays(self, epoch: int = 0, *, max_bytes: float | None = None) -> Arrays:
        """All rows as dense arrays, of `nbytes` bytes together.

        Args:
            epoch: Non-negative; each epoch has other negatives.
            max_bytes: Most bytes to allocate; half of the free memory where None.

        Raises:
            MemoryError: The arrays are larger; nothing was allocated. `batches()` needs no more
                than a few batches at once.
            ValueError: A number is out of range.
            TypeError: A number of another kind.
        """
        epoch = checks.integer("epoch", epoch, 0, _LARGEST)
        self._require_memory(self.nbytes, len(self), max_bytes)
        return self._fill(self._rows, self.max_sequence_length, epoch)

    def fill(self, rows: ArrayLike, *, epoch: int = 0, length: int | None = None) -> Arrays:
        """Some rows as dense arrays, trimmed to `length` columns.

        Args:
            rows: Row numbers 0..len(self) - 1 in any order; -1 gives an all-zero row.
            epoch: Non-negative; each epoch has other negatives.
            length: Columns, at least the largest of the rows' `lengths`; all L where None.

        Raises:
            ValueError: A row number, the epoch or the length is out of range.
            TypeError: One of them is no integer; a mask of rows is none either.
            MemoryError: The arrays are larger than half of the free memory.
        """
        epoch = checks.integer("epoch", epoch, 0, _LARGEST)
        wanted = row_numbers(rows, len(self), self.name)
        columns = self.max_sequence_length
        if length is not None:
            columns = checks.integer("length", length, 1, columns)
        chosen = self._rows.take(wanted)
        lengths = chosen.lengths(self.max_sequence_length, self._options.stride)
        needed = int(lengths[wanted >= 0].max(initial=1))
        if needed > columns:
            raise ValueError(
                f"length is {columns}; the rows need {needed} columns, "
                f"and at most {self.max_sequence_length} are allowed"
            )
        self._require_memory(len(chosen) * columns * self._position_bytes, len(chosen))
        return self._fill(chosen, columns, epoch)

    def negatives(self, epoch: int = 0, out: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
        """The negatives of all rows in one epoch, without building the other arrays again.

        Args:
            epoch: Non-negative; each epoch has other negatives.
            out: int32, C-contiguous, of the shape of `Arrays.negative_sequence`, to write into.

        Returns:
            `out`, or a new array: `arrays(epoch).negative_sequence`.

        Raises:
            ValueError: The epoch is out of range, or `out` has another shape or layout, or is
                read-only.
            TypeError: The epoch is no integer, or `out` no array of int32.
            MemoryError: A new array is larger than half of the free memory.
        """
        epoch = checks.integer("epoch", epoch, 0, _LARGEST)
        shape: tuple[int, ...] = (len(self), self.max_sequence_length)
        if self.num_negatives != 1:
            shape = (*shape, self.num_negatives)
        if out is None:
            what = f"the negatives of {self.name} ({len(self):,} rows)"
            advice = "train on batches(), which draws them as needed, or give out="
            require_memory(what, 4 * math.prod(shape), advice)
            out = np.empty(shape, np.int32)
        require_room(out, shape)
        _core.fill_negatives(self.sequences, self._options, self._rows, self._table, epoch, out)
        return out

    @property
    def _table(self) -> _core.AliasTable | None:
        return None if self._popularity is None else self._popularity.table

    def _fill(self, rows: Rows, columns: int, epoch: int) -> Arrays:
        store, options = self.sequences, self._options
        filled = _core.fill(store, options, rows, self._table, columns, epoch)
        if not isinstance(store, TimedSequences):
            return Arrays(*filled)
        return TimedArrays(*filled, *row_times(store, options, rows, columns))

    def sample(self, users: int, seed: int = 0) -> Split:
        """The rows of some users, the same ones for the same seed.

        A user's place in a random order is the first draw of NumPy's `Philox` whose counter is
        `np.array([0, user_key, 6, 0], np.uint64)` and key `np.array([seed, 0], np.uint64)`, and the
        first `users` are taken: who they are depends neither on the order of rows nor on the
        machine.

        Args:
            users: How many; all of them where there are fewer.
            seed: 0..2**64 - 1.

        Raises:
            ValueError: A number out of range.
            TypeError: A number that is no integer.
        """
        users = checks.integer("users", users, 1)
        seed = checks.integer("seed", seed, 0, _LARGEST)
        keys = self.sequences.user_keys[self.sequence_rows.users]
        return self._of_rows(smallest(_core.first_draws(keys, streams.USERS, seed), users))

    def of_users(self, users: Iterable[Any]) -> Split:
        """The rows of these users, in the order of the split; some may have none.

        Negatives, also in proportion to popularity, are those that the rows have among all.

        Args:
            users: External ids.

        Raises:
            KeyError: A user is not in the data.
            TypeError: Not a list of ids.
        """
        chosen = np.zeros(len(self.sequences), np.bool_)
        chosen[user_positions(users, self._user_vocabulary)] = True
        return self._of_rows(np.flatnonzero(chosen[self.sequence_rows.users]))

    def _of_rows(self, chosen: NDArray[np.int64]) -> Split:
        """The split with some of its sequences."""
        other = copy.copy(self)
        for cached in ("_rows", "digest"):
            other.__dict__.pop(cached, None)
        other.sequence_rows = self.sequence_rows.take(chosen)
        return other

    def batches(self, batch_size: int = 128, **options: Any) -> Any:
        """`Batches` for `fit`, filled while training runs, with fresh negatives each epoch.

        Args:
            batch_size: Mean number of rows a batch.
            **options: See `Batches`.
        """
        return later("batching", "Batches")(self, batch_size=batch_size, **options)
