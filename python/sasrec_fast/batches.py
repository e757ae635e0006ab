"""Batches for `fit`: each a pure function of (seed, epoch, index), filled while training runs.

Rows of similar length share a batch trimmed to its bucket. A bucket has so many rows a batch that
every training batch holds about the same number of real targets, so that a target weighs the same
whatever the length of its history.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import loading as _loading  # noqa: F401  (before keras)
from sasrec_fast.buckets import Bucket, choose_boundaries, make_buckets
from sasrec_fast.splits import Split

import keras  # isort: skip

_SHUFFLE_STREAM = 3
"""Third word of the counter of the shuffling stream; the splits' negatives use 0, 1 and 2."""


@dataclass(frozen=True)
class _Plan:
    """Rows of each batch of one epoch; -1 is an empty row."""

    rows: list[NDArray[np.int64]]
    columns: list[int]


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of a split for `SASRec.fit`, `evaluate` or a loop of one's own.

    Batch i of an epoch depends on (seed, epoch, i) alone. Training splits are shuffled and draw
    fresh negatives each epoch; validation and test stay the same. Every row appears once an epoch.
    Every batch of a bucket has one shape: rows that are missing are filled up with empty ones of
    weight 0.

    Args:
        split: Where the rows come from.
        batch_size: Mean number of rows a batch.
        shuffle: Shuffle rows within buckets, and the order of batches, each epoch; None means for
            training only.
        boundaries: Ascending bucket lengths, the last at least the longest row; None chooses up
            to `max_buckets` that waste the fewest positions.
        max_buckets: Most buckets chosen; each compiles once.
        seed: Seed of the shuffling; the split's seed where None.
        prefetch: Batches prepared ahead of the one in use, in a background thread; 0 for none.

    Attributes:
        epoch: The epoch of the next batch; `SASRec.fit` sets it through `EpochCallback`.

    Raises:
        ValueError: An argument is out of range, or the split has no rows.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int = 128,
        *,
        shuffle: bool | None = None,
        boundaries: Sequence[int] | None = None,
        max_buckets: int = 5,
        seed: int | None = None,
        prefetch: int = 2,
    ) -> None:
        super().__init__(workers=1)
        if not len(split):
            raise ValueError(f"{split.name} has no rows to make batches of")
        for name, value, smallest in (
            ("batch_size", batch_size, 1),
            ("max_buckets", max_buckets, 1),
            ("prefetch", prefetch, 0),
        ):
            if value < smallest:
                raise ValueError(f"{name} is {value}; at least {smallest} is allowed")
        self.split = split
        self.epoch = 0
        self.batch_size = batch_size
        self.shuffle = split.name == "train" if shuffle is None else shuffle
        self.seed = split.seed if seed is None else seed
        self.prefetch = prefetch
        targets = split.lengths if split.name == "train" else np.ones(len(split), np.int32)
        if boundaries is None:
            boundaries = choose_boundaries(split.lengths, max_buckets)
        self.buckets: list[Bucket] = make_buckets(split.lengths, targets, boundaries, batch_size)
        self._plan = lru_cache(maxsize=2)(self._make_plan)
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: dict[tuple[int, int], Future[Any]] = {}

    def __len__(self) -> int:
        """Batches an epoch."""
        return sum(bucket.num_batches for bucket in self.buckets)

    def __getitem__(self, index: int) -> Any:
        """Batch `index` of the current epoch as (x, y, sample_weight), see `Arrays.xyw`."""
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} does not exist; there are 0..{len(self) - 1}")
        if not self.prefetch:
            return self._make(self.epoch, index)
        return self._prefetched(self.epoch, index)

    def _make(self, epoch: int, index: int) -> Any:
        plan = self._plan(epoch if self.shuffle else 0)
        arrays = self.split.fill(
            plan.rows[index],
            epoch=epoch if self.split.name == "train" else 0,
            length=plan.columns[index],
        )
        return arrays.xyw()

    def _prefetched(self, epoch: int, index: int) -> Any:
        """The batch, prepared ahead if it was foreseen; starts on the next ones."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "sasrec_fast.batches")
        ahead = {
            key: self._ahead.get(key) or self._pool.submit(self._make, *key)
            for key in ((epoch, index + i) for i in range(self.prefetch + 1))
            if key[1] < len(self)
        }
        for key in self._ahead.keys() - ahead.keys():
            self._ahead[key].cancel()
        self._ahead = ahead
        return self._ahead.pop((epoch, index)).result()

    def _make_plan(self, epoch: int) -> _Plan:
        generator = np.random.Generator(
            np.random.Philox(counter=[0, 0, _SHUFFLE_STREAM, 0], key=[self.seed, epoch])
        )
        plan = _Plan([], [])
        for bucket in self.buckets:
            rows = generator.permutation(bucket.rows) if self.shuffle else bucket.rows
            plan.rows.extend(bucket.deal(rows))
            plan.columns.extend([bucket.length] * bucket.num_batches)
        if not self.shuffle:
            return plan
        order = generator.permutation(len(plan.rows)).tolist()
        return _Plan([plan.rows[i] for i in order], [plan.columns[i] for i in order])


class EpochCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells `batches` the number of the epoch that begins, so that it decides the negatives.

    Keras calls the hooks of a `PyDataset` more often than there are epochs; a callback is told the
    number itself, also after a resume with `initial_epoch`.
    """

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the epoch."""
        self.batches.epoch = epoch
