"""The compact store, what makes rows of it, and the dense arrays a model trains on."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.columns import Clock
from sasrec_fast.store.rows import Rows

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

    def __len__(self) -> int:
        """How many users there are."""
        return len(self.user_keys)

    @property
    def num_interactions(self) -> int:
        """How many items all users have together."""
        return len(self.items)

    def item_counts(self, vocabulary_size: int) -> NDArray[np.int64]:
        """int64 [vocabulary_size], how often each item occurs."""
        return _core.count_items(self.items, vocabulary_size)

    def item_counts_of_rows(self, rows: Rows, vocabulary_size: int) -> NDArray[np.int64]:
        """int64 [vocabulary_size], how often each item occurs in the sequences of rows."""
        return _core.count_items_of_rows(self, rows, vocabulary_size, last_alone=False)

    def target_counts(self, rows: Rows, vocabulary_size: int) -> NDArray[np.int64]:
        """int64 [vocabulary_size], of how many rows each item is the last: their last target."""
        return _core.count_items_of_rows(self, rows, vocabulary_size, last_alone=True)

    def last_items(self, rows: Rows) -> NDArray[np.int32]:
        """int32 [n], the item that the sequence of each row ends with: its last target."""
        last: NDArray[np.int32] = self.items[self.offsets[rows.users] + rows.ends - 1]
        return last


@dataclass(frozen=True)
class TimedSequences(Sequences):
    """The compact store with the time of every interaction.

    Attributes:
        times: uint32 [N], seconds since the origin of the clock, below 2^31.
        clock: How they came of the timestamps.
    """

    times: NDArray[np.uint32]
    clock: Clock


def timed(sequences: Sequences, what: str) -> TimedSequences:
    """The store, with times; an error that says what has none.

    Raises:
        ValueError: It has none.
    """
    if not isinstance(sequences, TimedSequences):
        raise ValueError(
            f"{what} has no times, which are asked for: prepare the data with times=True, or make "
            "the model with time=None"
        )
    return sequences


def stored_columns(sequences: Sequences) -> dict[str, NDArray[Any]]:
    """The arrays of a store, by name."""
    names = [field.name for field in fields(Sequences)]
    if isinstance(sequences, TimedSequences):
        names.append("times")
    return {name: getattr(sequences, name) for name in names}


@dataclass(frozen=True)
class WindowOptions:
    """What the native code needs to know about the rows of a split, and how they are found.

    Attributes:
        holdout: Last interactions of each user that are held out; None where times decide.
        stride: Positions between the windows of one sequence; 0 for the last window alone.
        prefixes: Whether the windows, 1 apart, are all prefixes, of which the last target counts.
        exponent: Of popularity in the proposals of negatives; None for uniform ones.
    """

    split: int
    holdout: int | None
    max_sequence_length: int
    oldest: bool
    stride: int
    reject_all: bool
    num_negatives: int
    exponent: float | None
    num_items: int
    seed: int
    prefixes: bool = False

    @property
    def named(self) -> dict[str, Any]:
        """The options by name; prefixes, which not every version knew, only where there are."""
        return {name: value for name, value in vars(self).items() if name != "prefixes" or value}


@dataclass(frozen=True)
class Arrays:
    """Dense arrays of n rows, L columns and K negatives a position; right-padded with 0.

    Attributes:
        item_ids: int32 [n, L], inputs.
        padding_mask: bool [n, L], True on real items.
        positive_sequence: int32 [n, L], the target at each position: the next item.
        negative_sequence: int32 [n, L], or [n, L, K] for K other than 1; 0 on padding.
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
        """Inputs, targets and weights, nested as `SASRec.fit` and `evaluate` take them.

        Without negatives (K = 0) there is no "negative_sequence" among the targets.
        """
        x = {"item_ids": self.item_ids, "padding_mask": self.padding_mask}
        y = {"positive_sequence": self.positive_sequence}
        if self.negative_sequence.shape[2:] != (0,):
            y["negative_sequence"] = self.negative_sequence
        return x, y, dict.fromkeys(y, self.sample_weight)


@dataclass(frozen=True)
class TimedArrays(Arrays):
    """Dense arrays with times, in seconds since the first input of each row; 0 on padding.

    Attributes:
        times: int32 [n, L], when each input was.
        query_times: int32 [n, L], when each target was: the moment at which it is asked for.
    """

    times: NDArray[np.int32]
    query_times: NDArray[np.int32]

    def xyw(
        self,
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """As of `Arrays`, with "times" and "query_times" among the inputs."""
        x, y, weights = super().xyw()
        return {**x, "times": self.times, "query_times": self.query_times}, y, weights


def require_room(out: Any, shape: tuple[int, ...]) -> None:
    """Refuse what the native code cannot write negatives of this shape into."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array of int32, received a {type(out).__name__}")
    if out.dtype != np.int32:  # another byte order is another dtype
        raise TypeError(f"out must be an array of int32, received one of {out.dtype.str}")
    if out.shape != shape:
        raise ValueError(
            f"out has shape {list(out.shape)}; the negatives of this split have shape {list(shape)}"
        )
    faults = {
        "not C-contiguous": not out.flags.c_contiguous,
        "misaligned": not out.flags.aligned,
        "read-only": not out.flags.writeable,
    }
    for fault, found in faults.items():
        if found:
            raise ValueError(f"out is {fault}; negatives are written into it as it lies in memory")
