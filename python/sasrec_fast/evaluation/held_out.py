"""What a split asks of every model, looked up once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.evaluation.metrics import digest_of
from sasrec_fast.store import Histories, Split, repeated_targets


@dataclass(frozen=True)
class HeldOut:
    """The last target of each row of a split, and what is before it.

    Attributes:
        split: The split; its `sequence_rows` are ranked.
    """

    split: Split

    @cached_property
    def targets(self) -> NDArray[np.int32]:
        """Item indices, int32 [n]."""
        return self.split.sequences.last_items(self.split.sequence_rows)

    @cached_property
    def histories(self) -> Histories:
        """What is before each target."""
        store, rows = self.split.sequences, self.split.sequence_rows
        starts = store.offsets[rows.users]
        return Histories(store.items, starts, starts + rows.ends - 1)

    @cached_property
    def repeated(self) -> NDArray[np.bool_]:
        """Whether a target is in the history before it, bool [n]."""
        return repeated_targets(self.split.sequences, self.split.sequence_rows)

    @cached_property
    def interactions(self) -> NDArray[np.int64]:
        """How often each item occurs in the data, int64 [vocabulary_size]."""
        return self.split.sequences.item_counts(self.split.vocabulary_size)

    @cached_property
    def digest(self) -> int:
        """See `digest_of`."""
        return digest_of(self.split)
