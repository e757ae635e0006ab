"""Runs of batches of one shape, handed to the device in one piece and with as little as can be.

A run of k batches is one mapping, of arrays whose second axis counts the batches, so that devices
that share the rows of a batch share those of a run by the first one as well:

| entry | shape | dtype | |
|---|---|---|---|
| sequences | [B, k, L + 1] | int32 | inputs and the last target: targets are the inputs, shifted |
| counted | [B, k] | int32 | first position that the loss counts; absent in training where all do |
| asked | [B, k] | int32 | of prefixes, instead of it: the position whose target alone is wanted |
| times | [B, k, L + 1] | int32 | of inputs and the last target, where the data has them |
| negatives | [B, k, L] or [B, k, L, K] | int32 | absent where the loss has no use for them |

`run_batch` makes a batch of it again, on the device. With `asked` it has L inputs and 1 target a
row, with its negatives.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import keras
import numpy as np
from jax import lax
from numpy.typing import NDArray

from sasrec_fast.batching.devices import sent_ahead
from sasrec_fast.batching.lookahead import Lookahead, Place
from sasrec_fast.store import Split, TimedArrays

if TYPE_CHECKING:
    from sasrec_fast.batching.batches import Batches

Run = Mapping[str, Any]
Tensor = Any


class Runs(keras.utils.PyDataset):  # type: ignore[misc]
    """The runs of an epoch of `Batches`.

    Args:
        batches: Whose epochs these are; its epoch is looked at whenever a run is asked for.
        negatives: Whether they are wanted.
        asked: Whether of prefixes no more is wanted than the states of their last items.
    """

    def __init__(self, batches: Batches, negatives: bool, asked: bool = False) -> None:
        super().__init__(workers=1)
        self.batches = batches
        self._asked = asked and batches.split.prefixes
        self._split = batches.split if negatives else _without_negatives(batches.split)
        self._lookahead = Lookahead(self._make, self._follow, batches._threads)

    def __len__(self) -> int:
        """Runs an epoch."""
        return len(self.batches) // self.batches.run_length

    def first(self, run: int) -> int:
        """The number of a run's first batch within the epoch."""
        return run * self.batches.run_length

    def last(self, run: int) -> int:
        """The number of a run's last batch within the epoch."""
        return self.first(run + 1) - 1

    def __getitem__(self, index: int) -> tuple[Run]:
        """Run `index` of the current epoch, as Keras takes a batch."""
        made: tuple[Run] = self._lookahead.take(self.batches._place(self.first(index)))
        return made

    def _follow(self, place: Place) -> Place:
        epoch, index = place
        return self.batches._follow((epoch, index + self.batches.run_length - 1))

    def _make(self, place: Place) -> tuple[Run]:
        epoch, index = place
        found = [self.batches._find((epoch, index + i)) for i in range(self.batches.run_length)]
        turn, _, length = found[0]
        rows = np.stack([rows for _, rows, _ in found], axis=1)
        filled = self._split.fill(rows.ravel(), epoch=turn, length=length)
        sequences = np.concatenate([filled.item_ids[:, :1], filled.positive_sequence], axis=1)
        run = {"sequences": sequences.reshape(*rows.shape, length + 1)}
        drawn = filled.negative_sequence
        if self._split.counts_last:
            counted = _first_counted(filled.sample_weight)
            run["asked" if self._asked else "counted"] = counted.reshape(rows.shape)
            if self._asked:
                drawn = drawn[np.arange(len(counted)), np.minimum(counted, length - 1), None]
        if isinstance(filled, TimedArrays):
            times = np.concatenate([filled.times[:, :1], filled.query_times], axis=1)
            run["times"] = times.reshape(*rows.shape, length + 1)
        if self._split.num_negatives:
            run["negatives"] = drawn.reshape(*rows.shape, *drawn.shape[1:])
        return (sent_ahead(run),)


def _without_negatives(split: Split) -> Split:
    """The same rows, for which none are drawn."""
    other = copy.copy(split)
    other._options = replace(split._options, num_negatives=0)
    return other


def _first_counted(weights: NDArray[np.float32]) -> NDArray[np.int32]:
    """The first position of each row that has a weight; the number of positions without any."""
    counted = weights > 0
    first = np.where(counted.any(axis=1), counted.argmax(axis=1), counted.shape[1])
    return np.asarray(first, np.int32)


def is_run(x: Any) -> bool:
    """Whether inputs of a model are a run."""
    return isinstance(x, Mapping) and "sequences" in x


def run_batch(run: Run, index: Tensor) -> tuple[Any, Any, Any]:
    """Batch `index` of a run as (x, y, sample_weight), see `Arrays.xyw`; also within JAX's `jit`.

    Args:
        run: Of `Runs`, on the device.
        index: Which of its batches.
    """
    batch = {
        name: lax.dynamic_index_in_dim(values, index, axis=1, keepdims=False)
        for name, values in run.items()
    }
    targets = batch["sequences"][:, 1:]
    real = targets != 0
    weight = real
    if "counted" in batch:
        positions = lax.broadcasted_iota(jnp.int32, targets.shape, 1)
        weight = real & (positions >= batch["counted"][:, None])
    x = {"item_ids": jnp.where(real, batch["sequences"][:, :-1], 0), "padding_mask": real}
    if "asked" in batch:
        last = batch["asked"][:, None]  # beyond the end in an empty row
        targets = jnp.take_along_axis(targets, last, axis=1, mode="fill", fill_value=0)
        weight = targets != 0
    y = {"positive_sequence": targets}
    if "negatives" in batch:
        y["negative_sequence"] = batch["negatives"]
    if "times" in batch:
        x["times"] = jnp.where(real, batch["times"][:, :-1], 0)
        x["query_times"] = batch["times"][:, 1:]
    return x, y, dict.fromkeys(y, weight.astype(jnp.float32))
