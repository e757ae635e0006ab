"""Batches for `fit`: each a pure function of (seed, epoch, index), filled while training runs.

Rows of similar length share a batch trimmed to its bucket. A bucket has so many rows a batch that
every training batch holds the same number of real targets, but for one row's worth, so that a
target weighs the same whatever the length of its history.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.batching.buckets import Bucket, Ranking, choose_boundaries, deal_all, make_buckets
from sasrec_fast.batching.devices import batch_devices, choose_run_length, kernel_multiple
from sasrec_fast.batching.lookahead import Lookahead, Place
from sasrec_fast.store import Split


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of a split for `SASRec.fit`, `evaluate` or a loop of one's own.

    Batch i of an epoch depends on (seed, epoch, i) alone. Training splits are shuffled and draw
    fresh negatives each epoch; validation and test stay the same. Every row appears once an epoch.
    Every batch of a bucket has one shape: rows that are missing are filled up with empty ones of
    weight 0. Under a `keras.distribution`, the rows of a batch are a multiple of the devices.
    Batches come in runs of `run_length` of one bucket, dealt and mixed as a whole: `fit` hands a
    run to the device in one piece and trains on its batches in one dispatch.

    `SASRec.fit` counts the epochs of its model and shows the next one, also in a loop of
    `fit(epochs=1)`. In a loop of your own, `for x, y, weight in batches` shows an epoch, and the
    next such loop the next; or set `epoch`. Another Keras model is fitted with
    `callbacks=[EpochCallback(batches)]`. Copies, pickles and forked children make the same batches.

    Args:
        split: Where the rows come from.
        batch_size: Mean number of rows a batch, over all shards.
        shuffle: Deal the rows anew and mix the order of batches each epoch; None means for
            training only. Without it the order is fixed: bucket by bucket.
        boundaries: Ascending bucket lengths, the last at least the longest row; None chooses up
            to `max_buckets` that waste the fewest positions, off the CPU multiples of 8 (but for
            the split's max_sequence_length), which the attention kernels of GPUs take.
        max_buckets: Most buckets chosen; each compiles once.
        run_length: Batches a run; the rows of a bucket that fill no whole run go to the next longer
            one, and the number of batches is rounded to whole runs. None chooses for the device
            and the sizes. Callbacks of `fit` are called once a run, with the number of its
            first batch when it begins and of its last one when it ends.
        workers: Background threads that prepare the next batches; 0 prepares each when asked.
        seed: Seed of the shuffling; the split's seed where None.
        num_shards: Processes that train together, each with its part of every batch.
        shard: Which part this is, 0..num_shards - 1. The parts of a batch have one shape, no row
            in common and together all its rows.

    Attributes:
        epoch: The epoch of the next batch.
        buckets: The `Bucket`s chosen.
        run_length: Batches a run, which divides the batches of an epoch.

    Raises:
        ValueError: An argument is out of range, or the split has no rows.
        TypeError: A size that is not an integer.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int = 128,
        *,
        shuffle: bool | None = None,
        boundaries: Sequence[int] | None = None,
        max_buckets: int = 5,
        run_length: int | None = None,
        workers: int = 1,
        seed: int | None = None,
        num_shards: int = 1,
        shard: int = 0,
    ) -> None:
        # Keras' own threads start before it says which epoch begins: it is given none.
        super().__init__(workers=1)
        if not len(split):
            raise ValueError(f"{split.name} has no rows to make batches of")
        self.split = split
        self.epoch = 0
        self.batch_size = checks.integer("batch_size", batch_size, 1)
        self.seed = split.seed if seed is None else checks.integer("seed", seed, 0, 2**64 - 1)
        self.num_shards = checks.integer("num_shards", num_shards, 1)
        self.shard = checks.integer("shard", shard, 0, self.num_shards - 1)
        self._training = split.name == "train"
        targets = np.ones(len(split), np.int32) if split.counts_last else split.lengths
        if run_length is None:
            run_length = choose_run_length(split, self.batch_size)
        run_length = checks.integer("run_length", run_length, 1)
        ranking = Ranking(split.lengths, targets, self.batch_size, run_length)
        if boundaries is None:
            most = checks.integer("max_buckets", max_buckets, 1)
            boundaries = choose_boundaries(
                ranking, most, kernel_multiple(), split.max_sequence_length
            )
        parts = math.lcm(self.num_shards, batch_devices())
        self.buckets: list[Bucket] = make_buckets(ranking, targets, boundaries, parts)
        self.run_length = math.gcd(*(bucket.run_length for bucket in self.buckets))
        self.shuffle = self._training if shuffle is None else shuffle
        self._per_turn = sum(bucket.num_batches for bucket in self.buckets)
        self._steps = self._per_turn
        self._threads = checks.integer("workers", workers, 0)
        self._start()

    def _start(self) -> None:
        """Make what is this object's alone."""
        self._turn = lru_cache(maxsize=2)(partial(deal_all, self.buckets, self.seed))
        self._lookahead = Lookahead(self._make, self._follow, self._threads)

    def __getstate__(self) -> dict[str, Any]:
        """All but threads and what they made, for a copy or a pickle."""
        return {k: v for k, v in vars(self).items() if k not in ("_turn", "_lookahead")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def in_steps(self, steps_per_epoch: int) -> Batches:
        """The same batches in epochs of another length, as `fit(steps_per_epoch=)` has them.

        Each epoch goes on where the one before ended, so that every row still appears once in
        as many batches as this object has; the negatives are fresh whenever all rows were shown.

        Args:
            steps_per_epoch: Batches an epoch.
        """
        other = copy.copy(self)
        other._steps = checks.integer("steps_per_epoch", steps_per_epoch, 1)
        other.run_length = math.gcd(self.run_length, other._steps)
        return other

    @property
    def turns(self) -> Fraction:
        """How often the epochs before this one show all rows."""
        return Fraction(self.epoch * len(self), self._per_turn)

    def turns_after(self, steps: int) -> Fraction:
        """How often so many batches show all rows."""
        return Fraction(steps, self._per_turn)

    def follow(self, turns: Fraction) -> None:
        """Set the first epoch that begins when all rows have been shown so often."""
        self.epoch = math.ceil(turns * self._per_turn / len(self))

    def __iter__(self) -> Iterator[Any]:
        """The batches of the current epoch; after the last one the next epoch is current."""
        for index in range(len(self)):
            yield self[index]
        self.epoch += 1

    def __len__(self) -> int:
        """Batches an epoch."""
        return self._steps

    def __getitem__(self, index: int) -> Any:
        """Batch `index` of the current epoch as (x, y, sample_weight), see `Arrays.xyw`."""
        return self._lookahead.take(self._place(index))

    @property
    def identity(self) -> dict[str, Any]:
        """What decides every batch: two `Batches` of equal identity give the same ones."""
        return {
            **self.split._options.named,
            "split": self.split.name,
            "rows": len(self.split),
            "positions": int(self.split.lengths.sum()),
            "vocabulary_size": self.split.vocabulary_size,
            "num_negatives": self.split.num_negatives,
            "split seed": self.split.seed,
            "seed": self.seed,
            "shuffle": self.shuffle,
            "batches": [[b.length, b.batch_rows, b.num_batches] for b in self.buckets],
            **self._runs,
            "steps_per_epoch": len(self),
            "num_shards": self.num_shards,
            "interactions": self.split.digest,
        }

    @property
    def _runs(self) -> dict[str, Any]:
        """Those of more than one batch, which mix the batches otherwise."""
        lengths = [bucket.run_length for bucket in self.buckets]
        return {} if max(lengths) == 1 else {"runs": lengths}

    def rows(self, index: int) -> NDArray[np.int64]:
        """Row numbers of batch `index` of the current epoch; -1 is an empty row."""
        return self._find(self._place(index))[1]

    def _place(self, index: int) -> Place:
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} does not exist; there are 0..{len(self) - 1}")
        return (self.epoch if self._training else 0), index

    def _follow(self, place: Place) -> Place:
        epoch, index = place
        if index + 1 < len(self):
            return epoch, index + 1
        return (epoch + 1 if self._training else 0), 0

    def _find(self, place: Place) -> tuple[int, NDArray[np.int64], int]:
        """How often all rows were shown before, and the rows and columns of a batch."""
        epoch, index = place
        turn, index = divmod(epoch * len(self) + index, self._per_turn)
        rows, length = self._turn(turn if self.shuffle else None)[index]
        return turn, rows[self.shard :: self.num_shards], length

    def _make(self, place: Place) -> Any:
        turn, rows, length = self._find(place)
        return self.split.fill(rows, epoch=turn if self._training else 0, length=length).xyw()


class EpochCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells `batches` which epoch begins, so that it decides order and negatives.

    Keras calls the hooks of a `PyDataset` more often than there are epochs; a callback is told the
    number itself, also after a resume with `initial_epoch`. After an epoch the next one is set.

    Args:
        batches: Whose epoch is set.
        first: The epoch of `batches` to show where Keras' numbers begin with 0, which it does in
            every call of `fit`. Where they begin later, as with `initial_epoch` or after
            `BackupAndRestore`, they count themselves.
    """

    def __init__(self, batches: Batches, first: int = 0) -> None:
        super().__init__()
        self.batches = batches
        self._first = first
        self._shift: int | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Count anew."""
        self._shift = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the epoch."""
        if self._shift is None:
            self._shift = 0 if epoch else self._first
        self.batches.epoch = epoch + self._shift

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the epoch after it."""
        self.batches.epoch += 1
