"""What a split asks of every model, looked up once."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.evaluation.metrics import digest_of
from sasrec_fast.evaluation.scoring import looks_at_times
from sasrec_fast.store import Histories, Moments, Split, repeated_targets, timed


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

    def asked(self, model: Any, query_time: str) -> Histories:
        """What is before each target, with times for a model that looks at them.

        Args:
            model: The scorer.
            query_time: Whether it is told when the "target" was, or the "last" item before it.

        Raises:
            ValueError: It looks at times, and the data has none.
        """
        if not looks_at_times(model):
            return self.histories
        store = timed(self.split.sequences, f"the {self.split.name} split")
        ends = self.histories.ends
        moments = store.times[ends].astype(np.int64) if query_time == "target" else None
        return replace(self.histories, moments=Moments(store.times, moments))

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
